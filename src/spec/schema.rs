//! The JSON Schema of pipeline files, from the grammar.
//!
//! Separate from the grammar so that the table stays a table. It adds no rule that lowering does not have.

use super::grammar::{PIPELINE, STEP};
use super::shape::{Object, Shape, Word};
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

fn object(object: &'static Object, definitions: &mut Map<String, Value>) -> Map<String, Value> {
    let mut properties = Map::new();
    for field in object.fields.iter().filter(|f| !f.is_later()) {
        let mut schema = shape(&field.shape, definitions);
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
        let operators = object.names().filter(|n| !matches!(*n, "name" | "from"));
        let one: Vec<_> = operators.map(|n| json!({"required": [n]})).collect();
        schema.insert("oneOf".into(), one.into());
    }
    schema
}

fn shape(of: &'static Shape, definitions: &mut Map<String, Value>) -> Map<String, Value> {
    let value = match of {
        Shape::Name => json!({"type": ["string", "number"], "pattern": "^[A-Za-z0-9._-]{1,249}$|\\$\\{"}),
        // YAML reads some texts as numbers or truth values; all of them are texts to fastdata.
        Shape::Text => json!({"type": ["string", "number", "boolean"]}),
        Shape::Sql => json!({"type": ["string", "number", "boolean", "null"]}),
        Shape::Type => json!({
            "type": "string",
            "examples": [
                "boolean", "int", "bigint", "float", "double", "decimal(10,2)", "string", "bytes", "date", "timestamp",
                "list<string>", "struct<a: bigint>", "map<string, double>"
            ]
        }),
        Shape::Switch => json!({"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": "\\$\\{"}]}),
        Shape::Number => {
            json!({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "\\$\\{"}]})
        }
        Shape::Duration => {
            json!({"type": "string", "pattern": "^[0-9]+ ?[a-z]|\\$\\{", "examples": ["500ms", "2s", "10 min", "1h 30m"]})
        }
        Shape::Size => {
            json!({"type": "string", "pattern": "^[0-9]+ ?[KMGkmg]?[Ii]?[Bb]$|\\$\\{", "examples": ["512MiB", "1GiB"]})
        }
        Shape::Choice(words) => json!({"oneOf": choice(words)}),
        Shape::Object(named) => {
            let key = named.name.trim_matches('`').replace("a ", "each_");
            if !definitions.contains_key(&key) {
                definitions.insert(key.clone(), Value::Null);
                let schema = object(named, definitions);
                definitions.insert(key.clone(), Value::Object(schema));
            }
            json!({"$ref": format!("#/$defs/{key}")})
        }
        Shape::List(item) => json!({"type": "array", "items": shape(item, definitions)}),
        Shape::Map(value) => json!({"type": "object", "additionalProperties": shape(value, definitions)}),
        Shape::Any(shapes) => {
            let all: Vec<_> = shapes.iter().map(|s| Value::Object(shape(s, definitions))).collect();
            json!({"anyOf": all})
        }
        Shape::Later => json!(false),
    };
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn choice(words: &[Word]) -> Vec<Value> {
    let constant = |w: &Word| match w.name {
        // Unquoted, YAML makes this word a null.
        "null" => json!({"enum": ["null", null], "description": w.doc}),
        name => json!({"const": name, "description": w.doc}),
    };
    words.iter().filter(|w| !w.later).map(constant).chain([json!({"type": "string", "pattern": "\\$\\{"})]).collect()
}
