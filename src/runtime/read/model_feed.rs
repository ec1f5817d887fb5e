//! Reads the models topic: to its end before data flows, then for as long as the run lasts.

use super::to_end::read_to;
use crate::log::{FetchLimit, Log, LogError, LogResult, Reader, Recovery, Start, TopicConfig};
use crate::record::TopicPartition;
use crate::runtime::Fault;
use crate::runtime::operators::models::Models;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The topic that models are published on, unless told otherwise.
pub const MODELS_TOPIC: &str = "models";

/// How long the feed waits for news before it looks whether the run is ending.
const PATIENCE: Duration = Duration::from_millis(100);

/// Wait before a topic that could not be read is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Reads the models topic.
pub(in crate::runtime) struct ModelFeed {
    log: Arc<dyn Log>,
    reader: Box<dyn Reader>,
    /// The reader has failed; another takes its place.
    stale: bool,
    models: Arc<Models>,
}

impl ModelFeed {
    /// Reads all that is there, unless that is given up; the topic is made where it is missing.
    pub(in crate::runtime) fn open(
        log: &Arc<dyn Log>,
        topic: &str,
        models: Arc<Models>,
        given_up: &AtomicBool,
    ) -> Result<Self, Fault> {
        if log.topics(Some(topic))?.is_empty() {
            match log.create_topic(topic, &TopicConfig { partitions: 1, ..TopicConfig::default() }) {
                Ok(()) | Err(LogError::TopicExists(_)) => {}
                Err(e) => return Err(e.into()),
            }
        }
        let at = TopicPartition::new(topic, 0);
        let (from, end) = (log.resolve(&at, Start::Earliest)?, log.resolve(&at, Start::Latest)?);
        let mut reader = log.reader(&[(at, from)])?;
        read_to(reader.as_mut(), end, given_up, |fetched| {
            models.take(fetched);
            Ok(())
        })?;
        Ok(Self { log: log.clone(), reader, stale: false, models })
    }

    /// Follows the topic until the run ends. A backplane that is away is waited for: what is published
    /// meanwhile comes late, but it comes.
    pub(in crate::runtime) fn follow(mut self) -> Result<(), Fault> {
        let mut said = false;
        while !self.models.stopped() {
            match self.poll() {
                Ok(()) => said = false,
                Err(e) if e.recovery() == Recovery::Fatal => return Err(e.into()),
                Err(e) => {
                    if !std::mem::replace(&mut said, true) {
                        tracing::warn!("models are not followed for now, which is tried again: {e}");
                    }
                    self.stale = true;
                    self.models.rest(AGAIN);
                }
            }
        }
        Ok(())
    }

    fn poll(&mut self) -> LogResult<()> {
        if self.stale {
            self.reader = self.log.reader(&self.reader.positions())?;
            self.stale = false;
        }
        if let Some(fetched) = self.reader.poll(FetchLimit::default(), PATIENCE)? {
            self.models.take(&fetched);
        }
        Ok(())
    }
}
