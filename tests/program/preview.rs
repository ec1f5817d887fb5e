//! `preview`: the first records through the steps, with nothing written.

use super::first_hour::{PIPELINE, feed};
use crate::harness::program::Fastdata;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{Append, Log as _};
use fastdata::record::{Offset, RecordsBuilder, TopicPartition};
use serde_json::{Value, json};

/// The files and folders in the folder of a test, and the topics of its log.
fn everything(f: &Fastdata) -> (Vec<String>, String) {
    let names = std::fs::read_dir(f.dir()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    (names, f.args("topics list --output json").succeeds().stdout_text().to_owned())
}

#[test]
fn preview_shows_the_first_records_on_their_way_and_writes_nothing() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", PIPELINE);
    feed(&f);
    let before = everything(&f);
    f.args("preview p.yaml").succeeds().stderr("").stdout(
        "\
source `raw`  6 in, 3 out, 3 dead
  kind         n  ts
  string  bigint  timestamp
  red          1  2026-01-01T00:00:10.000Z
  red          2  2026-01-01T00:05:20.000Z
  red          3  2026-01-01T00:00:30.000Z
raw/0/3 could not be handled: field `n`: expected a whole number, found string \"x\" (byte 5)
raw/0/4 could not be handled: field `n`: expected a whole number, found string \"yy\" (byte 5)
raw/0/5 could not be handled: field `kind`: expected a string, found number 7 (byte 8)

source `more`  4 in, 4 out
  kind         n  ts
  string  bigint  timestamp
  red          0  2026-01-01T00:05:30.000Z
  red          0  2026-01-01T00:05:30.000Z
  red          0  2026-01-01T00:05:30.000Z
  red          0  2026-01-01T00:05:30.000Z

merge-1  merge  7 in, 7 out
  kind         n  ts
  string  bigint  timestamp
  red          1  2026-01-01T00:00:10.000Z
  red          2  2026-01-01T00:05:20.000Z
  red          3  2026-01-01T00:00:30.000Z
  red          0  2026-01-01T00:05:30.000Z
  red          0  2026-01-01T00:05:30.000Z
  red          0  2026-01-01T00:05:30.000Z
  red          0  2026-01-01T00:05:30.000Z

kept  filter  7 in, 3 out, 4 filtered
  kind         n  ts
  string  bigint  timestamp
  red          1  2026-01-01T00:00:10.000Z
  red          2  2026-01-01T00:05:20.000Z
  red          3  2026-01-01T00:00:30.000Z

sink `kept`  3 in, 3 out
  _key    _value
  string  string
  -       {\"kind\":\"red\",\"n\":1,\"ts\":\"2026-01-01T00:00:10.000Z\"}
  -       {\"kind\":\"red\",\"n\":2,\"ts\":\"2026-01-01T00:05:20.000Z\"}
  -       {\"kind\":\"red\",\"n\":3,\"ts\":\"2026-01-01T00:00:30.000Z\"}

per_kind  window  3 in, 1 out, 3 into state
  kind      rows  window_start              window_end
  string  bigint  timestamp                 timestamp
  red          2  2026-01-01T00:00:00.000Z  2026-01-01T00:01:00.000Z
1 window still open, as they would close now
  kind      rows  window_start              window_end
  string  bigint  timestamp                 timestamp
  red          1  2026-01-01T00:05:00.000Z  2026-01-01T00:06:00.000Z

sink `counts`  1 in, 1 out
  _key    _value
  string  string
  red     {\"kind\":\"red\",\"rows\":2,\"window_start\":\"2026-01-01T00:00:00.000Z\",\"window_end\":\"2026-01-01T00:01:00.…
",
    );
    assert_eq!(everything(&f), before);
}

#[test]
fn preview_as_json_keeps_digits_and_names_records_by_their_offsets() {
    let f = Fastdata::in_temp();
    // Bad records stop a run; the preview goes on.
    let split = "[{name: sized, branch: {big: n > 5, small: n > 1}}, {name: many, from: sized.big, filter: n > 6}]";
    f.file(
        "p.yaml",
        &format!(
            "name: p\nsource: {{topic: raw, schema: {{n: 'decimal(30,2)'}}}}\nsteps: {split}\nsink: out\nerrors: stop\n"
        ),
    );
    f.args("topics create raw --partitions 2 --retention-bytes 1").succeeds();
    let value = |n: &str| format!("{{\"n\":{n}}}\n");
    let long = "1234567890123456789012345678.10";
    f.file("in.jsonl", &["1.10", "3", long, "\"x\"", "6"].map(value).concat());
    f.args("seed --topic raw --from in.jsonl").succeeds();
    let preview = f.args("preview p.yaml --rows 5 --output json").succeeds().stderr("");
    let steps: Vec<Value> = preview.stdout_text().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let names: Vec<&str> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(names, ["raw", "sized", "many", "sink:out"]);
    assert_eq!(
        (&steps[0]["in"], &steps[0]["dead"], &steps[0]["errors"][0]["error"]),
        (&json!(5), &json!(1), &json!("field `n`: expected a decimal(30,2), found string \"x\" (byte 5)"))
    );
    assert!(preview.stdout_text().contains(&format!("{{\"n\":{long}}}")), "{}", preview.stdout_text());
    assert_eq!((&steps[1]["outputs"][0]["output"], &steps[1]["filtered"]), (&json!("big"), &json!(2)));
    assert_eq!((&steps[2]["operator"], &steps[2]["in"], &steps[2]["out"]), (&json!("filter"), &json!(2), &json!(1)));
    let few = f.args("preview p.yaml --rows 1").succeeds();
    assert!(few.stdout_text().starts_with("source `raw`  1 in, 1 out\n"), "{}", few.stdout_text());
}

#[test]
fn preview_says_what_is_missing() {
    let f = Fastdata::in_temp();
    let score = "steps: [{name: s, score: {model: wine, inputs: [n], outputs: {q: prediction}}}]";
    f.file("p.yaml", &format!("name: p\nsource: {{topic: raw, schema: {{n: double}}}}\n{score}\nsink: out\n"));
    f.args("topics create other").succeeds();
    f.args("preview p.yaml").fails_with(1).stdout("").stderr(
        "error: topic `raw` does not exist; make it with `fastdata topics create raw` or fill it with \
         `fastdata seed --topic raw`\n",
    );
    f.args("topics create raw").succeeds();
    f.args("preview p.yaml").fails_with(1).stdout("").stderr(
        "error: no model serves `wine`, so `s` would wait for one\nhint: publish one with `fastdata publish-model FILE \
         --data-type wine`\n",
    );
}

/// The oldest records over all partitions, under the offsets that they have in the log.
#[test]
fn preview_takes_the_oldest_records_of_all_partitions() {
    let f = Fastdata::in_temp();
    let select = "steps: [{select: {n: n, at: \"concat(_partition, '@', _offset)\"}}]";
    f.file("p.yaml", &format!("name: p\nsource: {{topic: raw, schema: {{n: bigint, k: string, ts: timestamp}}, timestamp: ts}}\n{select}\nsink: out\n"));
    f.args("topics create raw --partitions 3").succeeds();
    let log = EmbeddedLog::open(&f.log_dir()).unwrap();
    for partition in [2, 0] {
        let mut records = RecordsBuilder::default();
        for n in 0..50 {
            records.push(None, Some(format!("{{\"n\":{n},\"ts\":{n}}}").as_bytes()), n * 10 + i64::from(partition));
        }
        let to = TopicPartition::new("raw", partition);
        log.appender().unwrap().append(&[Append { to: to.clone(), records: records.finish() }]).unwrap();
        log.delete_records(&[(to, Offset(i64::from(partition) * 10))]).unwrap();
    }
    let preview = f.args("preview p.yaml --rows 13 --output json").succeeds();
    let steps: Vec<Value> = preview.stdout_text().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let mut found: Vec<&str> = steps[1]["rows"].as_array().unwrap().iter().map(|r| r["at"].as_str().unwrap()).collect();
    found.sort_unstable();
    // The records of partition 2 before its offset 20 are gone, so those of partition 0 are the oldest.
    let expected: Vec<String> = (0..13).map(|n| format!("0@{n}")).collect();
    let mut expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let both = f.args("preview p.yaml --rows 25 --output json").succeeds();
    assert!(
        both.stdout_text().contains("\"2@20\"") && both.stdout_text().contains("\"2@21\""),
        "{}",
        both.stdout_text()
    );
    assert!(!both.stdout_text().contains("\"2@23\""), "{}", both.stdout_text());
}
