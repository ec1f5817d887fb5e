//! `scan` against a fold that processes one record after the other.

use super::{Event, SOURCE, config, events, partitioned_by_kind, topics};
use crate::harness::record::{Record, Topics};
use crate::harness::scenario::Scenario;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

const PIPELINE: &str = "
steps:
  - scan:
      by: [kind]
      init: {n: 0, total: 0, trail: \"''\", mean: 0.0}
      next:
        n: n + 1
        total: total + coalesce(v, 0)
        # The text depends on the order of the rows; expressions see the state before the row.
        trail: right(concat(trail, CAST(n AS string)), 5)
        mean: mean + (x - mean) / (n + 1)
sink: {topic: out}
";

fn folded(events: &[Event]) -> Topics {
    let mut states: BTreeMap<u8, (i64, i64, String, f64)> = BTreeMap::new();
    let mut out = Topics::new();
    for e in events {
        let (n, total, trail, mean) = states.entry(e.kind).or_default();
        let longer = format!("{trail}{n}");
        *trail = longer[longer.len().saturating_sub(5)..].to_owned();
        #[allow(clippy::cast_precision_loss, reason = "small")]
        let rows = (*n + 1) as f64;
        *mean += (e.x - *mean) / rows;
        *n += 1;
        *total += e.v.unwrap_or(0);
        let mut value = e.value();
        let state = json!({"n": n, "total": total, "trail": trail, "mean": mean});
        value.as_object_mut().unwrap().extend(state.as_object().unwrap().clone());
        let record = Record::json(Some(&e.kind()), &value, e.ts);
        out.entry(("out".into(), e.partition)).or_default().push(record);
    }
    out
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn a_fold_processes_one_row_after_the_other(events in events(1, 30, 60), partitions in 1_u32..4, batch in 1_usize..40, commit in 1_usize..5, seed: u64) {
        let events = partitioned_by_kind(events, partitions);
        let expected = folded(&events);
        let text = format!("name: p\nsource: {{topic: events, key: kind, {SOURCE}}}{PIPELINE}");
        let scenario = Scenario::new(&text, topics(&events), partitions);
        for outcome in [scenario.run_uninterrupted(batch, commit), scenario.run_with_restarts(seed)] {
            // Sinks choose partitions by key; only the order within a key matters.
            prop_assert_eq!(crate::harness::record::sorted_by_key(&outcome.output), crate::harness::record::sorted_by_key(&expected));
        }
    }
}
