//! What the formats make of the files and records of other programs: CSV, JSON, times, nulls.

use crate::harness::program::Fastdata;

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
