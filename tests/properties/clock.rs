//! What the wall clock does: windows that close without a newer record, inputs that fall idle.
//!
//! The clock is set by hand; the expected results are counted by hand.

use super::SOURCE;
use crate::harness::drive::{Drive, NOW};
use crate::harness::record::{Record, Topics, unpack};
use fastdata::record::TopicPartition;
use fastdata::runtime::{Driver, DriverOptions};
use serde_json::json;

fn pipeline(source: &str, window: &str) -> String {
    format!(
        "name: p
source: {{topic: events, {SOURCE}, {source}}}
steps:
  - name: w
    window: {{tumbling: 1s, by: [kind], select: {{n: count(*)}}, {window}}}
sinks: [{{from: w, topic: results}}, {{from: w.late, topic: late}}]
"
    )
}

fn event(kind: &str, ts: i64) -> Record {
    Record::json(Some(kind), &json!({"kind": kind, "ts": ts, "v": 1, "x": 0.5}), ts)
}

fn driver(text: &str, input: Topics, partitions: u32) -> Driver {
    // In order of arrival: where inputs wait for one another, silence means nothing.
    let options = DriverOptions { batch: 1, commit_every: 1, merge: false };
    Drive::new(text, input, partitions).driver(options, &std::sync::Arc::default())
}

fn feed(driver: &mut Driver, partition: u32, records: &[Record]) {
    driver.feed(TopicPartition::new("events", partition), crate::harness::record::pack(records)).expect("it exists");
}

/// `KIND END COUNT` of each result.
fn results(driver: &Driver) -> Vec<String> {
    let found = (0..2).filter_map(|p| driver.output(&TopicPartition::new("results", p)).expect("it can be read"));
    let line = |r: Record| {
        let value: serde_json::Value = serde_json::from_slice(r.value.as_deref().unwrap()).unwrap();
        format!("{} {} {}", value["kind"].as_str().unwrap(), r.timestamp + 1, value["n"])
    };
    found.flat_map(|r| unpack(&r)).map(line).collect()
}

fn late(driver: &Driver) -> usize {
    (0..2)
        .filter_map(|p| driver.output(&TopicPartition::new("late", p)).expect("it can be read"))
        .map(|r| unpack(&r).len())
        .sum()
}

fn go(driver: &mut Driver, at: i64) -> Vec<String> {
    driver.pass_time(NOW + at).expect("no fault");
    driver.run(None, false).expect("no fault");
    results(driver)
}

#[test]
fn a_window_closes_when_no_newer_record_comes() {
    let text = pipeline("key: kind", "close_after: 30s");
    let input = Topics::from([(("events".into(), 0), vec![event("a", 100), event("b", 1_200)])]);
    let mut driver = driver(&text, input, 1);
    // The second record closes the first window, by event time.
    assert_eq!(go(&mut driver, 0), ["a 1000 1"]);
    assert_eq!(go(&mut driver, 29_999), ["a 1000 1"]);
    assert_eq!(go(&mut driver, 30_000), ["a 1000 1", "b 2000 1"]);
    // What comes for a window that the clock has closed is late, also after a restart.
    driver.resume().expect("what was committed can be taken back");
    feed(&mut driver, 0, &[event("b", 1_300), event("b", 2_100)]);
    assert_eq!(go(&mut driver, 31_000), ["a 1000 1", "b 2000 1"]);
    assert_eq!(late(&driver), 1);
    assert_eq!(go(&mut driver, 61_000), ["a 1000 1", "b 2000 1", "b 3000 1"]);
}

#[test]
fn a_silent_partition_holds_time_back_until_it_is_idle() {
    // Keyed otherwise than it is grouped: two senders, whose watermarks both count.
    let text = pipeline("watermark: {idle: 10s}", "grace: 0s");
    let (busy, silent) = (vec![event("a", 100), event("a", 1_200)], vec![event("a", 300)]);
    let input = Topics::from([(("events".into(), 0), busy), (("events".into(), 1), silent)]);
    let mut driver = driver(&text, input, 2);
    assert_eq!(go(&mut driver, 0), [""; 0]);
    assert_eq!(go(&mut driver, 9_999), [""; 0]);
    feed(&mut driver, 0, &[event("a", 1_300)]);
    // The busy one has just been heard; the silent one holds nothing back any more.
    assert_eq!(go(&mut driver, 10_000), ["a 1000 2"]);
    // It wakes up behind the others: its first record is not late by its own watermark, but its window has
    // been given away; a second result would be wrong.
    feed(&mut driver, 0, &[event("a", 2_600)]);
    assert_eq!(go(&mut driver, 10_500), ["a 1000 2", "a 2000 2"]);
    feed(&mut driver, 1, &[event("a", 1_400), event("a", 2_500)]);
    assert_eq!(go(&mut driver, 10_550), ["a 1000 2", "a 2000 2"]);
    feed(&mut driver, 0, &[event("a", 3_700)]);
    assert_eq!(go(&mut driver, 10_600), ["a 1000 2", "a 2000 2"]);
    assert_eq!(late(&driver), 1);
    feed(&mut driver, 1, &[event("a", 3_800)]);
    assert_eq!(go(&mut driver, 10_700), ["a 1000 2", "a 2000 2", "a 3000 2"]);
}
