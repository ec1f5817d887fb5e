//! Records that wait for the commit, by topic and partition, in the order in which they were created.
//!
//! It buffers at most one commit interval: the intake sends a barrier when the buffer grows large.

use crate::log::{Append, RecordLimits};
use crate::record::{Partition, Records, TopicPartition};
use arrow_array::{Array, UInt32Array};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most records in a stored batch.
const MAX_BATCH_RECORDS: usize = 4096;

/// Most bytes of a batch that joins several parts.
const MAX_BATCH_BYTES: usize = 1 << 20;

/// The records that a task writes with the next commit.
#[derive(Debug, Default)]
pub struct Outbox {
    partitions: BTreeMap<Arc<str>, u32>,
    limits: RecordLimits,
    waiting: BTreeMap<TopicPartition, Vec<Records>>,
    bytes: usize,
}

impl Outbox {
    /// An empty outbox for topics with these partition counts and size limits.
    #[must_use]
    pub fn new(partitions: BTreeMap<Arc<str>, u32>, limits: RecordLimits) -> Self {
        Self { partitions, limits, ..Self::default() }
    }

    /// The size limits of the topics.
    #[must_use]
    pub fn limits(&self) -> &RecordLimits {
        &self.limits
    }

    /// The number of partitions of a topic.
    #[must_use]
    pub fn partitions(&self, topic: &str) -> u32 {
        self.partitions.get(topic).copied().unwrap_or(1)
    }

    /// Adds records for one partition.
    pub fn push(&mut self, to: TopicPartition, records: Records) {
        if !records.is_empty() {
            self.bytes += records.bytes();
            self.waiting.entry(to).or_default().push(records);
        }
    }

    /// Distributes records over a topic: by key as Kafka's clients do; without a key to the partition that matches
    /// `from`, which keeps their order and makes a replay give the same.
    pub fn spread(&mut self, topic: &Arc<str>, from: Partition, records: Records) {
        let count = self.partitions(topic);
        if count == 1 {
            return self.push(TopicPartition::new(topic.clone(), 0), records);
        }
        let partition_of = |row: usize| match records.keys.is_valid(row) {
            true => crate::log::partition_of(records.keys.value(row), count).0,
            false => from.0 % count,
        };
        let partitions: Vec<u32> = (0..records.len()).map(partition_of).collect();
        let mut rows: Vec<u32> = (0u32..).take(records.len()).collect();
        rows.sort_by_key(|row| partitions[*row as usize]);
        // One `take` for all rows: with as many partitions as rows, one `take` each would dominate the cost.
        let (sorted, mut start) = (records.take(&UInt32Array::from(rows.clone())), 0);
        for run in rows.chunk_by(|a, b| partitions[*a as usize] == partitions[*b as usize]) {
            let to = TopicPartition::new(topic.clone(), partitions[run[0] as usize]);
            self.push(to, sorted.slice(start, run.len()));
            start += run.len();
        }
    }

    /// Buffered bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns all buffered records; small parts are joined.
    pub fn take(&mut self) -> Vec<Append> {
        self.bytes = 0;
        let mut appends = Vec::new();
        for (to, parts) in std::mem::take(&mut self.waiting) {
            let mut pending: Vec<Records> = Vec::new();
            let (mut rows, mut bytes) = (0, 0);
            for part in parts {
                if !pending.is_empty()
                    && (rows + part.len() > MAX_BATCH_RECORDS || bytes + part.bytes() > MAX_BATCH_BYTES)
                {
                    appends.push(Append { to: to.clone(), records: Records::concat(std::mem::take(&mut pending)) });
                    (rows, bytes) = (0, 0);
                }
                rows += part.len();
                bytes += part.bytes();
                pending.push(part);
            }
            appends.push(Append { to, records: Records::concat(pending) });
        }
        appends
    }
}
