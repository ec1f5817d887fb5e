//! What all handles of one log in memory share: topics and groups behind one lock.
//!
//! Invariant: a change is applied as a whole under the lock, after all of it has been checked, so that
//! no reader sees half of a transaction.

use super::partition::{MemoryPartition, end_after};
use crate::log::record_limits::check_sizes;
use crate::log::{Append, LogError, LogResult, PartitionInfo, RecordLimit, TopicConfig, TopicInfo, naming};
use crate::record::{Fetched, Offset, TopicPartition};
use arrow_array::Array;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The shared store.
#[derive(Debug)]
pub(super) struct Broker {
    state: Mutex<BrokerState>,
    changed: Condvar,
    pub(super) record_limit: RecordLimit,
}

impl Broker {
    pub(super) fn new(max_record_bytes: usize) -> Self {
        let remedy = "this is the limit of the log in memory; make the record smaller".into();
        let record_limit = RecordLimit { bytes: max_record_bytes, remedy };
        Self { state: Mutex::default(), changed: Condvar::new(), record_limit }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BrokerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies a change and wakes waiting readers.
    pub(super) fn change<T>(&self, work: impl FnOnce(&mut BrokerState) -> T) -> T {
        let done = work(&mut self.lock());
        self.changed.notify_all();
        done
    }

    /// Waits at most `wait` for a condition to become false; a zero wait returns at once.
    pub(super) fn wait_while(
        &self,
        wait: Duration,
        mut condition: impl FnMut(&BrokerState) -> bool,
    ) -> MutexGuard<'_, BrokerState> {
        let state = self.lock();
        if wait.is_zero() {
            return state;
        }
        let waited = self.changed.wait_timeout_while(state, wait, |state| condition(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Topics and groups by name.
#[derive(Debug, Default)]
pub(super) struct BrokerState {
    topics: BTreeMap<Arc<str>, MemoryTopic>,
    topics_created: u64,
    pub(super) groups: BTreeMap<String, GroupState>,
}

#[derive(Debug)]
pub(super) struct MemoryTopic {
    /// Unique among all topics ever created: a topic that is created again has another id than the deleted one.
    pub(super) id: u64,
    config: TopicConfig,
    partitions: Vec<MemoryPartition>,
}

/// The state of a group, which outlives its members.
#[derive(Debug, Default)]
pub(super) struct GroupState {
    /// The instance that runs, where one does.
    pub(super) holder: Option<String>,
    /// Incremented by each claim and release: a committer of an older epoch is fenced.
    pub(super) epoch: u64,
    /// The next offset to read, with the id of the topic that it was committed for.
    pub(super) offsets: BTreeMap<TopicPartition, (Offset, u64)>,
}

impl BrokerState {
    pub(super) fn create_topic(&mut self, name: &str, config: &TopicConfig) -> LogResult<()> {
        naming::check(name, config)?;
        if self.topics.contains_key(name) {
            return Err(LogError::TopicExists(name.to_owned()));
        }
        self.topics_created += 1;
        let partitions = (0..config.partitions).map(|_| MemoryPartition::default()).collect();
        self.topics.insert(name.into(), MemoryTopic { id: self.topics_created, config: config.clone(), partitions });
        Ok(())
    }

    pub(super) fn delete_topic(&mut self, name: &str) -> LogResult<()> {
        self.topic(name)?;
        self.topics.remove(name);
        Ok(())
    }

    /// All topics in the order of their names, or just one.
    pub(super) fn describe(&self, only: Option<&str>) -> Vec<TopicInfo> {
        let described = self.topics.iter().filter(|(name, _)| only.is_none_or(|only| only == &***name));
        described.map(|(name, topic)| topic.info(name)).collect()
    }

    pub(super) fn topic(&self, name: &str) -> LogResult<&MemoryTopic> {
        self.topics.get(name).ok_or_else(|| LogError::UnknownTopic {
            topic: name.to_owned(),
            known: self.topics.keys().map(ToString::to_string).collect(),
        })
    }

    /// A partition, with the id of its topic.
    pub(super) fn partition(&self, at: &TopicPartition) -> LogResult<(&MemoryPartition, u64)> {
        let topic = self.topic(&at.topic)?;
        let partition = usize::try_from(at.partition.0).ok().and_then(|i| topic.partitions.get(i));
        let partition = partition.ok_or_else(|| LogError::UnknownPartition {
            at: at.clone(),
            count: u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX),
        })?;
        Ok((partition, topic.id))
    }

    /// A partition of the topic that has this id.
    ///
    /// # Errors
    /// [`LogError::TopicReplaced`] where the topic of that name has another id.
    pub(super) fn same_partition(&self, at: &TopicPartition, id: u64) -> LogResult<&MemoryPartition> {
        let (partition, found) = self.partition(at)?;
        if found != id {
            return Err(LogError::TopicReplaced { topic: at.topic.to_string() });
        }
        Ok(partition)
    }

    fn partition_mut(&mut self, at: &TopicPartition) -> Option<&mut MemoryPartition> {
        self.topics.get_mut(&at.topic)?.partitions.get_mut(usize::try_from(at.partition.0).ok()?)
    }

    /// Checks whether all appends can be made.
    pub(super) fn check_appends(&self, appends: &[Append], limit: &RecordLimit) -> LogResult<()> {
        for append in appends {
            self.partition(&append.to)?;
            if self.topic(&append.to.topic)?.config.compacted && append.records.keys.null_count() > 0 {
                return Err(LogError::InvalidTopic(format!(
                    "topic `{}` is compacted and takes no record without a key: give the sink a `key:`",
                    append.to.topic
                )));
            }
            check_sizes(&append.to, &append.records, limit)?;
        }
        Ok(())
    }

    /// Adds records at the offsets that they have elsewhere.
    pub(super) fn load(&mut self, fetched: &Fetched) -> LogResult<()> {
        self.partition(&fetched.origin)?;
        self.partition_mut(&fetched.origin).into_iter().for_each(|partition| partition.load(fetched));
        Ok(())
    }

    /// Applies appends that were checked; returns the offset of the first record of each.
    pub(super) fn append(&mut self, appends: &[Append]) -> Vec<Offset> {
        let first = |a: &Append| self.partition_mut(&a.to).map_or(Offset::default(), |p| p.append(&a.records));
        appends.iter().map(first).collect()
    }

    /// The end of a partition after these appends.
    pub(super) fn end_after<'a>(
        &self,
        at: &TopicPartition,
        appends: impl Iterator<Item = &'a Append>,
    ) -> LogResult<i64> {
        let end = self.partition(at)?.0.end;
        Ok(appends.filter(|a| a.to == *at).fold(end, |end, a| end_after(end, &a.records)))
    }

    /// Removes the records before these offsets, or nothing where one of the partitions refuses it.
    pub(super) fn trim(&mut self, before: &[(TopicPartition, Offset)]) -> LogResult<()> {
        for (at, _) in before {
            self.partition(at)?;
            if self.topic(&at.topic)?.config.compacted {
                return Err(LogError::InvalidTopic(format!(
                    "topic `{}` is compacted and cannot be trimmed: it keeps the latest record of each key",
                    at.topic
                )));
            }
        }
        for (at, offset) in before {
            if let Some(partition) = self.partition_mut(at) {
                partition.trim(offset.0);
            }
        }
        Ok(())
    }

    pub(super) fn compact(&mut self) {
        let compacted = self.topics.values_mut().filter(|topic| topic.config.compacted);
        compacted.flat_map(|topic| &mut topic.partitions).for_each(MemoryPartition::compact);
    }
}

impl MemoryTopic {
    fn info(&self, name: &Arc<str>) -> TopicInfo {
        let partition = |p: &MemoryPartition| PartitionInfo {
            earliest: Offset(p.earliest),
            end: Offset(p.end),
            bytes: u64::try_from(p.bytes()).ok(),
        };
        TopicInfo {
            name: name.clone(),
            id: self.id.to_string(),
            config: self.config.clone(),
            partitions: self.partitions.iter().map(partition).collect(),
            replication: None,
            settings: Vec::new(),
        }
    }

    pub(super) fn partition_count(&self) -> u32 {
        self.config.partitions
    }
}

/// Refuses an offset outside the bounds of a partition.
pub(super) fn check_bounds(at: &TopicPartition, asked: Offset, earliest: i64, end: i64) -> LogResult<()> {
    if (earliest..=end).contains(&asked.0) {
        return Ok(());
    }
    Err(LogError::OffsetOutOfRange { at: at.clone(), asked, earliest: Offset(earliest), end: Offset(end) })
}
