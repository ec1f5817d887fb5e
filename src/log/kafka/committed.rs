//! The committed offsets of a group, each with the id of the topic that it was committed for.

use super::closing::ClosesInTime;
use super::cluster::{
    Cluster, REQUEST_TIMEOUT, RETRY_BACKOFF, RETRY_TIMEOUT, by_partition, create_client, native_name, partition_list,
    run_callbacks,
};
use super::context::KafkaContext;
use super::errors::{self, description};
use crate::log::LogResult;
use crate::record::{Offset, TopicPartition};
use rdkafka::Offset as NativeOffset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode as Code;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// An offset that a group has committed, with the id of the topic it was committed for (empty: unknown).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CommittedOffset {
    pub(super) next: Offset,
    pub(super) id: String,
}

impl Cluster {
    /// The committed offsets of a group, in the order given. Waits for transactions in flight, whose offsets are
    /// about to change.
    pub(super) fn committed_offsets(
        &self,
        group: &str,
        of: &[TopicPartition],
    ) -> LogResult<Vec<Option<CommittedOffset>>> {
        let mut slot = self.group.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.as_ref().is_none_or(|(name, _)| name != group) {
            *slot = Some((
                group.to_owned(),
                ClosesInTime::new(create_client(&self.settings, &self.settings.for_reader(group))?),
            ));
        }
        let Some((_, client)) = slot.as_ref() else { return Ok(Vec::new()) };
        let found = fetch_committed(client, self.brokers(), group, of, RETRY_TIMEOUT);
        run_callbacks(client);
        found
    }
}

/// The committed offsets of a group, queried through a client of that group and retried until `timeout`.
pub(super) fn fetch_committed(
    client: &BaseConsumer<KafkaContext>,
    brokers: &str,
    group: &str,
    of: &[TopicPartition],
    timeout: Duration,
) -> LogResult<Vec<Option<CommittedOffset>>> {
    if of.is_empty() {
        return Ok(Vec::new());
    }
    let start = Instant::now();
    loop {
        let answer = client.committed_offsets(partition_list(of), REQUEST_TIMEOUT.min(timeout));
        let code = match &answer {
            Ok(list) => list.elements().iter().find_map(|e| e.error().err()).map(|e| errors::error_code(&e)),
            Err(e) => Some(errors::error_code(e)),
        };
        match (answer, code) {
            (Ok(list), None) => {
                let elements = list.elements();
                let found = by_partition(&elements);
                let committed = |at: &TopicPartition| {
                    let element = found.get(&native_name(at))?;
                    match element.offset() {
                        NativeOffset::Offset(next) => {
                            Some(CommittedOffset { next: Offset(next), id: element.metadata().to_owned() })
                        }
                        _ => None,
                    }
                };
                return Ok(of.iter().map(committed).collect());
            }
            (_, Some(code)) if errors::is_transient(code) && start.elapsed() < timeout => {
                std::thread::park_timeout(RETRY_BACKOFF);
            }
            (_, code) => {
                let code = code.unwrap_or(Code::Unknown);
                tracing::debug!("positions of group `{group}`: {}", description(code));
                return Err(errors::log_error(brokers, &format!("asking for the positions of group `{group}`"), code));
            }
        }
    }
}
