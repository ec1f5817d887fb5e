//! The JSON Schema of pipeline files, from the grammar. It has no rule that lowering does not have.

use super::field_type::{EnumValue, FieldType, ObjectType};
use super::grammar::{PIPELINE, STEP};
use super::operators::OPERATORS;
use serde_json::{Map, Value, json};

/// JSON Schema (draft 2020-12) of the pipeline file, for editors to complete and explain it.
#[must_use]
pub fn json_schema() -> Value {
    let mut definitions = Map::new();
    let mut schema = object(&PIPELINE, &mut definitions);
    schema.insert("oneOf".into(), json!([{"required": ["source"]}, {"required": ["sources"]}]));
    schema.insert("not".into(), json!({"required": ["sink", "sinks"]}));
    let mut root = Map::new();
    root.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    root.insert("title".into(), "fastdata pipeline".into());
    root.extend(schema);
    root.insert("$defs".into(), Value::Object(definitions));
    Value::Object(root)
}

fn object(object: &'static ObjectType, definitions: &mut Map<String, Value>) -> Map<String, Value> {
    let mut properties = Map::new();
    for field in object.fields.iter().filter(|f| !f.is_reserved()) {
        let mut schema = field_type(&field.field_type, definitions);
        schema.insert("description".into(), field.doc.into());
        properties.insert(field.name.into(), Value::Object(schema));
    }
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), Value::Object(properties));
    schema.insert("additionalProperties".into(), false.into());
    if !object.required.is_empty() {
        schema.insert("required".into(), object.required.into());
    }
    if std::ptr::eq(object, &STEP) {
        let one: Vec<_> = OPERATORS.iter().map(|d| json!({"required": [d.keyword()]})).collect();
        schema.insert("oneOf".into(), one.into());
    }
    schema
}

fn field_type(of: &'static FieldType, definitions: &mut Map<String, Value>) -> Map<String, Value> {
    let value = match of {
        FieldType::Name => json!({"type": ["string", "number"], "pattern": "^[A-Za-z0-9._-]{1,249}$|\\$\\{"}),
        // YAML reads some texts as numbers or booleans; fastdata takes all of them as text.
        FieldType::Text => json!({"type": ["string", "number", "boolean"]}),
        FieldType::Sql => json!({"type": ["string", "number", "boolean", "null"]}),
        FieldType::Type => json!({
            "type": "string",
            "examples": [
                "boolean", "int", "bigint", "float", "double", "decimal(10,2)", "string", "bytes", "date", "timestamp",
                "list<string>", "struct<a: bigint>", "map<string, double>"
            ]
        }),
        FieldType::Boolean => json!({"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": "\\$\\{"}]}),
        FieldType::Number => {
            json!({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "\\$\\{"}]})
        }
        FieldType::Duration => {
            json!({"type": "string", "pattern": "^[0-9]+ ?[a-z]|\\$\\{", "examples": ["500ms", "2s", "10 min", "1h 30m"]})
        }
        FieldType::Size => {
            json!({"type": "string", "pattern": "^[0-9]+ ?[KMGkmg]?[Ii]?[Bb]$|\\$\\{", "examples": ["512MiB", "1GiB"]})
        }
        FieldType::Choice(values) => json!({"oneOf": choice(values)}),
        FieldType::Object(named) => {
            let key = named.name.trim_matches('`').replace("a ", "each_");
            if !definitions.contains_key(&key) {
                definitions.insert(key.clone(), Value::Null);
                let schema = object(named, definitions);
                definitions.insert(key.clone(), Value::Object(schema));
            }
            json!({"$ref": format!("#/$defs/{key}")})
        }
        FieldType::List(item) => json!({"type": "array", "items": field_type(item, definitions)}),
        FieldType::Map(value) => json!({"type": "object", "additionalProperties": field_type(value, definitions)}),
        FieldType::AnyOf(types) => {
            let all: Vec<_> = types.iter().map(|t| Value::Object(field_type(t, definitions))).collect();
            json!({"anyOf": all})
        }
        FieldType::Reserved => json!(false),
    };
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn choice(values: &[EnumValue]) -> Vec<Value> {
    let constant = |v: &EnumValue| match v.name {
        // YAML reads it as null unless it is quoted.
        "null" => json!({"enum": ["null", null], "description": v.doc}),
        name => json!({"const": name, "description": v.doc}),
    };
    values
        .iter()
        .filter(|v| !v.reserved)
        .map(constant)
        .chain([json!({"type": "string", "pattern": "\\$\\{"})])
        .collect()
}
