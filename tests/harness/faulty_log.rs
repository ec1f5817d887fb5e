//! An embedded log with one injected fault.
//!
//! A real backplane fails at any time; a test needs the failure at one known moment. Every other call goes to
//! the embedded log.

use super::forward::{forward_log, forward_positions};
use super::slow_commits::SlowCommits;
use super::wait;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{
    Append, CommitTimeout, Committer, FetchLimit, GroupEvent, GroupSpec, Log, LogError, LogResult, Member, Reader,
    RecordLimit, Transaction,
};
use fastdata::record::{Fetched, Offset, TopicPartition};
use fastdata::runtime::CancelToken;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A fault of the readers of one topic, or of commits.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a test has one")]
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
    /// removed, as retention does. `polling` is held by polls, so that none sees the first without the second.
    RecordsRemovedAtFirstCommit { appended: Append, before: Offset, polling: Arc<Mutex<()>> },
    /// Each poll of the topic finds a further record.
    TopicGrows { appended: Append },
    /// Commits are recorded, and take as long as over a slow connection.
    SlowCommits(Arc<SlowCommits>),
    /// After the first record all partitions are revoked and assigned again; `appended` is written at that moment.
    PartitionsRevoked { appended: Vec<Append> },
    /// The same, and until then this topic takes no record.
    RecordLimitRaised { topic: &'static str },
    /// The removal of records never ends, as if no broker answered.
    RemovalsHang,
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
    log: Arc<EmbeddedLog>,
    fault: InjectedFault,
    calls: Arc<AtomicU32>,
    failures: Arc<AtomicU32>,
}

impl Reader for FaultyReader {
    forward_positions!(self => self.reader);

    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<Option<Fetched>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if let InjectedFault::TopicGrows { appended } = &self.fault {
            self.log.appender()?.append(std::slice::from_ref(appended))?;
            return self.reader.poll(limit, wait);
        }
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
    forward_positions!(self => self.member);

    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<GroupEvent> {
        match self.fault.clone() {
            InjectedFault::PartitionsRevoked { appended } => self.poll_with_rebalance(&appended, limit, wait),
            InjectedFault::RecordLimitRaised { .. } => self.poll_with_rebalance(&[], limit, wait),
            InjectedFault::RecordsRemovedAtFirstCommit { polling, .. } => {
                let _held = polling.lock().unwrap();
                self.member.poll(limit, wait)
            }
            _ => self.member.poll(limit, wait),
        }
    }

    fn seek(&mut self, to: &[(TopicPartition, Offset)]) -> LogResult<()> {
        if self.rebalance == Rebalance::Assigned {
            self.rebalance = Rebalance::Done;
        }
        self.member.seek(to)
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
    fn timeout(&self) -> Option<CommitTimeout> {
        match &self.fault {
            InjectedFault::SlowCommits(slow) => slow.timeout(),
            _ => self.committer.timeout(),
        }
    }

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
            InjectedFault::RecordsRemovedAtFirstCommit { appended, before, polling }
                if self.failures.fetch_add(1, Ordering::Relaxed) == 0 =>
            {
                let _held = polling.lock().unwrap();
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
    forward_log!(self => self.log; appender committed);

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> LogResult<()> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        match self.fault {
            InjectedFault::RemovalsHang => loop {
                std::thread::park();
            },
            _ => self.log.delete_records(before),
        }
    }

    fn reader(&self, from: &[(TopicPartition, Offset)]) -> LogResult<Box<dyn Reader>> {
        let reader = self.log.reader(from)?;
        if from.iter().all(|(at, _)| *at.topic != *self.topic) {
            return Ok(reader);
        }
        let (calls, failures) = (self.calls.clone(), self.failures.clone());
        Ok(Box::new(FaultyReader { reader, log: self.log.clone(), fault: self.fault.clone(), calls, failures }))
    }

    fn record_limits(&self, topics: &[Arc<str>]) -> LogResult<Vec<RecordLimit>> {
        let mut limits = self.log.record_limits(topics)?;
        if let InjectedFault::RecordLimitRaised { topic } = self.fault
            && self.failures() == 0
        {
            let of_topic = topics.iter().zip(&mut limits).filter(|(t, _)| ***t == *topic);
            of_topic.for_each(|(_, limit)| limit.bytes = 0);
        }
        Ok(limits)
    }

    fn join(&self, group: &GroupSpec) -> LogResult<Box<dyn Member>> {
        let member = self.log.join(group)?;
        Ok(match &self.fault {
            InjectedFault::CommitAbortsAfterStop(_)
            | InjectedFault::CommitFailsAfterStop(_)
            | InjectedFault::FirstCommitAborts { .. }
            | InjectedFault::RecordsRemovedAtFirstCommit { .. }
            | InjectedFault::SlowCommits(_)
            | InjectedFault::PartitionsRevoked { .. }
            | InjectedFault::RecordLimitRaised { .. } => Box::new(FaultyMember {
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
}
