//! The log in memory: topics, groups and transactions of one process, dropped with the last handle.
//!
//! For tests and the synchronous driver, so it is deterministic: it starts no thread and reads no clock. It
//! stores the retention of a topic but never applies it. A compacted topic drops replaced records only when
//! [`MemoryLog::compact`] is called.

mod broker;
mod group;
mod member;
mod partition;
mod reader;

use crate::log::{
    Access, Append, Appender, GroupSpec, Log, LogError, LogResult, Member, Reader, RecordLimit, Start, TopicConfig,
    TopicInfo, naming,
};
use crate::record::{Fetched, Offset, TopicPartition};
use broker::{Broker, check_bounds};
use member::MemoryMember;
use reader::{MemoryCursor, MemoryCursors, MemoryReader};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The size limit of a record: that of the embedded log.
const MAX_RECORD_BYTES: usize = 256 << 20;

/// A log in the memory of this process. Clones share the data.
#[derive(Clone, Debug)]
pub struct MemoryLog {
    broker: Arc<Broker>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::with_max_record_bytes(MAX_RECORD_BYTES)
    }
}

impl MemoryLog {
    /// An empty log with a size limit for key, value and headers of one record.
    #[must_use]
    pub fn with_max_record_bytes(max_record_bytes: usize) -> Self {
        Self { broker: Arc::new(Broker::new(max_record_bytes)) }
    }

    /// Adds records that were read from another log at the offsets that they have there, which are beyond those of this
    /// one.
    ///
    /// # Errors
    /// There is no such partition.
    pub fn load(&self, fetched: &Fetched) -> LogResult<()> {
        self.broker.change(|state| state.load(fetched))
    }

    /// Drops the replaced records of all compacted topics. The latest record of each key, which may be a
    /// deletion, stays at its offset.
    pub fn compact(&self) {
        self.broker.change(broker::BrokerState::compact);
    }

    /// Removes the member of a group, as a group coordinator does with a member it declares dead: the group
    /// can be joined, and the old member's next commit fails with [`LogError::Fenced`].
    pub fn expire_member(&self, group: &str) {
        self.broker.change(|state| group::expire(state, group));
    }
}

impl Log for MemoryLog {
    fn name(&self) -> String {
        "memory".into()
    }

    fn create_topic(&self, topic: &str, config: &TopicConfig) -> LogResult<()> {
        self.broker.change(|state| state.create_topic(topic, config))
    }

    fn delete_topic(&self, topic: &str) -> LogResult<()> {
        self.broker.change(|state| state.delete_topic(topic))
    }

    fn topics(&self, only: Option<&str>) -> LogResult<Vec<TopicInfo>> {
        Ok(self.broker.lock().describe(only))
    }

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> LogResult<()> {
        self.broker.change(|state| state.trim(before))
    }

    fn resolve(&self, at: &TopicPartition, start: Start) -> LogResult<Offset> {
        let state = self.broker.lock();
        let (partition, _) = state.partition(at)?;
        Ok(match start {
            Start::Earliest => Offset(partition.earliest),
            Start::Latest => Offset(partition.end),
            Start::At(offset) => check_bounds(at, offset, partition.earliest, partition.end).map(|()| offset)?,
            Start::Time(time) => Offset(partition.offset_at_time(time)),
        })
    }

    fn reader(&self, from: &[(TopicPartition, Offset)]) -> LogResult<Box<dyn Reader>> {
        let state = self.broker.lock();
        let cursor = |(at, offset): &(TopicPartition, Offset)| {
            let (partition, topic_id) = state.partition(at)?;
            check_bounds(at, *offset, partition.earliest, partition.end)?;
            Ok(MemoryCursor::new(at.clone(), topic_id, Some(*offset)))
        };
        let cursors = from.iter().map(cursor).collect::<LogResult<_>>()?;
        Ok(Box::new(MemoryReader { cursors: MemoryCursors::new(self.broker.clone(), cursors) }))
    }

    fn appender(&self) -> LogResult<Box<dyn Appender>> {
        Ok(Box::new(MemoryAppender { broker: self.broker.clone() }))
    }

    fn committed(&self, group: &str, of: &[TopicPartition]) -> LogResult<Vec<Option<Offset>>> {
        let state = self.broker.lock();
        let group = state.groups.get(group);
        let committed = |at: &TopicPartition| {
            let (_, id) = state.partition(at)?;
            let offset = group.and_then(|g| g.offsets.get(at));
            // An offset that was committed for a deleted topic of the same name does not count.
            Ok(offset.filter(|(_, of)| *of == id).map(|(offset, _)| *offset))
        };
        of.iter().map(committed).collect()
    }

    fn delete_offsets(&self, group: &str, _: &AtomicBool) -> LogResult<()> {
        self.broker.change(|state| group::delete_offsets(state, group))
    }

    fn join(&self, group: &GroupSpec) -> LogResult<Box<dyn Member>> {
        Ok(Box::new(MemoryMember::join(&self.broker, group)?))
    }

    fn record_limits(&self, topics: &[Arc<str>]) -> LogResult<Vec<RecordLimit>> {
        let state = self.broker.lock();
        topics.iter().map(|t| state.topic(t).map(|_| self.broker.record_limit.clone())).collect()
    }

    fn check_access(&self, access: &Access<'_>) -> LogResult<()> {
        match access {
            Access::CreateTopic(topic, config) => {
                naming::check(topic, config)?;
                match self.broker.lock().topic(topic) {
                    Ok(_) => Err(LogError::TopicExists((*topic).to_owned())),
                    Err(_) => Ok(()),
                }
            }
            Access::ReadTopic(topic) => self.broker.lock().topic(topic).map(drop),
            Access::ReadOffsets(_) => Ok(()),
        }
    }
}

/// Appends outside any group.
#[derive(Debug)]
struct MemoryAppender {
    broker: Arc<Broker>,
}

impl Appender for MemoryAppender {
    fn append(&mut self, appends: &[Append]) -> LogResult<Vec<Offset>> {
        self.broker.change(|state| {
            state.check_appends(appends, &self.broker.record_limit)?;
            Ok(state.append(appends))
        })
    }
}

#[cfg(test)]
mod tests;
