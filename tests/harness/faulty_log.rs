//! An embedded log with one injected fault.
//!
//! A real backplane fails at any time; a test needs the failure at one known moment. Every other call goes to
//! the embedded log.

use super::wait;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{
    Access, Append, Appender, Committer, FetchLimit, GroupEvent, GroupSpec, Log, LogError, LogResult, Member, Reader,
    RecordLimit, Start, TopicConfig, TopicInfo, Transaction,
};
use fastdata::record::{Fetched, Offset, TopicPartition};
use fastdata::runtime::CancelToken;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A fault of the readers of one topic, or of commits.
#[derive(Clone, Debug)]
pub enum InjectedFault {
    /// Readers return no records and no error, as if no broker answered.
    ReadersReturnNothing,
    /// A reader that reaches the end fails, this many times over all readers.
    ReadersFailAtEnd(u32),
    /// A commit blocks until the run is asked to stop, and is then aborted.
    CommitAbortsAfterStop(CancelToken),
    /// A commit blocks until the run is asked to stop, and then fails on every retry.
    CommitFailsAfterStop(CancelToken),
    /// The first commit reports an abort, whether it was `applied` or not; `appended` is written at that moment.
    FirstCommitAborts { applied: bool, appended: Vec<Append> },
    /// Before the first commit these records are appended, and those before the offset of their partition are
    /// removed, as retention does.
    RecordsRemovedAtFirstCommit { appended: Append, before: Offset },
    /// Commits are recorded, and take as long as over a slow connection.
    SlowCommits(Arc<SlowCommits>),
    /// After the first record all partitions are revoked and assigned again; `appended` is written at that moment.
    PartitionsRevoked { appended: Vec<Append> },
}

/// Commits over a connection with a limited rate, and what they carried.
#[derive(Debug, Default)]
pub struct SlowCommits {
    /// Without a rate commits take no longer than they do.
    pub bytes_per_second: Option<u64>,
    /// A commit that takes longer is undone after this time.
    pub timeout: Duration,
    pub commits: Mutex<Vec<SlowCommit>>,
    pub undone: AtomicU32,
}

/// What a commit carried: its bytes, and the number of records of each partition.
#[derive(Clone, Debug)]
pub struct SlowCommit {
    pub bytes: usize,
    pub records: BTreeMap<TopicPartition, usize>,
}

/// Blocks as a slow connection does.
fn take_time(time: Duration) {
    let start = Instant::now();
    while let Some(left) = time.checked_sub(start.elapsed()) {
        std::thread::park_timeout(left);
    }
}

impl SlowCommits {
    fn commit(&self, committer: &mut dyn Committer, transaction: &Transaction) -> LogResult<Vec<Option<Offset>>> {
        let bytes = transaction.bytes();
        if let Some(rate) = self.bytes_per_second {
            let takes = Duration::from_secs_f64(bytes as f64 / rate as f64);
            take_time(takes.min(self.timeout));
            if takes > self.timeout {
                self.undone.fetch_add(1, Ordering::Relaxed);
                return Err(LogError::Undone { group: "p".into(), why: "it took too long".into() });
            }
        }
        let firsts = committer.commit(transaction)?;
        let mut records = BTreeMap::new();
        transaction.appends.iter().for_each(|a| *records.entry(a.to.clone()).or_default() += a.records.len());
        self.commits.lock().unwrap().push(SlowCommit { bytes, records });
        Ok(firsts)
    }
}

/// Where a member stands in an injected rebalance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rebalance {
    NothingRead,
    RecordRead,
    Revoked,
    /// Assigned again; nothing is read before the next seek.
    Assigned,
    Done,
}

/// An embedded log with a fault.
#[derive(Debug)]
pub struct FaultyLog {
    pub log: Arc<EmbeddedLog>,
    topic: String,
    fault: InjectedFault,
    /// Polls of the topic's readers, or commits.
    pub calls: Arc<AtomicU32>,
    failures: Arc<AtomicU32>,
}

impl FaultyLog {
    pub fn new(log: Arc<EmbeddedLog>, topic: &str, fault: InjectedFault) -> Self {
        Self { log, topic: topic.to_owned(), fault, calls: Arc::default(), failures: Arc::default() }
    }

    /// Failures so far.
    pub fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }
}

struct FaultyReader {
    reader: Box<dyn Reader>,
    fault: InjectedFault,
    calls: Arc<AtomicU32>,
    failures: Arc<AtomicU32>,
}

impl Reader for FaultyReader {
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<Option<Fetched>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let InjectedFault::ReadersFailAtEnd(times) = self.fault else {
            std::thread::park_timeout(wait);
            return Ok(None);
        };
        let fetched = self.reader.poll(limit, wait)?;
        if fetched.is_none() && self.failures.fetch_add(1, Ordering::Relaxed) < times {
            return Err(LogError::Busy("the broker is away".into()));
        }
        Ok(fetched)
    }

    fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        self.reader.positions()
    }

    fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()> {
        self.reader.pause(of, paused)
    }
}

struct FaultyMember {
    member: Box<dyn Member>,
    log: Arc<EmbeddedLog>,
    group: String,
    assigned: Vec<TopicPartition>,
    rebalance: Rebalance,
    fault: InjectedFault,
    calls: Arc<AtomicU32>,
    failures: Arc<AtomicU32>,
}

impl FaultyMember {
    fn poll_with_rebalance(&mut self, appended: &[Append], limit: FetchLimit, wait: Duration) -> LogResult<GroupEvent> {
        match self.rebalance {
            Rebalance::RecordRead => {
                self.log.appender()?.append(appended)?;
                self.failures.fetch_add(1, Ordering::Relaxed);
                self.rebalance = Rebalance::Revoked;
                Ok(GroupEvent::Revoked(self.assigned.clone()))
            }
            Rebalance::Revoked => {
                self.rebalance = Rebalance::Assigned;
                self.member.pause(&self.assigned, false)?;
                let committed = self.log.committed(&self.group, &self.assigned)?;
                Ok(GroupEvent::Assigned(self.assigned.iter().cloned().zip(committed).collect()))
            }
            Rebalance::Assigned => {
                std::thread::park_timeout(wait);
                Ok(GroupEvent::Idle)
            }
            Rebalance::NothingRead | Rebalance::Done => {
                let event = self.member.poll(FetchLimit { records: 1, ..limit }, wait)?;
                match &event {
                    GroupEvent::Assigned(all) => self.assigned = all.iter().map(|(at, _)| at.clone()).collect(),
                    GroupEvent::Records(_) if self.rebalance == Rebalance::NothingRead => {
                        self.rebalance = Rebalance::RecordRead;
                    }
                    _ => {}
                }
                Ok(event)
            }
        }
    }
}

impl Member for FaultyMember {
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<GroupEvent> {
        match self.fault.clone() {
            InjectedFault::PartitionsRevoked { appended } => self.poll_with_rebalance(&appended, limit, wait),
            _ => self.member.poll(limit, wait),
        }
    }

    fn seek(&mut self, at: &TopicPartition, to: Offset) -> LogResult<()> {
        if self.rebalance == Rebalance::Assigned {
            self.rebalance = Rebalance::Done;
        }
        self.member.seek(at, to)
    }

    fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        self.member.positions()
    }

    fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()> {
        self.member.pause(of, paused)
    }

    fn committer(&mut self) -> LogResult<Box<dyn Committer>> {
        let committer = self.member.committer()?;
        let (log, fault) = (self.log.clone(), self.fault.clone());
        Ok(Box::new(FaultyCommitter {
            committer,
            log,
            fault,
            calls: self.calls.clone(),
            failures: self.failures.clone(),
        }))
    }

    fn leave(self: Box<Self>) -> LogResult<()> {
        self.member.leave()
    }
}

struct FaultyCommitter {
    committer: Box<dyn Committer>,
    log: Arc<EmbeddedLog>,
    fault: InjectedFault,
    calls: Arc<AtomicU32>,
    failures: Arc<AtomicU32>,
}

impl Committer for FaultyCommitter {
    fn commit(&mut self, transaction: &Transaction) -> LogResult<Vec<Option<Offset>>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        match &self.fault {
            InjectedFault::SlowCommits(slow) => return slow.commit(self.committer.as_mut(), transaction),
            InjectedFault::CommitAbortsAfterStop(stop) => {
                wait::until("the request to stop", || stop.is_cancelled().then_some(()))
            }
            InjectedFault::CommitFailsAfterStop(stop) => {
                wait::until("the request to stop", || stop.is_cancelled().then_some(()));
                return Err(LogError::Busy("the broker is away".into()));
            }
            InjectedFault::FirstCommitAborts { applied, appended }
                if self.failures.fetch_add(1, Ordering::Relaxed) == 0 =>
            {
                if *applied {
                    self.committer.commit(transaction)?;
                }
                self.log.appender()?.append(appended)?;
            }
            InjectedFault::RecordsRemovedAtFirstCommit { appended, before }
                if self.failures.fetch_add(1, Ordering::Relaxed) == 0 =>
            {
                self.log.appender()?.append(std::slice::from_ref(appended))?;
                self.log.delete_records(&[(appended.to.clone(), *before)])?;
                return self.committer.commit(transaction);
            }
            _ => return self.committer.commit(transaction),
        }
        Err(LogError::Undone { group: "p".into(), why: "the broker is away".into() })
    }
}

impl Log for FaultyLog {
    fn name(&self) -> String {
        self.log.name()
    }

    fn create_topic(&self, topic: &str, config: &TopicConfig) -> LogResult<()> {
        self.log.create_topic(topic, config)
    }

    fn delete_topic(&self, topic: &str) -> LogResult<()> {
        self.log.delete_topic(topic)
    }

    fn topics(&self, only: Option<&str>) -> LogResult<Vec<TopicInfo>> {
        self.log.topics(only)
    }

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> LogResult<()> {
        self.log.delete_records(before)
    }

    fn resolve(&self, at: &TopicPartition, start: Start) -> LogResult<Offset> {
        self.log.resolve(at, start)
    }

    fn reader(&self, from: &[(TopicPartition, Offset)]) -> LogResult<Box<dyn Reader>> {
        let reader = self.log.reader(from)?;
        if from.iter().all(|(at, _)| *at.topic != *self.topic) {
            return Ok(reader);
        }
        let (calls, failures) = (self.calls.clone(), self.failures.clone());
        Ok(Box::new(FaultyReader { reader, fault: self.fault.clone(), calls, failures }))
    }

    fn appender(&self) -> LogResult<Box<dyn Appender>> {
        self.log.appender()
    }

    fn committed(&self, group: &str, of: &[TopicPartition]) -> LogResult<Vec<Option<Offset>>> {
        self.log.committed(group, of)
    }

    fn delete_offsets(&self, group: &str, given_up: &AtomicBool) -> LogResult<()> {
        self.log.delete_offsets(group, given_up)
    }

    fn join(&self, group: &GroupSpec) -> LogResult<Box<dyn Member>> {
        let member = self.log.join(group)?;
        Ok(match &self.fault {
            InjectedFault::CommitAbortsAfterStop(_)
            | InjectedFault::CommitFailsAfterStop(_)
            | InjectedFault::FirstCommitAborts { .. }
            | InjectedFault::RecordsRemovedAtFirstCommit { .. }
            | InjectedFault::SlowCommits(_)
            | InjectedFault::PartitionsRevoked { .. } => Box::new(FaultyMember {
                member,
                log: self.log.clone(),
                group: group.group.clone(),
                assigned: Vec::new(),
                rebalance: Rebalance::NothingRead,
                fault: self.fault.clone(),
                calls: self.calls.clone(),
                failures: self.failures.clone(),
            }),
            _ => member,
        })
    }

    fn record_limits(&self, topics: &[Arc<str>]) -> LogResult<Vec<RecordLimit>> {
        self.log.record_limits(topics)
    }

    fn check_access(&self, access: &Access<'_>) -> LogResult<()> {
        self.log.check_access(access)
    }
}
