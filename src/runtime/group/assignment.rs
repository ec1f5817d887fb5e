//! An assignment: what the group has assigned to this instance, from the moment it does until it revokes it or the
//! run ends. Tasks are rebuilt from what was committed, work, and leave their state behind.
//!
//! Membership is polled throughout: while state is restored the group may revoke everything.

use super::session::Session;
use super::topics;
use crate::log::{Committer, Delivery, FetchLimit, GroupEvent, LogError, Member, Recovery, Start, Transaction};
use crate::record::{Offset, TopicPartition};
use crate::runtime::cancel::{CancelReason, CancelToken};
use crate::runtime::commit::changelog_position::ChangelogPositions;
use crate::runtime::commit::commit_loop::{self, CommitEnd};
use crate::runtime::commit::commits::{CommitContext, Commits};
use crate::runtime::commit::instance_record::{InstanceRecord, write_instance_record};
use crate::runtime::commit::trimming::{Trimming, trim};
use crate::runtime::fault::{Fault, supervise};
use crate::runtime::group::engine::{Engine, StartFrom};
use crate::runtime::operators::build::{Partitions, Surroundings};
use crate::runtime::operators::models::Models;
use crate::runtime::read::intake::{Intake, IntakeEnd, IntakeOptions, TaskRoute};
use crate::runtime::read::stages::{Stage, stages};
use crate::runtime::recovery::rebuild::{AssignedPartitions, Rebuild, Rebuilt};
use crate::runtime::recovery::standby;
use crate::runtime::recovery::state_copies::{StateCopies, StateCopy};
use crate::runtime::task::Task;
use crate::runtime::task::gauges::Gauges;
use crate::runtime::task::message::{TASK_QUEUE_BATCHES, TaskReport};
use crate::runtime::task::worker::work;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How long the group is polled at a time while tasks are rebuilt.
const REBUILD_POLL_TIMEOUT: Duration = Duration::from_millis(2);

/// How often the progress of a restore is recorded for other processes.
const RESTORE_RECORD_INTERVAL: Duration = Duration::from_secs(1);

/// The two halves of a membership.
pub(in crate::runtime) type Membership = (Box<dyn Member>, Box<dyn Committer>);

/// What an assignment is carried out with.
pub(in crate::runtime) struct Assignment<'a> {
    pub(in crate::runtime) session: &'a Session,
    /// Cancelled with the membership; the intake also cancels it when the partitions are revoked.
    pub(in crate::runtime) cancel: CancelToken,
    pub(in crate::runtime) models: &'a Arc<Models>,
    pub(in crate::runtime) copies: &'a StateCopies,
    /// The topics, where they were looked up just now.
    pub(in crate::runtime) partitions: Option<Partitions>,
}

/// Tasks ready to work, and the stages of a bounded run.
struct Ready {
    rebuilt: Rebuilt,
    stages: Vec<Stage>,
}

impl Assignment<'_> {
    fn engine(&self) -> &Engine {
        &self.session.engine
    }

    /// Carries the assignment out. The membership is handed back unless it has failed.
    pub(in crate::runtime) fn run(
        &self,
        (mut member, committer): Membership,
        assigned: &AssignedPartitions,
    ) -> Result<(IntakeEnd, Membership), (Fault, Option<Box<dyn Member>>)> {
        let waiting = self.models.clone();
        self.cancel.on_cancel(move || waiting.wake_waiters());
        match self.rebuild(member.as_mut(), assigned) {
            Ok(ControlFlow::Continue(ready)) => self.work(member, committer, ready),
            Ok(ControlFlow::Break(end)) => {
                if end == IntakeEnd::Done {
                    self.session.record_end();
                }
                Ok((end, (member, committer)))
            }
            Err(fault) => Err((fault, Some(member))),
        }
    }

    /// Rebuilds the tasks while the group is polled; an end, where the group revokes the partitions or the run is
    /// stopped.
    fn rebuild(
        &self,
        member: &mut dyn Member,
        assigned: &AssignedPartitions,
    ) -> Result<ControlFlow<IntakeEnd, Ready>, Fault> {
        let rebuilding = self.cancel.child();
        std::thread::scope(|threads| {
            let building = threads
                .spawn(|| supervise("the rebuilding of tasks", &rebuilding, || self.ready(assigned, &rebuilding)));
            let done = rebuilding.child();
            let recording = done.clone();
            threads.spawn(move || self.record_restore(&recording));
            let mut end = Ok(None);
            while !building.is_finished() && matches!(end, Ok(None)) {
                end = match member.poll(FetchLimit::default(), REBUILD_POLL_TIMEOUT) {
                    Ok(GroupEvent::Revoked(_)) => Ok(Some(IntakeEnd::Revoked)),
                    Ok(GroupEvent::Idle) if self.cancel.is_cancelled() => Ok(Some(IntakeEnd::Done)),
                    Ok(GroupEvent::Idle) => Ok(None),
                    Ok(event) => Err(Fault::internal(format!("{event:?} while tasks are being rebuilt"))),
                    Err(e) => Err(e.into()),
                };
            }
            if !matches!(end, Ok(None)) {
                rebuilding.cancel(CancelReason::Ended);
            }
            let ready =
                building.join().unwrap_or_else(|_| Err(Fault::internal("the rebuilding of tasks has panicked")));
            done.cancel(CancelReason::Ended);
            match (end?, ready) {
                (None, ready) => Ok(ControlFlow::Continue(ready?)),
                // What was found about partitions that are no longer this instance's need not be true.
                (Some(end), Err(fault)) => {
                    tracing::debug!("tasks were not rebuilt, and need not be any more: {fault}");
                    Ok(ControlFlow::Break(end))
                }
                (Some(end), Ok(Ready { rebuilt, .. })) => {
                    self.keep_state(rebuilt.tasks, &rebuilt.changelogs);
                    Ok(ControlFlow::Break(end))
                }
            }
        })
    }

    /// Records at intervals how far the restoring of state is, for other processes.
    fn record_restore(&self, done: &CancelToken) {
        let mut appender = None;
        while !done.sleep(RESTORE_RECORD_INTERVAL) {
            let restoring = self.session.options.restoring.now();
            if restoring.is_empty() {
                continue;
            }
            let info = self.session.info();
            let write = || {
                let appender = match &mut appender {
                    Some(appender) => appender,
                    none => none.insert(self.engine().log.appender()?),
                };
                write_instance_record(appender.as_mut(), &info, self.engine().clock.now(), restoring)
            };
            if let Err(e) = write() {
                tracing::debug!("the progress of a restore could not be recorded: {e}");
            }
        }
    }

    fn ready(&self, assigned: &AssignedPartitions, cancel: &CancelToken) -> Result<Ready, Fault> {
        let (plan, log) = (&*self.engine().plan, self.engine().log.as_ref());
        let surroundings = Surroundings {
            partitions: self.partitions.clone().map_or_else(|| topics::prepare(plan, log, cancel), Ok)?,
            models: self.models.clone(),
            cancel: self.cancel.clone(),
            samples: self.engine().samples.clone(),
            custom: self.engine().custom.clone(),
        };
        let (copies, gauge, now) = (self.copies, &self.session.options.restoring, self.engine().clock.now());
        let rebuild = Rebuild { plan, log, surroundings: &surroundings, copies, gauge, cancel, now };
        let rebuilt = rebuild.run(assigned, &|at| self.start(at))?;
        Ok(Ready { rebuilt, stages: stages(plan, &surroundings.partitions) })
    }

    /// Where a partition without a committed position starts: at the end that its source had when the run started,
    /// as it may be a while until something is committed, or at the oldest record.
    fn start(&self, at: &TopicPartition) -> Result<Offset, Fault> {
        let latest = match self.session.options.from {
            StartFrom::Latest => self.session.source_ends()?.get(at).copied(),
            StartFrom::Committed | StartFrom::Earliest => None,
        };
        latest.map_or_else(|| Ok(self.engine().log.resolve(at, Start::Earliest)?), Ok)
    }

    /// With at_least_once, commits where partitions start, apart from any results: a later loss of the group's
    /// positions is recognised only where there were some before.
    fn commit_starts(&self, committer: &mut dyn Committer, starts: Vec<(TopicPartition, Offset)>) -> Result<(), Fault> {
        if starts.is_empty() || self.engine().plan.delivery != Delivery::AtLeastOnce {
            return Ok(());
        }
        committer.commit(&Transaction { offsets: starts, ..Transaction::default() })?;
        Ok(committer.await_acks()?)
    }

    /// Lets the tasks work until the intake ends.
    fn work(
        &self,
        member: Box<dyn Member>,
        mut committer: Box<dyn Committer>,
        Ready { rebuilt, stages }: Ready,
    ) -> Result<(IntakeEnd, Membership), (Fault, Option<Box<dyn Member>>)> {
        let Rebuilt { tasks, starts, uncommitted_starts, changelogs, own, expired_instances } = rebuilt;
        let ends = match self.session.options.until_end {
            true => self.session.source_ends().cloned().map(Some),
            false => Ok(None),
        };
        let ready = self.commit_starts(committer.as_mut(), uncommitted_starts).and(ends);
        let ends = match ready {
            Ok(ends) => ends,
            Err(fault) => return Err((fault, Some(member))),
        };
        let Engine { plan, log, clock, .. } = self.engine();
        let early_output = committer.early_output().is_some();
        let gauges = Arc::new(Gauges::default());
        let (trimming, trim_points) = Trimming::new();
        let commits = Commits::new(CommitContext {
            plan: plan.clone(),
            committer,
            clock: clock.clone(),
            info: self.session.info(),
            instance: InstanceRecord::new(tasks.iter().map(Task::id), expired_instances),
            gauges: gauges.clone(),
            trimming,
            changelogs,
            cancel: self.cancel.clone(),
        });
        let (reports, reported) = mpsc::channel(tasks.len().max(1) * 2);
        let (routes, working) = self.start_tasks(tasks, &starts, reports, &gauges);
        let (outcomes, committed) = std::sync::mpsc::sync_channel(2);
        let options = IntakeOptions {
            group: plan.name.clone(),
            commit_every: plan.commit_every,
            early_output,
            ends,
            drain: self.session.options.drain,
            stages,
        };
        let intake = Intake::new(log.clone(), member, routes, (committed, gauges), self.cancel.clone(), options);
        std::thread::scope(|threads| {
            let commit_loop = threads.spawn(|| {
                supervise("the commit loop", &self.cancel, move || Ok(commit_loop::run(commits, reported, &outcomes)))
            });
            threads.spawn(move || trim(log.as_ref(), &trim_points));
            let standby = self.cancel.child();
            if plan.standby == 0 {
                self.copies.clear();
            } else {
                let cancel = standby.clone();
                threads.spawn(move || {
                    let follow = || standby::follow(log.as_ref(), plan, self.copies, &own, clock.as_ref(), &cancel);
                    drop(supervise("the standby thread", &self.cancel, || Ok(follow())));
                });
            }
            let read = supervise("the intake", &self.cancel, || Ok(intake.run(&starts)));
            let (outcome, member) = match read {
                Ok((outcome, member)) => (outcome.map_err(|fault| self.explain_out_of_range(fault)), Some(member)),
                Err(fault) => (Err(fault), None),
            };
            // The intake has dropped its routes, so tasks end, and then the commit loop. A task that waits for a
            // model would wait for ever.
            if outcome.is_err() {
                self.cancel.cancel(CancelReason::Ended);
            }
            standby.cancel(CancelReason::Ended);
            let ended = commit_loop.join().unwrap_or_else(|_| Err(Fault::internal("the commit loop has panicked")));
            match (outcome, ended, member) {
                (Ok(end), Ok(CommitEnd { committer, changelogs }), Some(member)) => {
                    if let Some(changelogs) = changelogs {
                        self.keep_state(self.finished(working), &changelogs);
                    }
                    Ok((end, (member, committer)))
                }
                // Why the commit loop is gone says more than that it is.
                (_, Err(fault), member) | (Err(fault), _, member) => Err((fault, member)),
                (Ok(_), Ok(_), None) => Err((Fault::internal("the intake has lost its member"), None)),
            }
        })
    }

    fn start_tasks(
        &self,
        tasks: Vec<Task>,
        starts: &[(TopicPartition, Offset)],
        reports: mpsc::Sender<TaskReport>,
        gauges: &Arc<Gauges>,
    ) -> (Vec<TaskRoute>, Vec<JoinHandle<Option<Task>>>) {
        let assigned: BTreeSet<&TopicPartition> = starts.iter().map(|(at, _)| at).collect();
        let (mut routes, mut working) = (Vec::new(), Vec::new());
        for mut task in tasks {
            let (queue, messages) = mpsc::channel(TASK_QUEUE_BATCHES + 1);
            // Only where every input has an end can the least record of all be known.
            let merged = if self.session.options.until_end { task.merge_inputs() } else { Vec::new() };
            let partitions = task.partitions().into_iter().filter(|at| assigned.contains(at)).collect();
            routes.push(TaskRoute { sub: task.id().sub, queue, partitions, merged });
            let (reports, clock, gauges) = (reports.clone(), self.engine().clock.clone(), gauges.clone());
            working.push(self.session.handle.spawn(work(task, messages, reports, clock, gauges)));
        }
        (routes, working)
    }

    /// Whether records are gone because another instance has gone on from here: an instance that was asleep finds
    /// the records that it wanted to read removed by those that have its partitions now.
    fn explain_out_of_range(&self, fault: Fault) -> Fault {
        let Fault::Backplane(LogError::OffsetOutOfRange { at, asked, .. }) = &fault else { return fault };
        match self.engine().log.committed(&self.engine().plan.name, std::slice::from_ref(at)).as_deref() {
            Ok([Some(committed)]) if committed > asked => Fault::Abort(format!(
                "another instance has gone on to {committed} in `{at}`, and this instance was at {asked}"
            )),
            Ok(_) => fault,
            Err(e) if e.recovery() == Recovery::Fatal => fault,
            Err(e) => Fault::Abort(e.to_string()),
        }
    }

    /// The tasks as they have ended.
    fn finished(&self, working: Vec<JoinHandle<Option<Task>>>) -> Vec<Task> {
        working.into_iter().filter_map(|task| self.session.handle.block_on(task).ok().flatten()).collect()
    }

    /// Keeps the state of tasks for the next assignment of their partitions.
    fn keep_state(&self, tasks: Vec<Task>, changelogs: &ChangelogPositions) {
        for mut task in tasks {
            let partition = task.id().partition;
            for (step, rows) in task.take_state() {
                let at = TopicPartition { topic: self.engine().plan.state_topic(&step).into(), partition };
                if let Some(position) = changelogs.get(&at) {
                    self.copies.put(at, StateCopy { position: position.clone(), rows });
                }
            }
        }
    }
}
