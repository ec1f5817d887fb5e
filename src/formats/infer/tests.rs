//! What is inferred from samples, and what is said about it.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::record::type_name;

fn json(samples: &[&str]) -> Result<Inferred, InferError> {
    infer_json((1..).zip(samples.iter().map(|s| s.as_bytes())))
}

fn csv(header: &str, rows: &[&str]) -> Result<Inferred, InferError> {
    infer_csv(header.as_bytes(), (2..).zip(rows.iter().map(|r| r.as_bytes())), b',')
}

fn columns(inferred: &Inferred) -> Vec<String> {
    inferred.schema.fields().iter().map(|f| format!("{}: {}", f.name(), type_name(f.data_type()))).collect()
}

#[test]
fn a_schema_has_the_fields_of_all_samples() {
    let found = json(&[
        r#"{"id":1,"at":"2026-01-02T03:04:05Z","n":null,"e":{},"t":[]}"#,
        r#"{"id":2.5,"at":"2026-01-02T03:04:05+01:00","p":{"a":1},"t":["x"]}"#,
        r#"{"n":true,"d":"2026-01-02","p":{"b":18446744073709551615,"c":-12345678901234567890123}}"#,
    ])
    .unwrap();
    assert_eq!(
        columns(&found),
        [
            "id: double",
            "at: timestamp",
            "n: boolean",
            "t: list<string>",
            "p: struct<a: bigint, b: decimal(38,0), c: decimal(38,0)>",
            "d: date"
        ]
    );
    assert_eq!(found.notes, ["`e` is left out: it has no fields"]);
}

#[test]
fn names_in_a_type_are_quoted_where_they_must_be() {
    let found = json(&[r#"{"first-name":1,"p":{"first-name":1,"":2,"q":{}}}"#]).unwrap();
    assert_eq!(columns(&found), ["first-name: bigint", "p: struct<\"first-name\": bigint>"]);
    assert_eq!(found.notes, ["`p.` is left out: its name is empty", "`p.q` is left out: it has no fields"]);
}

#[test]
fn a_conflict_names_the_field_and_both_types() {
    let error = json(&[r#"{"p":{"a":1}}"#, r#"{"p":{"a":"x"}}"#]).unwrap_err().to_string();
    assert_eq!(error, "line 2: field `p.a` is a string here and a bigint before, and no type holds both");
    let mixed = json(&[r#"{"a":[1,"x"]}"#]).unwrap_err().to_string();
    let reason = "line 1: `a[]` is a string here and a bigint before, and no type holds both (byte 8)";
    assert_eq!(mixed, format!("none is valid; the first: {reason}"));
    assert!(json(&["[1]"]).unwrap_err().to_string().contains("expected an object, found a list"));
    assert_eq!(json(&[]).unwrap_err(), InferError::Empty);
}

#[test]
fn broken_samples_are_skipped_and_counted() {
    let found = json(&[r#"{"a":1}"#, "{\"a\":", r#"{"a":1e999}"#, r#"{"a":2}"#]).unwrap();
    assert_eq!((columns(&found), found.skipped), (vec!["a: bigint".to_owned()], 2));
    assert_eq!(found.first_skipped.unwrap(), "line 2: expected a value, found the end (byte 5)");
    let found = csv("a,b", &["1", "1,2", "1,\"2"]).unwrap();
    assert_eq!((columns(&found).join(" "), found.skipped), ("a: bigint b: bigint".into(), 2));
    assert_eq!(found.first_skipped.unwrap(), "line 2: expected 2 values, found 1");
    let none = csv("a,b", &["1", "2"]).unwrap_err().to_string();
    assert_eq!(none, "none is valid; the first: line 2: expected 2 values, found 1");
}

#[test]
fn why_a_field_became_a_string_is_said() {
    let found =
        json(&[r#"{"at":"2026-01-02","x":null}"#, r#"{"at":"2026-01-02T10:00:00"}"#, r#"{"at":"soon"}"#]).unwrap();
    assert_eq!(
        found.notes,
        ["`at` is a string: line 3 has no timestamp, as the lines before", "`x` is a string: no line has a value"]
    );
    let found = csv("ms,user", &["1,1", "x,ada", "3,grace"]).unwrap();
    assert_eq!(columns(&found), ["ms: string", "user: string"]);
    assert_eq!(found.notes, ["`ms` is a string: line 3 has \"x\"; 2 of 3 values are bigint"]);
}

#[test]
fn csv_columns_take_their_names_from_the_header() {
    let found = csv("a,zip, day,ok,mixed", &["1,007,,true,x", "2.5,12,2026-01-02,false,3"]).unwrap();
    assert_eq!(columns(&found), ["a: double", "zip: string", "day: date", "ok: boolean", "mixed: string"]);
    assert_eq!(csv("a,b,a", &["1,2,3"]).unwrap_err().to_string(), "the column names: there are two columns `a`");
    // pandas writes its index as a column without a name.
    let index = csv(",a", &["0,1"]).unwrap();
    assert_eq!(
        (columns(&index).join(""), index.notes.join("")),
        ("a: bigint".into(), "`` is left out: its name is empty".into())
    );
}

#[test]
fn texts_for_missing_values_are_null_in_columns_with_a_type() {
    let found = csv("n,country,d", &["1,NA,null", "NA,DE,", "3,FR,2026-01-02"]).unwrap();
    assert_eq!(columns(&found), ["n: bigint", "country: string", "d: date"]);
    assert_eq!(found.nulls, ["NA", "null"]);
    let names = csv("country", &["NA", "DE"]).unwrap();
    assert_eq!((columns(&names).join(""), names.nulls.len()), ("country: string".into(), 0));
    let quoted = csv("n", &["1", "\"NA\""]).unwrap();
    assert_eq!((columns(&quoted).join(""), quoted.nulls.len()), ("n: string".into(), 0));
}
