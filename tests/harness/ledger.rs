//! The ledger of a finished run: nothing is in flight, so each record that was sent by key was received.

use fastdata::metrics::{Ledger, RepartitionStats, TaskProgress};
use fastdata::plan::{Op, Physical};

/// Sums the progress of all tasks of a plan; its remainder must be 0.
pub fn ledger<'a>(plan: &Physical, tasks: impl Iterator<Item = &'a TaskProgress> + Clone) -> Ledger {
    let nodes = plan.subs.iter().flat_map(|s| &s.nodes);
    let repartitions = nodes.filter_map(|node| {
        let Op::Repartition(to) = &node.op else { return None };
        let steps = tasks.clone().flat_map(|t| &t.steps).filter(|s| s.name == node.name);
        let inputs = tasks.clone().flat_map(|t| &t.inputs).filter(|i| i.name == node.name);
        let (sent, received) = (steps.map(|s| s.counters.written).sum(), inputs.map(|i| i.read).sum());
        let lost = i64::try_from(sent).unwrap() - i64::try_from(received).unwrap();
        Some(RepartitionStats {
            name: node.name.clone(),
            topic: to.topic.to_string(),
            sent,
            received,
            in_transit: 0,
            lost,
        })
    });
    let ledger = Ledger::of(tasks.clone(), &repartitions.collect::<Vec<_>>());
    assert_eq!(ledger.remainder, 0, "{ledger:?}");
    ledger
}
