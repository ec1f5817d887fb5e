//! From records in a file through a pipeline to printed records: `seed`, `run`, `tail`.

use crate::harness::program::Fastdata;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _};

const PIPELINE: &str = "name: p
source: {topic: raw, key: kind, schema: {kind: string, n: bigint, ts: timestamp}, timestamp: ts}
steps:
  - filter: n >= 0
  - name: w
    window: {tumbling: 1m, by: [kind], select: {n: count(*), total: sum(n)}}
sinks:
  - {from: filter-1, topic: kept}
  - {from: w, topic: counts}
";

const FIRST: &str = r#"{"kind":"red","n":1,"ts":"2026-01-01T00:00:01Z"}
{"kind":"white","n":-1,"ts":"2026-01-01T00:00:02Z"}
{"kind":"white","n":2,"ts":"2026-01-01T00:00:03Z"}
not a record
{"kind":"red","n":3,"ts":"2026-01-01T00:01:04Z"}
"#;

const SECOND: &str = r#"{"kind":"red","n":4,"ts":"2026-01-01T00:01:05Z"}
{"kind":"red","n":5,"ts":"2026-01-01T00:02:06Z"}
"#;

fn tail(f: &Fastdata, topic: &str) -> String {
    f.args(&format!("tail --topic {topic} --until-end --output raw")).succeeds().stdout_text().to_owned()
}

#[test]
fn records_pass_from_seed_through_run_to_tail() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE).file("first.jsonl", FIRST).file("second.jsonl", SECOND);
    f.args("seed --topic raw --from first.jsonl --key kind").succeeds().stdout("");
    f.args("run p.yaml --until-end").succeeds().stdout("");
    let kept = "{\"kind\":\"red\",\"n\":1,\"ts\":\"2026-01-01T00:00:01.000Z\"}
{\"kind\":\"white\",\"n\":2,\"ts\":\"2026-01-01T00:00:03.000Z\"}
{\"kind\":\"red\",\"n\":3,\"ts\":\"2026-01-01T00:01:04.000Z\"}
";
    assert_eq!(tail(&f, "kept"), kept);
    let minute = |kind: &str, n: u32, total: u32, m: u32| {
        format!(
            "{{\"kind\":\"{kind}\",\"n\":{n},\"total\":{total},\"window_start\":\"2026-01-01T00:0{m}:00.000Z\",\"window_end\":\"2026-01-01T00:0{}:00.000Z\"}}\n",
            m + 1
        )
    };
    let first = minute("red", 1, 1, 0) + &minute("white", 1, 2, 0);
    assert_eq!(tail(&f, "counts"), first);

    // The second run continues from the first one's commit, with the window that is still open.
    f.args("run p.yaml --until-end").succeeds();
    assert_eq!(tail(&f, "kept"), kept, "a run without new records adds nothing");
    f.args("seed --topic raw --from second.jsonl --key kind").succeeds();
    f.args("run p.yaml --until-end").succeeds();
    let second = first + &minute("red", 2, 7, 1);
    assert_eq!(tail(&f, "counts"), second);
    f.args("run p.yaml --until-end --drain").succeeds();
    let third = second + &minute("red", 1, 5, 2);
    assert_eq!(tail(&f, "counts"), third);

    let dead = f.args("tail --topic p.dead --until-end --output json").succeeds();
    let dead: Value = serde_json::from_str(dead.stdout_text()).unwrap();
    assert_eq!(dead["value"], "not a record");
    assert_eq!(dead["headers"][2]["value"], "raw/0/3");

    let stats = f.args("stats p --output json").succeeds();
    let stats: Value = serde_json::from_str(stats.stdout_text()).unwrap();
    let ledger = find(&stats, "ledger").expect("the statistics hold the ledger");
    assert_eq!(ledger["remainder"], 0, "{stats:#}");
    let terms = ["read", "dead", "filtered"].map(|name| ledger[name].as_u64().unwrap());
    assert_eq!(terms, [7, 1, 1], "{stats:#}");

    // From the earliest records, all results once more.
    f.args("run p.yaml --until-end --drain --from earliest").succeeds();
    assert_eq!(tail(&f, "counts"), third.repeat(2));
}

/// A field at any depth.
fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => fields.get(name).or_else(|| fields.values().find_map(|v| find(v, name))),
        Value::Array(items) => items.iter().find_map(|v| find(v, name)),
        _ => None,
    }
}

#[test]
fn csv_and_stdin_are_read() {
    let f = Fastdata::in_temp();
    f.file("in.csv", "n;name\n1;one\n2;\"a;b\"\n");
    f.args("seed --topic rows --from in.csv --delimiter ; --key n").succeeds();
    assert_eq!(tail(&f, "rows"), "1;one\n2;\"a;b\"\n");
    f.args("seed --topic lines --from -").stdin("{\"a\":1}\n{\"a\":2}\n").succeeds();
    assert_eq!(tail(&f, "lines"), "{\"a\":1}\n{\"a\":2}\n");
    f.args("tail --topic lines --until-end --from 1 --output raw").succeeds().stdout("{\"a\":2}\n");
    f.args("tail --topic lines --count 1 --output raw").succeeds().stdout("{\"a\":1}\n");
}

#[test]
fn the_same_seed_gives_the_same_wines() {
    let f = Fastdata::in_temp();
    for topic in ["a", "b"] {
        f.args(&format!("seed --topic {topic} --count 50 --random-seed 7")).succeeds();
    }
    f.args("seed --topic c --count 50 --random-seed 8").succeeds();
    assert_eq!(tail(&f, "a").lines().count(), 50);
    assert_eq!(tail(&f, "a"), tail(&f, "b"));
    assert_ne!(tail(&f, "a"), tail(&f, "c"));
}

#[test]
fn a_closed_pipe_is_no_error() {
    let f = Fastdata::in_temp();
    f.args("seed --topic raw --count 20000").succeeds();
    let mut tail = f.start("tail --topic raw --until-end --output raw");
    let mut stdout = BufReader::new(tail.child().stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    drop(stdout);
    assert_eq!(tail.wait().code(), Some(0));
    let mut stderr = String::new();
    tail.child().stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr, "");
    assert!(line.starts_with('{'), "{line}");
}

#[test]
fn a_dry_run_writes_nothing() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE);
    let plan = f.args("run p.yaml --dry-run").succeeds();
    let graph = f.args("graph p.yaml").succeeds();
    assert_eq!(plan.stdout_text(), graph.stdout_text());
    assert!(!f.log_dir().exists());
    for format in ["dot", "mermaid"] {
        let drawing = f.args(&format!("graph p.yaml --format {format}")).succeeds();
        for step in ["filter-1", "kept", "counts", "raw"] {
            assert!(drawing.stdout_text().contains(step), "{format} does not show {step}:\n{}", drawing.stdout_text());
        }
    }
    f.args("validate p.yaml").succeeds().stdout("").stderr("p.yaml: valid\n");
}
