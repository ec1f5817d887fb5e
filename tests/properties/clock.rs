//! The wall clock: windows that close without a newer record (`close_after`), inputs that become idle.
//!
//! The test sets the clock, and the expected results were counted by hand.

use super::SOURCE;
use crate::harness::record::{Record, Topics, unpack};
use crate::harness::scenario::{FIXED_NOW_MS, Scenario};
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
    // Inputs are read as they arrive: if they were merged, an idle one would block the others.
    let options = DriverOptions { batch: 1, commit_every: 1, ..DriverOptions::default() };
    Scenario::new(text, input, partitions).driver(options, &std::sync::Arc::default())
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

fn advance_clock_and_run(driver: &mut Driver, at: i64) -> Vec<String> {
    driver.pass_time(FIXED_NOW_MS + at).expect("no fault");
    driver.run(None, false).expect("no fault");
    results(driver)
}

#[test]
fn a_window_closes_when_no_newer_record_comes() {
    let text = pipeline("key: kind", "close_after: 30s");
    let input = Topics::from([(("events".into(), 0), vec![event("a", 100), event("b", 1_200)])]);
    let mut driver = driver(&text, input, 1);
    // The second record closes the first window, by event time.
    assert_eq!(advance_clock_and_run(&mut driver, 0), ["a 1000 1"]);
    assert_eq!(advance_clock_and_run(&mut driver, 29_999), ["a 1000 1"]);
    assert_eq!(advance_clock_and_run(&mut driver, 30_000), ["a 1000 1", "b 2000 1"]);
    // A record for a window that the clock has closed is late, also after a restart.
    driver.resume().expect("the committed state can be restored");
    feed(&mut driver, 0, &[event("b", 1_300), event("b", 2_100)]);
    assert_eq!(advance_clock_and_run(&mut driver, 31_000), ["a 1000 1", "b 2000 1"]);
    assert_eq!(late(&driver), 1);
    assert_eq!(advance_clock_and_run(&mut driver, 61_000), ["a 1000 1", "b 2000 1", "b 3000 1"]);
}

#[test]
fn a_partition_without_records_holds_the_watermark_until_it_is_idle() {
    // The group key is not the record key: both senders of the repartition count for the watermark.
    let text = pipeline("watermark: {idle: 10s}", "grace: 0s");
    let (busy, quiet) = (vec![event("a", 100), event("a", 1_200)], vec![event("a", 300)]);
    let input = Topics::from([(("events".into(), 0), busy), (("events".into(), 1), quiet)]);
    let mut driver = driver(&text, input, 2);
    assert_eq!(advance_clock_and_run(&mut driver, 0), [""; 0]);
    assert_eq!(advance_clock_and_run(&mut driver, 9_999), [""; 0]);
    feed(&mut driver, 0, &[event("a", 1_300)]);
    // The busy partition is not idle; the quiet one is, and no longer holds the watermark.
    assert_eq!(advance_clock_and_run(&mut driver, 10_000), ["a 1000 2"]);
    // The quiet partition resumes behind the other: its first record is not late by its own watermark, but the result
    // of its window is already emitted. A second result would be wrong.
    feed(&mut driver, 0, &[event("a", 2_600)]);
    assert_eq!(advance_clock_and_run(&mut driver, 10_500), ["a 1000 2", "a 2000 2"]);
    feed(&mut driver, 1, &[event("a", 1_400), event("a", 2_500)]);
    assert_eq!(advance_clock_and_run(&mut driver, 10_550), ["a 1000 2", "a 2000 2"]);
    feed(&mut driver, 0, &[event("a", 3_700)]);
    assert_eq!(advance_clock_and_run(&mut driver, 10_600), ["a 1000 2", "a 2000 2"]);
    assert_eq!(late(&driver), 1);
    feed(&mut driver, 1, &[event("a", 3_800)]);
    assert_eq!(advance_clock_and_run(&mut driver, 10_700), ["a 1000 2", "a 2000 2", "a 3000 2"]);
}
