//! Tumbling windows against a model that keeps every row.

use super::{Event, SOURCE, config, events, iso, records_of, topics};
use crate::harness::record::Record;
use crate::harness::scenario::Scenario;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

/// The settings of a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setting {
    pub(super) size: i64,
    pub(super) offset: i64,
    pub(super) delay: i64,
    pub(super) grace: i64,
}

pub(super) fn settings() -> impl Strategy<Value = Setting> {
    let all = (1_i64..120, 0_i64..60, 0_i64..40, 0_i64..40);
    all.prop_map(|(size, offset, delay, grace)| Setting { size, offset: offset % size, delay, grace })
}

impl Setting {
    /// The end of the window that contains a time: found by stepping, not by arithmetic.
    pub(super) fn end(&self, ts: i64) -> i64 {
        let mut end = self.offset;
        while end > ts {
            end -= self.size;
        }
        while end <= ts {
            end += self.size;
        }
        end
    }
}

/// The rows in order, each with whether it is late by the watermark of its partition.
pub(super) fn with_lateness(events: &[Event], s: &Setting) -> Vec<(Event, bool)> {
    let mut newest: BTreeMap<u32, i64> = BTreeMap::new();
    let mut is_late = |e: &Event| {
        let newest = newest.entry(e.partition).or_insert(e.ts);
        *newest = (*newest).max(e.ts);
        (e.clone(), s.end(e.ts) + s.grace <= *newest - s.delay)
    };
    events.iter().map(&mut is_late).collect()
}

/// The expected result of a group of rows.
pub(super) fn result(kind: &str, end: i64, rows: &[Event], s: &Setting) -> Record {
    let vs: Vec<i64> = rows.iter().filter_map(|e| e.v).collect();
    let any = |n: i64| (!vs.is_empty()).then_some(n);
    let mut x = 0.0;
    for e in rows {
        x += e.x;
    }
    #[allow(clippy::cast_precision_loss, reason = "few and small")]
    let (n, mean) = (rows.len() as f64, vs.iter().sum::<i64>() as f64 / vs.len() as f64);
    let value = json!({
        "kind": kind,
        "n": rows.len(),
        "vs": vs.len(),
        "total": any(vs.iter().sum()),
        "mean": (!vs.is_empty()).then_some(mean),
        "low": vs.iter().min(),
        "high": vs.iter().max(),
        "x": x,
        "mean_x": x / n,
        "window_start": iso(end - s.size),
        "window_end": iso(end),
    });
    Record::json(Some(kind), &value, end - 1)
}

fn pipeline(s: &Setting) -> String {
    let Setting { size, offset, delay, grace } = s;
    format!(
        "name: p
source: {{topic: events, key: kind, {SOURCE}, watermark: {{delay: {delay}ms}}}}
steps:
  - name: w
    window:
      tumbling: {{size: {size}ms, offset: {offset}ms}}
      by: [kind]
      grace: {grace}ms
      select:
        n: count(*)
        vs: count(v)
        total: sum(v)
        mean: avg(v)
        low: min(v)
        high: max(v)
        x: sum(x)
        mean_x: avg(x)
sinks:
  - {{from: w, topic: results}}
  - {{from: w.late, topic: late}}
"
    )
}

proptest! {
    #![proptest_config(config(160))]

    #[test]
    fn each_window_contains_its_rows(events in events(1, 60, 80), s in settings(), batch in 1_usize..40, commit in 1_usize..5, seed: u64) {
        let mut groups: BTreeMap<(i64, String), Vec<Event>> = BTreeMap::new();
        let mut late = Vec::new();
        for (e, is_late) in with_lateness(&events, &s) {
            if is_late {
                late.push(Record::json(Some(&e.kind()), &e.value(), e.ts));
            } else {
                groups.entry((s.end(e.ts), e.kind())).or_default().push(e);
            }
        }
        let results: Vec<Record> = groups.iter().map(|((end, kind), rows)| result(kind, *end, rows, &s)).collect();
        let scenario = Scenario::new(&pipeline(&s), topics(&events), 1);
        for outcome in [scenario.run_uninterrupted(batch, commit), scenario.run_in_parts(batch, commit), scenario.run_with_restarts(seed)] {
            prop_assert_eq!(&records_of(&outcome.output, "results"), &results);
            prop_assert_eq!(&records_of(&outcome.output, "late"), &late);
            prop_assert_eq!(outcome.ledger["late"], 0, "rows of the `late` output do not count as late");
        }
    }
}
