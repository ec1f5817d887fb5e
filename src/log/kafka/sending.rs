//! Records into a producer, one by one, and whether they were refused.
//!
//! Separate from transactions: nothing here knows whether there is one. What is refused is named, never
//! skipped.

use super::context::ProducerSide;
use super::control::raw;
use super::errors;
use super::producer::{Failed, PATIENCE, Writer};
use crate::log::{Append, LogError};
use crate::record::TopicPartition;
use arrow_array::Array;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::time::{Duration, Instant};

/// Between two looks at what has been delivered.
const TICK: Duration = Duration::from_micros(500);

impl Writer {
    /// Gives one record to the client, which sends it when it pleases.
    pub(super) fn send_one(
        &self,
        producer: &BaseProducer<ProducerSide>,
        ticket: usize,
        append: &Append,
        row: usize,
    ) -> Result<(), Failed> {
        let records = &append.records;
        let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&append.to.topic, ticket)
            .partition(raw(append.to.partition))
            .timestamp(stamp(records.timestamps[row]));
        record.key = records.keys.is_valid(row).then(|| records.keys.value(row));
        record.payload = records.values.is_valid(row).then(|| records.values.value(row));
        let named = records.headers.as_ref().map(|h| h.row(row).collect::<Vec<_>>()).filter(|h| !h.is_empty());
        record.headers = named.map(|named| {
            let empty = OwnedHeaders::new_with_capacity(named.len());
            named.into_iter().fold(empty, |all, (key, value)| all.insert(Header { key, value }))
        });
        let start = Instant::now();
        loop {
            match producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(Code::QueueFull), back)) if start.elapsed() < PATIENCE => {
                    record = back;
                    hear(producer);
                    self.delivered(producer)?;
                }
                Err((KafkaError::MessageProduction(Code::MessageSizeTooLarge), back)) => {
                    let bytes = back.key.map_or(0, <[u8]>::len) + back.payload.map_or(0, <[u8]>::len);
                    return Err(Failed::Refused(self.too_large(&append.to, bytes)));
                }
                Err((e, _)) => {
                    // Why no more is taken is mostly that an earlier record was refused.
                    self.delivered(producer)?;
                    return Err(match errors::code(&e) {
                        Code::State => Failed::Refused(LogError::Busy(format!(
                            "writing records failed on Kafka at {}: what was sent before did not arrive{}",
                            self.control.brokers(),
                            self.under()
                        ))),
                        code => self.failed_for_good(producer, "writing records", code),
                    });
                }
            }
        }
    }

    fn too_large(&self, at: &TopicPartition, bytes: usize) -> LogError {
        LogError::TooLarge { at: at.clone(), bytes, limit: self.control.settings.largest() }
    }

    /// Whether a record was refused so far.
    pub(super) fn delivered(&self, producer: &BaseProducer<ProducerSide>) -> Result<(), Failed> {
        let refused = producer.context().deliveries().refused.take();
        let Some((topic, partition, code)) = refused else { return Ok(()) };
        if errors::superseded(code) || code == Code::Fatal {
            return Err(self.failed_for_good(producer, "writing records", code));
        }
        let at = TopicPartition::new(topic, u32::try_from(partition).unwrap_or(u32::MAX));
        Err(Failed::Refused(match code {
            Code::InvalidRecord => LogError::InvalidTopic(format!(
                "Kafka takes no such record for `{at}`: a compacted topic needs a key in every record"
            )),
            Code::InvalidTimestamp => LogError::InvalidTopic(format!(
                "Kafka takes no record for `{at}` with a time that far from now; see `message.timestamp.after.max.ms` of the topic"
            )),
            code if errors::missing(code) => self.control.unknown(&at.topic),
            code => errors::fault_with(self.control.brokers(), &format!("writing to `{at}`"), code, "Write"),
        }))
    }
}

/// The time of a record as the client takes it: it reads 0 as `now`, so a record of that millisecond has
/// no time of its own.
fn stamp(time: i64) -> i64 {
    if time == 0 { -1 } else { time }
}

/// Takes what has come back; where that is nothing, waits a little. The client's own wait is in whole
/// milliseconds: for what is left of one it asks again and again, which costs a processor.
pub(super) fn hear(producer: &BaseProducer<ProducerSide>) {
    let before = producer.in_flight_count();
    producer.poll(Duration::ZERO);
    if producer.in_flight_count() == before {
        std::thread::park_timeout(TICK);
    }
}
