//! Builds the tasks of an assignment as they were at the last commit: their positions, counters and state.
//!
//! Every start and every recovery uses this, under the driver too.

use super::changelogs::{Changelogs, RestoreGauge};
use super::lost_input::{LostInput, OldestRecords};
pub(in crate::runtime) use super::positions::AssignedPartitions;
use super::positions::{check_complete, check_unmoved, explain_overtaken, restore_position};
use super::recorded::Recorded;
use super::standby::OwnPartitions;
use super::state_copies::StateCopies;
use crate::log::Log;
use crate::metrics::{InstanceInfo, TaskProgress};
use crate::plan::{Physical, SubLayout, SubTopology};
use crate::record::{Offset, Partition, TopicPartition};
use crate::runtime::cancel::CancelToken;
use crate::runtime::commit::changelog_position::ChangelogPositions;
use crate::runtime::commit::state_records::StateRecords;
use crate::runtime::fault::Fault;
use crate::runtime::operators::build::{self, Surroundings};
use crate::runtime::read::progress::reports;
use crate::runtime::task::{Task, TaskId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What tasks are rebuilt from.
pub(in crate::runtime) struct Rebuild<'a> {
    pub(in crate::runtime) plan: &'a Physical,
    pub(in crate::runtime) log: &'a dyn Log,
    pub(in crate::runtime) surroundings: &'a Surroundings,
    pub(in crate::runtime) copies: &'a StateCopies,
    pub(in crate::runtime) gauge: &'a RestoreGauge,
    pub(in crate::runtime) cancel: &'a CancelToken,
    /// The time, taken before anything is read.
    pub(in crate::runtime) now: i64,
    pub(in crate::runtime) lost_input: LostInput,
    /// Whether the recorded positions hold, whatever positions the group has.
    pub(in crate::runtime) from_record: bool,
}

/// Tasks ready to work.
pub(in crate::runtime) struct Rebuilt {
    pub(in crate::runtime) tasks: Vec<Task>,
    /// Where each partition is read from.
    pub(in crate::runtime) starts: Vec<(TopicPartition, Offset)>,
    /// Up to where changelogs were read.
    pub(in crate::runtime) changelogs: ChangelogPositions,
    pub(in crate::runtime) own: OwnPartitions,
    /// What the instances of the pipeline have reported of themselves, by name.
    pub(in crate::runtime) instances: BTreeMap<String, InstanceInfo>,
    /// Keys of the records of instances that ended long ago.
    pub(in crate::runtime) expired_instances: Vec<String>,
    /// What the first commit records of the state of steps.
    pub(in crate::runtime) states: StateRecords,
}

impl Rebuild<'_> {
    /// Builds the tasks of these partitions; `start` says where a partition without a committed position starts.
    pub(in crate::runtime) fn run(
        &self,
        assigned: &AssignedPartitions,
        start: &dyn Fn(&TopicPartition) -> Result<Offset, Fault>,
    ) -> Result<Rebuilt, Fault> {
        let (mut tasks, mut progress, mut own) = (Vec::new(), Vec::new(), OwnPartitions::new());
        let reports = reports(self.log, &self.plan.name, self.cancel)?;
        let recorded = Recorded::new(&reports);
        for sub in &self.plan.subs {
            let shared = Arc::new(sub.clone());
            let own = own.entry(sub.id.0).or_default();
            let layout = self.surroundings.layout.sub(sub.id);
            for partition in 0..layout.width {
                if !is_assigned(sub, layout, partition, assigned)? {
                    continue;
                }
                let task = build::task(self.plan, &shared, partition, self.surroundings)?;
                progress.push(recorded.progress_of(&task));
                own.insert(partition);
                tasks.push(task);
            }
        }
        let positions = self.positions(assigned, &tasks, &progress);
        let changelogs = self.restore(&mut tasks, &progress, &positions).map_err(|fault| {
            let was = tasks.iter().map(|task| (task, reports.tasks.get(&task.id().to_string())));
            explain_overtaken((self.plan, self.log), assigned, was, fault, self.cancel)
        })?;
        // Before the starts: otherwise records that retention removes in between would count as lost.
        let oldest = OldestRecords::look_up(self.plan, self.log, assigned, self.lost_input)?;
        let mut starts = Vec::new();
        for (at, position) in &positions {
            starts.push((at.clone(), position.map_or_else(|| start(at), Ok)?));
        }
        oldest.skip_to(&mut starts, &mut tasks)?;
        commit_starts(&mut tasks, &starts, assigned, &positions);
        let expired_instances = reports.expired_instance_keys(self.now);
        let states = StateRecords::new(self.plan.states(), &reports.states, self.now);
        let instances = reports.instances;
        Ok(Rebuilt { tasks, starts, changelogs, own, instances, expired_instances, states })
    }

    /// The position of each partition: that of the group, or where the recorded one holds, that of its task.
    fn positions(
        &self,
        assigned: &AssignedPartitions,
        tasks: &[Task],
        progress: &[Option<TaskProgress>],
    ) -> AssignedPartitions {
        let mut positions = assigned.clone();
        if !self.from_record {
            return positions;
        }
        for (task, progress) in tasks.iter().zip(progress) {
            let Some(progress) = progress else { continue };
            for at in task.partitions() {
                let next = progress.inputs.iter().find(|i| *i.topic == *at.topic).map_or(0, |i| i.next);
                if let Some(position) = positions.get_mut(&at).filter(|p| p.map_or(next > 0, |p| p.0 != next)) {
                    let was = position.map_or("none".to_owned(), |p| p.to_string());
                    tracing::info!(
                        "`{at}` goes on at {next}, where its task stands; the position of the group was {was}"
                    );
                    *position = Some(Offset(next));
                }
            }
        }
        positions
    }

    fn restore(
        &self,
        tasks: &mut [Task],
        progress: &[Option<TaskProgress>],
        assigned: &AssignedPartitions,
    ) -> Result<ChangelogPositions, Fault> {
        let Self { plan, log, copies, gauge, cancel, now, .. } = *self;
        let mut elsewhere = Vec::new();
        for (task, progress) in tasks.iter_mut().zip(progress) {
            elsewhere.extend(restore_position(plan, task, progress.clone(), assigned)?);
        }
        check_unmoved((plan, log), assigned, &elsewhere)?;
        let changelogs = Changelogs { log, plan, copies, gauge, cancel, now }.restore(tasks)?;
        if !cancel.is_cancelled() {
            for (task, progress) in tasks.iter().zip(progress) {
                progress.as_ref().map_or(Ok(()), |progress| check_complete(plan, task, progress))?;
            }
        }
        Ok(changelogs)
    }
}

/// Lets the first commit carry each position that the group does not have: a transaction is refused to a former member only
/// where it commits a position, so each partition has one from its first commit on.
fn commit_starts(
    tasks: &mut [Task],
    starts: &[(TopicPartition, Offset)],
    assigned: &AssignedPartitions,
    positions: &AssignedPartitions,
) {
    let starts: BTreeMap<&TopicPartition, Offset> = starts.iter().map(|(at, offset)| (at, *offset)).collect();
    for task in tasks {
        for at in task.partitions() {
            let (Some(group), Some(position), Some(start)) = (assigned.get(&at), positions.get(&at), starts.get(&at))
            else {
                continue;
            };
            match (group, position) {
                (_, None) => task.start_at(&at, *start),
                (group, position) if group != position => task.commit_start(),
                _ => {}
            }
        }
    }
}

/// Whether a task is this member's: all of its partitions are assigned to it, or none.
fn is_assigned(sub: &SubTopology, layout: &SubLayout, task: u32, assigned: &AssignedPartitions) -> Result<bool, Fault> {
    let present = sub.inputs.iter().enumerate().filter(|(i, _)| layout.has_input(*i, task));
    let partitions: Vec<_> = present.map(|(_, input)| TopicPartition::new(input.topic().clone(), task)).collect();
    let own = partitions.iter().filter(|at| assigned.contains_key(at)).count();
    if own == 0 || own == partitions.len() {
        return Ok(own > 0);
    }
    let list: Vec<String> = partitions.iter().map(|at| format!("`{at}`")).collect();
    Err(Fault::Fatal(format!(
        "task {} reads {}, which the group has assigned to different instances; give the topics the same number of partitions, or run one instance",
        TaskId { sub: sub.id.0, partition: Partition(task) },
        list.join(" and ")
    )))
}
