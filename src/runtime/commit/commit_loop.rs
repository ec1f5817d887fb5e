//! The commit: what all tasks hand over at a barrier becomes one transaction.
//!
//! Separate because this thread is the only owner of transactions. Outputs, dead letters, state, counters
//! and positions become visible together or not at all.

use crate::faults::{self, Mistake};
use crate::log::{Append, Committer, Delivery, Recovery, Transaction};
use crate::metrics::{Latency, PIPELINE_KEY, PipelineInfo, progress_topic};
use crate::plan::Physical;
use crate::record::{Offset, RecordsBuilder, TopicPartition};
use crate::runtime::commit::changelog_position::Marks;
use crate::runtime::commit::instance_record::Presence;
use crate::runtime::commit::trimming::Trimming;
use crate::runtime::fault::Fault;
use crate::runtime::task::gauges::Gauges;
use crate::runtime::task::message::{Committed, Epoch, Report};
use crate::runtime::task::{TaskCommit, TaskId};
use crate::state::StateChange;
use crate::time::Clock;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How often a transaction is tried again while the backplane is busy.
const ATTEMPTS: u32 = 5;

/// Least time between two reports of the process itself.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// What is left when all is committed, or a fault has ended it.
pub(in crate::runtime) struct Closed {
    pub(in crate::runtime) committer: Box<dyn Committer>,
    /// How far each changelog is known; none after a fault.
    pub(in crate::runtime) marks: Option<Marks>,
}

/// What commits are made with.
pub(in crate::runtime) struct Setup {
    pub(in crate::runtime) plan: Arc<Physical>,
    pub(in crate::runtime) committer: Box<dyn Committer>,
    pub(in crate::runtime) clock: Arc<dyn Clock>,
    pub(in crate::runtime) info: PipelineInfo,
    pub(in crate::runtime) presence: Presence,
    pub(in crate::runtime) gauges: Arc<Gauges>,
    pub(in crate::runtime) trimming: Trimming,
    /// Up to where each changelog is what its task remembers.
    pub(in crate::runtime) marks: Marks,
    /// The run is to end: what fails is not tried again.
    pub(in crate::runtime) stop: Arc<AtomicBool>,
}

/// The owner of transactions.
pub(in crate::runtime) struct Commits {
    with: Setup,
    /// Steps with state, their keys and bytes, by task.
    state: BTreeMap<TaskId, Vec<(String, u64, u64)>>,
    latency: BTreeMap<TaskId, Latency>,
    /// What tasks have handed over and is not committed yet, with the times at which it was read.
    held: BTreeMap<TaskId, (TaskCommit, Vec<Instant>)>,
    /// Of the last commit.
    positions: Vec<(TopicPartition, Offset)>,
    reported: Option<Instant>,
}

impl Commits {
    pub(in crate::runtime) fn new(with: Setup) -> Self {
        let (state, latency, held) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { with, state, latency, held, positions: Vec::new(), reported: None }
    }

    /// Commits epoch after epoch until all tasks are gone; gives back what it commits with.
    pub(in crate::runtime) fn run(
        mut self,
        mut reports: mpsc::Receiver<Report>,
        done: &std::sync::mpsc::SyncSender<Committed>,
    ) -> Closed {
        let mut waiting: BTreeMap<Epoch, Vec<(TaskCommit, Vec<Instant>)>> = BTreeMap::new();
        while let Some(report) = reports.blocking_recv() {
            let outcome = match report {
                Report::Failed(fault) => Err(fault),
                Report::Ready { epoch, commit, read_at } => {
                    let ready = waiting.entry(epoch).or_default();
                    ready.push((*commit, read_at));
                    if ready.len() < self.with.presence.tasks() {
                        continue;
                    }
                    let ready = waiting.remove(&epoch).unwrap_or_default();
                    // What is committed at once does not pile up.
                    if !epoch.whole {
                        let changes = ready.iter().flat_map(|(commit, _)| &commit.changes);
                        self.with.gauges.held.fetch_add(changes.map(|(_, c)| bytes(c)).sum(), Ordering::Relaxed);
                    }
                    self.hold(ready);
                    if epoch.whole { self.commit() } else { self.send() }.map(|()| epoch)
                }
            };
            let failed = outcome.is_err();
            // The intake hangs up only once the run is over.
            if done.send(outcome).is_err() || failed {
                return Closed { committer: self.with.committer, marks: None };
            }
        }
        self.settle();
        // Where the group hands out its partitions anew the run goes on.
        if !self.with.gauges.revoked.load(Ordering::Relaxed) {
            self.with.info.stopped_at = Some(self.with.clock.now());
            self.reported = None;
            if let Err(e) = self.commit() {
                tracing::warn!("the end of the run could not be recorded: {e}");
            }
            self.settle();
        }
        self.with.trimming.finish();
        Closed { committer: self.with.committer, marks: Some(self.with.marks) }
    }

    /// Waits until the positions of the last commit are there, as nothing that they stand for may go before.
    fn settle(&mut self) {
        let positions = std::mem::take(&mut self.positions);
        match self.with.committer.await_acks() {
            Ok(()) => self.with.trimming.committed(&self.with.plan, &positions),
            Err(e) => {
                tracing::warn!(
                    "the last positions could not be committed, so that some records are handled again: {e}"
                );
            }
        }
    }

    /// Keeps what tasks have handed over until it is committed.
    fn hold(&mut self, ready: Vec<(TaskCommit, Vec<Instant>)>) {
        for (commit, mut read_at) in ready.into_iter().filter(|(commit, _)| commit.dirty) {
            match self.held.entry(commit.task) {
                Entry::Vacant(held) => {
                    held.insert((commit, read_at));
                }
                Entry::Occupied(mut held) => {
                    let (before, times) = held.get_mut();
                    before.follow(commit);
                    times.append(&mut read_at);
                }
            }
        }
    }

    /// Sends results ahead of their commit.
    fn send(&mut self) -> Result<(), Fault> {
        let Some(ahead) = self.with.committer.early_output() else { return Ok(()) };
        let results: Vec<Append> = self.held.values_mut().flat_map(|(c, _)| std::mem::take(&mut c.appends)).collect();
        if results.is_empty() { Ok(()) } else { ahead.send(&results).map_err(Fault::from) }
    }

    fn commit(&mut self) -> Result<(), Fault> {
        let report = self.reported.is_none_or(|at| at.elapsed() >= REPORT_EVERY);
        if self.held.is_empty() && !report {
            return Ok(());
        }
        self.with.gauges.held.store(0, Ordering::Relaxed);
        let mut ready: Vec<_> = std::mem::take(&mut self.held).into_values().collect();
        let (mut transaction, mut state) = (Transaction::default(), Vec::new());
        let mut progress = RecordsBuilder::default();
        let now = self.with.clock.now();
        for (commit, _) in &mut ready {
            transaction.appends.append(&mut commit.appends);
            transaction.offsets.append(&mut commit.offsets);
            for (step, changes) in std::mem::take(&mut commit.changes) {
                let mut records = RecordsBuilder::default();
                changes.iter().for_each(|(key, value)| records.push(Some(key), value.as_deref(), now));
                let to = TopicPartition {
                    topic: self.with.plan.state_topic(&step).into(),
                    partition: commit.task.partition,
                };
                state.push(Append { to, records: records.finish() });
            }
            commit.progress.latency = self.latency.get(&commit.task).cloned().unwrap_or_default();
            let value = serde_json::to_vec(&commit.progress).map_err(Fault::internal)?;
            progress.push(Some(commit.task.to_string().as_bytes()), Some(&value), now);
        }
        if report {
            self.with.info.memory = resident();
            let value = serde_json::to_vec(&self.with.info).map_err(Fault::internal)?;
            progress.push(Some(PIPELINE_KEY.as_bytes()), Some(&value), now);
            self.with.presence.say(&self.with.info, now, &mut progress)?;
            self.reported = Some(Instant::now());
        }
        if !state.is_empty() {
            let results = transaction.appends.len();
            transaction.flush_points = vec![results, results + state.len()];
            transaction.appends.append(&mut state);
        }
        let to = TopicPartition::new(progress_topic(&self.with.plan.name), 0);
        transaction.appends.push(Append { to, records: progress.finish() });
        self.within_limit(&ready)?;
        if faults::planted(Mistake::StateApart) {
            let mut late = Transaction { offsets: transaction.offsets.clone(), ..Transaction::default() };
            let state = |a: &Append| a.to.topic.ends_with(".state");
            late.appends = transaction.appends.extract_if(.., |a| state(a)).collect();
            self.attempt(&transaction)?;
            transaction = late;
        }
        let firsts = self.attempt(&transaction)?;
        let exact = self.with.plan.delivery == Delivery::ExactlyOnce;
        for (append, first) in transaction.appends.iter().zip(firsts) {
            let (Some(mark), Some(first)) = (self.with.marks.get_mut(&append.to), first) else { continue };
            // Between two transactions lies what ends the first one. Without them nobody is kept from writing
            // there, and what it was is not known.
            if exact || first == mark.next {
                mark.next = Offset(first.0 + i64::try_from(append.records.len()).unwrap_or(0));
            } else {
                self.with.marks.remove(&append.to);
            }
        }
        // Who can commit knows all that was committed before.
        self.with.marks.values_mut().for_each(|mark| mark.at = now);
        // Positions of a commit that keeps less may still be on their way; those of the one before are there.
        let behind = std::mem::replace(&mut self.positions, transaction.offsets);
        self.with.trimming.committed(&self.with.plan, if exact { &self.positions } else { &behind });
        for (commit, read_at) in &ready {
            let latency = self.latency.entry(commit.task).or_default();
            for at in read_at {
                latency.record(u64::try_from(at.elapsed().as_micros()).unwrap_or(u64::MAX), 1);
            }
        }
        Ok(())
    }

    /// State is never given up to keep within a limit: the run stops before the commit that goes beyond it.
    fn within_limit(&mut self, ready: &[(TaskCommit, Vec<Instant>)]) -> Result<(), Fault> {
        let Some(limit) = self.with.plan.memory_limit else { return Ok(()) };
        for (commit, _) in ready {
            let of = commit.progress.steps.iter().filter(|s| s.keys > 0).map(|s| (s.name.clone(), s.keys, s.bytes));
            self.state.insert(commit.task, of.collect());
        }
        let total: u64 = self.state.values().flatten().map(|(_, _, bytes)| bytes).sum();
        if total <= limit {
            return Ok(());
        }
        let mut steps: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for (step, keys, bytes) in self.state.values().flatten() {
            let of = steps.entry(step).or_default();
            *of = (of.0 + bytes, of.1 + keys);
        }
        let (step, (bytes, keys)) = steps.into_iter().max_by_key(|(_, size)| *size).unwrap_or_default();
        Err(Fault::Fatal(format!(
            "state has grown to {total} bytes, beyond `state.memory_limit` of {limit}: `{step}` holds {keys} keys in {bytes} bytes\nhint: raise the limit, or keep fewer keys (shorter windows, less `grace`, coarser `by`); what was committed is safe"
        )))
    }

    fn stopping(&self) -> bool {
        self.with.stop.load(Ordering::Relaxed)
    }

    fn attempt(&mut self, transaction: &Transaction) -> Result<Vec<Option<Offset>>, Fault> {
        let mut tried = 1;
        loop {
            match self.with.committer.commit(transaction) {
                Ok(firsts) => return Ok(firsts),
                Err(e) if e.recovery() == Recovery::Retry && tried < ATTEMPTS && !self.stopping() => {
                    tracing::warn!("commit, attempt {tried}: {e}")
                }
                Err(e) => return Err(e.into()),
            }
            tried += 1;
        }
    }
}

fn bytes(changes: &[StateChange]) -> usize {
    changes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum()
}

/// Resident memory of this process, bytes; 0 where the system does not tell.
pub(in crate::runtime) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::SourceText;
    use crate::log::{LogError, LogResult};
    use crate::metrics::TaskProgress;
    use crate::plan::InputPlan;
    use crate::time::VirtualClock;
    use std::sync::mpsc::sync_channel;

    const TEXT: &str = "name: p
source: {topic: in, key: a, schema: {a: string, b: string}}
steps:
  - {name: counted, scan: {by: [b], init: {c: 0}, next: {c: c + 1}}}
sink: out
";

    const TASK: TaskId = TaskId { sub: 1, partition: crate::record::Partition(0) };

    /// Positions are told to have moved, or not, only afterwards.
    struct Late {
        moves: bool,
        pending: bool,
    }

    impl Late {
        fn answer(&mut self) -> LogResult<()> {
            match std::mem::take(&mut self.pending) && !self.moves {
                true => Err(LogError::Busy("the coordinator is away".into())),
                false => Ok(()),
            }
        }
    }

    impl Committer for Late {
        fn commit(&mut self, transaction: &Transaction) -> LogResult<Vec<Option<Offset>>> {
            self.answer()?;
            self.pending = true;
            Ok(vec![None; transaction.appends.len()])
        }

        fn await_acks(&mut self) -> LogResult<()> {
            self.answer()
        }
    }

    /// The commits of a task that reads a repartition topic, and what goes of the topic.
    fn commits(
        moves: bool,
        gauges: &Arc<Gauges>,
    ) -> (Commits, std::sync::mpsc::Receiver<super::super::trimming::Done>) {
        let source = Arc::new(SourceText { name: "p.yaml".into(), text: TEXT.into() });
        let spec = crate::spec::parse(source, std::path::Path::new("."), &crate::spec::ProcessEnvironment).unwrap();
        let plan = crate::plan::compile(&spec, &crate::expr::Functions::new()).unwrap();
        let (clock, info, gauges) = (Arc::new(VirtualClock::at(0)), PipelineInfo::default(), gauges.clone());
        let presence = Presence::new([TASK].into_iter(), Vec::new());
        let (trimming, trimmed) = Trimming::new();
        let committer = Box::new(Late { moves, pending: false });
        let delivery = Physical { delivery: Delivery::AtLeastOnce, ..plan };
        let (plan, marks, stop) = (Arc::new(delivery), Marks::default(), Arc::default());
        let setup = Setup { plan, committer, clock, info, presence, gauges, trimming, marks, stop };
        (Commits::new(setup), trimmed)
    }

    fn ready(epoch: Epoch, changes: Vec<StateChange>, offsets: Vec<(TopicPartition, Offset)>) -> Report {
        let commit = TaskCommit {
            task: TASK,
            appends: Vec::new(),
            changes: vec![("counted".to_owned(), changes)],
            offsets,
            progress: TaskProgress::default(),
            dirty: true,
        };
        Report::Ready { epoch, commit: Box::new(commit), read_at: Vec::new() }
    }

    /// What may go of a repartition topic once a run is over that has committed its records up to the fifth.
    fn removed(moves: bool) -> Vec<(TopicPartition, Offset)> {
        let (commits, trimmed) = commits(moves, &Arc::default());
        let inputs = commits.with.plan.subs.iter().flat_map(|s| &s.inputs).map(InputPlan::topic);
        let at = TopicPartition { topic: inputs.last().unwrap().clone(), partition: TASK.partition };
        let (to, reports) = mpsc::channel(1);
        let (done, _told) = sync_channel(1);
        let epoch = Epoch { number: 1, whole: true };
        to.try_send(ready(epoch, Vec::new(), vec![(at, Offset(5))])).unwrap_or_default();
        drop(to);
        let going = std::thread::spawn(move || trimmed.into_iter().flatten().collect());
        drop(commits.run(reports, &done));
        going.join().unwrap()
    }

    #[test]
    fn repartitioned_records_stay_where_the_last_positions_were_not_moved() {
        assert_eq!(removed(true).len(), 1, "all is well");
        assert_eq!(removed(false), [], "the next run reads them again");
    }

    #[test]
    fn state_counts_as_waiting_only_until_it_is_committed() {
        let gauges: Arc<Gauges> = Arc::default();
        let (commits, _trimmed) = commits(true, &gauges);
        let (to, reports) = mpsc::channel(1);
        let (done, told) = sync_channel(1);
        let running = std::thread::spawn(move || drop(commits.run(reports, &done)));
        let mut held = Vec::new();
        for (number, whole) in (1..).zip([true, false, false, true, false]) {
            let change = (b"12345".to_vec(), Some(b"678".to_vec()));
            to.blocking_send(ready(Epoch { number, whole }, vec![change], Vec::new())).unwrap_or_default();
            assert!(told.recv().unwrap().is_ok());
            held.push(gauges.held.load(Ordering::Relaxed));
        }
        drop(to);
        running.join().unwrap();
        assert_eq!(held, [0, 8, 16, 0, 8]);
    }
}
