//! Looks up what the mistakes need to know about topics.

use crate::log::{Log, Start};
use crate::record::{Offset, TopicPartition};

/// The end of a partition, or `None` where it is not known.
pub(super) fn end(log: &dyn Log, at: &TopicPartition) -> Option<Offset> {
    log.resolve(at, Start::Latest).ok()
}

/// The number of partitions of a topic, at least 1.
pub(super) fn partition_count(log: &dyn Log, topic: &str) -> u32 {
    let found = log.topics(Some(topic)).ok().and_then(|mut found| found.pop());
    found.map_or(1, |info| info.config.partitions)
}
