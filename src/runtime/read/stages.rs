//! The stages of a bounded run: sub-topologies in the order in which they are read to their end.

use crate::plan::{InputPlan, Physical, SubTopology};
use crate::record::TopicPartition;
use crate::runtime::operators::build::Partitions;
use std::sync::Arc;

/// One sub-topology on the way to the end.
#[derive(Clone, Debug)]
pub(in crate::runtime) struct Stretch {
    pub(in crate::runtime) sub: u32,
    /// All partitions that its tasks read, whoever has them.
    pub(in crate::runtime) partitions: Vec<TopicPartition>,
    /// Whether others read what it sends on.
    pub(in crate::runtime) feeds: bool,
}

/// The sub-topologies with all partitions that they read.
pub(in crate::runtime) fn course(plan: &Physical, there: &Partitions) -> Vec<Stretch> {
    let feeds = |sub: &SubTopology| {
        let from = |i: &InputPlan| matches!(i, InputPlan::Repartition(r) if r.from == sub.id);
        plan.subs.iter().flat_map(|s| &s.inputs).any(from)
    };
    let all = |topic: &Arc<str>| {
        let count = there.get(topic).copied().unwrap_or(0);
        (0..count).map(|p| TopicPartition::new(topic.clone(), p)).collect::<Vec<_>>()
    };
    let stretch = |sub: &SubTopology| Stretch {
        sub: sub.id.0,
        partitions: sub.inputs.iter().flat_map(|i| all(i.topic())).collect(),
        feeds: feeds(sub),
    };
    plan.subs.iter().map(stretch).collect()
}
