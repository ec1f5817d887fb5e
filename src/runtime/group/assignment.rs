//! One assignment of partitions to this instance, until the group revokes it or the run ends. Tasks are rebuilt from
//! the last commit, run, and leave copies of their state. The group is polled throughout, as it may revoke the
//! partitions while state is restored.

use super::own_tasks::own_tasks;
use super::rebuild_poll::poll_until;
use super::restore_record::record_restore;
use super::session::Session;
use super::topics;
use super::watch_others::OthersWatch;
use crate::log::{Committer, LogError, Member, RecordLimits, Recovery, Start};
use crate::plan::PipelineLayout;
use crate::record::{Offset, TopicPartition};
use crate::runtime::cancel::{CancelReason, CancelToken};
use crate::runtime::commit::changelog_position::ChangelogPositions;
use crate::runtime::commit::commit_loop::{self, CommitEnd};
use crate::runtime::commit::commits::{CommitContext, Commits};
use crate::runtime::commit::instance_record::InstanceRecord;
use crate::runtime::commit::trimming::{TrimPoints, Trimmer, Trimming};
use crate::runtime::fault::{
    Fault, GROUP_POLLING, STANDBY_THREAD, Supervised, root_fault, spawn_supervised, supervise,
};
use crate::runtime::group::engine::{Engine, StartFrom};
use crate::runtime::life::LIFE_TARGET;
use crate::runtime::operators::build::Surroundings;
use crate::runtime::operators::models::Models;
use crate::runtime::read::intake::{Intake, IntakeEnd, IntakeLinks, IntakeOptions, TaskRoute};
use crate::runtime::read::stages::{Stage, stages};
use crate::runtime::recovery::lost_input::{LostInput, is_lost_input};
use crate::runtime::recovery::rebuild::{AssignedPartitions, Rebuild, Rebuilt};
use crate::runtime::recovery::standby::{self, OwnPartitions, Standby};
use crate::runtime::recovery::state_copies::{StateCopies, StateCopy};
use crate::runtime::task::Task;
use crate::runtime::task::gauges::Gauges;
use crate::runtime::task::message::{CommitOutcome, TaskQueue, TaskReport};
use crate::runtime::task::worker::{Worker, work};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The two halves of a membership.
pub(in crate::runtime) type GroupHandles = (Box<dyn Member>, Box<dyn Committer>);

/// The resources of an assignment.
pub(in crate::runtime) struct Assignment<'a> {
    pub(in crate::runtime) session: &'a Session,
    /// Cancelled with the membership; the intake also cancels it when the partitions are revoked.
    pub(in crate::runtime) cancel: CancelToken,
    pub(in crate::runtime) models: &'a Arc<Models>,
    pub(in crate::runtime) copies: &'a StateCopies,
    /// The layout, if it was looked up just now.
    pub(in crate::runtime) layout: Option<Arc<PipelineLayout>>,
}

/// How an assignment has ended: with the membership, or with a fault and the member unless it is lost.
type AssignmentOutcome = Result<(IntakeEnd, GroupHandles), (Fault, Option<Box<dyn Member>>)>;

/// The threads and tasks that run while the intake reads.
struct Parts {
    intake: Intake,
    starts: Vec<(TopicPartition, Offset)>,
    commits: Commits,
    reported: mpsc::Receiver<TaskReport>,
    outcomes: SyncSender<CommitOutcome>,
    trim_points: Receiver<TrimPoints>,
    own: OwnPartitions,
    /// The tasks as they end.
    working: Vec<JoinHandle<Option<Task>>>,
}

/// Tasks ready to work, and the stages of a bounded run.
struct Ready {
    rebuilt: Rebuilt,
    /// The size limits of the topics.
    limits: RecordLimits,
    stages: Vec<Stage>,
}

impl Assignment<'_> {
    fn engine(&self) -> &Engine {
        &self.session.engine
    }

    /// Runs the assignment. Returns the membership unless it has failed.
    pub(in crate::runtime) fn run(
        &self,
        (mut member, committer): GroupHandles,
        assigned: &AssignedPartitions,
    ) -> AssignmentOutcome {
        let waiting = self.models.clone();
        self.cancel.on_cancel(move || waiting.wake_waiters());
        match self.rebuild(member.as_mut(), assigned) {
            Ok(ControlFlow::Continue(ready)) => self.work(member, committer, ready),
            Ok(ControlFlow::Break(end)) => {
                if end == IntakeEnd::Done
                    && let Err(fault) = self.session.record_end(self.session.cancel.why_ended())
                {
                    return Err((fault, Some(member)));
                }
                Ok((end, (member, committer)))
            }
            Err(fault) => Err((fault, Some(member))),
        }
    }

    /// Rebuilds the tasks while the group is polled; returns an end if the group revokes the partitions or the run is
    /// stopped.
    fn rebuild(
        &self,
        member: &mut dyn Member,
        assigned: &AssignedPartitions,
    ) -> Result<ControlFlow<IntakeEnd, Ready>, Fault> {
        let rebuilding = self.cancel.child();
        std::thread::scope(|threads| {
            let ready = || self.ready(assigned, &rebuilding);
            let building = spawn_supervised(threads, "the rebuilding of tasks", &rebuilding, ready);
            let done = rebuilding.child();
            let recording = spawn_supervised(threads, "the recording of the restore", &rebuilding, {
                let done = done.clone();
                move || {
                    record_restore(self.session, &done);
                    Ok(())
                }
            });
            let poll = || poll_until(member, &self.cancel, || building.is_finished());
            let end = supervise(GROUP_POLLING, &rebuilding, poll);
            if !matches!(end, Ok(None)) {
                rebuilding.cancel(CancelReason::Ended);
            }
            let ready = building.join();
            done.cancel(CancelReason::Ended);
            // It ends with a fault only if it has panicked; the tasks may then be incomplete.
            recording.join()?;
            match (end?, ready) {
                (None, ready) => Ok(ControlFlow::Continue(ready?)),
                // A fault found in partitions that were revoked meanwhile may be wrong.
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

    fn ready(&self, assigned: &AssignedPartitions, cancel: &CancelToken) -> Result<Ready, Fault> {
        let (plan, log) = (&*self.engine().plan, self.engine().log.as_ref());
        let layout = self.layout.clone().map_or_else(|| topics::prepare(plan, log, cancel).map(Arc::new), Ok)?;
        let tasks = own_tasks(&plan.subs, &layout, assigned);
        tracing::info!(target: LIFE_TARGET, "`{}` has {tasks}", plan.name);
        let surroundings = Surroundings {
            limits: RecordLimits::load(log, layout.partitions().keys())?,
            layout,
            models: self.models.clone(),
            cancel: self.cancel.clone(),
            samples: self.engine().samples.clone(),
            custom: self.engine().custom.clone(),
        };
        let (copies, gauge, now) = (self.copies, &self.session.options.restoring, self.engine().clock.now());
        let (lost_input, from_record) =
            (self.session.options.lost_input, self.session.options.from == StartFrom::Recorded);
        let rebuild =
            Rebuild { plan, log, surroundings: &surroundings, copies, gauge, cancel, now, lost_input, from_record };
        let rebuilt = rebuild.run(assigned, &|at| self.start(at))?;
        Ok(Ready { rebuilt, stages: stages(plan, &surroundings.layout), limits: surroundings.limits })
    }

    /// The start of a partition without a committed position: where the run is to start reading its source, else the oldest
    /// record.
    fn start(&self, at: &TopicPartition) -> Result<Offset, Fault> {
        let is_source = !self.engine().plan.is_repartition(&at.topic);
        let chosen = match &self.session.options.from {
            StartFrom::Latest => self.session.source_ends()?.get(at).copied(),
            StartFrom::Time(time) if is_source => Some(self.engine().log.resolve(at, Start::Time(*time))?),
            StartFrom::Positions(positions) => positions.get(at).copied(),
            StartFrom::Committed | StartFrom::Recorded | StartFrom::Earliest | StartFrom::Time(_) => None,
        };
        chosen.map_or_else(|| Ok(self.engine().log.resolve(at, Start::Earliest)?), Ok)
    }

    /// Runs the tasks until the intake ends.
    fn work(
        &self,
        member: Box<dyn Member>,
        mut committer: Box<dyn Committer>,
        Ready { rebuilt, limits, stages }: Ready,
    ) -> AssignmentOutcome {
        let Rebuilt { tasks, starts, changelogs, own, instances, expired_instances, states } = rebuilt;
        OthersWatch::new(self.session).note(&instances, false);
        let ends = match self.session.options.until_end {
            true => self.session.source_ends().cloned().map(Some),
            false => Ok(None),
        };
        let ends = match ends {
            Ok(ends) => ends,
            Err(fault) => return Err((fault, Some(member))),
        };
        let Engine { plan, log, clock, .. } = self.engine();
        let early_output = committer.early_output().is_some();
        if committer.timeout().is_none() {
            self.session.commit_limit.begin_with_most();
        }
        let gauges = Arc::new(Gauges::new(self.session.commit_limit.clone()));
        let (trimming, trim_points) = Trimming::new();
        let work = self.session.options.work.clone();
        work.begin(tasks.iter().map(|task| (task.id(), task.progress().clone())));
        let commits = Commits::new(CommitContext {
            plan: plan.clone(),
            limits,
            committer,
            clock: clock.clone(),
            info: self.session.info(),
            instance: InstanceRecord::new(tasks.iter().map(Task::id), expired_instances),
            states,
            gauges: gauges.clone(),
            trimming,
            changelogs,
            cancel: self.cancel.clone(),
            has_failed: self.session.commit_failed.clone(),
            work,
        });
        let (reports, reported) = mpsc::channel(tasks.len().max(1) * 2);
        let (routes, working) = self.start_tasks(tasks, &starts, reports, &gauges);
        let (outcomes, committed) = sync_channel(2);
        let options = IntakeOptions {
            group: plan.name.clone(),
            commit_every: plan.commit_every,
            early_output,
            ends,
            drain: self.session.options.drain,
            stages,
        };
        let links = IntakeLinks { committed, gauges, cancel: self.cancel.clone() };
        let intake = Intake::new(log.clone(), member, routes, links, options);
        self.run_parts(Parts { intake, starts, commits, reported, outcomes, trim_points, own, working })
    }

    /// Starts everything, and joins it once the intake ends.
    fn run_parts(&self, parts: Parts) -> AssignmentOutcome {
        let Parts { intake, starts, commits, reported, outcomes, trim_points, own, working } = parts;
        std::thread::scope(|threads| {
            let commit_loop = spawn_supervised(threads, "the commit loop", &self.cancel, move || {
                Ok(commit_loop::run(commits, reported, &outcomes))
            });
            let trimming = Trimmer::start(self.engine().log.clone(), trim_points, self.cancel.clone());
            let standby = self.cancel.child();
            let following = self.start_standby(threads, own, &standby);
            let watching = self.cancel.child();
            // A bounded run ends soon, and says at its end what it has done.
            if !self.session.options.until_end {
                OthersWatch::new(self.session).start(watching.clone());
            }
            let (outcome, member) = self.read(intake, &starts);
            standby.cancel(CancelReason::Ended);
            watching.cancel(CancelReason::Ended);
            let (ended, trimmed) = (commit_loop.join(), trimming.join());
            let followed = following.map_or(Ok(()), Supervised::join);
            match (outcome, ended, trimmed.and(followed), member) {
                (Ok(end), Ok(CommitEnd { committer, changelogs }), Ok(()), Some(member)) => {
                    if let Some(changelogs) = changelogs {
                        self.keep_state(self.finished(working), &changelogs);
                    }
                    Ok((end, (member, committer)))
                }
                // The fault of the commit loop comes first, as it explains the others.
                (outcome, ended, others, member) => {
                    let fault = root_fault([ended.err(), outcome.err(), others.err()]);
                    Err((fault.unwrap_or_else(|| Fault::internal("the intake has lost its member")), member))
                }
            }
        })
    }

    /// Reads until the intake ends. Returns the member unless the intake has panicked.
    fn read(
        &self,
        intake: Intake,
        starts: &[(TopicPartition, Offset)],
    ) -> (Result<IntakeEnd, Fault>, Option<Box<dyn Member>>) {
        let read = supervise("the intake", &self.cancel, || {
            let (outcome, member) = intake.run(starts);
            Ok((outcome.map_err(|fault| self.explain_out_of_range(fault)), member))
        });
        let (outcome, member) = match read {
            Ok((outcome, member)) => (outcome, Some(member)),
            Err(fault) => (Err(fault), None),
        };
        // The intake has dropped its routes, so the tasks end, and then the commit loop. Only a task that waits for a
        // model must be woken.
        if outcome.is_err() {
            self.cancel.cancel(CancelReason::Ended);
        }
        (outcome, member)
    }

    /// Keeps standby copies until they are cancelled, where they are configured.
    fn start_standby<'scope>(
        &'scope self,
        threads: &'scope Scope<'scope, '_>,
        own: OwnPartitions,
        cancel: &CancelToken,
    ) -> Option<Supervised<'scope, ()>> {
        let Engine { plan, log, clock, .. } = self.engine();
        if plan.standby == 0 {
            self.copies.clear();
            return None;
        }
        let cancel = cancel.clone();
        Some(spawn_supervised(threads, STANDBY_THREAD, &self.cancel, move || {
            let (log, clock) = (log.as_ref(), clock.as_ref());
            standby::follow(Standby { log, plan, copies: self.copies, own: &own, clock }, &cancel);
            Ok(())
        }))
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
            let (queue, inbox) = TaskQueue::new();
            // The least record of all inputs is known only if every input has an end.
            let merged = if self.session.options.until_end { task.merge_inputs() } else { Vec::new() };
            if self.session.options.until_end {
                task.send_watermark_at_end();
            }
            let partitions = task.partitions().into_iter().filter(|at| assigned.contains(at)).collect();
            routes.push(TaskRoute { sub: task.id().sub, queue, partitions, merged });
            let (reports, cancel) = (reports.clone(), self.cancel.clone());
            let (clock, gauges) = (self.engine().clock.clone(), gauges.clone());
            working.push(self.session.handle.spawn(work(task, Worker { inbox, reports, cancel, clock, gauges })));
        }
        (routes, working)
    }

    /// The fault behind removed records. An instance that was suspended finds records removed by the new owners of its
    /// partitions. With `skip`, the rebuild from the last commit skips the gap.
    fn explain_out_of_range(&self, fault: Fault) -> Fault {
        let Fault::Backplane(error @ LogError::OffsetOutOfRange { at, asked, earliest, .. }) = &fault else {
            return fault;
        };
        let skip = self.session.options.lost_input == LostInput::Skip && is_lost_input(&self.engine().plan, error);
        match self.engine().log.committed(&self.engine().plan.name, std::slice::from_ref(at)).as_deref() {
            Ok([Some(committed)]) if committed > asked => Fault::Abort(format!(
                "another instance has gone on to {committed} in `{at}`, and this instance was at {asked}"
            )),
            Ok(_) if skip => Fault::Abort(format!(
                "retention removed the records of `{at}` from offset {asked} to {earliest} before they were read"
            )),
            Ok(_) => fault,
            Err(e) if e.recovery() == Recovery::Fatal => fault,
            Err(e) => Fault::Abort(e.to_string()),
        }
    }

    /// Waits for the tasks to end; returns those that did not fail.
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::diagnostics::SourceText;
    use crate::log::embedded::EmbeddedLog;
    use crate::log::{FetchLimit, GroupSpec, Log as _, TopicConfig, Transaction};
    use crate::record::RecordsBuilder;
    use crate::runtime::group::engine::RunOptions;
    use crate::time::VirtualClock;
    use std::collections::BTreeMap;
    use std::time::Duration;

    /// What a run makes of the message that the records from `asked` on are gone, where 5 is committed.
    fn explained(asked: i64, lost_input: LostInput) -> Fault {
        let text = "name: p\nsource: {topic: in, schema: {a: bigint}}\nsteps:\n  - filter: a > 0\nsink: out\n";
        let source = Arc::new(SourceText { name: "p.yaml".into(), text: text.into() });
        let spec = crate::spec::parse(source, std::path::Path::new("."), &crate::spec::ProcessEnvironment).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(EmbeddedLog::open(folder.path()).unwrap());
        log.create_topic("in", &TopicConfig { partitions: 1, ..TopicConfig::default() }).unwrap();
        let (at, mut records) = (TopicPartition::new("in", 0), RecordsBuilder::default());
        (0..9).for_each(|_| records.push(None, Some(b"{}"), 0));
        let appended = crate::log::Append { to: at.clone(), records: records.finish() };
        log.appender().unwrap().append(&[appended]).unwrap();
        let group = GroupSpec { group: "p".into(), topics: vec!["in".into()], ..GroupSpec::default() };
        let mut member = log.join(&group).unwrap();
        let mut committer = member.committer().unwrap();
        member.poll(FetchLimit::default(), Duration::ZERO).unwrap();
        committer.commit(&Transaction { offsets: vec![(at.clone(), Offset(5))], ..Transaction::default() }).unwrap();
        let plan = Arc::new(crate::plan::compile(&spec, &crate::expr::Functions::new()).unwrap());
        let clock = Arc::new(VirtualClock::at(0));
        let models = Arc::new(Models::new(&plan, clock.clone(), true));
        let engine = Engine { plan, log, clock, samples: Arc::new(|_, _| {}), custom: BTreeMap::new() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let options = RunOptions { lost_input, ..RunOptions::default() };
        let cancel = CancelToken::default();
        let session = Session::new(engine, options, runtime.handle().clone(), cancel.clone());
        let copies = StateCopies::new(None);
        let assignment = Assignment { session: &session, cancel, models: &models, copies: &copies, layout: None };
        let error = LogError::OffsetOutOfRange { at, asked: Offset(asked), earliest: Offset(7), end: Offset(9) };
        assignment.explain_out_of_range(Fault::Backplane(error))
    }

    #[test]
    fn records_that_the_group_has_gone_beyond_are_no_lost_input() {
        for lost_input in [LostInput::Stop, LostInput::Skip] {
            let fault = explained(3, lost_input);
            let text = "another instance has gone on to 5 in `in/0`, and this instance was at 3";
            assert!(matches!(&fault, Fault::Abort(why) if why == text), "{lost_input:?}: {fault:?}");
        }
        assert!(matches!(explained(5, LostInput::Stop), Fault::Backplane(LogError::OffsetOutOfRange { .. })));
        assert!(matches!(explained(5, LostInput::Skip), Fault::Abort(why) if why.contains("retention removed")));
    }
}
