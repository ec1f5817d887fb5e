//! A bounded run merges the inputs of a task: the next record is the one with the least event time, then of the
//! earlier source, then of the lower partition.
//!
//! The model compares the first records of all streams and takes one at a time.

use super::{Event, config, events};
use crate::harness::engine;
use crate::harness::record::{Record, Topics, pack};
use crate::harness::scenario::Scenario;
use crate::harness::topics::{append, temp_log, topic_config};
use fastdata::log::Log as _;
use proptest::prelude::*;
use std::collections::{BTreeSet, VecDeque};

const PARTITIONS: u32 = 3;

const MERGED: &str = "name: p
sources:
  odd: {topic: odd, schema: {kind: string, ts: bigint, v: bigint, x: double}, timestamp: ts}
  even: {topic: even, schema: {kind: string, ts: bigint, v: bigint, x: double}, timestamp: ts}
steps:
  - merge: [odd, even]
  - set: {at: \"concat(_topic, '/', _partition, '/', _offset)\"}
sink: {topic: out}
";

const REPARTITIONED: &str = "name: p
source: {topic: odd, schema: {kind: string, ts: bigint, v: bigint, x: double}, timestamp: ts}
steps:
  - scan: {by: [kind], init: {n: 0, sum: 0}, next: {n: n + 1, sum: \"(sum * 7 + coalesce(v, 0)) % 1000003\"}}
sink: {topic: out}
";

/// A record of a stream. One that cannot be decoded has no event time and is taken at once.
#[derive(Clone)]
struct Queued {
    time: Option<i64>,
    record: Record,
    at: String,
}

/// Merges streams by their first records.
fn merge(mut streams: Vec<VecDeque<Queued>>) -> Vec<Queued> {
    let mut merged = Vec::new();
    while let Some(least) = (0..streams.len())
        .filter(|s| !streams[*s].is_empty())
        .min_by_key(|s| (streams[*s][0].time.unwrap_or(i64::MIN), *s))
    {
        merged.extend(streams[least].pop_front());
    }
    merged
}

/// Distributes events over the two topics. Every seventh record is not JSON; none has a key.
fn two_topics(events: &[Event]) -> Topics {
    let mut topics = Topics::new();
    for (i, e) in events.iter().enumerate() {
        let mut record = Record::json(None, &e.value(), e.ts);
        if i % 7 == 3 {
            record.value = Some(format!("no json {i}").into_bytes());
        }
        let topic = if e.v.unwrap_or(0) % 2 == 0 { "even" } else { "odd" };
        topics.entry((topic.to_owned(), e.partition)).or_default().push(record);
    }
    topics
}

fn stream(topics: &Topics, topic: &str, partition: u32) -> VecDeque<Queued> {
    let records = topics.get(&(topic.to_owned(), partition)).cloned().unwrap_or_default();
    let queued = |(offset, record): (usize, Record)| {
        let value: Option<serde_json::Value> = serde_json::from_slice(record.value.as_deref().unwrap()).ok();
        let time = value.map(|v| v["ts"].as_i64().unwrap());
        Queued { time, record, at: format!("{topic}/{partition}/{offset}") }
    };
    records.into_iter().enumerate().map(queued).collect()
}

fn field(record: &Record, name: &str) -> serde_json::Value {
    serde_json::from_slice::<serde_json::Value>(record.value.as_deref().unwrap()).unwrap()[name].clone()
}

/// The origin of each record in a partition of the sink, and of each dead letter of its task.
fn origins(output: &Topics, partition: u32) -> (Vec<String>, Vec<String>) {
    let of = |topic: &str| output.get(&(topic.to_owned(), partition)).cloned().unwrap_or_default();
    let written = of("out").iter().map(|r| field(r, "at").as_str().unwrap().to_owned()).collect();
    let dead = super::records_of(output, "p.dead")
        .iter()
        .map(|r| r.header("fastdata-source").unwrap().to_owned())
        .collect::<Vec<_>>();
    let own = |at: &String| at.split('/').nth(1) == Some(&partition.to_string());
    (written, dead.into_iter().filter(own).collect())
}

fn assert_merged(input: &Topics, output: &Topics) -> Result<(), TestCaseError> {
    for partition in 0..PARTITIONS {
        let merged = merge(vec![stream(input, "odd", partition), stream(input, "even", partition)]);
        let (good, bad): (Vec<Queued>, Vec<Queued>) = merged.into_iter().partition(|w| w.time.is_some());
        let at = |all: Vec<Queued>| all.into_iter().map(|w| w.at).collect::<Vec<_>>();
        prop_assert_eq!(origins(output, partition), (at(good), at(bad)));
    }
    Ok(())
}

/// Compares the folds of each partition with folds over the merged valid records of all senders. Which kinds are in
/// which partition, the output says; together these are all kinds of the valid input.
fn assert_folded(input: &Topics, output: &Topics) -> Result<(), TestCaseError> {
    let kind = |w: &Queued| field(&w.record, "kind").as_str().unwrap().to_owned();
    let valid = (0..PARTITIONS).flat_map(|p| stream(input, "odd", p)).filter(|w| w.time.is_some());
    let expected_kinds: BTreeSet<String> = valid.map(|w| kind(&w)).collect();
    let mut found_kinds = BTreeSet::new();
    for partition in 0..PARTITIONS {
        let found = output.get(&("out".to_owned(), partition)).cloned().unwrap_or_default();
        let kinds: BTreeSet<String> = found.iter().map(|r| field(r, "kind").as_str().unwrap().to_owned()).collect();
        found_kinds.extend(kinds.iter().cloned());
        let own = |w: &Queued| w.time.is_some() && kinds.contains(&kind(w));
        let senders = (0..PARTITIONS).map(|p| stream(input, "odd", p).into_iter().filter(own).collect());
        let mut sums = std::collections::BTreeMap::new();
        let mut expected = Vec::new();
        for w in merge(senders.collect()) {
            let (n, sum) = sums.entry(kind(&w)).or_insert((0_i64, 0_i64));
            (*n, *sum) = (*n + 1, (*sum * 7 + field(&w.record, "v").as_i64().unwrap_or(0)) % 1_000_003);
            expected.push((kind(&w), *n, *sum));
        }
        let found = found.iter().map(|r| {
            let kind = field(r, "kind").as_str().unwrap().to_owned();
            (kind, field(r, "n").as_i64().unwrap(), field(r, "sum").as_i64().unwrap())
        });
        prop_assert_eq!(found.collect::<Vec<_>>(), expected);
    }
    prop_assert_eq!(found_kinds, expected_kinds);
    Ok(())
}

#[test]
fn the_check_of_folds_finds_a_kind_that_is_missing() {
    let event = |i: i64| Event { partition: 0, kind: 0, ts: i, v: Some(1), x: 0.0 };
    let input = two_topics(&[event(0), event(1)]);
    assert!(assert_folded(&input, &Topics::new()).is_err());
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn sources_are_merged_by_least_event_time(events in events(PARTITIONS, 60, 80), batch in 1_usize..40, commit in 1_usize..5, seed: u64) {
        let input = two_topics(&events);
        let scenario = Scenario::new(MERGED, input.clone(), PARTITIONS);
        for outcome in [scenario.run_uninterrupted(batch, commit), scenario.run_in_parts(batch, commit), scenario.run_with_restarts(seed)] {
            assert_merged(&input, &outcome.output)?;
        }
    }

    #[test]
    fn senders_are_merged_by_least_event_time(events in events(PARTITIONS, 60, 80), batch in 1_usize..40, commit in 1_usize..5, seed: u64) {
        let mut input = two_topics(&events);
        input.retain(|(topic, _), _| topic == "odd");
        let scenario = Scenario::new(REPARTITIONED, input.clone(), PARTITIONS);
        for outcome in [scenario.run_uninterrupted(batch, commit), scenario.run_in_parts(batch, commit), scenario.run_with_restarts(seed)] {
            assert_folded(&input, &outcome.output)?;
        }
    }
}

proptest! {
    #![proptest_config(config(6))]

    #[test]
    fn the_runtime_merges_like_the_model(events in events(PARTITIONS, 60, 300)) {
        let input = two_topics(&events);
        let dir = tempfile::tempdir().unwrap();
        let output = engine::run_on_embedded_log(&Scenario::new(MERGED, input.clone(), PARTITIONS), dir.path());
        assert_merged(&input, &output)?;

        let input: Topics = input.into_iter().filter(|((topic, _), _)| topic == "odd").collect();
        let dir = tempfile::tempdir().unwrap();
        let output = engine::run_on_embedded_log(&Scenario::new(REPARTITIONED, input.clone(), PARTITIONS), dir.path());
        assert_folded(&input, &output)?;
    }
}

#[test]
fn a_recreated_source_of_a_merge_is_reported() {
    let event = |i: i64| Event { partition: 0, kind: 0, ts: i, v: Some(i), x: 0.0 };
    let input = two_topics(&(0..10).map(event).collect::<Vec<_>>());
    let scenario = Scenario::new(MERGED, input.clone(), 1);
    let (log, _dir) = temp_log();
    engine::seed(&scenario, &*log);
    engine::run(&scenario, &log);
    log.delete_topic("odd").unwrap();
    log.create_topic("odd", &topic_config(1)).unwrap();
    // The new topic is longer than the old one was.
    let records = [&input[&("odd".to_owned(), 0)][..], &input[&("even".to_owned(), 0)][..]].concat();
    append(&*log, "odd", 0, pack(&records));
    let fault = engine::try_run(&scenario, log).unwrap_err().to_string();
    assert!(fault.starts_with("topic `odd` was deleted and made again since it was read last"), "{fault}");
}
