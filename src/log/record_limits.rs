//! The size limits of the topics of a pipeline, queried once when its tasks are built.

use super::{Log, LogError, LogResult, RecordLimit};
use crate::record::{Records, TopicPartition};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The size limit of each topic. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct RecordLimits(Arc<BTreeMap<Arc<str>, RecordLimit>>);

impl RecordLimits {
    /// Asks the backplane for the limits of these topics.
    ///
    /// # Errors
    /// Those of [`Log::record_limits`].
    pub fn load<'a>(log: &dyn Log, topics: impl Iterator<Item = &'a Arc<str>>) -> LogResult<Self> {
        let topics: Vec<Arc<str>> = topics.cloned().collect();
        let limits = log.record_limits(&topics)?;
        Ok(Self(Arc::new(topics.into_iter().zip(limits).collect())))
    }

    /// The limit of a topic, if it was loaded.
    #[must_use]
    pub fn get(&self, topic: &str) -> Option<&RecordLimit> {
        self.0.get(topic)
    }

    /// The rows that are too large for a topic, each with the message for the user.
    #[must_use]
    pub fn oversized(&self, topic: &str, records: &Records) -> Vec<(usize, String)> {
        let Some(limit) = self.get(topic) else { return Vec::new() };
        let rows = limit.oversized(records).into_iter();
        rows.map(|(row, bytes)| (row, limit.describe(&topic, bytes))).collect()
    }
}

/// Refuses records that are too large for a partition.
pub(super) fn check_sizes(to: &TopicPartition, records: &Records, limit: &RecordLimit) -> LogResult<()> {
    match limit.oversized(records).first() {
        Some((_, bytes)) => Err(LogError::TooLarge { at: to.clone(), bytes: *bytes, limit: limit.clone() }),
        None => Ok(()),
    }
}
