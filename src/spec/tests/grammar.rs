//! The grammar against its readers: every field is read, every value of a choice is accepted, and the JSON Schema
//! accepts and refuses the files that reading accepts and refuses.
#![allow(clippy::unwrap_used)]

use super::super::field_type::{FieldType, ObjectType};
use super::super::grammar::PIPELINE;
use super::{Fake, json_schema, parse_with};
use serde_json::{Map, Value, json};

/// The text of a file before and after a map.
type Around = (String, String);
type Visit<'a> = dyn FnMut(&FieldType, &str, &Around) + 'a;

/// Calls `visit` with each field of the language, with the text around its map in a file.
fn walk(object: &'static ObjectType, around: &Around, visit: &mut Visit<'_>) {
    for field in object.fields.iter().filter(|f| !f.is_reserved()) {
        visit(&field.field_type, field.name, around);
        inside(&field.field_type, &(format!("{}{}: ", around.0, field.name), around.1.clone()), visit);
    }
}

fn inside(shape: &'static FieldType, around: &Around, visit: &mut Visit<'_>) {
    let within = |open: &str, close: &str| (format!("{}{open}", around.0), format!("{close}{}", around.1));
    match shape {
        FieldType::Object(object) => walk(object, &within("{", "}"), visit),
        FieldType::List(item) => inside(item, &within("[", "]"), visit),
        FieldType::Map(value) => inside(value, &within("{k: ", "}"), visit),
        FieldType::AnyOf(shapes) => shapes.iter().for_each(|s| inside(s, around, visit)),
        _ => {}
    }
}

#[test]
fn every_field_of_the_grammar_is_read() {
    let mut fields = 0;
    walk(&PIPELINE, &("{".into(), "}".into()), &mut |_, name, (before, after)| {
        let file = format!("{before}{name}: {{bogus: [[1]]}}{after}\n");
        let report = parse_with(&file, &Fake::default()).unwrap_err();
        let place = before.len()..file.len() - after.len();
        let noticed = report.diagnostics().iter().any(|d| d.span.is_some_and(|s| place.contains(&s.start)));
        assert!(noticed, "nothing reads `{name}` in {file}{report}");
        fields += 1;
    });
    assert!(fields > 100, "{fields}");
}

#[test]
fn every_value_of_a_choice_is_accepted_and_every_reserved_one_refused() {
    let mut count = 0;
    walk(&PIPELINE, &("{".into(), "}".into()), &mut |shape, name, (before, after)| {
        let shapes = if let FieldType::AnyOf(shapes) = shape { shapes } else { std::slice::from_ref(shape) };
        for values in shapes.iter().filter_map(|s| if let FieldType::Choice(values) = s { Some(values) } else { None })
        {
            for value in values.iter() {
                let file = format!("{before}{name}: {}{after}\n", value.name);
                let report = parse_with(&file, &Fake::default()).map(|s| format!("{s:?}")).unwrap_err();
                let at = before.len() + name.len() + 2;
                let found: Vec<_> =
                    report.diagnostics().into_iter().filter(|d| d.span.is_some_and(|s| s.start == at)).collect();
                assert_eq!(found.iter().any(|d| d.message.contains("not supported")), value.reserved, "{report}");
                assert!(value.reserved || found.is_empty(), "{report}");
                count += 1;
            }
        }
    });
    assert!(count > 20, "{count}");
}

/// Whether a value is what a schema says: the part of JSON Schema that ours uses.
fn fits(value: &Value, schema: &Value, root: &Value) -> bool {
    let list = |key: &str| schema[key].as_array().cloned().unwrap_or_default();
    let named = schema["$ref"].as_str().is_none_or(|r| fits(value, root.pointer(&r[1..]).unwrap(), root));
    let types: Vec<_> = schema["type"]
        .as_str()
        .into_iter()
        .chain(schema["type"].as_array().into_iter().flatten().filter_map(Value::as_str))
        .collect();
    let typed = types.is_empty()
        || types.iter().any(|t| match *t {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "number" => value.is_number(),
            "integer" => value.is_u64(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            other => panic!("the schema uses the type {other}"),
        });
    let members = value.as_object().is_none_or(|map| {
        map.iter().all(|(key, value)| match (&schema["properties"][key], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(allowed)) => *allowed,
            (Value::Null, Value::Null) => true,
            (Value::Null, other) => fits(value, other, root),
            (own, _) => fits(value, own, root),
        }) && list("required").iter().all(|r| map.contains_key(r.as_str().unwrap()))
    });
    let items = value
        .as_array()
        .is_none_or(|all| all.iter().all(|v| schema["items"].is_null() || fits(v, &schema["items"], root)));
    let (any, one) = (list("anyOf"), list("oneOf"));
    let count = |all: &[Value]| all.iter().filter(|s| fits(value, s, root)).count();
    // The only pattern that matters here is that of a variable, `${`.
    let pattern =
        schema["pattern"].as_str().is_none_or(|p| p != "\\$\\{" || value.as_str().is_some_and(|v| v.contains("${")));
    named
        && typed
        && members
        && items
        && pattern
        && (any.is_empty() || count(&any) > 0)
        && (one.is_empty() || count(&one) == 1)
        && (schema["not"].is_null() || !fits(value, &schema["not"], root))
        && (schema["const"].is_null() || schema["const"] == *value)
        && (schema["enum"].is_null() || list("enum").contains(value))
}

fn design() -> Value {
    let source = json!({
        "topic": "raw", "key": "kind", "format": {"csv": {"delimiter": ";"}}, "schema": {"id": "bigint"},
        "timestamp": "ts", "watermark": {"delay": "2s", "idle": "10s", "max_ahead": "1h"}
    });
    json!({
        "name": "wine", "source": source,
        "steps": [
            "log",
            {"filter": "alcohol >= 9"},
            {"name": "scored", "score": {"model": {"by": "kind"}, "inputs": ["a", 1], "when_missing": null}},
            {"from": "scored", "window": {"tumbling": "1m", "by": ["q"], "select": {"n": "count(*)"}, "emit": "final"}}
        ],
        "sinks": ["scored", {"topic": "out", "partitions": 3}],
        "delivery": "exactly_once", "state": {"memory_limit": "1GiB"}, "kafka": {"brokers": "${B}", "topics": {
            "replication": 3, "retention": "7d", "config": {"min.insync.replicas": 2, "compression.type": "lz4"}, "create": false
        }}
    })
}

#[test]
fn the_schema_takes_good_files_and_refuses_what_reading_refuses() {
    let schema = json_schema();
    assert!(fits(&design(), &schema, &schema));
    let broken = |pointer: &str, key: &str, value: Value| {
        let mut file = design();
        let map: &mut Map<_, _> = file.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        map.insert(key.into(), value);
        !fits(&file, &schema, &schema)
    };
    assert!(broken("", "stpes", json!([])));
    assert!(broken("", "errors", json!("ignore")));
    assert!(broken("", "sink", json!("also")));
    assert!(broken("", "sources", json!({})));
    assert!(broken("/source", "table", json!({"key": "id"})));
    assert!(broken("/source/watermark", "dealy", json!("1s")));
    assert!(broken("/steps/1", "drop", json!("a")));
    assert!(broken("/steps/3/window", "hopping", json!({})));
    assert!(broken("/steps/2/score", "nulls", json!("zero")));
    assert!(broken("/state", "store", json!("disk")));
    assert!(broken("/kafka/topics", "replication", json!("three")));
    assert!(broken("/kafka/topics", "retention", json!(7)));
    assert!(broken("/kafka/topics", "partitions", json!(3)));
}

#[test]
fn the_schema_explains_every_field() {
    fn explained(schema: &Value, path: &str) {
        if let Some(properties) = schema["properties"].as_object() {
            for (name, field) in properties {
                assert!(field["description"].as_str().is_some_and(|d| d.len() > 8), "{path}/{name}");
            }
        }
    }
    let schema = json_schema();
    explained(&schema, "");
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        assert!(definition.is_object(), "{name}");
        explained(definition, name);
    }
}
