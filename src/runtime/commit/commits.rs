//! The owner of transactions: state, counters and positions of all tasks become visible together or not at all, and
//! with exactly-once the results with them.

use super::changelog_position::ChangelogPositions;
use super::instance_record::{InstanceRecord, resident_bytes};
use super::run_gauge::RunGauge;
use super::state_limit::StateLimit;
use super::state_records::StateRecords;
use super::transaction::TransactionBuilder;
use super::trimming::Trimming;
use crate::log::{Append, CommitTimeout, Committer, RecordLimits, Recovery, Transaction};
use crate::metrics::{Latency, PipelineInfo};
use crate::plan::Physical;
use crate::record::Offset;
use crate::runtime::cancel::{CancelReason, CancelToken};
use crate::runtime::fault::Fault;
use crate::runtime::task::commit_limit::TARGET_COMMIT_TIME;
use crate::runtime::task::gauges::Gauges;
use crate::runtime::task::{TaskCommit, TaskId};
use crate::state::StateChange;
use crate::time::Clock;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Attempts at a commit while the backplane is busy.
const MAX_COMMIT_ATTEMPTS: u32 = 5;

/// Slow attempts after which a commit is given up. One that fails after more than [`TARGET_COMMIT_TIME`] may be too
/// large for its timeout, and then only a smaller one can succeed.
const MAX_SLOW_ATTEMPTS: u32 = 2;

/// Time between two records of the pipeline and the instance, milliseconds.
const INSTANCE_RECORD_INTERVAL_MS: i64 = 1_000;

/// What [`Commits`] works with.
pub(in crate::runtime) struct CommitContext {
    pub(in crate::runtime) plan: Arc<Physical>,
    /// The size limits of the topics.
    pub(in crate::runtime) limits: RecordLimits,
    pub(in crate::runtime) committer: Box<dyn Committer>,
    pub(in crate::runtime) clock: Arc<dyn Clock>,
    pub(in crate::runtime) info: PipelineInfo,
    pub(in crate::runtime) instance: InstanceRecord,
    pub(in crate::runtime) states: StateRecords,
    pub(in crate::runtime) gauges: Arc<Gauges>,
    pub(in crate::runtime) trimming: Trimming,
    /// Up to which offset each changelog is contained in the state of its task.
    pub(in crate::runtime) changelogs: ChangelogPositions,
    pub(in crate::runtime) cancel: CancelToken,
    /// A commit has failed, and none has worked since.
    pub(in crate::runtime) has_failed: Arc<AtomicBool>,
    /// Counts what is committed.
    pub(in crate::runtime) work: RunGauge,
}

/// What a task hands over at a barrier, and when the batches before it were read.
pub(in crate::runtime) type Handover = (TaskCommit, Vec<Instant>);

/// The owner of transactions.
pub(in crate::runtime) struct Commits {
    pub(super) context: CommitContext,
    state_limit: StateLimit,
    dead_topic: String,
    latency: BTreeMap<TaskId, Latency>,
    /// What was handed over and is not committed yet.
    pending: BTreeMap<TaskId, Handover>,
    recorded_at: Option<i64>,
}

impl Commits {
    pub(in crate::runtime) fn new(context: CommitContext) -> Self {
        let state_limit = StateLimit::new(context.plan.memory_limit);
        let (latency, pending) = (BTreeMap::new(), BTreeMap::new());
        let dead_topic = context.plan.dead_topic();
        Self { context, state_limit, dead_topic, latency, pending, recorded_at: None }
    }

    /// Ends an epoch with what every task has handed over: commits, or only sends the results ahead.
    pub(in crate::runtime) fn end_epoch(&mut self, handed_over: Vec<Handover>, commits: bool) -> Result<(), Fault> {
        if !commits {
            let changes = handed_over.iter().flat_map(|(commit, _)| &commit.changes);
            let bytes = changes.map(|(_, changes)| bytes_of(changes)).sum();
            self.context.gauges.uncommitted_state_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        self.add_pending(handed_over);
        if commits { self.commit() } else { self.send_early() }
    }

    /// Records that the instance has ended, unless it goes on after a fault, and sends the last trim points.
    pub(in crate::runtime) fn finish(mut self) -> CommitContext {
        // After a revocation the run continues with its next assignment, and the new owners trim the rest: the
        // rebalance must not wait for either.
        if !self.context.cancel.is_cancelled_for(CancelReason::Revoked) {
            if !self.context.gauges.goes_back.load(Ordering::Relaxed) {
                self.context.info.stopped_at = Some(self.context.clock.now());
                self.context.info.ended = Some(self.context.cancel.why_ended().to_owned());
                self.recorded_at = None;
            }
            if let Err(e) = self.commit() {
                tracing::warn!("the end of the run could not be recorded: {e}");
            }
            self.context.trimming.flush();
        }
        self.context
    }

    fn add_pending(&mut self, handed_over: Vec<Handover>) {
        // Also of tasks that have nothing to commit: they hold what they have restored.
        handed_over.iter().for_each(|(commit, _)| self.state_limit.update(commit));
        for (commit, mut read_at) in handed_over.into_iter().filter(|(commit, _)| commit.dirty) {
            match self.pending.entry(commit.task) {
                Entry::Vacant(pending) => {
                    pending.insert((commit, read_at));
                }
                Entry::Occupied(mut pending) => {
                    let (before, times) = pending.get_mut();
                    before.merge(commit);
                    times.append(&mut read_at);
                }
            }
        }
    }

    fn send_early(&mut self) -> Result<(), Fault> {
        let Some(output) = self.context.committer.early_output() else { return Ok(()) };
        let pending = self.pending.values_mut();
        let results: Vec<Append> = pending.flat_map(|(c, _)| std::mem::take(&mut c.appends)).collect();
        if results.is_empty() {
            return Ok(());
        }
        output.send(&results)?;
        self.context.work.count_letters(&self.dead_topic, &results);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Fault> {
        let now = self.context.clock.now();
        // Also due after the clock was set back: an instance without new records counts as gone.
        let due = |at: i64| !(0..INSTANCE_RECORD_INTERVAL_MS).contains(&now.saturating_sub(at));
        let record_instance = self.recorded_at.is_none_or(due);
        if self.pending.is_empty() && !record_instance {
            return Ok(());
        }
        self.context.gauges.uncommitted_state_bytes.store(0, Ordering::Relaxed);
        let mut pending: Vec<Handover> = std::mem::take(&mut self.pending).into_values().collect();
        let (plan, limits) = (self.context.plan.clone(), self.context.limits.clone());
        let mut builder = TransactionBuilder::new(&plan, &limits, now);
        for (commit, _) in &mut pending {
            builder.add(commit, &self.latency)?;
        }
        self.state_limit.check()?;
        if record_instance {
            let CommitContext { info, instance, states, .. } = &mut self.context;
            info.memory = resident_bytes();
            builder.add_pipeline(info)?;
            let mut latency = Latency::default();
            self.latency.values().for_each(|of_task| latency.merge(of_task));
            instance.push_to(info, latency, now, builder.progress())?;
            states.push_to(now, builder.progress())?;
            self.recorded_at = Some(now);
        }
        let committed = self.commit_transaction(builder.finish(), now);
        let progress = pending.iter_mut().map(|(commit, _)| (commit.task, std::mem::take(&mut commit.progress)));
        self.context.work.end_commit(progress, committed.is_ok());
        committed?;
        for (commit, read_at) in &pending {
            let latency = self.latency.entry(commit.task).or_default();
            for at in read_at {
                latency.record(u64::try_from(at.elapsed().as_micros()).unwrap_or(u64::MAX), 1);
            }
        }
        Ok(())
    }

    fn commit_transaction(&mut self, transaction: Transaction, now: i64) -> Result<(), Fault> {
        let (bytes, start) = (transaction.bytes(), Instant::now());
        let attempted = self.attempt(&transaction);
        self.learn(bytes, start, attempted.is_ok());
        let firsts = attempted?;
        self.context.work.count_letters(&self.dead_topic, &transaction.results);
        self.advance_changelogs(&transaction.state, &firsts, now);
        self.context.trimming.on_committed(&self.context.plan, &transaction.offsets);
        Ok(())
    }

    /// Adapts the limit of the next commits to how long this one took, and warns about one that was undone.
    fn learn(&self, bytes: usize, start: Instant, committed: bool) {
        let limit = &self.context.gauges.commit_limit;
        let was_least = limit.is_least();
        let end = Instant::now();
        let took = end.duration_since(start);
        if committed {
            limit.on_committed(bytes, start, end)
        } else {
            limit.on_undone(bytes, start, end)
        }
        if committed {
            return;
        }
        let Some(CommitTimeout { after, setting }) = self.context.committer.timeout() else { return };
        if took < after / 2 {
            return;
        }
        if was_least {
            tracing::warn!(
                "a commit of {bytes} bytes took {took:.1?} and was undone, and commits cannot be smaller: raise {setting} (now {after:?}), or let the brokers take more (a quota may hold this client back)"
            );
        } else {
            let next = limit.bytes();
            tracing::warn!(
                "a commit of {bytes} bytes took {took:.1?} and was undone; the next ones carry about {next} bytes ({setting} allow one to take {after:?})"
            );
        }
    }

    fn advance_changelogs(&mut self, state: &[Append], firsts: &[Option<Offset>], now: i64) {
        let changelogs = &mut self.context.changelogs;
        for (append, first) in state.iter().zip(firsts) {
            let (Some(known), Some(first)) = (changelogs.get_mut(&append.to), first) else { continue };
            // Between two transactions lie only their markers.
            known.next = Offset(first.0 + i64::try_from(append.records.len()).unwrap_or(0));
        }
        // A member that can commit has read everything that was committed before.
        changelogs.values_mut().for_each(|known| known.at = now);
    }

    fn is_stopping(&self) -> bool {
        self.context.cancel.is_cancelled_for(CancelReason::Stop)
    }

    fn attempt(&mut self, transaction: &Transaction) -> Result<Vec<Option<Offset>>, Fault> {
        let (mut attempt, mut slow) = (1, 0);
        loop {
            let start = Instant::now();
            let e = match self.context.committer.commit(transaction) {
                Ok(firsts) => {
                    if self.context.has_failed.swap(false, Ordering::Relaxed) {
                        tracing::info!("`{}` commits again", self.context.plan.name);
                    }
                    return Ok(firsts);
                }
                Err(e) if e.recovery() == Recovery::Retry && attempt < MAX_COMMIT_ATTEMPTS && !self.is_stopping() => e,
                Err(e) => return Err(e.into()),
            };
            self.context.has_failed.store(true, Ordering::Relaxed);
            tracing::warn!("commit, attempt {attempt}: {e}");
            attempt += 1;
            slow += u32::from(start.elapsed() > TARGET_COMMIT_TIME);
            if slow == MAX_SLOW_ATTEMPTS {
                return Err(Fault::Abort(format!("a commit failed slowly {MAX_SLOW_ATTEMPTS} times: {e}")));
            }
        }
    }
}

fn bytes_of(changes: &[StateChange]) -> usize {
    changes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum()
}
