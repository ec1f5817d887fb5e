//! Steps that emit nothing for a batch: a chain in which each step drops random rows.

use super::windows::{Setting, settings};
use super::{Event, SOURCE, config, events, iso, partitioned_by_kind, topics};
use crate::harness::record::{Record, Topics, sorted_by_key};
use crate::harness::scenario::Scenario;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

/// A condition on integers: `v % modulus = rest`. It is never true if `rest` is not below `modulus`.
#[derive(Clone, Copy, Debug)]
struct Condition {
    modulus: i64,
    rest: i64,
}

impl Condition {
    fn any() -> impl Strategy<Value = Self> {
        (1_i64..5, 0_i64..5).prop_map(|(modulus, rest)| Self { modulus, rest })
    }

    fn holds(self, v: i64) -> bool {
        v % self.modulus == self.rest
    }

    fn sql(self, column: &str) -> String {
        format!("{column} % {} = {}", self.modulus, self.rest)
    }
}

fn pipeline(c: &[Condition], s: &Setting) -> String {
    let Setting { size, offset, delay, grace } = s;
    let (a, b, d, e) = (c[0].sql("v"), c[1].sql("n"), c[2].sql("copy"), c[3].sql("total"));
    format!(
        "name: p
source: {{topic: events, key: kind, {SOURCE}, watermark: {{delay: {delay}ms}}}}
steps:
  - filter: {a}
  - scan: {{by: [kind], init: {{n: 0}}, next: {{n: n + 1}}}}
  - filter: {b}
  # No, one or two rows of each.
  - set: {{copy: 'array_remove_all(make_array(n % 3, 2 * (n % 3)), 0)'}}
  - flatten: copy
  - filter: {d}
  - name: w
    window:
      tumbling: {{size: {size}ms, offset: {offset}ms}}
      by: [kind]
      grace: {grace}ms
      select: {{rows: count(*), total: sum(copy)}}
  - filter: {e}
sink: {{topic: out}}
"
    )
}

/// The model, which processes one record at a time: the results and the number of late rows.
fn expected(events: &[Event], c: &[Condition], s: &Setting) -> (Topics, u64) {
    let mut newest: BTreeMap<u32, i64> = BTreeMap::new();
    let mut count: BTreeMap<u8, i64> = BTreeMap::new();
    let mut windows: BTreeMap<(i64, String), (i64, i64)> = BTreeMap::new();
    let mut late = 0;
    for e in events {
        let newest = newest.entry(e.partition).or_insert(e.ts);
        *newest = (*newest).max(e.ts);
        if !e.v.is_some_and(|v| c[0].holds(v)) {
            continue;
        }
        let n = count.entry(e.kind).or_default();
        *n += 1;
        if !c[1].holds(*n) {
            continue;
        }
        for copy in [*n % 3, 2 * (*n % 3)].into_iter().filter(|copy| *copy != 0 && c[2].holds(*copy)) {
            let end = s.end(e.ts);
            if end + s.grace <= *newest - s.delay {
                late += 1;
                continue;
            }
            let (rows, total) = windows.entry((end, e.kind())).or_default();
            *rows += 1;
            *total += copy;
        }
    }
    let mut out = Topics::new();
    for ((end, kind), (rows, total)) in windows.iter().filter(|(_, (_, total))| c[3].holds(*total)) {
        let value = json!({
            "kind": kind, "rows": rows, "total": total, "window_start": iso(end - s.size), "window_end": iso(*end),
        });
        out.entry(("out".into(), 0)).or_default().push(Record::json(Some(kind), &value, end - 1));
    }
    (sorted_by_key(&out), late)
}

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn steps_that_emit_nothing_lose_nothing(
        events in events(1, 60, 80),
        c in prop::collection::vec(Condition::any(), 4),
        s in settings(),
        partitions in 1_u32..4,
        batch in 1_usize..40,
        seed: u64,
    ) {
        let events = partitioned_by_kind(events, partitions);
        let (expected, late) = expected(&events, &c, &s);
        let scenario = Scenario::new(&pipeline(&c, &s), topics(&events), partitions);
        for outcome in [scenario.run_uninterrupted(batch, 3), scenario.run_with_restarts(seed)] {
            prop_assert_eq!(sorted_by_key(&outcome.output), expected.clone());
            prop_assert_eq!(outcome.ledger["late"], late);
        }
    }
}
