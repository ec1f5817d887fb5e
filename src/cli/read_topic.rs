//! Reads a topic from its start to the end that it has when the read begins.

use crate::log::{self, FetchLimit, Log, Start, TopicInfo};
use crate::record::{Fetched, Offset, TopicPartition};
use std::time::Duration;

/// How long a poll waits for records before its caller can check for an interrupt.
pub(super) const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// An offset for each partition.
pub(super) type PartitionOffsets = Vec<(TopicPartition, Offset)>;

/// Passes all records of a topic to `consume`.
pub(super) fn read_all(
    log: &dyn Log,
    topic: &TopicInfo,
    mut consume: impl FnMut(&Fetched) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let ends = end_offsets(topic);
    let mut reader = log.reader(&start_offsets(log, topic, Start::Earliest)?)?;
    while !has_reached(&ends, &reader.positions()) {
        if let Some(fetched) = reader.poll(FetchLimit::default(), POLL_TIMEOUT)? {
            consume(&fetched)?;
        }
    }
    Ok(())
}

/// The offset at which each partition starts.
pub(super) fn start_offsets(log: &dyn Log, topic: &TopicInfo, from: Start) -> anyhow::Result<PartitionOffsets> {
    log::partitions(topic).into_iter().map(|p| Ok((p.clone(), log.resolve(&p, from)?))).collect()
}

/// The end of each partition.
pub(super) fn end_offsets(topic: &TopicInfo) -> PartitionOffsets {
    log::partitions(topic).into_iter().zip(topic.partitions.iter().map(|p| p.end)).collect()
}

/// Whether every position is at or beyond the end of its partition.
pub(super) fn has_reached(ends: &[(TopicPartition, Offset)], positions: &[(TopicPartition, Offset)]) -> bool {
    positions.iter().all(|(at, position)| ends.iter().any(|(of, end)| of == at && position >= end))
}
