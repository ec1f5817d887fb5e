//! An embedded log that a test can break.
//!
//! Separate because a real backplane is away when it likes, and a test needs it at one moment. What it lets
//! through is the embedded log's own.

use super::wait;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{
    Access, Append, Appender, Committer, FetchLimit, GroupEvent, GroupSpec, Log, LogError, LogResult, Member, Reader,
    Start, TopicConfig, TopicInfo, Transaction,
};
use fastdata::record::{Fetched, Offset, TopicPartition};
use fastdata::runtime::{CancelReason, CancelToken};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// What happens to readers of one topic, or to commits.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// They get nothing, as if no broker were there.
    Silent,
    /// Each fails the first time that it has nothing more, so often altogether.
    Fails(u32),
    /// A commit waits until the run is to stop, and is undone then.
    Undoes(CancelToken),
    /// A commit waits until the run is to stop, and fails then, however often it is tried.
    Away(CancelToken),
    /// The first commit is said to be undone, whether it was `made` or not; this is written meanwhile.
    First { made: bool, more: Vec<Append> },
}

/// The log.
#[derive(Debug)]
pub struct Troubled {
    pub log: Arc<EmbeddedLog>,
    topic: String,
    trouble: Trouble,
    /// How often readers of the topic were polled.
    pub polls: Arc<AtomicU32>,
    failed: Arc<AtomicU32>,
}

impl Troubled {
    pub fn new(log: Arc<EmbeddedLog>, topic: &str, trouble: Trouble) -> Self {
        Self { log, topic: topic.to_owned(), trouble, polls: Arc::default(), failed: Arc::default() }
    }

    /// How often readers have failed.
    pub fn failed(&self) -> u32 {
        self.failed.load(Ordering::Relaxed)
    }
}

struct TroubledReader {
    reader: Box<dyn Reader>,
    trouble: Trouble,
    polls: Arc<AtomicU32>,
    failed: Arc<AtomicU32>,
}

impl Reader for TroubledReader {
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<Option<Fetched>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        let Trouble::Fails(times) = self.trouble else {
            std::thread::park_timeout(wait);
            return Ok(None);
        };
        let fetched = self.reader.poll(limit, wait)?;
        if fetched.is_none() && self.failed.fetch_add(1, Ordering::Relaxed) < times {
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

struct TroubledMember {
    member: Box<dyn Member>,
    log: Arc<EmbeddedLog>,
    trouble: Trouble,
    polls: Arc<AtomicU32>,
    failed: Arc<AtomicU32>,
}

impl Member for TroubledMember {
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<GroupEvent> {
        self.member.poll(limit, wait)
    }

    fn seek(&mut self, at: &TopicPartition, to: Offset) -> LogResult<()> {
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
        let (log, trouble) = (self.log.clone(), self.trouble.clone());
        Ok(Box::new(Undoing { committer, log, trouble, polls: self.polls.clone(), failed: self.failed.clone() }))
    }

    fn leave(self: Box<Self>) -> LogResult<()> {
        self.member.leave()
    }
}

struct Undoing {
    committer: Box<dyn Committer>,
    log: Arc<EmbeddedLog>,
    trouble: Trouble,
    polls: Arc<AtomicU32>,
    failed: Arc<AtomicU32>,
}

impl Committer for Undoing {
    fn commit(&mut self, transaction: &Transaction) -> LogResult<Vec<Option<Offset>>> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        match &self.trouble {
            Trouble::Undoes(stop) => wait::until("the run to be stopped", || stop.is_cancelled().then_some(())),
            Trouble::Away(stop) => {
                wait::until("the run to be stopped", || stop.is_cancelled().then_some(()));
                return Err(LogError::Busy("the broker is away".into()));
            }
            Trouble::First { made, more } if self.failed.fetch_add(1, Ordering::Relaxed) == 0 => {
                if *made {
                    self.committer.commit(transaction)?;
                }
                self.log.appender()?.append(more)?;
            }
            _ => return self.committer.commit(transaction),
        }
        Err(LogError::Undone { group: "p".into(), why: "the broker is away".into() })
    }
}

impl Log for Troubled {
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
        let (polls, failed) = (self.polls.clone(), self.failed.clone());
        Ok(Box::new(TroubledReader { reader, trouble: self.trouble.clone(), polls, failed }))
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
        Ok(match &self.trouble {
            Trouble::Undoes(_) | Trouble::Away(_) | Trouble::First { .. } => {
                let (log, trouble) = (self.log.clone(), self.trouble.clone());
                let (polls, failed) = (self.polls.clone(), self.failed.clone());
                Box::new(TroubledMember { member, log, trouble, polls, failed })
            }
            _ => member,
        })
    }

    fn check_access(&self, access: &Access<'_>) -> LogResult<()> {
        self.log.check_access(access)
    }
}
