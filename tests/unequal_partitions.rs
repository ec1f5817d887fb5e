//! Topics with unequal partition counts in one sub-topology: a task reads and commits the inputs that have its
//! partition, and an internal topic has as many partitions as the widest input of its sub-topology.

use crate::harness::engine::read_topic;
use crate::harness::program::Fastdata;
use crate::harness::record::{Record, Topics, pack, unpack};
use crate::harness::scenario::{FIXED_NOW_MS, plan};
use crate::harness::topics::topic_config;
use crate::harness::wait;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{Append, Log, partitions, topic};
use fastdata::record::TopicPartition;
use fastdata::runtime::{Driver, DriverOptions};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The partition counts of the sources `a` and `b`.
static COUNTS: [(&str, u32); 2] = [("a", 1), ("b", 3)];

/// A merge of two sources without state.
fn merge_pipeline(name: &str) -> String {
    format!(
        "name: {name}\nsources:\n  a: {{topic: {name}-a, schema: {{n: bigint}}}}\n  b: {{topic: {name}-b, schema: {{n: bigint}}}}\nsteps:\n  - merge: [a, b]\nsink: {{topic: {name}-out}}\n"
    )
}

/// One record for each partition of both sources; `round` makes the records of each call unique.
fn round_of_records(name: &str, round: i64) -> Vec<(TopicPartition, Record)> {
    let all = COUNTS.iter().flat_map(|(source, count)| (0..*count).map(move |p| (*source, p)));
    let record = |(i, (source, p)): (i64, (&str, u32))| {
        let at = TopicPartition::new(format!("{name}-{source}").as_str(), p);
        (at, Record::json(None, &json!({"n": 10 * round + i}), 10 * round + i))
    };
    (0..).zip(all).map(record).collect()
}

/// The column `n` of all records, sorted.
fn sorted_numbers<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<i64> {
    let number = |r: &Record| {
        let value: Value = serde_json::from_slice(r.value.as_ref().unwrap()).unwrap();
        value["n"].as_i64().unwrap()
    };
    let mut numbers: Vec<i64> = records.into_iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

/// The numbers of the first rounds.
fn numbers_of_rounds(rounds: i64) -> Vec<i64> {
    (0..rounds).flat_map(|round| (0..4).map(move |i| 10 * round + i)).collect()
}

/// A run to the end, an unbounded run that is stopped, and another run to the end, each with new records: every
/// record is written once, and the positions of all partitions are committed.
pub fn assert_merge_continues_after_restarts(f: &Fastdata, log: &dyn Log, name: &str, flags: &str) {
    f.file("p.yaml", &merge_pipeline(name));
    for (source, count) in COUNTS {
        log.create_topic(&format!("{name}-{source}"), &topic_config(count)).unwrap();
    }
    let append = |round: i64| {
        let appends = round_of_records(name, round).into_iter().map(|(to, r)| Append { to, records: pack(&[r]) });
        log.appender().unwrap().append(&appends.collect::<Vec<_>>()).unwrap();
    };
    let written = || {
        let found = log.topics(Some(&format!("{name}-out"))).unwrap().pop();
        let records: Topics = found.map(|info| read_topic(log, &info)).unwrap_or_default();
        sorted_numbers(records.values().flatten())
    };
    // The end of a partition is the position to be committed: on Kafka it lies behind the marker of a transaction.
    let assert_committed_to_the_end = || {
        let sources = COUNTS.map(|(source, _)| topic(log, &format!("{name}-{source}")).unwrap());
        let all: Vec<_> = sources.iter().flat_map(partitions).collect();
        let ends: Vec<_> = sources.iter().flat_map(|s| &s.partitions).map(|p| Some(p.end)).collect();
        assert!(ends.len() == 4 && ends.iter().all(|end| end.is_some_and(|end| end.0 > 0)), "{ends:?}");
        assert_eq!(log.committed(name, &all).unwrap(), ends);
    };
    append(0);
    f.args(&format!("run p.yaml --quiet --until-end {flags}")).succeeds();
    assert_eq!(written(), numbers_of_rounds(1));
    assert_committed_to_the_end();
    append(1);
    let mut run = f.start(&format!("run p.yaml --quiet {flags}"));
    wait::until("the results of the second run", || {
        assert!(run.child().try_wait().unwrap().is_none(), "the run has ended: {}", run.stderr_text());
        (written().len() >= numbers_of_rounds(2).len()).then_some(())
    });
    run.signal("TERM");
    assert_eq!(run.wait().code(), Some(0), "{}", run.stderr_text());
    append(2);
    f.args(&format!("run p.yaml --quiet --until-end {flags}")).succeeds();
    assert_eq!(written(), numbers_of_rounds(3));
}

#[test]
fn a_merge_of_topics_with_unequal_partitions_continues_after_restarts() {
    let f = Fastdata::in_temp();
    let log = EmbeddedLog::open(&f.log_dir()).unwrap();
    assert_merge_continues_after_restarts(&f, &log, "p", "");
}

/// A driver over sources with these partition counts.
fn driver(text: &str, sources: &[(&str, u32)], merge: bool) -> Driver {
    let sources = sources.iter().map(|(topic, count)| (Arc::from(*topic), *count)).collect();
    let options = DriverOptions { batch: 1, commit_every: 2, merge, ..DriverOptions::default() };
    Driver::new(plan(text, Path::new(".")), sources, FIXED_NOW_MS, Arc::new(|_, _| {}), options).unwrap()
}

/// The records of the first partitions of a topic.
fn output(driver: &Driver, topic: &str, count: u32) -> Vec<Vec<Record>> {
    let records = |p| driver.output(&TopicPartition::new(topic, p)).unwrap().map(|r| unpack(&r)).unwrap_or_default();
    (0..count).map(records).collect()
}

#[test]
fn the_driver_merges_topics_with_unequal_partitions_and_restarts() {
    for merge in [true, false] {
        let mut driver = driver(&merge_pipeline("p"), &[("p-a", 1), ("p-b", 3)], merge);
        for round in 0..3 {
            for (to, record) in round_of_records("p", round) {
                driver.feed(to, pack(&[record])).unwrap();
            }
            assert!(!driver.run(Some(1), false).unwrap(), "merge: {merge}: one batch was all");
            driver.resume().unwrap();
            assert!(driver.run(None, false).unwrap());
            driver.resume().unwrap();
        }
        let out = output(&driver, "p-out", 3);
        assert_eq!(sorted_numbers(out.iter().flatten()), numbers_of_rounds(3), "merge: {merge}");
        // Partition 0 has records of both sources, the others only those of the wider one.
        assert_eq!(out.iter().map(Vec::len).collect::<Vec<_>>(), [6, 3, 3], "merge: {merge}");
    }
}

#[test]
fn folds_of_topics_with_unequal_partitions_can_be_merged() {
    let text = "
name: p
sources:
  a: {schema: {k: string, n: bigint}}
  b: {schema: {k: string, n: bigint}}
steps:
  - {name: fa, from: a, scan: {by: k, init: {t: 0}, next: {t: t + n}}}
  - {name: fb, from: b, scan: {by: k, init: {t: 0}, next: {t: t + n}}}
  - merge: [fa, fb]
sink: out
";
    let mut driver = driver(text, &[("a", 2), ("b", 5)], true);
    for (topic, count) in [("a", 2), ("b", 5)] {
        for i in 0..20 {
            let key = format!("k{i}");
            let record = Record::json(Some(&key), &json!({"k": key, "n": 1}), i);
            let to = TopicPartition::new(topic, u32::try_from(i).unwrap() % count);
            driver.feed(to, pack(&[record])).unwrap();
        }
    }
    assert!(driver.run(None, true).unwrap());
    let mut results: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for record in output(&driver, "out", 5).into_iter().flatten() {
        *results.entry(record.key.unwrap()).or_default() += 1;
    }
    let expected: BTreeMap<_, _> = (0..20).map(|i| (format!("k{i}").into_bytes(), 2)).collect();
    assert_eq!(results, expected);
}

/// A task without a partition of one source passes on the time of the other.
#[test]
fn a_window_closes_although_a_task_lacks_one_source() {
    let text = "
name: p
sources:
  a: {schema: {k: string, ts: timestamp}, timestamp: ts}
  b: {schema: {k: string, ts: timestamp}, timestamp: ts}
steps:
  - merge: [a, b]
  - {name: hourly, window: {tumbling: 1h, by: [k], select: {n: count(*)}}}
sink: out
";
    let mut driver = driver(text, &[("a", 1), ("b", 3)], false);
    for (source, count) in COUNTS {
        for (partition, hour) in (0..count).flat_map(|p| [(p, 0), (p, 2)]) {
            let ts = hour * 3_600_000;
            let record = Record::json(None, &json!({"k": "x", "ts": ts}), ts);
            driver.feed(TopicPartition::new(source, partition), pack(&[record])).unwrap();
        }
    }
    assert!(driver.run(None, false).unwrap());
    let results: Vec<Record> = output(&driver, "out", 3).into_iter().flatten().collect();
    assert_eq!(sorted_numbers(&results), [4], "one record of each partition is in the first hour");
}
