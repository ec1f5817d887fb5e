//! What the formats make of the files and records of other programs: CSV, JSON, times, nulls.

use crate::harness::program::Fastdata;
use crate::harness::record::{Record, pack};
use crate::harness::topics;
use fastdata::log::embedded::EmbeddedLog;

/// The values of a topic, a line each.
fn tail(f: &Fastdata, topic: &str) -> String {
    f.args(&format!("tail --topic {topic} --until-end --output raw")).succeeds().stdout_text().to_owned()
}

/// The reasons of the dead letters of the pipeline `p`.
fn reasons(f: &Fastdata) -> Vec<String> {
    let dead = f.args("tail --topic p.dead --until-end --output json").run();
    let reason = |line: &str| {
        let letter: serde_json::Value = serde_json::from_str(line).unwrap();
        let headers = letter["headers"].as_array().unwrap();
        headers.iter().find(|h| h["key"] == "fastdata-error").unwrap()["value"].as_str().unwrap().to_owned()
    };
    dead.stdout_text().lines().map(reason).collect()
}

const MINUTES: &str = "name: p
source: {topic: raw, schema: {n: bigint, ts: timestamp}, timestamp: ts}
steps: [{window: {tumbling: 1m, select: {n: count(*)}}}]
sink: out
";

const ONE_OF_THE_YEAR_3000: &str = r#"{"n":1,"ts":"2026-01-01T00:00:01Z"}
{"n":2,"ts":"3000-01-01T00:00:00Z"}
{"n":3,"ts":"2026-01-01T00:00:02Z"}
{"n":4,"ts":"2026-01-01T00:00:03Z"}
"#;

#[test]
fn a_record_of_the_far_future_makes_no_other_late() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", MINUTES).file("in.jsonl", ONE_OF_THE_YEAR_3000);
    f.args("seed --topic raw --from in.jsonl").succeeds();
    f.args("run p.yaml --until-end --drain").succeeds();
    let minute = r#"{"n":3,"window_start":"2026-01-01T00:00:00.000Z","window_end":"2026-01-01T00:01:00.000Z"}"#;
    assert_eq!(tail(&f, "out"), format!("{minute}\n"));
    assert_eq!(reasons(&f), ["the event time 3000-01-01T00:00:00.000Z is more than 1day in the future"]);
}

#[test]
fn max_ahead_none_takes_any_time() {
    let f = Fastdata::in_temp();
    let any = MINUTES.replace("timestamp: ts}", "timestamp: ts, watermark: {max_ahead: none}}");
    f.file("p.yaml", &any).file("in.jsonl", ONE_OF_THE_YEAR_3000);
    f.args("seed --topic raw --from in.jsonl").succeeds();
    f.args("run p.yaml --until-end --drain").succeeds();
    assert_eq!(tail(&f, "out").matches("\"n\":1,").count(), 2);
    assert!(reasons(&f).is_empty());
}

#[test]
fn a_stray_quote_costs_no_other_row() {
    let f = Fastdata::in_temp();
    f.file("in.csv", "id,size\n1,5\" pipe\n2,x\n3,\"open\n4,y\n");
    f.args("seed --topic raw --from in.csv").succeeds().stderr("seeded 4 records into `raw` (1 partition)\n");
    assert_eq!(tail(&f, "raw"), "1,5\" pipe\n2,x\n3,\"open\n4,y\n");
}

#[test]
fn two_signs_are_no_number() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", "name: p\nsource: {topic: raw, format: csv, schema: {n: int}}\nsink: out\n");
    f.file("in.csv", "n\n+5\n+-5\n");
    f.args("seed --topic raw --from in.csv").succeeds();
    f.args("run p.yaml --until-end").succeeds();
    assert_eq!(tail(&f, "out"), "{\"n\":5}\n");
    assert_eq!(reasons(&f), ["column `n`: expected a whole number of 32 bits, found \"+-5\" (byte 0)"]);
}

const BY_NAME: &str =
    "name: p\nsource: {topic: raw, format: csv, schema: {a: string, b: int}}\nsink: {topic: out, key: a}\n";

#[test]
fn columns_of_a_csv_file_are_bound_by_name() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", BY_NAME).file("in.csv", "b,more,a\n1,z,x\n2,,\"y, z\"\n").file("bare.csv", "x,3\n");
    f.args("seed --topic raw --from in.csv").succeeds();
    f.args("seed --topic raw --from bare.csv --columns a,b").succeeds();
    f.args("seed --topic raw --from in.csv --columns more,a,b").succeeds();
    f.args("run p.yaml --until-end").succeeds();
    let rows = ["{\"a\":\"x\",\"b\":1}\n{\"a\":\"y, z\",\"b\":2}\n", "{\"a\":\"x\",\"b\":3}\n"];
    assert_eq!(tail(&f, "out"), [rows[0], rows[1], rows[0]].concat());
    let out = f.args("tail --topic out --until-end --output json").succeeds();
    assert!(!out.stdout_text().contains("fastdata-columns"), "the names of the source are not those of the sink");
}

#[test]
fn column_names_that_do_not_fit_are_a_message() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", BY_NAME).file("in.csv", "c,a\n1,x\n");
    f.args("seed --topic raw --from in.csv").succeeds();
    f.args("run p.yaml --until-end").succeeds();
    assert_eq!(reasons(&f), ["the record has no column `b`, only `c`, `a`"]);
    f.file("three.csv", "a,b,c\n1,2,3\n");
    f.args("seed --topic raw --from three.csv --columns a,b").fails_with(2).stdout("").stderr(
        "error: `three.csv` has the columns a, b, c, but `--columns` says a, b\n\
         hint: leave `--columns` out: the file names its columns\n",
    );
}

#[test]
fn infer_reads_past_what_it_cannot_read_and_says_so() {
    let f = Fastdata::in_temp();
    f.file("in.csv", "id,ms,at,name\n1,NA,2026-01-02,x\n2,7\n3,8,null,y\n4,soon,,z\n5,9,2026-01-03,\n");
    let schema = "format: csv\nnulls: [\"null\"]\nschema:\n  id: bigint\n  ms: string\n  at: date\n  name: string\n";
    f.args("infer in.csv").succeeds().stdout(schema).stderr(
        "warning: 1 of 5 records skipped; the first: line 3: expected 4 values, found 2\n\
         note: `ms` is a string: line 5 has \"soon\"; 2 of 3 values are bigint\n",
    );
    let indented = schema.lines().map(|l| format!("  {l}\n")).collect::<String>();
    f.file("p.yaml", &format!("name: p\nsource:\n  topic: raw\n{indented}sink: out\n"));
    f.args("validate p.yaml").succeeds();
    f.args("seed --topic raw --from in.csv").succeeds();
    f.args("run p.yaml --until-end").succeeds();
    assert_eq!(tail(&f, "out").lines().nth(1), Some(r#"{"id":3,"ms":"8","at":null,"name":"y"}"#));
    assert_eq!(reasons(&f), ["expected 4 values, found 2"]);
}

#[test]
fn times_as_pandas_writes_them_are_read() {
    let f = Fastdata::in_temp();
    f.file("in.csv", "at,day,v\n2026-03-02 10:00:00,2026-03-02,1\n2026-03-02 10:00:59.250,2026-03-03,2\n");
    let schema = "format: csv\nschema:\n  at: timestamp\n  day: date\n  v: bigint\n";
    f.args("infer in.csv").succeeds().stdout(schema).stderr("");
    let source =
        "name: p\nsource: {topic: raw, format: FORMAT, timestamp: at, schema: {at: timestamp, v: bigint}}\nsink: out\n";
    f.file("p.yaml", &source.replace("FORMAT", "csv"));
    f.args("seed --topic raw --from in.csv").succeeds();
    f.args("run p.yaml --until-end").succeeds();
    let rows = "{\"at\":\"2026-03-02T10:00:00.000Z\",\"v\":1}\n{\"at\":\"2026-03-02T10:00:59.250Z\",\"v\":2}\n";
    assert_eq!(tail(&f, "out"), rows);
    let json = Fastdata::in_temp();
    json.file("p.yaml", &source.replace("FORMAT", "json"));
    json.file("in.jsonl", "{\"at\":\"2026-03-02 10:00:00\",\"v\":1}\n{\"at\":1772445659.25,\"v\":2}\n");
    json.args("seed --topic raw --from in.jsonl").succeeds();
    json.args("run p.yaml --until-end").succeeds();
    assert_eq!(tail(&json, "out"), rows);
}

#[test]
fn a_null_value_is_skipped_and_the_ledger_closes() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", "name: p\nsource: {topic: raw, schema: {n: bigint}}\nsink: {topic: out, key: n}\n");
    f.file(
        "q.yaml",
        "name: q\nsource: {topic: raw, schema: {n: bigint}}\nsteps: [{filter: n = 1}]\nsink: {topic: ones}\n",
    );
    f.file("in.jsonl", "{\"n\":1}\n{\"n\":2}\n");
    f.args("seed --topic raw --from in.jsonl").succeeds();
    let log = EmbeddedLog::open(&f.log_dir()).unwrap();
    let tombstone = Record { key: None, value: None, timestamp: 1, headers: Vec::new() };
    topics::append(&log, "raw", 0, pack(&[tombstone]));
    drop(log);
    f.args("run p.yaml --until-end").succeeds();
    f.args("run q.yaml --until-end").succeeds();
    assert!(reasons(&f).is_empty());
    for (pipeline, filtered, written) in [("p", 1, 2), ("q", 2, 1)] {
        let stats = f.args(&format!("stats {pipeline} --output json")).succeeds();
        let stats: serde_json::Value = serde_json::from_str(stats.stdout_text()).unwrap();
        let ledger = &stats["ledger"];
        let terms = ["read", "written", "filtered", "dead", "remainder"].map(|term| ledger[term].as_i64().unwrap());
        assert_eq!(terms, [3, written, filtered, 0, 0], "{stats:#}");
        assert_eq!(stats["sources"][0]["filtered"], 1, "{stats:#}");
    }
}

#[test]
fn a_key_has_the_text_of_its_value() {
    let f = Fastdata::in_temp();
    let values = ["12345678901234567890123", "0.10", "1e2", "7", "true"];
    f.file("in.jsonl", &values.map(|v| format!("{{\"k\": {v}}}\n")).concat());
    f.file("in.csv", &format!("k\n{}\n", values.join("\n")));
    f.args("seed --topic raw --from in.jsonl --key k").succeeds();
    f.args("seed --topic raw --from in.csv --key k").succeeds();
    let records = f.args("tail --topic raw --until-end --output json").succeeds();
    let key = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["key"].as_str().unwrap().to_owned();
    assert_eq!(records.stdout_text().lines().map(key).collect::<Vec<_>>(), [values, values].concat());
}

#[test]
fn a_second_lot_of_generated_records_goes_on_in_time() {
    let f = Fastdata::in_temp();
    let source = "schema: {id: bigint, ts: timestamp}, timestamp: ts, watermark: {delay: 2s}";
    f.file("p.yaml", &format!(
        "name: p\nsource: {{topic: raw, {source}}}\nsteps: [{{window: {{tumbling: 1s, select: {{n: count(*)}}}}}}]\nsink: out\n"
    ));
    f.file(
        "g.yaml",
        "count: 500\ntime: {step: 100ms}\nfields: {id: {sequence: {start: 1, step: 1}}, ts: {timestamp: rfc3339}}\n",
    );
    for seed in ["seed --topic raw --count 1000", "seed --topic raw --count 1000", "seed --topic raw --generate g.yaml"]
    {
        f.args(seed).succeeds();
        f.args("run p.yaml --until-end").succeeds();
    }
    let stats = f.args("stats p --output json").succeeds();
    let stats: serde_json::Value = serde_json::from_str(stats.stdout_text()).unwrap();
    let ledger = ["read", "late", "dead"].map(|term| stats["ledger"][term].as_u64().unwrap());
    assert_eq!(ledger, [2_500, 0, 0], "{stats:#}");
    // A start that a file names is kept.
    f.file("s.yaml", "count: 1\ntime: {start: 2026-01-01T00:00:00Z}\nfields: {ts: {timestamp: rfc3339}}\n");
    f.args("seed --topic raw --generate s.yaml").succeeds();
    assert!(tail(&f, "raw").ends_with("{\"ts\":\"2026-01-01T00:00:00.000Z\"}\n"));
}

fn manual() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/formats.md")).unwrap()
}

#[test]
fn the_sources_of_the_manual_are_valid() {
    let f = Fastdata::in_temp();
    let manual = manual();
    let sources: Vec<_> = manual.split("```yaml\n").skip(1).map(|b| b.split("```").next().unwrap()).collect();
    assert!(sources.len() >= 4, "{sources:?}");
    for source in sources {
        f.file("p.yaml", &format!("name: p\n{source}sink: out\n"));
        f.args("validate p.yaml").succeeds();
    }
}

#[test]
fn times_are_read_as_the_manual_says() {
    let manual = manual();
    let rows = manual.lines().filter(|l| l.starts_with("| ") && l.ends_with("Z |"));
    let rows: Vec<_> = rows.map(|l| l.trim_matches(['|', ' ']).split_once(" | ").unwrap()).collect();
    assert!(rows.len() > 10, "{rows:?}");
    let read: String = rows.iter().map(|(_, at)| format!("{{\"at\":\"{at}\"}}\n")).collect();
    let json = |written: &str| match written.strip_prefix('`') {
        Some(text) => format!("{{\"at\":\"{}\"}}\n", text.trim_matches('`')),
        None => format!("{{\"at\":{written}}}\n"),
    };
    for format in ["json", "csv"] {
        let f = Fastdata::in_temp();
        f.file(
            "p.yaml",
            &format!("name: p\nsource: {{topic: raw, format: {format}, schema: {{at: timestamp}}}}\nsink: out\n"),
        );
        f.file("in.json", &rows.iter().map(|(written, _)| json(written)).collect::<String>());
        f.file("in.csv", &rows.iter().map(|(w, _)| w.trim_matches('`').to_owned() + "\n").collect::<String>());
        f.args(&format!("seed --topic raw --from in.{format} {}", if format == "csv" { "--columns at" } else { "" }))
            .succeeds();
        f.args("run p.yaml --until-end").succeeds();
        assert_eq!(tail(&f, "out"), read, "{format}");
    }
}
