//! `run --on-lost-input`: retention removes records of a source before they were read.
//!
//! `skip` keeps the state, starts at the oldest record, and counts the gap once.

use crate::harness::engine::read_topic;
use crate::harness::program::Fastdata;
use crate::harness::record::{Record, pack};
use crate::harness::topics::{append, topic_config};
use crate::harness::wait::until;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{Log as _, topic};
use fastdata::record::{Offset, TopicPartition};
use serde_json::{Value, json};

/// Numbers each record that was read; the number is state.
const COUNTING: &str = "name: p\nsource: {topic: raw, schema: {n: bigint}}\ncommit_every: 20ms\nsteps: [{name: counted, scan: {init: {c: 0}, next: {c: c + 1}}}]\nsink: out\n";

const DELIVERIES: [&str; 3] = ["exactly_once", "at_least_once", "at_most_once"];

fn with_pipeline(text: &str, topics: &[&str]) -> (Fastdata, EmbeddedLog) {
    let f = Fastdata::in_temp();
    f.file("p.yaml", text);
    let log = EmbeddedLog::open(&f.log_dir()).unwrap();
    for topic in topics {
        log.create_topic(topic, &topic_config(1)).unwrap();
    }
    (f, log)
}

/// Appends one record for each number, which is also its event time.
fn append_numbers(log: &EmbeddedLog, topic: &str, numbers: std::ops::Range<i64>) {
    let records: Vec<_> = numbers.map(|n| Record::json(None, &json!({ "n": n }), n)).collect();
    append(log, topic, 0, pack(&records));
}

/// Removes the records before an offset, as retention does.
fn remove(log: &EmbeddedLog, topic: &str, before: i64) {
    log.delete_records(&[(TopicPartition::new(topic, 0), Offset(before))]).unwrap();
}

/// The number and the count of each result, in order.
fn results(log: &EmbeddedLog) -> Vec<(i64, i64)> {
    let Ok(out) = topic(log, "out") else { return Vec::new() };
    let records = read_topic(log, &out).remove(&("out".to_owned(), 0)).unwrap_or_default();
    let field = |value: &Value, name: &str| value[name].as_i64().unwrap();
    let values = records.iter().map(|r| serde_json::from_slice::<Value>(r.value.as_deref().unwrap()).unwrap());
    values.map(|v| (field(&v, "n"), field(&v, "c"))).collect()
}

/// Read records, lost offsets and the remainder, as `stats` shows them.
fn ledger(f: &Fastdata) -> [i64; 3] {
    let stats = f.args("stats p --output json").succeeds();
    let stats: Value = serde_json::from_str(stats.stdout_text()).unwrap();
    let lost = &stats["ledger"]["lost_offsets"];
    let of_sources: i64 =
        stats["sources"].as_array().unwrap().iter().map(|s| s["lost_offsets"].as_i64().unwrap()).sum();
    assert_eq!(lost.as_i64(), Some(of_sources), "{stats}");
    ["read", "lost_offsets", "remainder"].map(|term| stats["ledger"][term].as_i64().unwrap())
}

#[test]
fn a_bounded_run_skips_the_gap_only_with_the_option() {
    for delivery in DELIVERIES {
        let (f, log) = with_pipeline(&format!("{COUNTING}delivery: {delivery}\n"), &["raw"]);
        append_numbers(&log, "raw", 0..3);
        f.args("run p.yaml --until-end --on-lost-input skip").succeeds();
        assert_eq!(ledger(&f), [3, 0, 0], "{delivery}");
        append_numbers(&log, "raw", 3..7);
        remove(&log, "raw", 5);
        f.args("run p.yaml --until-end --quiet").fails_with(1).stderr(
            "error: offset 3 of `raw/0` cannot be read: the partition holds 5 to 7; start over with `--from earliest` or `--from latest`, or go on from the oldest record with `--on-lost-input skip`, which keeps the state and counts the gap\n",
        );
        let skipped = f.args("run p.yaml --until-end --on-lost-input skip").succeeds();
        let warning = "retention removed the records of `raw/0` from offset 3 to 5 before they were read: the pipeline goes on at 5 with its state kept and counts 2 lost offsets\n";
        assert_eq!(skipped.stderr_text().matches(warning).count(), 1, "{delivery}: {}", skipped.stderr_text());
        assert_eq!(results(&log), [(0, 1), (1, 2), (2, 3), (5, 4), (6, 5)], "{delivery}");
        assert_eq!(ledger(&f), [5, 2, 0], "{delivery}");
        f.args("run p.yaml --until-end --on-lost-input skip").succeeds();
        assert_eq!(ledger(&f), [5, 2, 0], "{delivery}: counted once");
        let text = f.args("stats p").succeeds();
        for line in [
            "raw: 2 offsets lost to retention before being read",
            "  never read: 2 offsets lost to retention (offsets, not records)",
        ] {
            assert!(text.stdout_text().lines().any(|l| l == line), "{}", text.stdout_text());
        }
    }
}

/// Nothing is left to read, so nothing but the gap is committed.
#[test]
fn a_gap_up_to_the_end_is_counted_once() {
    let (f, log) = with_pipeline(COUNTING, &["raw"]);
    append_numbers(&log, "raw", 0..3);
    f.args("run p.yaml --until-end").succeeds();
    append_numbers(&log, "raw", 3..7);
    remove(&log, "raw", 7);
    for _ in 0..2 {
        f.args("run p.yaml --until-end --on-lost-input skip").succeeds();
        assert_eq!(ledger(&f), [3, 4, 0]);
    }
    append_numbers(&log, "raw", 7..8);
    f.args("run p.yaml --until-end").succeeds();
    assert_eq!(results(&log), [(0, 1), (1, 2), (2, 3), (7, 4)]);
}

#[test]
fn a_run_that_retention_overtakes_goes_on_with_its_state() {
    for delivery in DELIVERIES {
        let (f, log) = with_pipeline(&format!("{COUNTING}delivery: {delivery}\n"), &["raw"]);
        append_numbers(&log, "raw", 0..3);
        let mut run = f.start("run p.yaml --on-lost-input skip");
        until("the first results", || (results(&log).len() == 3).then_some(()));
        let at = [TopicPartition::new("raw", 0)];
        until("the first commit", || (log.committed("p", &at).unwrap() == [Some(Offset(3))]).then_some(()));
        run.suspend();
        append_numbers(&log, "raw", 3..7);
        remove(&log, "raw", 5);
        run.signal("CONT");
        until("the next results", || {
            let ended = run.child().try_wait().unwrap();
            assert!(ended.is_none(), "{delivery}: the run has ended: {ended:?}\n{}", run.stderr_text());
            (results(&log).len() == 5).then_some(())
        });
        run.signal("TERM");
        assert_eq!(run.wait().code(), Some(0), "{}", run.stderr_text());
        assert_eq!(results(&log), [(0, 1), (1, 2), (2, 3), (5, 4), (6, 5)], "{delivery}");
        assert_eq!(ledger(&f), [5, 2, 0], "{delivery}: {}", run.stderr_text());
    }
}

#[test]
fn a_bounded_run_that_merges_its_sources_skips_the_gap_of_one() {
    const MERGING: &str = "name: p\nsources:\n  a: {topic: a, schema: {n: bigint}}\n  b: {topic: b, schema: {n: bigint}}\nsteps:\n  - merge: [a, b]\n  - {name: counted, scan: {init: {c: 0}, next: {c: c + 1}}}\nsink: out\n";
    let (f, log) = with_pipeline(MERGING, &["a", "b"]);
    append_numbers(&log, "a", 0..2);
    append_numbers(&log, "b", 1..2);
    f.args("run p.yaml --until-end").succeeds();
    append_numbers(&log, "a", 2..6);
    append_numbers(&log, "b", 5..6);
    remove(&log, "a", 4);
    f.args("run p.yaml --until-end --on-lost-input skip").succeeds();
    assert_eq!(results(&log), [(0, 1), (1, 2), (1, 3), (4, 4), (5, 5), (5, 6)]);
    assert_eq!(ledger(&f), [6, 2, 0]);
}

/// The offsets of the old topic mean nothing in the new one, although its oldest record is beyond them.
#[test]
fn a_source_that_was_recreated_is_never_skipped() {
    let (f, log) = with_pipeline(COUNTING, &["raw"]);
    append_numbers(&log, "raw", 0..3);
    f.args("run p.yaml --until-end").succeeds();
    log.delete_topic("raw").unwrap();
    log.create_topic("raw", &topic_config(1)).unwrap();
    append_numbers(&log, "raw", 0..7);
    remove(&log, "raw", 5);
    f.args("run p.yaml --until-end --quiet --on-lost-input skip").fails_with(1).stderr(
        "error: topic `raw` was deleted and made again since it was read last; start over with `--from earliest` or `--from latest`\n",
    );
}
