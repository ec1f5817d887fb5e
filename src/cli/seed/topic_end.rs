//! Where event time ends in a topic, so that generated records go on from there.

use super::super::shutdown::Shutdown;
use crate::log::{FetchLimit, Log, LogResult, TopicInfo};
use crate::record::{Offset, TopicPartition};
use std::time::Duration;

/// Records at the end of a partition that are read. Generated records are out of order by less.
const LAST_RECORDS: i64 = 1_000;
const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// Polls in a row without progress after which what was read must do: a transaction may be open.
const MAX_IDLE_POLLS: u32 = 20;

/// The greatest timestamp of the last records of a topic; `None` without records.
pub(super) fn newest_time(log: &dyn Log, topic: &TopicInfo, shutdown: &Shutdown) -> LogResult<Option<i64>> {
    let filled = (0u32..).zip(&topic.partitions).filter(|(_, p)| p.end > p.earliest);
    let bounds: Vec<(TopicPartition, Offset, Offset)> = filled
        .map(|(partition, p)| {
            let from = Offset(p.earliest.0.max(p.end.0 - LAST_RECORDS));
            (TopicPartition::new(topic.name.clone(), partition), from, p.end)
        })
        .collect();
    if bounds.is_empty() {
        return Ok(None);
    }
    let from: Vec<_> = bounds.iter().map(|(at, from, _)| (at.clone(), *from)).collect();
    let mut reader = log.reader(&from)?;
    let (mut newest, mut idle_polls, mut before) = (None, 0, from);
    while idle_polls < MAX_IDLE_POLLS && !shutdown.is_requested() {
        let positions = reader.positions();
        let is_behind =
            |(at, next): &(TopicPartition, Offset)| bounds.iter().any(|(of, _, end)| of == at && next < end);
        if !positions.iter().any(is_behind) {
            break;
        }
        idle_polls = if positions == before { idle_polls + 1 } else { 0 };
        before = positions;
        if let Some(fetched) = reader.poll(FetchLimit::default(), POLL_TIMEOUT)? {
            newest = newest.max(fetched.records.timestamps.iter().copied().max());
        }
    }
    Ok(newest)
}
