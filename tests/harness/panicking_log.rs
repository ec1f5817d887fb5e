//! A log in which one call panics.
//!
//! A run makes each call of the log on a known thread, so the call determines which thread panics.

use super::forward::{forward_log, forward_positions};
use super::wait;
use fastdata::log::{
    Append, Appender, Committer, FetchLimit, GroupEvent, GroupSpec, Log, LogResult, Member, Reader, Transaction,
};
use fastdata::record::{Fetched, Offset, TopicPartition};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// The message of every panic.
pub const PANIC_MESSAGE: &str = "an injected panic";

/// The call that panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PanicIn {
    /// A poll of a reader of [`PanickingLog::topic`] that reads this partition.
    ReaderOf(u32),
    /// This poll of the group; the first is 1.
    MemberPoll(u32),
    /// The next poll of the group after [`PanickingLog::arm`].
    ArmedPoll,
    /// A poll of the group that returns records.
    MemberRecords,
    Commit,
    Append,
    DeleteRecords,
}

/// A log with one panic. Readers of `topic` that do not panic return nothing.
#[derive(Debug)]
pub struct PanickingLog {
    pub log: Arc<dyn Log>,
    pub topic: String,
    pub panic_in: PanicIn,
    /// The group assigns only partitions below this one.
    pub assigned_below: u32,
    /// Polls of the group.
    pub polls: Arc<AtomicU32>,
    /// The next poll panics, with [`PanicIn::ArmedPoll`].
    pub armed: Arc<AtomicBool>,
}

impl PanickingLog {
    pub fn new(log: Arc<dyn Log>, panic_in: PanicIn) -> Self {
        let (polls, armed) = Default::default();
        Self { log, topic: String::new(), panic_in, assigned_below: u32::MAX, polls, armed }
    }

    /// Lets the next poll of the group panic.
    pub fn arm(&self) {
        self.armed.store(true, Ordering::Relaxed);
    }

    /// Waits until the run has polled the group a few times.
    pub fn await_polls(&self) {
        wait::until("the run to poll the group", || (self.polls.load(Ordering::Relaxed) > 2).then_some(()));
    }
}

fn panic_if(condition: bool) {
    assert!(!condition, "{PANIC_MESSAGE}");
}

struct PanickingReader {
    reader: Box<dyn Reader>,
    panics: bool,
}

impl Reader for PanickingReader {
    forward_positions!(self => self.reader);

    fn poll(&mut self, _: FetchLimit, wait: Duration) -> LogResult<Option<Fetched>> {
        panic_if(self.panics);
        std::thread::park_timeout(wait);
        Ok(None)
    }
}

struct PanickingMember {
    member: Box<dyn Member>,
    panic_in: PanicIn,
    assigned_below: u32,
    polls: Arc<AtomicU32>,
    armed: Arc<AtomicBool>,
}

impl Member for PanickingMember {
    forward_positions!(self => self.member);

    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<GroupEvent> {
        let poll = self.polls.fetch_add(1, Ordering::Relaxed) + 1;
        panic_if(self.panic_in == PanicIn::MemberPoll(poll));
        panic_if(self.panic_in == PanicIn::ArmedPoll && self.armed.load(Ordering::Relaxed));
        let mut event = self.member.poll(limit, wait)?;
        panic_if(self.panic_in == PanicIn::MemberRecords && matches!(event, GroupEvent::Records(_)));
        if let GroupEvent::Assigned(partitions) = &mut event {
            partitions.retain(|(at, _)| at.partition.0 < self.assigned_below);
        }
        Ok(event)
    }

    fn seek(&mut self, to: &[(TopicPartition, Offset)]) -> LogResult<()> {
        self.member.seek(to)
    }

    fn committer(&mut self) -> LogResult<Box<dyn Committer>> {
        let committer = self.member.committer()?;
        Ok(match self.panic_in {
            PanicIn::Commit => Box::new(PanickingCommitter),
            _ => committer,
        })
    }

    fn leave(self: Box<Self>) -> LogResult<()> {
        self.member.leave()
    }
}

struct PanickingCommitter;

impl Committer for PanickingCommitter {
    fn commit(&mut self, _: &Transaction) -> LogResult<Vec<Option<Offset>>> {
        panic!("{PANIC_MESSAGE}")
    }
}

struct PanickingAppender;

impl Appender for PanickingAppender {
    fn append(&mut self, _: &[Append]) -> LogResult<Vec<Offset>> {
        panic!("{PANIC_MESSAGE}")
    }
}

impl Log for PanickingLog {
    forward_log!(self => self.log; committed record_limits);

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> LogResult<()> {
        panic_if(self.panic_in == PanicIn::DeleteRecords);
        self.log.delete_records(before)
    }

    fn reader(&self, from: &[(TopicPartition, Offset)]) -> LogResult<Box<dyn Reader>> {
        let reader = self.log.reader(from)?;
        if from.iter().all(|(at, _)| *at.topic != *self.topic) {
            return Ok(reader);
        }
        let panics = from.iter().any(|(at, _)| self.panic_in == PanicIn::ReaderOf(at.partition.0));
        Ok(Box::new(PanickingReader { reader, panics }))
    }

    fn appender(&self) -> LogResult<Box<dyn Appender>> {
        let appender = self.log.appender()?;
        Ok(match self.panic_in {
            PanicIn::Append => Box::new(PanickingAppender),
            _ => appender,
        })
    }

    fn join(&self, group: &GroupSpec) -> LogResult<Box<dyn Member>> {
        let member = self.log.join(group)?;
        let (panic_in, assigned_below) = (self.panic_in, self.assigned_below);
        let (polls, armed) = (self.polls.clone(), self.armed.clone());
        Ok(Box::new(PanickingMember { member, panic_in, assigned_below, polls, armed }))
    }
}
