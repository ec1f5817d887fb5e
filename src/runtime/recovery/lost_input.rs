//! Input that retention removed before it was read: where a source continues, and how much is skipped.
//!
//! Only a source is skipped, and only while it is the topic that its position was committed for. The pipeline trims
//! its internal topics itself, so a gap in one of them is a fault.

use crate::log::{Log, LogError, partitions};
use crate::plan::{InputPlan, Physical};
use crate::record::{Offset, TopicPartition};
use crate::runtime::fault::Fault;
use crate::runtime::task::Task;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a run does if retention has removed records of a source before they were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LostInput {
    /// It ends with an error.
    #[default]
    Stop,
    /// It continues at the oldest record with its state kept, and counts the skipped offsets.
    Skip,
}

/// The oldest records of the assigned sources; none if lost input ends the run.
pub(super) struct OldestRecords<'a> {
    plan: &'a Physical,
    log: &'a dyn Log,
    /// The assigned partitions with their committed positions.
    assigned: &'a BTreeMap<TopicPartition, Option<Offset>>,
    oldest: BTreeMap<TopicPartition, Offset>,
}

/// Whether an error of the backplane says that retention has removed the next records of a source.
pub(in crate::runtime) fn is_lost_input(plan: &Physical, error: &LogError) -> bool {
    let LogError::OffsetOutOfRange { at, asked, earliest, .. } = error else { return false };
    let reads = |input: &InputPlan| matches!(input, InputPlan::Source(source) if source.topic == at.topic);
    asked < earliest && plan.subs.iter().flat_map(|sub| &sub.inputs).any(reads)
}

impl<'a> OldestRecords<'a> {
    /// Fetches the offsets of the oldest records, topic by topic.
    pub(super) fn look_up(
        plan: &'a Physical,
        log: &'a dyn Log,
        assigned: &'a BTreeMap<TopicPartition, Option<Offset>>,
        lost_input: LostInput,
    ) -> Result<Self, Fault> {
        let mut oldest = BTreeMap::new();
        if lost_input == LostInput::Skip {
            let topics: BTreeSet<&Arc<str>> = assigned.keys().map(|at| &at.topic).collect();
            for topic in topics.into_iter().filter(|topic| !plan.is_repartition(topic)) {
                // A topic that is gone is reported when its partitions are read.
                for info in log.topics(Some(topic))? {
                    oldest.extend(partitions(&info).into_iter().zip(info.partitions.iter().map(|p| p.earliest)));
                }
            }
        }
        Ok(Self { plan, log, assigned, oldest })
    }

    /// Moves each start that lies before the oldest record to that record; its task counts the gap.
    pub(super) fn skip_to(&self, starts: &mut [(TopicPartition, Offset)], tasks: &mut [Task]) -> Result<(), Fault> {
        let mut gaps: BTreeMap<TopicPartition, (Offset, Offset)> = BTreeMap::new();
        for (at, start) in starts {
            if let Some(to) = self.oldest.get(&*at).filter(|to| **to > *start) {
                gaps.insert(at.clone(), (std::mem::replace(start, *to), *to));
            }
        }
        if gaps.is_empty() {
            return Ok(());
        }
        self.check_positions(&gaps.keys().cloned().collect::<Vec<_>>())?;
        for task in tasks {
            for at in task.partitions() {
                let Some((from, to)) = gaps.get(&at).copied() else { continue };
                let lost = task.skip_lost(&at, from, to);
                tracing::warn!(
                    "retention removed the records of `{at}` from offset {from} to {to} before they were read: the pipeline goes on at {to} with its state kept and counts {lost} lost offsets"
                );
            }
        }
        Ok(())
    }

    /// Checks that the positions are still those of the group, in the topics that they were committed for.
    fn check_positions(&self, of: &[TopicPartition]) -> Result<(), Fault> {
        for (at, now) in of.iter().zip(self.log.committed(&self.plan.name, of)?) {
            let was = self.assigned.get(at).copied().flatten();
            match now {
                None if was.is_some() => return Err(LogError::TopicReplaced { topic: at.topic.to_string() }.into()),
                Some(now) if was != Some(now) => {
                    return Err(Fault::Abort(format!("another instance has gone on to {now} in `{at}`")));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::diagnostics::SourceText;

    #[test]
    fn only_the_removed_records_of_a_source_are_lost_input() {
        let text = "name: p
source: {topic: in, key: a, schema: {a: string, b: string}}
steps:
  - {name: counted, scan: {by: [b], init: {c: 0}, next: {c: c + 1}}}
sink: out
";
        let source = Arc::new(SourceText { name: "p.yaml".into(), text: text.into() });
        let spec = crate::spec::parse(source, std::path::Path::new("."), &crate::spec::ProcessEnvironment).unwrap();
        let plan = crate::plan::compile(&spec, &crate::expr::Functions::new()).unwrap();
        let internal = plan.subs.last().unwrap().inputs[0].topic().clone();
        assert!(plan.is_repartition(&internal));
        let error = |topic: &str, asked| LogError::OffsetOutOfRange {
            at: TopicPartition::new(topic, 0),
            asked: Offset(asked),
            earliest: Offset(5),
            end: Offset(9),
        };
        assert!(is_lost_input(&plan, &error("in", 4)));
        assert!(!is_lost_input(&plan, &error("in", 10)), "the topic was cut");
        assert!(!is_lost_input(&plan, &error(&internal, 4)), "the pipeline trims it");
        assert!(!is_lost_input(&plan, &error("models", 4)));
        assert!(!is_lost_input(&plan, &LogError::TopicReplaced { topic: "in".into() }));
    }
}
