//! The stages of a bounded run: the sub-topologies in the order in which they are read to their end.

use crate::plan::{InputPlan, Physical, PipelineLayout, SubTopology};
use crate::record::TopicPartition;
use std::collections::BTreeSet;
use std::sync::Arc;

/// One sub-topology of a bounded run.
#[derive(Clone, Debug)]
pub(in crate::runtime) struct Stage {
    pub(in crate::runtime) sub: u32,
    /// All partitions that its tasks read, whichever instance has them.
    pub(in crate::runtime) partitions: Vec<TopicPartition>,
    /// The topics of these that are sources of the pipeline.
    pub(in crate::runtime) sources: BTreeSet<Arc<str>>,
    /// Whether a later stage reads what this one sends on.
    pub(in crate::runtime) feeds_others: bool,
}

/// The stages of a plan, upstream first.
pub(in crate::runtime) fn stages(plan: &Physical, layout: &PipelineLayout) -> Vec<Stage> {
    let feeds_others = |sub: &SubTopology| {
        let reads = |i: &InputPlan| matches!(i, InputPlan::Repartition(r) if r.from == sub.id);
        plan.subs.iter().flat_map(|s| &s.inputs).any(reads)
    };
    let partitions = |(input, count): (&InputPlan, &u32)| {
        let topic = input.topic().clone();
        (0..*count).map(move |p| TopicPartition::new(topic.clone(), p))
    };
    let stage = |sub: &SubTopology| Stage {
        sub: sub.id.0,
        partitions: sub.inputs.iter().zip(&layout.sub(sub.id).inputs).flat_map(partitions).collect(),
        sources: sub.inputs.iter().filter(|i| matches!(i, InputPlan::Source(_))).map(|i| i.topic().clone()).collect(),
        feeds_others: feeds_others(sub),
    };
    plan.subs.iter().map(stage).collect()
}
