//! Reads a topic from its start to the end that it has when the read begins.

use crate::log::{self, FetchLimit, Log, LogError, Start, TopicInfo};
use crate::record::{Fetched, Offset, TopicPartition};
use std::time::{Duration, Instant};

/// How long a poll waits for records before its caller can check for an interrupt.
pub(super) const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// How long a command waits for a position to move towards the end. A transaction of a fastdata process that was killed
/// is aborted sooner.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

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
    let mut progress = ProgressToEnd::new(ends);
    while !progress.is_at_end(log, reader.positions())? {
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

/// Follows positions to the ends of partitions, and fails if none moves for a while.
pub(super) struct ProgressToEnd {
    ends: PartitionOffsets,
    last: PartitionOffsets,
    moved_at: Instant,
}

impl ProgressToEnd {
    /// Measures from now on.
    pub(super) fn new(ends: PartitionOffsets) -> Self {
        Self { ends, last: Vec::new(), moved_at: Instant::now() }
    }

    /// Whether every position is at or beyond the end of its partition.
    ///
    /// # Errors
    /// [`LogError::Busy`] where no position has moved for a while.
    pub(super) fn is_at_end(&mut self, log: &dyn Log, positions: PartitionOffsets) -> Result<bool, LogError> {
        let end_of =
            |at: &TopicPartition| self.ends.iter().find(|(of, _)| of == at).map_or(Offset(i64::MAX), |(_, end)| *end);
        let Some((at, next)) = positions.iter().find(|(at, next)| *next < end_of(at)) else { return Ok(true) };
        if positions != self.last {
            (self.last, self.moved_at) = (positions, Instant::now());
            return Ok(false);
        }
        if self.moved_at.elapsed() < STALL_TIMEOUT {
            return Ok(false);
        }
        Err(stalled(log, at, *next, end_of(at)))
    }
}

fn stalled(log: &dyn Log, at: &TopicPartition, next: Offset, end: Offset) -> LogError {
    let (brokers, topic, partition) = (log.name(), &at.topic, at.partition);
    LogError::Busy(format!(
        "`{at}`, which ends at offset {end}, cannot be read beyond offset {next} for {STALL_TIMEOUT:?}: a broker is away, or a transaction of another producer is open there; Kafka ends it when the `transaction.timeout.ms` of that producer is over: try again then, or end it with `kafka-transactions.sh --bootstrap-server {brokers} abort --topic {topic} --partition {partition} --start-offset {next}`"
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::log::embedded::EmbeddedLog;

    #[test]
    fn a_position_that_stands_still_before_the_end_is_an_error_after_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(folder.path()).unwrap();
        let at = |p: u32, offset: i64| (TopicPartition::new("t", p), Offset(offset));
        let mut progress = ProgressToEnd::new(vec![at(0, 5), at(1, 5)]);
        let is_at_end = |progress: &mut ProgressToEnd, a, b| progress.is_at_end(&log, vec![at(0, a), at(1, b)]);
        assert!(!is_at_end(&mut progress, 5, 2).unwrap());
        progress.moved_at -= STALL_TIMEOUT;
        assert!(!is_at_end(&mut progress, 5, 3).unwrap(), "it has moved");
        assert!(!is_at_end(&mut progress, 5, 3).unwrap(), "not yet for long");
        progress.moved_at -= STALL_TIMEOUT;
        let text = is_at_end(&mut progress, 5, 3).unwrap_err().to_string();
        assert!(text.starts_with("`t/1`, which ends at offset 5, cannot be read beyond offset 3 for 30s"), "{text}");
        assert!(is_at_end(&mut progress, 5, 6).unwrap());
    }
}
