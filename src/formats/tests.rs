//! Tests of the formats against `serde_json` and against each other.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::record::parse_type;
use crate::time::rfc3339;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, BinaryArray};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const JSON: Format = Format::Json { strict: false };
const CSV: Format = Format::Csv { delimiter: b',', nulls: Vec::new() };

fn schema(fields: &[(&str, &str)]) -> SchemaRef {
    Arc::new(Schema::new(fields.iter().map(|(n, t)| Field::new(*n, parse_type(t).unwrap(), true)).collect::<Vec<_>>()))
}

fn every_type() -> SchemaRef {
    schema(&[
        ("b", "boolean"),
        ("i", "int"),
        ("l", "bigint"),
        ("f", "float"),
        ("d", "double"),
        ("s", "string"),
        ("y", "bytes"),
        ("day", "date"),
        ("at", "timestamp"),
        ("list", "list<double>"),
        ("st", "struct<a: bigint, b: list<string>>"),
        ("m", "map<string, int>"),
        ("dec", "decimal(20,4)"),
    ])
}

fn decode(format: &Format, schema: &SchemaRef, values: &[&[u8]]) -> Decoded {
    format.decoder(schema).unwrap().decode(&BinaryArray::from(values.to_vec()))
}

fn encode(format: &Format, columns: &RecordBatch) -> Vec<Vec<u8>> {
    let encoded = format.encoder(&columns.schema()).unwrap().encode(columns);
    assert_eq!(encoded.bad, []);
    encoded.values.iter().map(|v| v.unwrap().to_vec()).collect()
}

fn errors(format: &Format, schema: &SchemaRef, value: &str) -> String {
    let mut decoded = decode(format, schema, &[value.as_bytes()]);
    assert_eq!((decoded.columns.num_rows(), decoded.bad.len()), (0, 1), "{value}");
    decoded.bad.remove(0).error
}

/// A record with a value or null for each column of [`every_type`].
fn record() -> impl Strategy<Value = Map<String, Value>> {
    fn or_null(v: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
        prop_oneof![4 => v, 1 => Just(Value::Null)].boxed()
    }
    let text = || prop_oneof![any::<String>(), "[a-z\"\\\\\n,]{0,12}"];
    let finite = || any::<f64>().prop_filter("finite", |v| v.is_finite());
    let base64 = |b: Vec<u8>| {
        use base64::Engine as _;
        json!(base64::engine::general_purpose::STANDARD.encode(b))
    };
    let time =
        |at: i64, form: &str| json!(chrono::DateTime::from_timestamp_millis(at).unwrap().format(form).to_string());
    let fields: Vec<BoxedStrategy<Value>> = vec![
        or_null(any::<bool>().prop_map(Value::from)),
        or_null(any::<i32>().prop_map(Value::from)),
        or_null(any::<i64>().prop_map(Value::from)),
        or_null(
            any::<f32>()
                .prop_filter("finite", |v| v.is_finite())
                .prop_map(|v| v.to_string().parse::<f64>().unwrap().into()),
        ),
        or_null(finite().prop_map(Value::from)),
        or_null(text().prop_map(Value::from)),
        or_null(any::<Vec<u8>>().prop_map(base64)),
        or_null(rfc3339::RANGE.prop_map(move |at| time(at, "%Y-%m-%d"))),
        or_null(rfc3339::RANGE.prop_map(move |at| time(at, "%Y-%m-%dT%H:%M:%S%.3fZ"))),
        or_null(prop::collection::vec(or_null(finite().prop_map(Value::from)), 0..4).prop_map(Value::from)),
        or_null((any::<i64>(), prop::collection::vec(text(), 0..3)).prop_map(|(a, b)| json!({"a": a, "b": b}))),
        or_null(prop::collection::btree_map(text(), any::<i32>(), 0..3).prop_map(|m| json!(m))),
        or_null((-99_999_999i64..99_999_999).prop_map(|v| json!(v * 100))),
    ];
    fields.prop_map(|values| {
        let names = every_type();
        names.fields().iter().map(|f| f.name().clone()).zip(values).collect()
    })
}

/// A record with fields mostly in schema order, some of whose tokens may be wrong.
fn nearly_ordered_record() -> impl Strategy<Value = String> {
    let pick = |common: Vec<&'static str>, rare: Vec<&'static str>| prop_oneof![30 => prop::sample::select(common), 1 => prop::sample::select(rare)];
    let name = |name: &'static str| prop_oneof![30 => Just(name), 1 => prop::sample::select(vec!["id", "y", "z", "é"])];
    let value = || {
        let wrong = vec![
            "01",
            "1.",
            "-",
            "",
            "tru",
            "\"\u{1}\"",
            "é",
            "1e",
            "[",
            "1.2.3",
            "99999999999999999999",
            "\"\\ud800\"",
        ];
        let number =
            vec!["7.4", "0.125", "-12", "1700000000000", "0", "-0", "12345678", "123456789.5", "0.30000000000000004"];
        prop_oneof![30 => pick(number, vec!["1e3", "1.5e300", "1e999", "2147483648", "null", "1.0"]), 1 => prop::sample::select(wrong)]
    };
    let text = || {
        let common = vec!["\"\"", "\"a\"", "\"some longer text é\"", "\"a, b}\"", "\"a\\n\"", "\"\\u00e9\""];
        pick(common, vec!["null", "1", "\"a", "\"\\x\"", "\"\t\""])
    };
    let colon = || pick(vec![":", ": "], vec!["", " : ", "::", ":\n"]);
    let field = move |n: &'static str, v: BoxedStrategy<&'static str>| {
        (name(n), colon(), v).prop_map(|(n, c, v)| format!("\"{n}\"{c}{v}"))
    };
    let comma = pick(vec![",", ", "], vec!["", ",,", "\n,", "}", ",{"]);
    let fields = (
        field("id", value().boxed()),
        field("n", value().boxed()),
        field("x", value().boxed()),
        field("a_long_field_name", value().boxed()),
        field("s", text().boxed()),
        field("at", value().boxed()),
        field("y", value().boxed()),
    );
    (fields, prop::collection::vec(comma, 6), pick(vec!["}"], vec!["", "}}", " }", ",}", "]"])).prop_map(
        |(f, c, end)| {
            let fields = [f.0, f.1, f.2, f.3, f.4, f.5, f.6];
            let body: String = fields.iter().zip(c.iter().chain([&""])).flat_map(|(f, c)| [f.as_str(), *c]).collect();
            format!("{{{body}{end}")
        },
    )
}

/// Rounds the float and the decimal of a value to their types: `serde_json` reads `1e-45` and its longer spelling
/// as doubles that may differ in the last bit, and reads a decimal as a double.
fn round_to_types(mut value: Value) -> Value {
    if let Some(v) = value["f"].as_f64() {
        #[allow(clippy::cast_possible_truncation, reason = "this is what a float column does")]
        let short = v as f32;
        value["f"] = json!(f64::from(short));
    }
    if let Some(v) = value["dec"].as_f64() {
        value["dec"] = json!(v.round());
    }
    value
}

/// The record after a round trip through `serde_json` alone.
fn round_tripped(record: &Map<String, Value>) -> Value {
    round_to_types(serde_json::from_slice(&serde_json::to_vec(record).unwrap()).unwrap())
}

fn parsed(bytes: &[u8]) -> Value {
    round_to_types(serde_json::from_slice(bytes).unwrap())
}

proptest! {
    #[test]
    fn json_round_trips_every_type(records in prop::collection::vec(record(), 0..6), drop in any::<prop::sample::Index>()) {
        let texts: Vec<Vec<u8>> = records.iter().map(|r| {
            // The order of the fields and missing fields must not matter.
            let mut fields: Vec<_> = r.iter().filter(|(_, v)| !v.is_null()).collect();
            let rotation = drop.index(fields.len().max(1));
            if rotation < fields.len() {
                fields.rotate_left(rotation);
            }
            let mut text = b"{ \"unknown\" : [1, {\"a\": \"\\u00e9\"}]".to_vec();
            for (name, value) in fields {
                text.extend_from_slice(format!(" ,\t{} : {}", json!(name), value).as_bytes());
            }
            text.extend_from_slice(b"\n} ");
            text
        }).collect();
        let values: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
        let decoded = decode(&JSON, &every_type(), &values);
        prop_assert_eq!(&decoded.bad, &[]);
        let written = encode(&JSON, &decoded.columns);
        let again = decode(&JSON, &every_type(), &written.iter().map(Vec::as_slice).collect::<Vec<_>>());
        prop_assert_eq!(&again.columns, &decoded.columns);
        for (text, record) in written.iter().zip(&records) {
            prop_assert_eq!(parsed(text), round_tripped(record));
        }
    }

    #[test]
    fn csv_round_trips_every_type(records in prop::collection::vec(record(), 0..6), tab in any::<bool>()) {
        let texts: Vec<Vec<u8>> = records.iter().map(|r| serde_json::to_vec(r).unwrap()).collect();
        let decoded = decode(&JSON, &every_type(), &texts.iter().map(Vec::as_slice).collect::<Vec<_>>());
        prop_assert_eq!(&decoded.bad, &[]);
        let csv = Format::csv(if tab { b'\t' } else { b',' });
        let lines = encode(&csv, &decoded.columns);
        let again = decode(&csv, &every_type(), &lines.iter().map(Vec::as_slice).collect::<Vec<_>>());
        prop_assert_eq!(&again.bad, &[]);
        prop_assert_eq!(&again.columns, &decoded.columns);
    }

    #[test]
    fn decoder_accepts_exactly_what_serde_json_accepts(
        parts in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ":", ",", "\"a\"", "\"\\n\\u00e9\"", "\"\\x\"", "1", "-", "0", "1.5", "e5", ".", "true",
            "null", " ", "\\", "\"", "é", "\u{1}", "{\"a\":1}", "\"b\":[1,2]", "\"c\":",
        ]), 0..12),
        wrap in any::<bool>(),
    ) {
        let body = parts.concat();
        let text = if wrap { format!("{{\"k\":{body}}}") } else { body };
        let is_object = text.trim_start_matches([' ', '\n', '\t', '\r']).starts_with('{');
        let expected = is_object && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        let decoded = decode(&JSON, &schema(&[("z", "bigint")]), &[text.as_bytes()]);
        prop_assert_eq!(decoded.bad.is_empty(), expected, "{}: {:?}", text, decoded.bad);
    }

    #[test]
    fn the_last_duplicate_field_wins(
        fields in prop::collection::vec((prop::sample::select(vec!["a", "b", "c", "d"]), prop::sample::select(vec![
            "null", "[1]", "[]", "[2,3,4]",
        ])), 0..8),
    ) {
        let body: Vec<_> = fields.iter().map(|(n, v)| format!("\"{n}\":{v}")).collect();
        let text = format!("{{\"p\":{{{0}}},{0}}}", body.join(",")).replace(",}", "}");
        let t = "list<bigint>";
        let s = schema(&[("a", t), ("b", t), ("p", "struct<c: list<bigint>, a: list<bigint>>"), ("c", t)]);
        let decoded = decode(&JSON, &s, &[text.as_bytes(), text.as_bytes()]);
        prop_assert_eq!(&decoded.bad, &[]);
        let oracle: Value = serde_json::from_str(&text).unwrap();
        for written in encode(&JSON, &decoded.columns) {
            let written: Value = serde_json::from_slice(&written).unwrap();
            let at = |v: &Value, path: &str| v.pointer(path).cloned().unwrap_or_default();
            for path in ["/a", "/b", "/c", "/p/a", "/p/c"] {
                prop_assert_eq!(at(&written, path), at(&oracle, path), "{}", path);
            }
        }
    }

    #[test]
    fn bad_rows_are_reported_and_do_not_affect_good_rows(rows in prop::collection::vec(prop::sample::select(vec![
        (true, r#"{"l":1,"s":"a","list":[1,2],"st":{"a":1,"b":["x"]},"m":{"k":1}}"#),
        (true, r#"{"s":"é","l":2.0,"m":{"k":1,"k":2}}"#),
        (false, r#"{"l":1,"s":"a","list":[1,2],"st":{"a":1,"b":["x",5]},"m":{"k":1}}"#),
        (false, r#"{"l":1,"s":"a","m":{"k":1,"j":"x"}}"#),
        (false, r#"{"l":1,"s":"a"} x"#),
        (false, r#"{"list":[1,2,true],"l":1}"#),
        (false, "{\"s\":\"\u{1}\"}"),
        (false, ""),
    ]), 0..20)) {
        let s = every_type();
        let values: Vec<&[u8]> = rows.iter().map(|(_, t)| t.as_bytes()).collect();
        let decoded = decode(&JSON, &s, &values);
        let bad: Vec<_> = (0..rows.len()).filter(|i| !rows[*i].0).collect();
        prop_assert_eq!(decoded.bad.iter().map(|b| b.row).collect::<Vec<_>>(), bad);
        let good: Vec<&[u8]> = rows.iter().filter(|(ok, _)| *ok).map(|(_, t)| t.as_bytes()).collect();
        prop_assert_eq!(decoded.columns, decode(&JSON, &s, &good).columns);
    }

    #[test]
    fn column_order_does_not_affect_decoding(records in prop::collection::vec(nearly_ordered_record(), 1..5)) {
        let fields = [("id", "bigint"), ("n", "int"), ("x", "double"), ("a_long_field_name", "double"),
            ("s", "string"), ("at", "timestamp"), ("y", "double")];
        let mut reversed = fields;
        reversed.reverse();
        let values: Vec<&[u8]> = records.iter().map(String::as_bytes).collect();
        // The fields are in schema order for only one of the two.
        let (one, other) = (decode(&JSON, &schema(&fields), &values), decode(&JSON, &schema(&reversed), &values));
        prop_assert_eq!(&one.bad, &other.bad);
        for (name, _) in fields {
            prop_assert_eq!(one.columns.column_by_name(name), other.columns.column_by_name(name));
        }
    }

    #[test]
    fn bytes_after_a_record_do_not_affect_it(record in nearly_ordered_record(), cut in any::<prop::sample::Index>()) {
        let s = schema(&[("id", "bigint"), ("n", "int"), ("x", "double"), ("a_long_field_name", "double"),
            ("s", "string"), ("at", "timestamp"), ("y", "double")]);
        let (start, rest) = record.as_bytes().split_at(cut.index(record.len()));
        // The rest of the record directly follows it in memory.
        let (followed, alone) = (decode(&JSON, &s, &[start, rest, rest]), decode(&JSON, &s, &[start]));
        prop_assert_eq!(followed.bad.iter().filter(|b| b.row == 0).collect::<Vec<_>>(), alone.bad.iter().collect::<Vec<_>>());
        if alone.bad.is_empty() {
            prop_assert_eq!(followed.columns.slice(0, 1), alone.columns);
        }
    }

    #[test]
    fn decoders_never_panic(values in prop::collection::vec(prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        record().prop_flat_map(|r| {
            let text = serde_json::to_vec(&r).unwrap();
            (Just(text), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut t, at, b)| {
                let at = at.index(t.len());
                t[at] = b;
                t
            })
        }),
    ], 0..8)) {
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        for (format, s) in [(JSON, every_type()), (CSV, every_type()), (Format::Text, Format::Text.default_schema().unwrap())] {
            let decoded = decode(&format, &s, &values);
            prop_assert_eq!(decoded.columns.num_rows() + decoded.bad.len(), values.len());
        }
    }
}

#[test]
fn errors_name_the_field_the_found_token_and_the_byte() {
    let s = schema(&[
        ("alcohol", "double"),
        ("name", "string"),
        ("n", "int"),
        ("st", "struct<a: list<bigint>>"),
        ("at", "timestamp"),
        ("dec", "decimal(4,2)"),
    ]);
    for (text, expected) in [
        (
            r#"{"name":"red wine","alcohol": "abc"}"#,
            r#"field `alcohol`: expected a number, found string "abc" (byte 30)"#,
        ),
        (r#"{"name":12}"#, "field `name`: expected a string, found number 12 (byte 8)"),
        (r#"{"name":true}"#, "field `name`: expected a string, found `true` (byte 8)"),
        (
            r#"{"n":1.5}"#,
            "field `n`: expected a whole number of 32 bits, found number 1.5, which has more digits behind the point (byte 5)",
        ),
        (
            r#"{"n":3000000000}"#,
            "field `n`: expected a whole number of 32 bits, found number 3000000000, which is out of its range (byte 5)",
        ),
        (
            r#"{"alcohol":1e999}"#,
            "field `alcohol`: expected a number, found number 1e999, which is out of its range (byte 11)",
        ),
        (r#"{"st":{"a":[1,{}]}}"#, "field `st.a[1]`: expected a whole number, found an object (byte 14)"),
        (
            r#"{"at":"yesterday"}"#,
            r#"field `at`: expected a timestamp (such as 2026-01-31T12:00:00Z, or epoch seconds or milliseconds), found string "yesterday" (byte 6)"#,
        ),
        (
            r#"{"dec":123}"#,
            "field `dec`: expected a decimal(4,2), found number 123, which is out of its range (byte 7)",
        ),
        (
            r#"{"dec":1.234}"#,
            "field `dec`: expected a decimal(4,2), found number 1.234, which has more digits behind the point (byte 7)",
        ),
        (r#"{"name":"\ud800"}"#, "field `name`: an unpaired surrogate in a string (byte 9)"),
        (r#"{"name":"a"#, "field `name`: a string without an end (byte 8)"),
        (r#"{"n":1,}"#, "expected a field name in quotes, found `}` (byte 7)"),
        (r#"{"n":1}}"#, "expected the end of the record, found `}` (byte 7)"),
        (r#"{"n":tru}"#, "field `n`: expected a whole number of 32 bits, found `tru` (byte 5)"),
        (r#"{"x":tru}"#, "expected a value, found `tru` (byte 5)"),
        (r#"{"x":-}"#, "expected a digit, found `}` (byte 6)"),
        ("[1]", "expected an object, found a list (byte 0)"),
        ("", "expected an object, found the end (byte 0)"),
    ] {
        assert_eq!(errors(&JSON, &s, text), expected);
    }
}

#[test]
fn errors_of_strict_json_and_of_csv_name_the_field_or_the_column() {
    let s = schema(&[("n", "int"), ("st", "struct<a: list<bigint>>")]);
    let strict = Format::Json { strict: true };
    assert_eq!(errors(&strict, &s, r#"{"n":1,"alcohl":2}"#), r#"unknown field "alcohl" (byte 7)"#);
    assert_eq!(errors(&strict, &s, r#"{"st":{"b":2}}"#), r#"field `st`: unknown field "b" (byte 7)"#);
    assert_eq!(
        errors(&CSV, &schema(&[("a", "int"), ("b", "double")]), "1,x"),
        r#"column `b`: expected a number, found "x" (byte 2)"#
    );
    assert_eq!(errors(&CSV, &schema(&[("a", "int"), ("b", "double")]), "1"), "expected 2 values, found 1");
}

#[test]
fn null_non_utf8_and_too_deep_records_are_bad_rows() {
    let s = schema(&[("s", "string")]);
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    // The halves of one character at the end of one record and the start of the next.
    let values: Vec<Option<&[u8]>> =
        vec![None, Some(b"{\"s\":\"\xc3"), Some(b"\xa9\"}"), Some(deep.as_bytes()), Some(b"{}")];
    let decoded = JSON.decoder(&s).unwrap().decode(&BinaryArray::from(values.clone()));
    let bad: Vec<_> = decoded.bad.iter().map(|b| format!("{}: {}", b.row, b.error)).collect();
    assert_eq!(
        bad,
        [
            "0: the record has no value",
            "1: not valid UTF-8 (byte 6)",
            "2: not valid UTF-8 (byte 0)",
            "3: nested more than 128 deep (byte 132)"
        ]
    );
    assert_eq!(decoded.columns.num_rows(), 1);
    let text =
        Format::Text.decoder(&Format::Text.default_schema().unwrap()).unwrap().decode(&BinaryArray::from(values));
    assert_eq!(text.bad.iter().map(|b| b.row).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(text.columns.column(0).as_string::<i32>().value(1), "{}");
}

#[test]
fn decimals_keep_every_digit_through_json_and_csv() {
    let s = schema(&[("a", "decimal(38,10)")]);
    let values: [&[u8]; 4] = [
        br#"{"a":1234567890123456789012345678.0123456789}"#,
        br#"{"a":"-0.0000000001"}"#,
        br#"{"a":1e27}"#,
        br#"{"a":-1234567890123456789012345678}"#,
    ];
    let decoded = decode(&JSON, &s, &values);
    let raw = [
        12_345_678_901_234_567_890_123_456_780_123_456_789i128,
        -1,
        10i128.pow(37),
        -12_345_678_901_234_567_890_123_456_780_000_000_000,
    ];
    assert_eq!(decoded.columns.column(0).as_primitive::<Decimal128Type>().values()[..], raw);
    let csv = encode(&CSV, &decoded.columns);
    assert_eq!(csv[0], b"1234567890123456789012345678.0123456789");
    assert_eq!(csv[1], b"-0.0000000001");
    assert_eq!(encode(&JSON, &decoded.columns)[2], br#"{"a":1000000000000000000000000000.0000000000}"#);
    let again = decode(&CSV, &s, &csv.iter().map(Vec::as_slice).collect::<Vec<_>>());
    assert_eq!(again.columns, decoded.columns);
}

#[test]
fn csv_accepts_the_number_formats_of_other_writers() {
    let s = schema(&[("i", "int"), ("d", "double"), ("at", "timestamp"), ("dec", "decimal(5,2)")]);
    let decoded = decode(&CSV, &s, &[b"+007,.5,1767323045678,-01.50\r\n", b"-0,NaN,2026-01-02T03:04:05.678Z,+1"]);
    assert_eq!(decoded.bad, []);
    let column = |i: usize| decoded.columns.column(i).clone();
    assert_eq!(column(0).as_primitive::<Int32Type>().values()[..], [7, 0]);
    assert_eq!(column(1).as_primitive::<Float64Type>().iter().collect::<Vec<_>>(), [Some(0.5), None]);
    assert_eq!(encode(&CSV, &decoded.columns)[0], b"7,0.5,2026-01-02T03:04:05.678Z,-1.50");
    assert_eq!(encode(&CSV, &decoded.columns)[1], b"0,,2026-01-02T03:04:05.678Z,1.00");
}

#[test]
fn times_are_read_as_programs_write_them_and_written_in_one_form() {
    let s = schema(&[("at", "timestamp"), ("day", "date"), ("end", "double")]);
    let at = "2026-03-02T10:00:00.000Z";
    let times = ["\"2026-03-02 10:00:00\"", "\"2026-03-02T10:00\"", "1772445600", "1772445600.0", "1772445600000"];
    for time in times {
        for day in ["2026-03-02", "2026-03-02 00:00:00"] {
            // In schema order, and in another.
            for json in [
                format!("{{\"at\":{time},\"day\":\"{day}\",\"end\":1.5,\"x\":\"some more text\"}}"),
                format!("{{\"end\":1.5, \"day\":\"{day}\", \"at\":{time}}}"),
            ] {
                let decoded = decode(&JSON, &s, &[json.as_bytes()]);
                assert_eq!(decoded.bad, [], "{json}");
                let csv = encode(&CSV, &decoded.columns);
                assert_eq!(String::from_utf8_lossy(&csv[0]), format!("{at},2026-03-02,1.5"), "{json}");
            }
            let line = format!("{},{day},1.5", time.trim_matches('"'));
            let decoded = decode(&CSV, &s, &[line.as_bytes()]);
            assert_eq!(decoded.bad, [], "{line}");
            assert_eq!(encode(&CSV, &decoded.columns)[0], format!("{at},2026-03-02,1.5").into_bytes(), "{line}");
        }
    }
}

#[test]
fn csv_binds_columns_by_the_names_that_come_with_a_record() {
    let s = schema(&[("a", "int"), ("b", "string")]);
    let mut headers = crate::record::HeadersBuilder::default();
    let names: [&[u8]; 5] = [br#"["b","x","a"]"#, br#"["b","x","a"]"#, br#"["b","x"]"#, br#"["a","b","a"]"#, b"a,b"];
    for names in names {
        headers.push([("other", None), (COLUMNS_HEADER, Some(names))]);
    }
    headers.push::<&str>([]);
    let values: Vec<&[u8]> = vec![b"y,,1", b"1,z", b"1,2", b"1,2,3", b"1,2", b"7,z"];
    let mut decoder = CSV.decoder(&s).unwrap();
    let decoded = decoder.decode_records(&BinaryArray::from(values), headers.finish().as_ref());
    let rows: Vec<_> = encode(&JSON, &decoded.columns).into_iter().map(|r| String::from_utf8(r).unwrap()).collect();
    assert_eq!(rows, [r#"{"a":1,"b":"y"}"#, r#"{"a":7,"b":"z"}"#]);
    let bad: Vec<_> = decoded.bad.iter().map(|b| format!("{}: {}", b.row, b.error)).collect();
    assert_eq!(
        bad,
        [
            "1: expected 3 values, found 2",
            "2: the record has no column `a`, only `b`, `x`",
            "3: the record has two columns `a`",
            "4: the column names of the record are no JSON list of strings: expected value at line 1 column 1"
        ]
    );
    assert_eq!(decoder.decode(&BinaryArray::from(vec![&b"7,z"[..]])).columns.num_rows(), 1);
}

#[test]
fn texts_that_mean_null_are_null_unless_quoted() {
    let s = schema(&[("a", "int"), ("b", "string")]);
    let csv = Format::Csv { delimiter: b',', nulls: vec!["NA".into(), "-".into()] };
    let decoded = decode(&csv, &s, &[b"NA,-", b"-1,\"NA\"", b"1,na"]);
    assert_eq!(decoded.bad, []);
    let rows: Vec<_> = encode(&JSON, &decoded.columns).into_iter().map(|r| String::from_utf8(r).unwrap()).collect();
    assert_eq!(rows, [r#"{"a":null,"b":null}"#, r#"{"a":-1,"b":"NA"}"#, r#"{"a":1,"b":"na"}"#]);
}

#[test]
fn a_number_in_csv_has_one_sign() {
    let s = schema(&[("i", "int"), ("dec", "decimal(5,2)")]);
    assert_eq!(errors(&CSV, &s, "+-5,1"), r#"column `i`: expected a whole number of 32 bits, found "+-5" (byte 0)"#);
    for number in ["+-1", "--1", "-+1", "+", "++1"] {
        let error = format!("column `dec`: expected a decimal(5,2), found \"{number}\" (byte 2)");
        assert_eq!(errors(&CSV, &s, &format!("5,{number}")), error);
    }
}

#[test]
fn columns_of_expression_types_are_written_as_the_nearest_type() {
    use arrow_array::{ArrayRef, StringViewArray, TimestampNanosecondArray, UInt64Array};
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("u", Arc::new(UInt64Array::from(vec![u64::MAX]))),
        ("v", Arc::new(StringViewArray::from(vec!["a\u{7}"]))),
        ("t", Arc::new(TimestampNanosecondArray::from(vec![1_500_000]))),
        ("n", arrow_array::new_null_array(&DataType::Null, 1)),
        ("d", Arc::new(arrow_array::Float64Array::from(vec![5.0]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let expected = br#"{"u":18446744073709551615,"v":"a\u0007","t":"1970-01-01T00:00:00.001Z","n":null,"d":5.0}"#;
    assert_eq!(encode(&JSON, &batch)[0], expected);
}

#[test]
fn rows_without_an_encoding_are_bad_and_null() {
    let s = schema(&[("at", "timestamp"), ("l", "bigint")]);
    let at = arrow_array::TimestampMillisecondArray::from(vec![0, i64::MAX, 1]).with_timezone("UTC");
    let l = arrow_array::Int64Array::from(vec![1, 2, 3]);
    let batch = RecordBatch::try_new(s.clone(), vec![Arc::new(at), Arc::new(l)]).unwrap();
    for format in [JSON, CSV] {
        let encoded = format.encoder(&s).unwrap().encode(&batch);
        assert_eq!((encoded.values.len(), encoded.values.null_count(), encoded.bad.len()), (3, 1, 1));
        assert_eq!(
            encoded.bad[0].error,
            "field `at`: the time 9223372036854775807 ms is outside of the years 0000 to 9999"
        );
        assert_eq!(encoded.bad[0].row, 1);
    }
}

#[test]
fn a_sliced_batch_decodes_only_its_rows() {
    let values = BinaryArray::from(vec![&br#"{"l":1}"#[..], br#"{"l":2}"#, b"x", br#"{"l":4}"#]).slice(1, 3);
    let decoded = JSON.decoder(&schema(&[("l", "bigint")])).unwrap().decode(&values);
    assert_eq!(decoded.columns.column(0).as_primitive::<Int64Type>().values()[..], [2, 4]);
    assert_eq!(decoded.bad[0].row, 1);
    let bytes = Format::Bytes.default_schema().unwrap();
    let all = Format::Bytes.decoder(&bytes).unwrap().decode(&values);
    assert_eq!(Format::Bytes.encoder(&bytes).unwrap().encode(&all.columns).values, values);
}

#[test]
fn unsupported_schemas_are_errors() {
    let two = schema(&[("a", "string"), ("b", "string")]);
    let error = Format::Text.encoder(&two).err().unwrap().to_string();
    assert_eq!(error, "the format `text` holds exactly one column, but here are 2");
    let odd: SchemaRef = Arc::new(Schema::new(vec![Field::new("a", DataType::UInt8, true)]));
    let error = JSON.decoder(&odd).err().unwrap().to_string();
    assert_eq!(error, "the column `a` is of the type UInt8, which json cannot hold");
}
