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
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let append = |(to, parts): (TopicPartition, Vec<Records>)| {
            parts.into_iter().map(move |records| Append { to: to.clone(), records })
        };
        join_by_partition(waiting.flat_map(append))
    }
}

/// Small appends to one partition become one append, in their order.
pub(in crate::runtime) fn join_by_partition(appends: impl IntoIterator<Item = Append>) -> Vec<Append> {
    /// The parts of an append that is not complete.
    struct Open {
        index: usize,
        rows: usize,
        bytes: usize,
    }
    let mut open: BTreeMap<TopicPartition, Open> = BTreeMap::new();
    let mut joined: Vec<(TopicPartition, Vec<Records>)> = Vec::new();
    for Append { to, records } in appends {
        let (rows, bytes) = (records.len(), records.bytes());
        match open.get_mut(&to) {
            Some(o) if o.rows + rows <= MAX_BATCH_RECORDS && o.bytes + bytes <= MAX_BATCH_BYTES => {
                (o.rows, o.bytes) = (o.rows + rows, o.bytes + bytes);
                joined[o.index].1.push(records);
            }
            _ => {
                open.insert(to.clone(), Open { index: joined.len(), rows, bytes });
                joined.push((to, vec![records]));
            }
        }
    }
    joined.into_iter().map(|(to, parts)| Append { to, records: Records::concat(parts) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RecordsBuilder;

    #[test]
    fn appends_to_one_partition_are_joined_in_their_order() {
        let append = |partition: u32, values: &[&str]| {
            let mut records = RecordsBuilder::default();
            values.iter().for_each(|v| records.push(None, Some(v.as_bytes()), 0));
            Append { to: TopicPartition::new("t", partition), records: records.finish() }
        };
        let large = "x".repeat(MAX_BATCH_BYTES);
        let joined = join_by_partition([
            append(1, &["a"]),
            append(0, &["b", "c"]),
            append(1, &["d"]),
            append(1, &[&large]),
            append(0, &["e"]),
            append(1, &["f"]),
        ]);
        let text = |a: &Append| {
            let values =
                a.records.values.iter().map(|v| String::from_utf8_lossy(&v.unwrap_or_default()[..1]).into_owned());
            format!("{} {}", a.to.partition, values.collect::<String>())
        };
        assert_eq!(joined.iter().map(text).collect::<Vec<_>>(), ["1 ad", "0 bce", "1 x", "1 f"]);
    }
}
