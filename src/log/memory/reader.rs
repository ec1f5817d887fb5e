//! Reads partitions in memory in turn, each from its own position.
//!
//! Readers and members share this. They hold the lock only while they look up records.

use super::broker::{Broker, BrokerState, check_bounds};
use super::partition;
use crate::log::{FetchLimit, LogResult, Reader};
use crate::record::{Fetched, Offset, TopicPartition};
use std::sync::Arc;
use std::time::Duration;

/// The position in one partition.
#[derive(Debug)]
pub(super) struct MemoryCursor {
    pub(super) at: Arc<TopicPartition>,
    /// Id of the topic when reading began.
    pub(super) topic_id: u64,
    /// The next offset to return; `None` before the first seek.
    pub(super) next: Option<i64>,
    pub(super) paused: bool,
}

impl MemoryCursor {
    pub(super) fn new(at: TopicPartition, topic_id: u64, next: Option<Offset>) -> Self {
        Self { at: Arc::new(at), topic_id, next: next.map(|n| n.0), paused: false }
    }

    /// Whether there is something to read; fails where the position cannot be read any more.
    fn ready(&self, state: &BrokerState) -> LogResult<bool> {
        let partition = state.same_partition(&self.at, self.topic_id)?;
        // A paused partition may be trimmed past its position: that is checked once it is resumed.
        let Some(next) = self.next.filter(|_| !self.paused) else { return Ok(false) };
        check_bounds(&self.at, Offset(next), partition.earliest, partition.end)?;
        Ok(next < partition.end)
    }

    fn fetch(&self, state: &BrokerState, limit: FetchLimit) -> LogResult<(Vec<partition::Segment>, i64)> {
        let partition = state.same_partition(&self.at, self.topic_id)?;
        Ok((partition.fetch(self.next.unwrap_or(partition.end), limit), partition.end))
    }
}

/// The partitions of one reader or member.
#[derive(Debug)]
pub(super) struct MemoryCursors {
    pub(super) broker: Arc<Broker>,
    pub(super) cursors: Vec<MemoryCursor>,
    /// Index of the cursor that is checked first.
    turn: usize,
}

impl MemoryCursors {
    pub(super) fn new(broker: Arc<Broker>, cursors: Vec<MemoryCursor>) -> Self {
        Self { broker, cursors, turn: 0 }
    }

    pub(super) fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        let position = |c: &MemoryCursor| (TopicPartition::clone(&c.at), Offset(c.next.unwrap_or(0)));
        self.cursors.iter().map(position).collect()
    }

    /// Pauses or resumes those of the partitions that are read here.
    pub(super) fn pause(&mut self, of: &[TopicPartition], paused: bool) {
        self.cursors.iter_mut().filter(|c| of.contains(&c.at)).for_each(|c| c.paused = paused);
    }

    pub(super) fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<Option<Fetched>> {
        let state = self.broker.wait_while(wait, |state| matches!(self.next_ready(state), Ok(None)));
        let Some(i) = self.next_ready(&state)? else { return Ok(None) };
        let (parts, end) = self.cursors[i].fetch(&state, limit)?;
        drop(state);
        self.turn = (i + 1) % self.cursors.len();
        let cursor = &mut self.cursors[i];
        let fetched = partition::join(parts, cursor.at.clone());
        // No record: compaction has removed all that were left. Reading continues at the end.
        let last = fetched.as_ref().and_then(|f| f.offsets.last());
        cursor.next = Some(last.map_or(end, |last| last + 1));
        Ok(fetched)
    }

    /// The next cursor in turn that has something to read, once all have been checked.
    fn next_ready(&self, state: &BrokerState) -> LogResult<Option<usize>> {
        let mut found: Option<usize> = None;
        let count = self.cursors.len();
        for i in (self.turn..self.turn + count).map(|i| i % count) {
            if self.cursors[i].ready(state)? {
                found = found.or(Some(i));
            }
        }
        Ok(found)
    }
}

/// Reads outside any group.
#[derive(Debug)]
pub(super) struct MemoryReader {
    pub(super) cursors: MemoryCursors,
}

impl Reader for MemoryReader {
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<Option<Fetched>> {
        self.cursors.poll(limit, wait)
    }

    fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        self.cursors.positions()
    }

    fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()> {
        self.cursors.pause(of, paused);
        Ok(())
    }
}
