//! The intake: one thread that polls the group, feeds the tasks, and sends the barriers.
//!
//! A consumer must be polled without a pause: a task whose queue is full gets its partitions paused, never a
//! slower poll. The intake decides when to commit; it never commits.

use super::decision::{BUSY_POLL_TIMEOUT, Goal, Phase, Situation, Step, next_step};
use super::peers::Peers;
use super::readers::MergeReaders;
use super::stages::Stage;
use crate::faults::{self, FailPoint};
use crate::log::{FetchLimit, GroupEvent, Log, Member};
use crate::record::{Fetched, Offset, TopicPartition};
use crate::runtime::cancel::{CancelReason, CancelToken};
use crate::runtime::fault::Fault;
use crate::runtime::task::MergeInput;
use crate::runtime::task::gauges::Gauges;
use crate::runtime::task::message::{CommitOutcome, Epoch, TaskMessage, TaskQueue};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// How often tasks receive the wall-clock time.
const TICK_INTERVAL: Duration = Duration::from_millis(100);

/// How often a run without input commits, so that others see that it is alive.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);

/// A task as the intake sees it.
pub(in crate::runtime) struct TaskRoute {
    pub(in crate::runtime) sub: u32,
    pub(in crate::runtime) queue: TaskQueue,
    /// Its partitions that exist.
    pub(in crate::runtime) partitions: Vec<TopicPartition>,
    /// The inputs of a task that merges them by event time; they have readers of their own, and the member does
    /// not read them.
    pub(in crate::runtime) merged: Vec<MergeInput>,
}

/// What connects an intake to the commit loop and to the tasks.
pub(in crate::runtime) struct IntakeLinks {
    pub(in crate::runtime) committed: Receiver<CommitOutcome>,
    pub(in crate::runtime) gauges: Arc<Gauges>,
    pub(in crate::runtime) cancel: CancelToken,
}

/// How an intake reads.
pub(in crate::runtime) struct IntakeOptions {
    pub(in crate::runtime) group: String,
    pub(in crate::runtime) commit_every: Duration,
    /// Results may be sent ahead of their commit.
    pub(in crate::runtime) early_output: bool,
    /// Where a bounded run ends; it grows by the ends of internal topics, stage by stage.
    pub(in crate::runtime) ends: Option<BTreeMap<TopicPartition, Offset>>,
    /// Close every window at the end of a bounded run.
    pub(in crate::runtime) drain: bool,
    /// The sub-topologies, upstream first.
    pub(in crate::runtime) stages: Vec<Stage>,
}

/// How reading ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime) enum IntakeEnd {
    /// It was stopped, or has come to the end of a bounded run.
    Done,
    /// The partitions were revoked; everything that was read is committed.
    Revoked,
}

/// The intake of one assignment.
pub(in crate::runtime) struct Intake {
    pub(super) log: Arc<dyn Log>,
    pub(super) member: Box<dyn Member>,
    pub(super) routes: Vec<TaskRoute>,
    pub(super) committed: Receiver<CommitOutcome>,
    pub(super) gauges: Arc<Gauges>,
    pub(super) cancel: CancelToken,
    pub(super) options: IntakeOptions,
    /// The task of each partition.
    pub(super) route_of: BTreeMap<TopicPartition, usize>,
    pub(super) phase: Phase,
    /// Batches that were read while the queue of their task was full, by task.
    pub(super) buffered: BTreeMap<usize, (Fetched, Instant)>,
    /// Readers of merged inputs, until their end.
    pub(super) merge_readers: MergeReaders,
    /// The next offset of each partition, as far as batches were taken.
    pub(super) positions: BTreeMap<TopicPartition, Offset>,
    /// Partitions of the current stage that have not come to their end.
    pub(super) unfinished: BTreeSet<TopicPartition>,
    /// What a bounded run waits for.
    pub(super) peers: Peers,
    pub(super) sent: bool,
    pub(super) input_idle: bool,
    pub(super) epoch: Epoch,
    pub(super) epoch_in_flight: bool,
    /// The last epoch did not carry everything before its barriers.
    pub(super) incomplete: bool,
    pub(super) committed_at: Option<Instant>,
    started_at: Instant,
    ticked_at: Option<Instant>,
}

impl Intake {
    pub(in crate::runtime) fn new(
        log: Arc<dyn Log>,
        member: Box<dyn Member>,
        routes: Vec<TaskRoute>,
        IntakeLinks { committed, gauges, cancel }: IntakeLinks,
        options: IntakeOptions,
    ) -> Self {
        let of = |(i, route): (usize, &TaskRoute)| route.partitions.iter().map(move |at| (at.clone(), i)).collect();
        let route_of = routes.iter().enumerate().flat_map(|r| -> Vec<_> { of(r) }).collect();
        let peers = Peers::new(&options.group);
        Self {
            log,
            member,
            routes,
            committed,
            gauges,
            cancel,
            options,
            route_of,
            phase: Phase::Reading,
            buffered: BTreeMap::new(),
            merge_readers: MergeReaders::default(),
            positions: BTreeMap::new(),
            unfinished: BTreeSet::new(),
            peers,
            sent: false,
            input_idle: false,
            epoch: Epoch::default(),
            epoch_in_flight: false,
            incomplete: false,
            committed_at: None,
            started_at: Instant::now(),
            ticked_at: None,
        }
    }

    /// Reads from the start positions until it is stopped, the partitions are revoked, or a bounded run has come
    /// to its end. The member is handed back, as it may leave only after the last commit.
    pub(in crate::runtime) fn run(
        mut self,
        starts: &[(TopicPartition, Offset)],
    ) -> (Result<IntakeEnd, Fault>, Box<dyn Member>) {
        let outcome = match self.seek(starts).and_then(|()| self.read_all()) {
            Ok(()) if self.revoked() => Ok(IntakeEnd::Revoked),
            Ok(()) => Ok(IntakeEnd::Done),
            // A task that waited for a model was interrupted: the next owner of its partition reads that batch again.
            Err(Fault::Stopped) if self.revoked() && !self.stopping() => Ok(IntakeEnd::Revoked),
            Err(fault) => Err(fault),
        };
        // Before the tasks end, and with them the commit loop, which records the end of the run.
        let goes_back = matches!(outcome, Err(Fault::Abort(_))) && !self.stopping();
        self.gauges.goes_back.store(goes_back, Ordering::Relaxed);
        (outcome, self.member)
    }

    fn seek(&mut self, starts: &[(TopicPartition, Offset)]) -> Result<(), Fault> {
        // Only a seek detects that a committed position belongs to an earlier topic of the same name.
        self.member.seek(starts)?;
        let route = |at: &TopicPartition| self.route_of.get(at).map(|route| &self.routes[*route]);
        let is_merged = |at: &&TopicPartition| route(at).is_some_and(|route| !route.merged.is_empty());
        let merged: Vec<TopicPartition> = starts.iter().map(|(at, _)| at).filter(is_merged).cloned().collect();
        self.member.pause(&merged, true)?;
        self.positions.extend(starts.iter().cloned());
        Ok(())
    }

    fn read_all(&mut self) -> Result<(), Fault> {
        match self.options.ends.is_some() {
            true => self.read_to_the_end(),
            false => self.pursue(Goal::Endless),
        }
    }

    /// Takes one step after the other until the goal is reached, or the run or the assignment ends.
    pub(super) fn pursue(&mut self, goal: Goal) -> Result<(), Fault> {
        loop {
            let situation = self.situation(goal)?;
            match next_step(&situation) {
                Step::Read(timeout) => self.read(timeout)?,
                Step::Barrier { commits } => self.send_barrier(commits, None)?,
                Step::Drain => {
                    self.phase = Phase::Draining;
                    self.pause_all(true)?;
                }
                Step::Listen(timeout) => {
                    // Nothing may follow a final barrier: batches that are still buffered then are read again.
                    if self.phase == Phase::Draining {
                        self.hand_over()?;
                    }
                    self.listen(timeout)?;
                }
                Step::Close => self.send_final_barrier(goal)?,
                Step::Finish => {
                    if self.phase != Phase::Reading {
                        self.phase = Phase::Reading;
                        self.pause_all(false)?;
                    }
                    return Ok(());
                }
            }
        }
    }

    fn situation(&mut self, goal: Goal) -> Result<Situation, Fault> {
        Ok(Situation {
            phase: self.phase,
            ending: self.cancel.is_cancelled(),
            // Some goals query the log, which may fail or take long, so the goal is checked only while it matters.
            goal_reached: self.phase == Phase::Reading && !self.cancel.is_cancelled() && self.goal_reached(goal)?,
            goal_is_wait: goal == Goal::Peers,
            epoch_in_flight: self.epoch_in_flight,
            incomplete: self.incomplete,
            buffered: !self.buffered.is_empty(),
            merging: !self.merge_readers.is_empty(),
            queues_have_capacity: self.phase != Phase::Draining || self.routes.iter().all(|r| r.queue.has_capacity()),
            input_idle: self.input_idle,
            sent: self.sent,
            uncommitted: self.gauges.uncommitted.load(Ordering::Relaxed),
            commit_due: self.committed_at.is_none_or(|at| at.elapsed() >= self.options.commit_every),
            commit_large: self.gauges.is_commit_full(),
            heartbeat_due: self.committed_at.unwrap_or(self.started_at).elapsed() >= HEARTBEAT_INTERVAL,
            early_output: self.options.early_output,
        })
    }

    pub(super) fn revoked(&self) -> bool {
        self.cancel.is_cancelled_for(CancelReason::Revoked)
    }

    pub(super) fn stopping(&self) -> bool {
        self.cancel.is_cancelled_for(CancelReason::Stop) || self.cancel.is_cancelled_for(CancelReason::Ended)
    }

    /// Hands over buffered batches and polls once; waits for no task and no commit.
    fn read(&mut self, timeout: Duration) -> Result<(), Fault> {
        self.hand_over()?;
        let offered = self.offer_merged()?;
        let timeout = if offered { Duration::ZERO } else { timeout };
        // The situation was taken before the hand-over: a batch sent just now must not wait for a long poll.
        let timeout = if self.sent { timeout.min(BUSY_POLL_TIMEOUT) } else { timeout };
        self.input_idle = false;
        match self.member.poll(self.fetch_limit(), timeout)? {
            GroupEvent::Records(fetched) => self.take(fetched)?,
            GroupEvent::Idle => self.input_idle = true,
            GroupEvent::Revoked(_) => {
                self.on_revoked();
                return Ok(());
            }
            GroupEvent::Assigned(_) => {
                return Err(Fault::internal("partitions were assigned before others were revoked"));
            }
        }
        // Not only after an idle poll: others may write to one partition without end, while another is at its end.
        self.advance_past_gaps();
        self.on_outcome(Duration::ZERO)?;
        self.tick();
        Ok(())
    }

    /// Waits for the epoch in flight and polls the group, which must not wait for a task. Once the partitions are
    /// revoked the member is not polled any more: the next poll would acknowledge the revocation.
    fn listen(&mut self, timeout: Duration) -> Result<(), Fault> {
        self.on_outcome(timeout)?;
        if self.revoked() {
            return Ok(());
        }
        match self.member.poll(FetchLimit::default(), Duration::ZERO)? {
            GroupEvent::Idle => {}
            GroupEvent::Revoked(_) => self.on_revoked(),
            event => return Err(Fault::internal(format!("{event:?} while nothing is read"))),
        }
        Ok(())
    }

    /// Nothing more is read of the partitions, and no task waits for a model.
    fn on_revoked(&self) {
        faults::fail_point(FailPoint::InRevoke);
        self.cancel.cancel(CancelReason::Revoked);
    }

    /// Buffers records for their task, and pauses the task's partitions where its queue is full.
    fn take(&mut self, mut fetched: Fetched) -> Result<(), Fault> {
        let at = (*fetched.origin).clone();
        let next = Offset(fetched.offsets.last().copied().unwrap_or(-1) + 1);
        faults::fail_point(FailPoint::AfterPoll);
        let end = self.options.ends.as_ref().and_then(|ends| ends.get(&at)).copied();
        if end.is_some_and(|end| next >= end) {
            self.unfinished.remove(&at);
        }
        let Some(route) = self.route_of.get(&at).copied() else {
            return Err(Fault::internal(format!("no task reads {at}")));
        };
        self.positions.insert(at, next);
        if let Some(end) = end {
            let within = fetched.offsets.partition_point(|o| *o < end.0);
            if within == 0 {
                return Ok(());
            }
            fetched.offsets = fetched.offsets.slice(0, within);
            fetched.records = fetched.records.slice(0, within);
        }
        self.buffered.insert(route, (fetched, Instant::now()));
        self.hand_over()?;
        if self.buffered.contains_key(&route) {
            self.member.pause(&self.routes[route].partitions, true)?;
        }
        Ok(())
    }

    /// Sends buffered batches to the tasks that have capacity.
    fn hand_over(&mut self) -> Result<(), Fault> {
        for (route, (fetched, at)) in std::mem::take(&mut self.buffered) {
            if !self.has_capacity(route) {
                self.buffered.insert(route, (fetched, at));
                continue;
            }
            let bytes = fetched.records.bytes();
            // There is capacity, so sending fails only where the task is gone.
            if self.routes[route].queue.send(TaskMessage::Data(fetched, at)).is_err() {
                return self.why_gone();
            }
            self.gauges.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
            self.sent = true;
            if self.phase == Phase::Reading && !self.revoked() {
                self.member.pause(&self.routes[route].partitions, false)?;
            }
        }
        Ok(())
    }

    /// Whether a task takes another batch.
    pub(super) fn has_capacity(&self, route: usize) -> bool {
        // Outside Reading the buffered batches are the last ones: the final barrier waits for them.
        let last = self.phase != Phase::Reading;
        self.routes[route].queue.has_capacity() && (last || !self.gauges.is_flight_full())
    }

    /// A batch is processed in one piece, so it should not be larger than what a commit may carry.
    fn fetch_limit(&self) -> FetchLimit {
        let FetchLimit { records, bytes } = FetchLimit::default();
        FetchLimit { records, bytes: bytes.min(self.gauges.commit_limit.bytes()) }
    }

    fn tick(&mut self) {
        if self.ticked_at.is_none_or(|at| at.elapsed() >= TICK_INTERVAL) {
            self.ticked_at = Some(Instant::now());
            // A task with a full queue gets the next tick.
            let free = self.routes.iter_mut().filter(|r| r.queue.has_capacity());
            free.for_each(|r| drop(r.queue.send(TaskMessage::Tick)));
        }
    }

    /// Stops or resumes what the member reads for tasks.
    fn pause_all(&mut self, paused: bool) -> Result<(), Fault> {
        if self.revoked() {
            return Ok(());
        }
        for route in self.routes.iter().filter(|r| r.merged.is_empty()) {
            self.member.pause(&route.partitions, paused)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::log::embedded::EmbeddedLog;
    use crate::log::{Committer, GroupSpec, LogError, LogResult};
    use crate::record::RecordsBuilder;
    use crate::runtime::read::read_partition::BatchSink;
    use crate::runtime::task::merge_queue::OfferedBatch;
    use crate::runtime::task::message::EpochEnd;

    /// An intake of a bounded run, of one sub-topology where it has routes, and the side of the commit loop.
    fn intake(
        log: EmbeddedLog,
        member: Box<dyn Member>,
        routes: Vec<TaskRoute>,
        ends: BTreeMap<TopicPartition, Offset>,
    ) -> (Intake, std::sync::mpsc::SyncSender<CommitOutcome>) {
        let (outcomes, committed) = std::sync::mpsc::sync_channel(2);
        let partitions: Vec<TopicPartition> = ends.keys().cloned().collect();
        let stage = |r: &TaskRoute| Stage {
            sub: r.sub,
            partitions: partitions.clone(),
            sources: BTreeSet::new(),
            feeds_others: false,
        };
        let options = IntakeOptions {
            group: "p".into(),
            commit_every: Duration::from_secs(1),
            early_output: false,
            ends: Some(ends),
            drain: false,
            stages: routes.iter().map(stage).collect(),
        };
        let links = IntakeLinks { committed, gauges: Arc::default(), cancel: CancelToken::default() };
        (Intake::new(Arc::new(log), member, routes, links, options), outcomes)
    }

    /// How a bounded run ends whose last commit fails, where this was left to commit after its last stage.
    fn end_after(left_to_commit: impl FnOnce(&mut Intake)) -> Result<IntakeEnd, Fault> {
        let folder = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(folder.path()).unwrap();
        let member = log.join(&GroupSpec { group: "p".into(), ..GroupSpec::default() }).unwrap();
        let (mut intake, outcomes) = intake(log, member, Vec::new(), BTreeMap::new());
        outcomes.send(Err(Fault::Abort("lost".into()))).unwrap();
        left_to_commit(&mut intake);
        intake.run(&[]).0
    }

    #[test]
    fn what_is_left_to_commit_at_the_end_of_a_bounded_run_is_committed() {
        let lost = |end: Result<IntakeEnd, Fault>| matches!(end, Err(Fault::Abort(why)) if why == "lost");
        assert!(lost(end_after(|intake| intake.epoch_in_flight = true)), "an epoch in flight");
        assert!(lost(end_after(|intake| intake.sent = true)), "records sent to tasks");
        let uncommitted = |intake: &mut Intake| intake.gauges.uncommitted.store(true, Ordering::Relaxed);
        assert!(lost(end_after(uncommitted)), "results sent ahead of their commit");
        assert_eq!(end_after(|_| ()).unwrap(), IntakeEnd::Done);
    }

    #[test]
    fn a_run_that_recovers_from_a_fault_goes_back_and_does_not_end() {
        for (stopped, goes_back) in [(false, true), (true, false)] {
            let mut gauges = None;
            let ended = end_after(|intake| {
                (intake.sent, gauges) = (true, Some(intake.gauges.clone()));
                if stopped {
                    intake.cancel.cancel(CancelReason::Stop);
                }
            });
            assert!(matches!(ended, Err(Fault::Abort(_))), "stopped: {stopped}");
            assert_eq!(gauges.unwrap().goes_back.load(Ordering::Relaxed), goes_back, "stopped: {stopped}");
        }
    }

    /// A member of two partitions: the first stands at its end, behind an offset without a record; others write to
    /// the second faster than it is read.
    struct BusyMember {
        polls: i64,
        paused: bool,
    }

    impl Member for BusyMember {
        fn poll(&mut self, _: FetchLimit, _: Duration) -> LogResult<GroupEvent> {
            self.polls += 1;
            if self.paused {
                return Ok(GroupEvent::Idle);
            }
            if self.polls > 1_000 {
                return Err(LogError::Busy("the run reads without end".into()));
            }
            let mut records = RecordsBuilder::default();
            records.push(None, Some(b"{}"), 0);
            let origin = Arc::new(TopicPartition::new("in", 1));
            Ok(GroupEvent::Records(Fetched {
                origin,
                offsets: vec![10 + self.polls].into(),
                records: records.finish(),
            }))
        }

        fn seek(&mut self, _: &[(TopicPartition, Offset)]) -> LogResult<()> {
            Ok(())
        }

        fn positions(&self) -> Vec<(TopicPartition, Offset)> {
            vec![(TopicPartition::new("in", 0), Offset(10)), (TopicPartition::new("in", 1), Offset(11 + self.polls))]
        }

        fn pause(&mut self, _: &[TopicPartition], paused: bool) -> LogResult<()> {
            self.paused = paused;
            Ok(())
        }

        fn committer(&mut self) -> LogResult<Box<dyn Committer>> {
            Err(LogError::Busy("it commits nothing".into()))
        }

        fn leave(self: Box<Self>) -> LogResult<()> {
            Ok(())
        }
    }

    #[test]
    fn batches_of_merged_inputs_that_wait_for_their_task_hold_back_further_ones() {
        let folder = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(folder.path()).unwrap();
        let member = log.join(&GroupSpec { group: "p".into(), ..GroupSpec::default() }).unwrap();
        let (queue, _inbox) = TaskQueue::new();
        let route = TaskRoute { sub: 0, queue, partitions: Vec::new(), merged: Vec::new() };
        let (mut intake, _outcomes) = intake(log, member, vec![route], BTreeMap::new());
        let mut records = RecordsBuilder::default();
        records.push(None, Some(&vec![b'x'; intake.gauges.commit_limit.bytes()]), 0);
        let origin = Arc::new(TopicPartition::new("in", 0));
        let fetched = Fetched { origin, offsets: vec![0].into(), records: records.finish() };
        for expected in [true, false] {
            let fetched = Some(fetched.clone());
            let offer = OfferedBatch { slot: 0, fetched, position: Offset(1), last: false, permit: None };
            BatchSink::accept(&mut intake, 0, vec![offer]).unwrap();
            assert_eq!(intake.has_capacity(0), expected, "there is room in the queue, but for one commit more at most");
        }
    }

    #[test]
    fn a_bounded_run_ends_although_others_write_to_a_partition_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(folder.path()).unwrap();
        let partitions: Vec<TopicPartition> = (0..2).map(|p| TopicPartition::new("in", p)).collect();
        let (queue, mut inbox) = TaskQueue::new();
        let route = TaskRoute { sub: 0, queue, partitions: partitions.clone(), merged: Vec::new() };
        let ends = partitions.iter().cloned().map(|at| (at, Offset(10))).collect();
        let member = Box::new(BusyMember { polls: 0, paused: false });
        let (intake, outcomes) = intake(log, member, vec![route], ends);
        let committing = std::thread::spawn(move || {
            while let Some(barrier) = inbox.barriers.blocking_recv() {
                while inbox.messages.try_recv().is_ok() {}
                outcomes.send(Ok(EpochEnd { epoch: barrier.epoch, complete: true })).unwrap();
            }
        });
        let starts = [(partitions[0].clone(), Offset(9)), (partitions[1].clone(), Offset(10))];
        assert_eq!(intake.run(&starts).0.unwrap(), IntakeEnd::Done);
        committing.join().unwrap();
    }
}
