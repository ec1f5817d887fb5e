//! Windows behind a repartition: rows of several source partitions are grouped by key, and none is lost.
//!
//! The watermark of the partition that a row was read from decides whether it is late, so the model does not depend
//! on how partitions interleave.

use super::windows::{Setting, settings, with_lateness};
use super::{Event, SOURCE, config, events, iso, records_of, topics};
use crate::harness::engine;
use crate::harness::record::{Record, Topics};
use crate::harness::scenario::Scenario;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

fn pipeline(s: &Setting) -> String {
    let Setting { size, offset, delay, grace } = s;
    format!(
        "name: p
source: {{topic: events, {SOURCE}, watermark: {{delay: {delay}ms}}}}
steps:
  - window:
      tumbling: {{size: {size}ms, offset: {offset}ms}}
      by: [kind]
      grace: {grace}ms
      select: {{n: count(*), total: sum(v), high: max(v)}}
sinks: [{{topic: results}}]
"
    )
}

/// Gives each record a unique key: only the repartition groups the records of a kind.
fn with_unique_keys(events: &[Event]) -> Topics {
    let mut topics = topics(events);
    (0..).zip(topics.values_mut().flatten()).for_each(|(i, r): (u32, _)| r.key = Some(i.to_string().into_bytes()));
    topics
}

/// The model: each result once, ordered by kind and window, and the number of late rows.
fn expected(events: &[Event], s: &Setting) -> (Vec<Record>, u64) {
    let mut groups: BTreeMap<(String, i64), Vec<Event>> = BTreeMap::new();
    let mut late = 0;
    for (e, is_late) in with_lateness(events, s) {
        if is_late {
            late += 1;
        } else {
            groups.entry((e.kind(), s.end(e.ts))).or_default().push(e);
        }
    }
    let result = |((kind, end), rows): (&(String, i64), &Vec<Event>)| {
        let vs: Vec<i64> = rows.iter().filter_map(|e| e.v).collect();
        let total = (!vs.is_empty()).then_some(vs.iter().sum::<i64>());
        let value = json!({
            "kind": kind, "n": rows.len(), "total": total, "high": vs.iter().max(),
            "window_start": iso(end - s.size), "window_end": iso(*end),
        });
        Record::json(Some(kind), &value, end - 1)
    };
    (groups.iter().map(result).collect(), late)
}

/// The results of each kind in their order, kinds in order.
fn found(output: &Topics) -> Vec<Record> {
    let mut found = records_of(output, "results");
    found.sort_by_key(|r| r.key.clone());
    found
}

/// Whether the windows of each partition are emitted in the order of their end, then of their key.
fn is_in_order(output: &Topics) -> bool {
    let ordered = |r: &Vec<Record>| r.is_sorted_by_key(|r| (r.timestamp, r.key.clone()));
    output.iter().filter(|((t, _), _)| t == "results").all(|(_, r)| ordered(r))
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn every_window_is_complete(events in events(4, 60, 80), s in settings(), batch in 1_usize..40, commit in 1_usize..5, seed: u64) {
        let (expected, late) = expected(&events, &s);
        let scenario = Scenario::new(&pipeline(&s), with_unique_keys(&events), 4);
        for outcome in [
            scenario.run_uninterrupted(batch, commit),
            scenario.run_unmerged(batch, commit),
            scenario.run_in_parts(batch, commit),
            scenario.run_with_restarts(seed),
        ] {
            prop_assert_eq!(&found(&outcome.output), &expected);
            prop_assert!(is_in_order(&outcome.output), "{:?}", outcome.output);
            prop_assert_eq!(outcome.ledger["late"], late);
        }
    }
}

proptest! {
    #![proptest_config(config(8))]

    #[test]
    fn every_window_is_complete_on_the_runtime(events in events(4, 60, 200), s in settings()) {
        let (expected, late) = expected(&events, &s);
        let scenario = Scenario::new(&pipeline(&s), with_unique_keys(&events), 4);
        let dir = tempfile::tempdir().unwrap();
        let output = engine::run_on_embedded_log(&scenario, dir.path());
        prop_assert_eq!(&found(&output), &expected);
        prop_assert!(is_in_order(&output), "{:?}", output);
        let log = fastdata::log::embedded::EmbeddedLog::open(dir.path()).unwrap();
        prop_assert_eq!(engine::committed_ledger(&scenario, &log)["late"], late);
    }
}
