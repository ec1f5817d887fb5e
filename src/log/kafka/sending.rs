//! Queues single records in a producer, and reports whether any was refused.
//!
//! It does not know about transactions. A refused record is an error, never skipped.

use super::cluster::{Cluster, native_partition};
use super::context::KafkaProducerContext;
use super::errors::{self, description};
use super::headers;
use super::record_limits::record_limit;
use super::write_mode::WriteMode;
use crate::log::{Append, LogError};
use crate::record::TopicPartition;
use arrow_array::Array;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pause between two checks for delivery reports.
const DELIVERY_POLL_INTERVAL: Duration = Duration::from_micros(500);

/// The failure of a write.
pub(super) enum WriteError {
    /// Nothing of it is or will be visible; without transactions, a part of it may be.
    Failed(LogError),
    /// Nothing of it will be visible: another producer has taken over.
    Fenced(String),
    /// The outcome is unknown; the first offsets of the written records can show it.
    Indeterminate { error: LogError, first_offsets: Vec<Option<i64>> },
}

/// Queues records for one producer. Knows the cluster and the mode, for errors.
pub(super) struct RecordSender {
    pub(super) cluster: Arc<Cluster>,
    pub(super) mode: WriteMode,
    /// How long a step is retried while the cluster is busy.
    pub(super) retry_timeout: Duration,
}

impl RecordSender {
    pub(super) fn error(&self, action: &str, code: Code) -> LogError {
        errors::log_error(self.cluster.brokers(), &format!("{action}{}", self.mode.id_label()), code)
    }

    pub(super) fn write_error(&self, action: &str, code: Code) -> WriteError {
        if errors::is_fenced(code) {
            WriteError::Fenced(format!("{action}: {}", description(code)))
        } else {
            WriteError::Failed(self.error(action, code))
        }
    }

    /// Like [`Self::write_error`], for a producer in the fatal state: the code of a record only says so, the client has
    /// the cause.
    pub(super) fn fatal_write_error(
        &self,
        producer: &BaseProducer<KafkaProducerContext>,
        action: &str,
        code: Code,
    ) -> WriteError {
        let known = (code == Code::Fatal).then(|| producer.client().fatal_error()).flatten();
        self.write_error(action, known.map_or(code, |(code, _)| code))
    }

    /// Queues one record in the client.
    pub(super) fn enqueue(
        &self,
        producer: &BaseProducer<KafkaProducerContext>,
        delivery_tag: usize,
        append: &Append,
        row: usize,
    ) -> Result<(), WriteError> {
        let start = Instant::now();
        loop {
            let record = record(append, row, delivery_tag);
            let headers = append.records.headers.as_ref().map(|h| h.row(row).collect::<Vec<_>>());
            let queued = match headers.filter(|h| !h.is_empty()) {
                None => producer.send(record).map_err(|(e, _)| e),
                Some(headers) => headers::send(producer, &record, &headers),
            };
            match queued {
                Ok(()) => return Ok(()),
                Err(KafkaError::MessageProduction(Code::QueueFull)) if start.elapsed() < self.retry_timeout => {
                    poll_deliveries(producer);
                    self.check_deliveries(producer)?;
                }
                Err(KafkaError::MessageProduction(Code::MessageSizeTooLarge)) => {
                    return Err(WriteError::Failed(self.too_large(append, row)));
                }
                Err(e) => {
                    // Usually the client accepts no more because an earlier record was refused.
                    self.check_deliveries(producer)?;
                    return Err(match errors::error_code(&e) {
                        Code::State => WriteError::Failed(LogError::Busy(format!(
                            "writing records failed on Kafka at {}: what was sent before did not arrive{}",
                            self.cluster.brokers(),
                            self.mode.id_label()
                        ))),
                        code => self.fatal_write_error(producer, "writing records", code),
                    });
                }
            }
        }
    }

    fn too_large(&self, append: &Append, row: usize) -> LogError {
        let limit = record_limit(&append.to.topic, self.cluster.settings.max_record_bytes(), None);
        LogError::TooLarge { at: append.to.clone(), bytes: append.records.record_bytes(row), limit }
    }

    /// Fails if a record was refused so far.
    pub(super) fn check_deliveries(&self, producer: &BaseProducer<KafkaProducerContext>) -> Result<(), WriteError> {
        let refused = producer.context().deliveries().refused.take();
        let Some((topic, partition, code)) = refused else { return Ok(()) };
        if errors::is_fenced(code) || code == Code::Fatal {
            return Err(self.fatal_write_error(producer, "writing records", code));
        }
        let at = TopicPartition::new(topic, u32::try_from(partition).unwrap_or(u32::MAX));
        Err(WriteError::Failed(match code {
            Code::InvalidRecord => LogError::InvalidTopic(format!(
                "Kafka takes no such record for `{at}`: a compacted topic needs a key in every record"
            )),
            Code::MessageSizeTooLarge => LogError::InvalidTopic(format!(
                "Kafka takes no records of that size for `{at}`: raise `max.message.bytes` of the topic or `message.max.bytes` of the brokers"
            )),
            Code::InvalidTimestamp => LogError::InvalidTopic(format!(
                "Kafka takes no record for `{at}` with a time that far from now; see `message.timestamp.after.max.ms` of the topic"
            )),
            code if errors::is_missing(code) => self.cluster.unknown_topic(&at.topic),
            code => errors::log_error_for(self.cluster.brokers(), &format!("writing to `{at}`"), code, "Write"),
        }))
    }
}

/// A record without its headers.
fn record(append: &Append, row: usize, delivery_tag: usize) -> BaseRecord<'_, [u8], [u8], usize> {
    let records = &append.records;
    let mut record = BaseRecord::with_opaque_to(&append.to.topic, delivery_tag)
        .partition(native_partition(append.to.partition))
        .timestamp(native_timestamp(records.timestamps[row]));
    record.key = records.keys.is_valid(row).then(|| records.keys.value(row));
    record.payload = records.values.is_valid(row).then(|| records.values.value(row));
    record
}

/// The timestamp as the client takes it. The client takes 0 for "now", so a record with timestamp 0 is written without
/// one.
fn native_timestamp(time: i64) -> i64 {
    if time == 0 { -1 } else { time }
}

/// Polls for delivery reports, and pauses a little where there are none. librdkafka's own wait has a resolution of
/// a millisecond: it spins for the rest of one.
pub(super) fn poll_deliveries(producer: &BaseProducer<KafkaProducerContext>) {
    let before = producer.in_flight_count();
    producer.poll(Duration::ZERO);
    if producer.in_flight_count() == before {
        std::thread::park_timeout(DELIVERY_POLL_INTERVAL);
    }
}
