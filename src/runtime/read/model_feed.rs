//! Reads the models topic: to its end before data flows, then for as long as the run lasts.

use super::to_end::read_to;
use crate::log::{FetchLimit, Log, LogError, LogResult, Reader, Recovery, Start};
use crate::plan::{create_command, models_config};
use crate::record::TopicPartition;
use crate::runtime::cancel::CancelToken;
use crate::runtime::fault::Fault;
use crate::runtime::operators::models::Models;
use crate::spec::TopicCreation;
use std::sync::Arc;
use std::time::Duration;

pub use crate::spec::MODELS_TOPIC;

/// How long one poll of the models topic may take.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// Wait before a topic that could not be read is read again.
const RETRY_BACKOFF: Duration = Duration::from_secs(1);

/// A reader of the models topic.
pub(in crate::runtime) struct ModelFeed {
    log: Arc<dyn Log>,
    reader: Box<dyn Reader>,
    /// The reader has failed and must be replaced.
    reader_failed: bool,
    models: Arc<Models>,
}

impl ModelFeed {
    /// Loads all existing models, unless it is cancelled; creates the topic if it is missing and may be created.
    pub(in crate::runtime) fn open(
        log: &Arc<dyn Log>,
        topic: &str,
        creation: &TopicCreation,
        models: Arc<Models>,
        cancel: &CancelToken,
    ) -> Result<Self, Fault> {
        if log.topics(Some(topic))?.is_empty() {
            let config = models_config(creation);
            if !creation.create {
                return Err(Fault::Fatal(format!(
                    "topic `{topic}` does not exist, and `create: false` makes none; make it with `{}`",
                    create_command(topic, &config)
                )));
            }
            match log.create_topic(topic, &config) {
                Ok(()) | Err(LogError::TopicExists(_)) => {}
                Err(e) => return Err(e.into()),
            }
        }
        let at = TopicPartition::new(topic, 0);
        let (from, end) = (log.resolve(&at, Start::Earliest)?, log.resolve(&at, Start::Latest)?);
        let mut reader = log.reader(&[(at, from)])?;
        read_to(reader.as_mut(), end, cancel, |fetched| {
            models.take(fetched);
            Ok(())
        })?;
        Ok(Self { log: log.clone(), reader, reader_failed: false, models })
    }

    /// Follows the topic until it is cancelled. While the backplane is away it retries: what is published
    /// meanwhile arrives late, but it arrives.
    pub(in crate::runtime) fn follow(mut self, cancel: &CancelToken) -> Result<(), Fault> {
        let mut warned = false;
        while !cancel.is_cancelled() {
            match self.poll() {
                Ok(()) => warned = false,
                Err(e) if e.recovery() == Recovery::Fatal => return Err(e.into()),
                Err(e) => {
                    if !std::mem::replace(&mut warned, true) {
                        tracing::warn!("the models topic cannot be read, which is retried: {e}");
                    }
                    self.reader_failed = true;
                    cancel.sleep(RETRY_BACKOFF);
                }
            }
        }
        Ok(())
    }

    fn poll(&mut self) -> LogResult<()> {
        if self.reader_failed {
            self.reader = self.log.reader(&self.reader.positions())?;
            self.reader_failed = false;
        }
        if let Some(fetched) = self.reader.poll(FetchLimit::default(), POLL_TIMEOUT)? {
            self.models.take(&fetched);
        }
        Ok(())
    }
}
