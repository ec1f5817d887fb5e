//! Windows behind a repartition: rows of several source partitions meet by key, and none is lost.
//!
//! What is late is decided by the watermark of the partition that a row was read from, so the model needs
//! no notion of how partitions interleave.

use super::windows::{Setting, judged, settings};
use super::{Event, SOURCE, config, events, iso, of, topics};
use crate::harness::drive::Drive;
use crate::harness::engine;
use crate::harness::record::{Record, Topics};
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

/// Each record has a key of its own: only the repartition brings those of a kind together.
fn scattered(events: &[Event]) -> Topics {
    let mut topics = topics(events);
    (0..).zip(topics.values_mut().flatten()).for_each(|(i, r): (u32, _)| r.key = Some(i.to_string().into_bytes()));
    topics
}

/// Every result once, by window and kind; and how many rows are late.
fn expected(events: &[Event], s: &Setting) -> (Vec<Record>, u64) {
    let mut groups: BTreeMap<(String, i64), Vec<Event>> = BTreeMap::new();
    let mut late = 0;
    for (e, is_late) in judged(events, s) {
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
    let mut found = of(output, "results");
    found.sort_by_key(|r| r.key.clone());
    found
}

/// In each partition, windows leave in the order of their end, then of their key.
fn in_order(output: &Topics) -> bool {
    let ordered = |r: &Vec<Record>| r.is_sorted_by_key(|r| (r.timestamp, r.key.clone()));
    output.iter().filter(|((t, _), _)| t == "results").all(|(_, r)| ordered(r))
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn every_window_is_complete(events in events(4, 60, 80), s in settings(), batch in 1_usize..40, commit in 1_usize..5, seed: u64) {
        let (expected, late) = expected(&events, &s);
        let drive = Drive::new(&pipeline(&s), scattered(&events), 4);
        for outcome in [drive.straight(batch, commit), drive.in_turns(batch, commit), drive.resumed(seed)] {
            prop_assert_eq!(&found(&outcome.output), &expected);
            prop_assert!(in_order(&outcome.output), "{:?}", outcome.output);
            prop_assert_eq!(outcome.ledger["late"], late);
        }
    }
}

proptest! {
    #![proptest_config(config(8))]

    #[test]
    fn every_window_is_complete_on_the_runtime(events in events(4, 60, 200), s in settings()) {
        let (expected, late) = expected(&events, &s);
        let drive = Drive::new(&pipeline(&s), scattered(&events), 4);
        let dir = tempfile::tempdir().unwrap();
        let output = engine::whole(&drive, dir.path());
        prop_assert_eq!(&found(&output), &expected);
        prop_assert!(in_order(&output), "{:?}", output);
        let log = fastdata::log::embedded::EmbeddedLog::open(dir.path()).unwrap();
        prop_assert_eq!(engine::ledger(&drive, &log)["late"], late);
    }
}
