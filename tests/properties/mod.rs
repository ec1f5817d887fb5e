//! Pipelines on random records against naive models.
//!
//! The models process one record after the other and keep everything. They share no code with the program.

mod clock;
mod empty_batches;
mod folds;
mod merging;
mod repartition;
mod windows;

use crate::harness::record::{Record, Topics};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::{Value, json};

/// One measurement.
#[derive(Clone, Debug)]
struct Event {
    partition: u32,
    kind: u8,
    ts: i64,
    v: Option<i64>,
    x: f64,
}

impl Event {
    fn kind(&self) -> String {
        format!("k{}", self.kind)
    }

    fn value(&self) -> Value {
        json!({"kind": self.kind(), "ts": self.ts, "v": self.v, "x": self.x})
    }
}

/// The source that reads events.
const SOURCE: &str = "schema: {kind: string, ts: bigint, v: bigint, x: double}, timestamp: ts";

/// Fewer than `max_events` events, 10 ms apart and out of order by up to `disorder` ms.
fn events(partitions: u32, disorder: i64, max_events: usize) -> impl Strategy<Value = Vec<Event>> {
    let one =
        (0..partitions, 0_u8..4, -disorder..=disorder, prop::option::weighted(0.9, -50_i64..50), -999_999_i32..999_999);
    prop::collection::vec(one, 0..max_events).prop_map(|all| {
        let at = |(i, (partition, kind, jitter, v, x)): (i64, (u32, u8, i64, Option<i64>, i32))| Event {
            partition,
            kind,
            ts: i * 10 + jitter,
            v,
            x: f64::from(x) / 1000.0,
        };
        (0..).zip(all).map(at).collect()
    })
}

/// The events as records of the topic `events`, keyed by kind.
fn topics(events: &[Event]) -> Topics {
    let mut topics = Topics::new();
    for e in events {
        let record = Record::json(Some(&e.kind()), &e.value(), e.ts);
        topics.entry(("events".into(), e.partition)).or_default().push(record);
    }
    topics
}

/// Moves each event to the partition of its kind.
fn partitioned_by_kind(mut events: Vec<Event>, partitions: u32) -> Vec<Event> {
    events.iter_mut().for_each(|e| e.partition = u32::from(e.kind) % partitions);
    events
}

/// RFC 3339 in UTC with milliseconds.
fn iso(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms).unwrap().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn config(cases: u32) -> ProptestConfig {
    let failure_persistence: Option<Box<dyn proptest::test_runner::FailurePersistence>> =
        Some(Box::new(FileFailurePersistence::Off));
    ProptestConfig { cases, failure_persistence, max_shrink_iters: 2_000, ..ProptestConfig::default() }
}

/// The records of all partitions of a topic, in the order of partition and offset.
fn records_of(topics: &Topics, topic: &str) -> Vec<Record> {
    topics.iter().filter(|((t, _), _)| t == topic).flat_map(|(_, r)| r.clone()).collect()
}
