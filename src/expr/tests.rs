//! Expressions from text to values and errors; most cases pass through all files of the module.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::record::{Batch, HeadersBuilder, Meta, Origins, TopicPartition, parse_type, timestamp};
use arrow_array::builder::{Float64Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, StructArray,
    TimestampMillisecondArray,
};
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema};
use datafusion_common::ScalarValue;
use datafusion_expr::EmitTo;
use proptest::prelude::{any, prop_assert, proptest};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

fn batch(columns: Vec<(&str, ArrayRef)>) -> Batch {
    let rows = columns.first().map_or(0, |c| c.1.len());
    let fields: Vec<_> = columns.iter().map(|(n, a)| Field::new(*n, a.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|c| c.1).collect();
    let numbers = |from: i64| (from..from + i64::try_from(rows).unwrap()).collect::<Vec<_>>().into();
    let mut headers = HeadersBuilder::default();
    (0..rows).for_each(|i| match i {
        1 => headers.push([("k", Some(&b"v"[..])), ("n", None)]),
        _ => headers.push::<&str>([]),
    });
    Batch {
        columns: RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap(),
        meta: Meta {
            origins: Origins::one(Arc::new(TopicPartition::new("raw", 3))),
            order: numbers(100),
            offsets: numbers(100),
            timestamps: numbers(1_700_000_000_000),
            event_times: numbers(0),
            watermarks: numbers(0),
            keys: BinaryArray::from_opt_vec((0..rows).map(|i| (i != 0).then_some(&b"key"[..])).collect()),
            headers: headers.finish(),
            value_nulls: (rows > 1).then(|| (0..rows).map(|i| i != 1).collect()),
        },
    }
}

fn wine() -> Batch {
    let mut scores = ListBuilder::new(Float64Builder::new());
    for list in [Some(vec![Some(0.1), Some(0.7), Some(0.7)]), None, Some(vec![Some(f64::NAN), None, Some(-1.0)])] {
        scores.append_option(list);
    }
    let inner: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let address = StructArray::new(Fields::from(vec![Field::new("Zip", DataType::Int64, true)]), vec![inner], None);
    let times = TimestampMillisecondArray::from(vec![0, 1_000, 1_704_067_200_000]).with_timezone("UTC");
    batch(vec![
        ("alcohol", Arc::new(Float64Array::from(vec![Some(9.5), Some(12.0), None]))),
        ("pH", Arc::new(Float64Array::from(vec![3.1, 4.2, 3.3]))),
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("kind", Arc::new(StringArray::from(vec![Some("red"), Some("7"), None]))),
        ("fixed acidity", Arc::new(Float64Array::from(vec![7.4, 7.8, 8.0]))),
        ("scores", Arc::new(scores.finish())),
        ("address", Arc::new(address)),
        ("ts", Arc::new(times)),
        ("body", Arc::new(StringArray::from(vec![r#"{"a":{"b":[1,"x"]}}"#, "not json", r#"{"a":null}"#]))),
    ])
}

fn scope(batch: &Batch) -> Scope {
    Scope::new(batch.columns.schema())
}

fn compile(sql: &str) -> Result<Expr, ExprError> {
    Expr::compile(sql, &scope(&wine()), &Functions::new())
}

/// The values as text, one per row, nulls as `-`.
fn values(sql: &str) -> Vec<String> {
    let batch = wine();
    let expr = compile(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    let Evaluated { array, bad } = expr.evaluate(&batch);
    assert!(bad.is_empty(), "{sql}: {bad:?}");
    assert_eq!(array.data_type(), expr.data_type(), "{sql}");
    assert_eq!(array.len(), 3, "{sql}");
    shown(&array)
}

fn shown(array: &ArrayRef) -> Vec<String> {
    let options = arrow_cast::display::FormatOptions::new().with_null("-");
    let format = arrow_cast::display::ArrayFormatter::try_new(array, &options).unwrap();
    (0..array.len()).map(|i| format.value(i).to_string()).collect()
}

fn error(sql: &str) -> (String, String, String) {
    let e = compile(sql).err().unwrap_or_else(|| panic!("{sql} compiled"));
    let at = e.at.map_or("nowhere".to_owned(), |at| sql[at].to_owned());
    (e.message, at, e.hint.unwrap_or_default())
}

#[test]
fn names_match_exactly_or_ignore_case() {
    assert_eq!(values("pH"), ["3.1", "4.2", "3.3"]);
    assert_eq!(values("PH + Alcohol"), ["12.6", "16.2", "-"]);
    assert_eq!(values("\"fixed acidity\" * 10"), ["74.0", "78.0", "80.0"]);
    assert_eq!(values("address.zip"), ["1", "2", "3"]);
    assert_eq!(values("ADDRESS.\"Zip\" + address['Zip']"), ["2", "4", "6"]);
    assert_eq!(compile("ph").unwrap().column(), Some("pH"));
    assert_eq!(compile("ph + 0.5").unwrap().column(), None);
}

#[test]
fn dialect_and_functions_are_those_of_datafusion() {
    assert_eq!(values("scores[2]"), ["0.7", "-", "-"]);
    assert_eq!(values("kind || '!'"), ["red!", "7!", "-"]);
    assert_eq!(values("EXTRACT(year FROM ts)"), ["1970", "1970", "2024"]);
    assert_eq!(values("upper(kind)"), ["RED", "7", "-"]);
    assert_eq!(values("kind IN ('red', 'white')"), ["true", "false", "-"]);
    assert_eq!(values("CASE WHEN id > 2 THEN 'many' ELSE 'few' END"), ["few", "few", "many"]);
    assert_eq!(values("coalesce(alcohol, 0)"), ["9.5", "12.0", "0.0"]);
    assert_eq!(values("substring(kind FROM 1 FOR 2)"), ["re", "7", "-"]);
    assert_eq!(values("trim(BOTH 'r' FROM kind)"), ["ed", "7", "-"]);
    assert_eq!(values("position('e' IN kind)"), ["2", "0", "-"]);
    assert_eq!(values("TRY_CAST(kind AS int)"), ["-", "7", "-"]);
    assert_eq!(values("id BETWEEN 2 AND 3 AND NOT id = 2"), ["false", "false", "true"]);
    assert_eq!(values("kind IS NULL"), ["false", "false", "true"]);
    assert_eq!(values("{'a': id}.a"), ["1", "2", "3"]);
    assert_eq!(values("'x'"), ["x", "x", "x"]);
    assert_eq!(values("cardinality(scores)"), ["3", "-", "3"]);
    assert_eq!(values("kind LIKE 'r%' OR kind ~ '^[0-9]$'"), ["true", "true", "-"]);
}

#[test]
fn timestamps_are_milliseconds_in_utc() {
    assert_eq!(values("ts >= '2024-01-01'"), ["false", "false", "true"]);
    assert_eq!(values("ts = TIMESTAMP '1970-01-01T00:00:01Z'"), ["false", "true", "false"]);
    assert_eq!(values("CAST(id AS timestamp)")[0], "1970-01-01T00:00:00.001Z");
    assert_eq!(values("to_timestamp(id)")[1], "1970-01-01T00:00:02Z");
    assert_eq!(values("date_trunc('day', ts + INTERVAL '1 hour')")[2], "2024-01-01T00:00:00Z");
    assert_eq!(values("ts - ts"), ["0", "0", "0"]);
    for sql in ["to_timestamp(id)", "now()", "date_bin(INTERVAL '1 minute', ts)", "CAST('2024-01-01' AS timestamp)"] {
        assert_eq!(compile(sql).unwrap().data_type(), &timestamp(), "{sql}");
    }
}

#[test]
fn results_have_only_types_that_a_pipeline_file_can_name() {
    for (sql, name) in [
        ("arrow_cast(kind, 'Utf8View')", "string"),
        ("CAST(id AS tinyint)", "int"),
        ("arrow_cast(id, 'UInt64')", "bigint"),
        ("id / 2", "bigint"),
        ("CAST(alcohol AS float)", "float"),
        ("CAST(id AS decimal(10,2))", "decimal(10,2)"),
        ("CAST(kind AS bytes)", "bytes"),
        ("CAST(ts AS date)", "date"),
        ("[id, 2]", "list<bigint>"),
        ("struct(id, kind)", "struct<c0: bigint, c1: string>"),
        ("MAP {'a': id}", "map<string, bigint>"),
        ("_headers", "map<string, bytes>"),
        ("softmax(scores)", "list<double>"),
        ("argmax(scores)", "bigint"),
        ("random()", "double"),
        ("current_date", "date"),
        ("arrow_cast(kind, 'Dictionary(Int32, Utf8)')", "string"),
    ] {
        let expr = compile(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        assert_eq!(expr.data_type(), &parse_type(name).unwrap(), "{sql}");
        if !sql.contains("CAST(kind") {
            let Evaluated { array, bad } = expr.evaluate(&wine());
            assert!(bad.is_empty(), "{sql}: {bad:?}");
            assert_eq!(array.data_type(), expr.data_type(), "{sql}");
        }
    }
    assert_eq!(error("NULL").0, "the type of this expression is not known: it is always null");
    assert_eq!(error("INTERVAL '1 day'").0, "an interval cannot be a column");
}

#[test]
fn meta_columns_are_in_scope_and_columns_hide_them() {
    assert_eq!(values("_topic || '/' || _partition || '@' || _offset"), ["raw/3@100", "raw/3@101", "raw/3@102"]);
    assert_eq!(values("CAST(_key AS string)"), ["-", "key", "key"]);
    assert_eq!(values("CAST(_headers['k'] AS string)"), ["-", "v", "-"]);
    assert_eq!(values("cardinality(_headers)"), ["0", "2", "0"]);
    assert_eq!(values("_value_null"), ["false", "true", "false"]);
    assert_eq!(values("_timestamp")[0], "2023-11-14T22:13:20Z");
    let own = batch(vec![("_key", Arc::new(Int64Array::from(vec![5])))]);
    let expr = Expr::compile("_key + 1", &scope(&own), &Functions::new()).unwrap();
    assert_eq!(shown(&expr.evaluate(&own).array), ["6"]);
    let bare = Scope::without_meta(own.columns.schema());
    assert!(Expr::compile("_offset", &bare, &Functions::new()).is_err());
}

#[test]
fn own_functions_handle_nulls_and_edge_cases() {
    assert_eq!(values("argmax(scores)"), ["1", "-", "2"]);
    assert_eq!(values("argmax([id, 5 - id])"), ["1", "1", "0"]);
    assert_eq!(values("argmax([])"), ["-", "-", "-"]);
    assert_eq!(values("softmax([id, id])"), ["[0.5, 0.5]", "[0.5, 0.5]", "[0.5, 0.5]"]);
    assert_eq!(values("softmax([1000.0, 0.0])[1]"), ["1.0", "1.0", "1.0"]);
    assert_eq!(values("softmax(scores) IS NULL"), ["false", "true", "true"]);
    assert_eq!(values("json_get(body, 'a.b[1]')"), ["x", "-", "-"]);
    assert_eq!(values("json_get(body, '$.a')"), [r#"{"b":[1,"x"]}"#, "-", "-"]);
    assert_eq!(values("json_get(body, '$[''a''].b[0]')"), ["1", "-", "-"]);
    assert_eq!(values("json_get(body, kind)"), ["-", "-", "-"]);
    let numbers = r#"{"n": 12345678901234567890123, "m": [0.10, 1e400, -0], "o": {"p" : 1.50}}"#;
    for (path, expected) in
        [("n", "12345678901234567890123"), ("m[0]", "0.10"), ("m", "[0.10,1e400,-0]"), ("o", r#"{"p":1.50}"#)]
    {
        assert_eq!(values(&format!("json_get('{numbers}', '{path}')"))[0], expected);
    }
    assert_eq!(values("json_get(NULL, 'a')"), ["-", "-", "-"]);
    assert_eq!(error("json_get(body, 'a[')").0, "`a[` is not a path: write `a.b[0]`");
    assert_eq!(error("1 + argmax(kind)").1, "argmax(kind)");
}

#[test]
fn errors_point_at_what_is_wrong() {
    let of = |m: &str, at: &str, hint: &str| (m.to_owned(), at.to_owned(), hint.to_owned());
    assert_eq!(error("1 + alcoholl * 2"), of("unknown column `alcoholl`", "alcoholl", "did you mean `alcohol`?"));
    assert_eq!(error("id > 1\n  AND zzzz > 2").1, "zzzz");
    assert!(error("zzzz").2.starts_with("columns in scope: alcohol, pH, id, kind, \"fixed acidity\", scores"));
    assert_eq!(error("\"ph\" > 1"), of("unknown column `ph`", "\"ph\"", "did you mean `pH`?"));
    assert_eq!(error("address.zap"), of("`address` has no field `zap`", "zap", "did you mean `Zip`?"));
    assert_eq!(error("id.x").0, "`id` has no fields: it is a bigint");
    assert_eq!(error("1 + absx(id)"), of("unknown function `absx`", "absx", "did you mean `abs`?"));
    assert_eq!(error("1 + sum(id)").0, "the aggregate `sum` is not allowed here");
    assert_eq!(error("1 + sum(id)").1, "sum");
    assert_eq!(
        error("row_number() OVER (ORDER BY id)").0,
        "`row_number` with OVER: window functions are not allowed here"
    );
    assert_eq!(error("id IN (SELECT 1)").0, "a subquery is not allowed in an expression");
    assert_eq!(error("(SELECT 1) + 1").0, "a subquery is not allowed in an expression");
    assert_eq!(error("EXISTS (SELECT 1)").0, "a subquery is not allowed in an expression");
    assert_eq!(error("id + $1").1, "$1");
    assert_eq!(error("abs(*)").0, "`*` cannot be an argument of `abs`");
    assert_eq!(error("unnest(scores)").2, "use a `flatten` step to make rows of a list");
    assert_eq!(error("id id").0, "unexpected `id` after the end of the expression");
    assert_eq!(error("id = 1; DROP TABLE x").1, ";");
}

#[test]
fn type_errors_are_located_and_readable() {
    let (message, at, _) = error("id > 0 AND abs(kind) > 3");
    assert_eq!(at, "abs(kind)", "{message}");
    assert!(!message.contains('\n') && !message.contains("Utf8"), "{message}");
    let (message, at, _) = error("1 + (scores + 1)");
    assert_eq!(at, "scores + 1", "{message}");
    let (message, at, _) = error("id > 0 AND ts > 'yesterday'");
    assert_eq!(at, "ts > 'yesterday'", "{message}");
    assert_eq!(error("1 + CAST('abc' AS bigint)").0, "Cannot cast string 'abc' to value of bigint type");
    assert_eq!(error("id + 1 / 0").0, "division by zero");
    let (message, at, _) = error("id + (9223372036854775807 + 1)");
    assert!(message.starts_with("Overflow happened on"), "{message}");
    assert_eq!(at, "9223372036854775807 + 1");
}

#[test]
fn a_predicate_must_be_boolean_and_null_is_false() {
    let batch = wine();
    let predicate = |sql: &str| Predicate::compile(sql, &scope(&batch), &Functions::new());
    let (mask, bad) = predicate("alcohol >= 9 AND ph < 4").unwrap().evaluate(&batch);
    assert_eq!((mask, bad), (BooleanArray::from(vec![true, false, false]), vec![]));
    let e = predicate("id + 1").unwrap_err();
    assert_eq!((e.message.as_str(), e.at), ("a condition is boolean, but this is bigint", Some(0..6)));
    let (mask, bad) = predicate("CAST(kind AS int) > 5").unwrap().evaluate(&batch);
    assert_eq!(mask, BooleanArray::from(vec![false, true, false]));
    assert_eq!(bad.len(), 1);
}

#[test]
fn each_bad_row_has_its_message_and_other_rows_keep_their_values() {
    let batch = batch(vec![
        ("a", Arc::new(StringArray::from(vec!["1", "x", "3", "", "5"]))),
        ("n", Arc::new(Int64Array::from(vec![1, 0, i64::MAX, 2, 5]))),
    ]);
    let evaluate = |sql: &str| {
        let Evaluated { array, bad } = Expr::compile(sql, &scope(&batch), &Functions::new()).unwrap().evaluate(&batch);
        (shown(&array), bad.into_iter().map(|b| (b.row, b.error)).collect::<Vec<_>>())
    };
    let (array, bad) = evaluate("CAST(a AS bigint) * 2");
    assert_eq!(array, ["2", "-", "6", "-", "10"]);
    assert_eq!(bad[0], (1, "`CAST(a AS bigint) * 2`: Cannot cast string 'x' to value of bigint type".into()));
    assert_eq!(bad[1].0, 3);
    let (array, bad) = evaluate("10 / n");
    assert_eq!(array, ["10", "-", "0", "5", "2"]);
    assert_eq!(bad, [(1, "`10 / n`: division by zero".to_owned())]);
    let (array, bad) = evaluate("n + 1");
    assert_eq!(array, ["2", "1", "-", "3", "6"]);
    assert_eq!(bad[0].0, 2);
    assert_eq!(evaluate("CASE WHEN n = 0 THEN 0 ELSE 10 / n END").0, ["10", "0", "0", "5", "2"]);
    let empty = batch.filter(&BooleanArray::from(vec![false; 5]));
    let none = Expr::compile("10 / n", &scope(&empty), &Functions::new()).unwrap().evaluate(&empty);
    assert_eq!((none.array.len(), none.bad.len()), (0, 0));
}

#[test]
fn integers_never_wrap() {
    let batch = batch(vec![
        ("i", Arc::new(arrow_array::Int32Array::from(vec![i32::MIN, -1, 7]))),
        ("n", Arc::new(Int64Array::from(vec![i64::MIN, -1, 7]))),
        ("x", Arc::new(Float64Array::from(vec![-1e300, 2e18, 7.0]))),
    ]);
    let bad = |sql: &str| {
        let Evaluated { array, bad } = Expr::compile(sql, &scope(&batch), &Functions::new()).unwrap().evaluate(&batch);
        (shown(&array), bad.iter().map(|b| b.row).collect::<Vec<_>>())
    };
    let of = |values: [&str; 3], rows: &[usize]| (values.map(str::to_owned).to_vec(), rows.to_vec());
    for (i, n) in [("-i", "-n"), ("abs(i)", "abs(n)"), ("i * i", "n * n"), ("i - 1 - 2", "n - 1 - 2")] {
        for sql in [n, i] {
            // With a literal, which is a bigint, an int is one too.
            let rows: &[usize] = if sql == "i - 1 - 2" { &[] } else { &[0] };
            assert_eq!(bad(sql).1, rows, "{sql}");
        }
    }
    assert_eq!(bad("-n"), of(["-", "1", "-7"], &[0]));
    assert_eq!(bad("-i"), of(["-", "1", "-7"], &[0]));
    assert_eq!(bad("n / -1"), of(["-", "1", "-7"], &[0]));
    assert_eq!(bad("n % -1"), of(["0", "0", "0"], &[]));
    assert_eq!(bad("i / i"), of(["1", "1", "1"], &[]));
    assert_eq!(bad("-(-n)"), of(["-9223372036854775808", "-1", "7"], &[]));
    assert_eq!(bad("n + n + n").1, [0]);
    assert_eq!(bad("i + i").1, [0]);
    assert_eq!(bad("CAST(n AS int)"), of(["-", "-1", "7"], &[0]));
    assert_eq!(bad("CAST(x AS bigint)"), of(["-", "2000000000000000000", "7"], &[0]));
    assert_eq!(bad("CAST(x AS int)"), of(["-", "-", "7"], &[0, 1]));
    assert_eq!(bad("CAST(n AS decimal(10,0))").1, [0]);
    assert_eq!(bad("lcm(n, 3)").1, [0]);
    assert_eq!(bad("-9223372036854775808 + 0").0[0], "-9223372036854775808");
    let message = Expr::compile("-n", &scope(&batch), &Functions::new()).unwrap().evaluate(&batch).bad[0].error.clone();
    assert_eq!(message, "`-n`: Overflow happened on: 0 - -9223372036854775808");
    let constant = constant("-(-9223372036854775808)", &Functions::new(), None).unwrap_err();
    assert_eq!(constant.message, "Overflow happened on: 0 - -9223372036854775808");
}

#[test]
fn the_time_is_read_for_each_batch_and_random_values_are_not_folded() {
    let time = Arc::new(AtomicI64::new(5_000));
    let shared = time.clone();
    let source: TimeSource = Arc::new(move || shared.load(Ordering::Relaxed));
    let batch = wine();
    let functions = Functions::with_clock(&source);
    let now = Expr::compile("now()", &scope(&batch), &functions).unwrap();
    let read = |e: &Expr| e.evaluate(&batch).array.as_primitive::<TimestampMillisecondType>().value(2);
    assert_eq!(read(&now), 5_000);
    time.store(86_400_000 * 2, Ordering::Relaxed);
    assert_eq!(read(&now), 86_400_000 * 2);
    let age = Expr::compile("now() - ts", &scope(&batch), &functions).unwrap();
    assert_eq!(age.evaluate(&batch).array.as_primitive::<Int64Type>().value(1), 86_400_000 * 2 - 1_000);
    let day = Expr::compile("current_date", &scope(&batch), &functions).unwrap();
    assert_eq!(shown(&day.evaluate(&batch).array)[0], "1970-01-03");
    let chance = compile("random()").unwrap().evaluate(&batch).array;
    let chance = chance.as_primitive::<Float64Type>();
    assert!(chance.value(0) != chance.value(1) || chance.value(1) != chance.value(2));
    let ids = shown(&compile("uuid()").unwrap().evaluate(&batch).array);
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn constants_have_the_target_type() {
    let f = Functions::new();
    assert_eq!(constant("2 * 3", &f, None), Ok(ScalarValue::Int64(Some(6))));
    assert_eq!(constant("1", &f, Some(&DataType::Float64)), Ok(ScalarValue::Float64(Some(1.0))));
    assert_eq!(constant("NULL", &f, Some(&DataType::Int64)), Ok(ScalarValue::Int64(None)));
    let e = constant("'x'", &f, Some(&DataType::Int64)).unwrap_err();
    assert_eq!((e.message.as_str(), e.at), ("Cannot cast string 'x' to value of bigint type", Some(0..3)));
    let e = constant("1 + a", &f, None).unwrap_err();
    assert_eq!((e.message.as_str(), e.at), ("unknown column `a`", Some(4..5)));
    assert_eq!(e.hint.as_deref(), Some("no columns are in scope here"));
}

#[test]
fn macros_expand_before_names_are_resolved() {
    let mut f = Functions::new();
    f.define("strength", &["a".into(), "s".into()], "a * 10 + s").unwrap();
    f.define("twice", &["x".into()], "Strength(x, 0) + strength(x, 0)").unwrap();
    f.define("rate", &["x".into()], "sum(x) / count(*)").unwrap();
    f.define("zip", &["p".into()], "p.zip + p['Zip']").unwrap();
    let batch = wine();
    let run = |sql: &str| shown(&Expr::compile(sql, &scope(&batch), &f).unwrap().evaluate(&batch).array);
    assert_eq!(run("strength(id, 1) * 2"), ["22", "42", "62"]);
    assert_eq!(run("TWICE(id + 1)"), ["40", "60", "80"]);
    assert_eq!(run("zip(address)"), ["2", "4", "6"]);
    let error = |sql: &str| {
        let e = Expr::compile(sql, &scope(&batch), &f).unwrap_err();
        (e.message, sql[e.at.unwrap()].to_owned())
    };
    assert_eq!(error("1 + strength(id)"), ("`strength(a, s)` is called with 1 arguments".into(), "strength".into()));
    assert_eq!(error("strength(idd, 1)"), ("unknown column `idd`".into(), "idd".into()));
    assert_eq!(error("1 + rate(id)"), ("the aggregate `sum` is not allowed here".into(), "rate".into()));
    let (_, at) = error("1 + strength(scores, 1)");
    assert_eq!(at, "strength(scores");
}

fn groups() -> Vec<FieldRef> {
    vec![Arc::new(Field::new("kind", DataType::Utf8, true))]
}

fn bounds() -> Vec<FieldRef> {
    ["window_start", "window_end"].map(|n| Arc::new(Field::new(n, timestamp(), false))).to_vec()
}

fn aggregates(select: &[(&str, &str)]) -> Result<Aggregates, (usize, ExprError)> {
    let mut f = Functions::new();
    f.define("rate", &["x".into()], "sum(x) / count(*)").unwrap();
    Aggregates::compile(select, &groups(), &scope(&wine()), &f, &bounds())
}

/// The results of one group that holds the whole batch, after its state was stored and merged.
fn aggregate(select: &[(&str, &str)]) -> Vec<String> {
    let batch = wine();
    let compiled = aggregates(select).unwrap_or_else(|e| panic!("{e:?}"));
    let values: Vec<ArrayRef> = compiled
        .calls()
        .iter()
        .map(|call| {
            let feed = |rows: &Batch| {
                let mut acc = call.accumulator();
                let args: Vec<_> = call.args().iter().map(|a| a.evaluate(rows).array).collect();
                let mask = call.filter().map(|f| f.evaluate(rows).0);
                acc.update_batch(&args, &vec![0; rows.len()], mask.as_ref(), 1).unwrap();
                let state = acc.state(EmitTo::All).unwrap();
                for (column, field) in state.iter().zip(call.state_fields()) {
                    assert_eq!(column.data_type(), field.data_type(), "{}", call.function());
                }
                state
            };
            let mut merged = call.accumulator();
            for mask in [vec![true, false, false], vec![false, true, true]] {
                merged.merge_batch(&feed(&batch.filter(&BooleanArray::from(mask))), &[0], 1).unwrap();
            }
            let value = merged.evaluate(EmitTo::All).unwrap();
            assert_eq!(value.data_type(), &call.data_type(), "{}", call.function());
            value
        })
        .collect();
    let by: Vec<ArrayRef> = vec![Arc::new(StringArray::from(vec!["red"]))];
    let bound = |t| -> ArrayRef { Arc::new(TimestampMillisecondArray::from(vec![t]).with_timezone("UTC")) };
    let columns = compiled.finish(&by, &[bound(0), bound(60_000)], &values);
    for (column, field) in columns.iter().zip(compiled.output_fields()) {
        assert!(column.bad.is_empty(), "{:?}", column.bad);
        assert_eq!(column.array.data_type(), field.data_type());
        assert_eq!(crate::expr::types::pipeline_type(field.data_type()).as_ref(), Some(field.data_type()));
    }
    columns.iter().map(|c| shown(&c.array).remove(0)).collect()
}

#[test]
fn aggregates_survive_a_round_trip_through_their_states() {
    let cases = [
        ("count(*)", "3"),
        ("count()", "3"),
        ("count(alcohol)", "2"),
        ("count(DISTINCT id)", "3"),
        ("count(DISTINCT kind)", "2"),
        ("sum(id)", "6"),
        ("avg(alcohol) * 2", "21.5"),
        ("mean(id)", "2.0"),
        ("max(ph) - min(PH)", "1.1"),
        ("max(kind)", "red"),
        ("min(ts)", "1970-01-01T00:00:00Z"),
        ("stddev(id)", "1.0"),
        ("median(id)", "2.0"),
        ("approx_distinct(id)", "3"),
        ("approx_percentile_cont(id, 0.5)", "2.0"),
        ("bool_and(id > 0)", "true"),
        ("count(*) FILTER (WHERE id > 1)", "2"),
        ("sum(id) FILTER (WHERE alcohol > 9)", "3"),
        ("rate(id)", "2"),
        ("upper(kind) || count(*)", "RED3"),
        ("window_end - window_start", "60000"),
        ("sum(id * 2 + 1) / (count(*) + 1)", "3"),
        ("max(_offset)", "102"),
        ("var_pop(id) > 0.5", "true"),
        ("corr(id, ph) IS NULL", "false"),
    ];
    let found: Vec<_> = cases.iter().map(|(sql, _)| (*sql, aggregate(&[("x", sql)]).remove(0))).collect();
    let expected: Vec<_> = cases.iter().map(|(sql, value)| (*sql, (*value).to_owned())).collect();
    assert_eq!(found, expected);
}

#[test]
fn equal_calls_are_merged_and_associative_calls_are_detected() {
    let a =
        aggregates(&[("n", "count(*)"), ("mean", "sum(id) / count(*)"), ("m", "SUM(id)"), ("f", "sum(ph)")]).unwrap();
    let calls: Vec<_> = a.calls().iter().map(|c| (c.function(), c.is_associative())).collect();
    assert_eq!(calls, [("count", true), ("sum", true), ("sum", false)]);
    let fields: Vec<_> = a.output_fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect();
    assert_eq!(fields[0], ("n".into(), DataType::Int64));
    assert_eq!(fields[3], ("f".into(), DataType::Float64));
}

#[test]
fn a_select_reports_the_wrong_item_and_its_location() {
    let error = |sql: &str| {
        let (item, e) = aggregates(&[("n", "count(*)"), ("x", sql)]).unwrap_err();
        assert_eq!(item, 1);
        (e.message, sql[e.at.unwrap()].to_owned(), e.hint.unwrap_or_default())
    };
    assert_eq!(
        error("sum(id) + Alcohol"),
        (
            "column `alcohol` is outside an aggregate and is not in `by`".into(),
            "Alcohol".into(),
            "use an aggregate such as `max(alcohol)`, or add `alcohol` to `by`".into()
        )
    );
    assert_eq!(error("sum(idd)").1, "idd");
    assert_eq!(error("window_strt").2, "did you mean `window_start`?");
    assert_eq!(error("sum(max(id))").0, "the aggregate `max` is not allowed inside the aggregate `sum`");
    assert_eq!(error("1 + array_agg(id)").1, "array_agg");
    assert_eq!(error("first_value(id)").1, "first_value");
    assert_eq!(error("sum(id ORDER BY id)").0, "the aggregate `sum` cannot be given an order");
    assert_eq!(error("1 + sum(kind)").1, "sum(kind)");
    assert_eq!(error("sum(id) OVER ()").0, "`sum` with OVER: window functions are not allowed here");
    assert_eq!(error("sum(*)").0, "`*` cannot be an argument of `sum`");
}

#[test]
fn deep_and_long_expressions_compile_and_run_on_a_small_stack() {
    let ors = |n: usize, of: &dyn Fn(usize) -> String| (0..n).map(of).collect::<Vec<_>>().join(" OR ");
    let run = move || {
        for op in [" + ", " - "] {
            let sql = vec!["id"; 500].join(op);
            assert_eq!(compile(&sql).unwrap().evaluate(&wine()).array.len(), 3);
        }
        // As programs write them: one long chain, and a bracket for each part.
        assert_eq!(values(&ors(1000, &|i| format!("id = {i} + 3"))), ["false", "false", "true"]);
        let two_columns = |i: usize| format!("(id = {i} AND ph > {i}.5)");
        assert_eq!(values(&ors(500, &two_columns)), ["true", "true", "false"]);
        let nested = |n: usize| {
            format!("{}id = 2{}", "(".repeat(n), (0..n).map(|i| format!(" OR id = {})", i + 5)).collect::<String>())
        };
        assert_eq!(values(&nested(499)), ["false", "true", "false"]);
        let ands = (0..400).map(|i| format!("(id <> {} AND ", i + 5)).collect::<String>();
        assert_eq!(values(&format!("{ands}id < 3{}", ")".repeat(400))), ["true", "true", "false"]);
        let sql = format!("{}id{}", "abs(".repeat(100), ")".repeat(100));
        assert_eq!(values(&sql), ["1", "2", "3"]);
        let sql = format!("{}id{}", "CASE WHEN id > 0 THEN ".repeat(200), " END".repeat(200));
        assert_eq!(values(&sql), ["1", "2", "3"]);
        let sql = format!("{}id{}", "-(".repeat(300), ")".repeat(300));
        assert_eq!(values(&sql), ["1", "2", "3"]);
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
    assert_eq!(error(&vec!["id"; 1200].join(" + ")).0, "this expression is nested more than 1000 levels deep");
    assert_eq!(error(&format!("{}id{}", "(".repeat(501), ")".repeat(501))).0, "brackets are nested more than 500 deep");
}

#[test]
fn a_row_that_is_bad_in_one_part_of_a_long_chain_keeps_its_message() {
    let sql = (0..100).map(|i| format!("id = {}", i + 7)).collect::<Vec<_>>().join(" OR ") + " OR 10 / (id - 2) > 0";
    let Evaluated { array, bad } = compile(&sql).unwrap().evaluate(&wine());
    assert_eq!(shown(&array), ["false", "-", "true"]);
    assert_eq!(bad.len(), 1);
    assert!(bad[0].error.ends_with("division by zero"), "{}", bad[0].error);
}

#[test]
fn strings_are_read_as_something_else_only_where_that_is_written() {
    let of = |m: &str, at: &str, hint: &str| (m.to_owned(), at.to_owned(), hint.to_owned());
    let hint = |arg: &str, to: &str| {
        format!("say how it is read: `CAST({arg} AS {to})`, or `TRY_CAST`, which gives null where it is none")
    };
    let number = "the string `kind` stands where a number is needed";
    assert_eq!(error("id > 0 AND kind > 20"), of(number, "kind > 20", &hint("kind", "double")));
    for sql in ["20 < kind", "kind = id", "kind BETWEEN 1 AND 3", "kind IN (1, 2)"] {
        assert_eq!(error(sql).0, number, "{sql}");
    }
    for sql in ["id IN (1, kind)", "id BETWEEN 1 AND kind", "CASE kind WHEN 1 THEN 2 END", "kind > alcohol"] {
        assert_eq!(error(sql).0, number, "{sql}");
    }
    assert_eq!(error("ts > kind").0, "the string `kind` stands where a timestamp is needed");
    assert_eq!(error("CAST(kind AS date) = body").0, "the string `body` stands where a date is needed");
    assert_eq!(
        error("json_get(body, 'a') > 5"),
        of("a string stands where a number is needed", "json_get(body, 'a') > 5", &hint("…", "double"))
    );
    for sql in ["kind + 1", "id * kind", "alcohol - kind"] {
        let (message, at, found) = error(sql);
        assert!(message.starts_with("Cannot coerce arithmetic expression "), "{message}");
        assert_eq!(
            (at.as_str(), found.as_str()),
            (sql, "a string is no number: read it as one, as in `CAST(… AS double)`")
        );
    }
    // A cast that is written allows no other.
    assert_eq!(error("CAST(kind AS bigint) > 1 OR kind > 1").1, "kind > 1");
    assert_eq!(error("id = 'abc'").0, "Cannot cast string 'abc' to value of bigint type");
    for sql in [
        "ts > '2026-01-01T00:00:00Z'",
        "id > '1'",
        "alcohol < '13.45'",
        "id = concat('1', '2')",
        "TRY_CAST(kind AS bigint) > 1",
        "TRY_CAST(kind AS double) + 1 > alcohol",
        "kind = '7'",
        "kind || id = 'x'",
        "kind IS NULL OR kind > 'a'",
        "coalesce(kind, 'x') = 'x'",
        "_key = 'k'",
        "kind LIKE '1%'",
        "id IN ('1', '2')",
    ] {
        assert!(compile(sql).is_ok(), "{sql}: {:?}", compile(sql).err());
    }
    let error = aggregates(&[("n", "sum(id) FILTER (WHERE kind > 1)")]).unwrap_err();
    assert_eq!(error.1.message, number);
    let error = aggregates(&[("n", "count(*) > kind")]).unwrap_err();
    assert_eq!(error.1.message, "a string stands where a number is needed");
}

#[test]
fn a_floating_point_number_without_a_value_is_null() {
    for sql in
        ["sqrt(-id)", "ln(-id)", "acos(id + 1)", "power(-id, 0.5)", "log(-id)", "0.0 / (id - id)", "alcohol % 0.0"]
    {
        assert_eq!(values(sql), ["-", "-", "-"], "{sql}");
        assert_eq!(values(&format!("{sql} > 1")), ["-", "-", "-"], "{sql}");
        assert_eq!(values(&format!("coalesce({sql}, 0.5)")), ["0.5", "0.5", "0.5"], "{sql}");
    }
    assert_eq!(values("sqrt(id * id)"), ["1.0", "2.0", "3.0"]);
    assert_eq!(values("sqrt(CAST(4 AS float)) + id"), ["3.0", "4.0", "5.0"]);
    assert_eq!(compile("sqrt(CAST(id AS float))").unwrap().data_type(), &DataType::Float32);
    assert_eq!(values("sqrt(-4)"), ["-", "-", "-"]);
    assert_eq!(values("sqrt(alcohol - 9.5)"), ["0.0", "1.5811388300841898", "-"]);
    assert_eq!(values("1.0 / (id - id)"), ["inf", "inf", "inf"]);
    assert_eq!(values("isnan(CAST('NaN' AS double))"), ["true", "true", "true"]);
}

#[test]
fn like_takes_any_escape_character() {
    assert_eq!(values("'10%' LIKE '10!%' ESCAPE '!'"), ["true", "true", "true"]);
    assert_eq!(values("'10x' LIKE '10!%' ESCAPE '!'"), ["false", "false", "false"]);
    assert_eq!(values("kind LIKE '!r_d' ESCAPE '!'"), ["true", "false", "-"]);
    assert_eq!(values("kind NOT LIKE 'r#_d' ESCAPE '#'"), ["true", "true", "-"]);
    assert_eq!(values("kind ILIKE 'R$D%' ESCAPE '$'"), ["false", "false", "-"]);
    assert_eq!(error("kind LIKE kind ESCAPE '!'").0, "the pattern of LIKE with ESCAPE must be a text in quotes");
    assert_eq!(error("id > 0 AND kind LIKE 'a!' ESCAPE '!'").1, "kind LIKE 'a!'");
    assert_eq!(values("octet_length(kind)"), ["3", "1", "-"]);
    assert_eq!(values("octet_length('é')"), ["2", "2", "2"]);
    assert_eq!(values("octet_length(_key)"), ["-", "3", "3"]);
    assert_eq!(error("octet_length(id)").0, "`octet_length` takes a string or bytes, not bigint");
}

proptest! {
    #[test]
    fn no_text_panics(text in "[a-z0-9_ ().,'\"\\[\\]{}<>=+*/|:;$@?!~&^%-]{0,40}") {
        let _ = compile(&text);
        let _ = aggregates(&[("x", &text)]);
    }

    #[test]
    fn random_sql_tokens_do_not_panic(words in proptest::collection::vec(0usize..WORDS.len(), 0..14)) {
        let text = words.iter().map(|i| WORDS[*i]).collect::<Vec<_>>().join(" ");
        if let Ok(expr) = compile(&text) {
            prop_assert!(expr.evaluate(&wine()).array.len() == 3);
        }
        if let Err(error) = compile(&text) {
            prop_assert!(error.at.is_none_or(|at| text.get(at).is_some()));
        }
        let _ = aggregates(&[("x", &text)]);
    }

    #[test]
    fn any_unicode_does_not_panic(text in any::<String>()) {
        let _ = compile(&text);
    }
}

const WORDS: [&str; 44] = [
    "id",
    "ph",
    "alcohol",
    "kind",
    "ts",
    "scores",
    "address",
    "(",
    ")",
    "(",
    ")",
    ",",
    "+",
    "-",
    "*",
    "/",
    "%",
    "=",
    "<>",
    "||",
    "AND",
    "OR",
    "NOT",
    "IS NULL",
    "IN",
    "LIKE",
    "BETWEEN",
    "CASE WHEN",
    "THEN",
    "ELSE",
    "END",
    "1",
    "2.5",
    "'a'",
    "NULL",
    "abs(",
    "concat(",
    "CAST(",
    "AS int)",
    "sum(",
    "INTERVAL",
    "[",
    "]",
    "now()",
];
