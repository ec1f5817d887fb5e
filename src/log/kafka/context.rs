//! Callbacks of librdkafka: log lines, errors, rebalances, deliveries.
//!
//! They run on threads that librdkafka chooses, so they are only recorded here and handled where the client is
//! polled. Nothing is written to stderr.
//!
//! A topic's id is read from a log line. Kafka gives a topic a new id when it is created again, and librdkafka
//! follows it, but rdkafka has no safe call for it. With `debug=metadata` the client logs `Topic T changed id from
//! A to B` before it fetches anything under the new id. If a version of librdkafka stops doing so, topics have no
//! id, and the conformance cases on recreated topics fail.

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The id that means no topic.
const NO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// What a client has reported since it was created.
#[derive(Debug, Default)]
pub(super) struct ClientEvents {
    /// Number of callbacks: shows whether a poll that returned nothing ran one.
    pub(super) callbacks: u64,
    /// The id of each topic that the client knows.
    pub(super) topic_ids: BTreeMap<String, String>,
    /// Topics whose id has changed since the client first saw them.
    pub(super) replaced_topics: Vec<String>,
    /// The topic that a producer may not write to: only a log line names it.
    pub(super) denied_topic: Option<String>,
    /// The last error, with librdkafka's text.
    pub(super) last_error: Option<(RDKafkaErrorCode, String)>,
    /// The offset in the last end-of-partition event.
    pub(super) partition_end: Option<i64>,
    /// Rebalances that the member has not handled yet.
    pub(super) rebalances: VecDeque<Rebalance>,
    /// The member is closing: rebalances are answered without it.
    pub(super) closing: bool,
}

#[derive(Debug)]
pub(super) enum Rebalance {
    Assigned(Vec<(String, i32)>),
    Revoked,
}

/// The context of every client.
#[derive(Clone, Debug, Default)]
pub(super) struct KafkaContext {
    events: Arc<Mutex<ClientEvents>>,
}

impl KafkaContext {
    pub(super) fn events(&self) -> MutexGuard<'_, ClientEvents> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The topic, its old and its new id, where a log line reports a change.
fn parse_changed_id(line: &str) -> Option<(&str, &str, &str)> {
    let (_, rest) = line.split_once("Topic ")?;
    let (topic, topic_ids) = rest.split_once(" changed id from ")?;
    let (old, new) = topic_ids.split_once(" to ")?;
    Some((topic, old.trim(), new.trim()))
}

/// The topic that could not be added to a transaction for want of a right.
fn parse_denied_topic(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("Failed to add partition \"")?;
    let (topic, why) = rest.split_once("\" [")?;
    why.ends_with("Topic authorization failed").then_some(topic)
}

/// The offset in the text of an end-of-partition event.
fn parse_end_offset(reason: &str) -> Option<i64> {
    let (_, rest) = reason.split_once("end of partition at offset ")?;
    rest.split(' ').next()?.parse().ok()
}

impl ClientContext for KafkaContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        let mut events = self.events();
        events.callbacks += 1;
        if let Some((topic, old, new)) = parse_changed_id(line) {
            if old != NO_ID {
                events.replaced_topics.push(topic.to_owned());
            }
            events.topic_ids.insert(topic.to_owned(), new.to_owned());
        }
        if let Some(topic) = parse_denied_topic(line) {
            events.denied_topic = Some(topic.to_owned());
        }
        // Only a log line gives the reason of a broken connection, unless it is about login or encryption.
        let vague = events.last_error.as_ref().is_none_or(|(code, _)| *code == RDKafkaErrorCode::AllBrokersDown);
        if vague && facility == "FAIL" {
            let reason = line.split_once("]: ").map_or(line, |(_, reason)| reason);
            events.last_error = Some((RDKafkaErrorCode::BrokerTransportFailure, reason.to_owned()));
        }
        drop(events);
        match level {
            // A consumer ignores properties of producers and the other way round, which is expected.
            _ if facility == "CONFWARN" => tracing::trace!(target: "fastdata::kafka", "{line}"),
            RDKafkaLogLevel::Debug => tracing::trace!(target: "fastdata::kafka", "{facility}: {line}"),
            // Errors reach the caller from its requests; those in log lines may be transient.
            _ => tracing::debug!(target: "fastdata::kafka", "{facility}: {line}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        let mut events = self.events();
        events.callbacks += 1;
        if code == RDKafkaErrorCode::PartitionEOF {
            events.partition_end = parse_end_offset(reason);
            return;
        }
        // The reason of the last broker says more than that all brokers are down.
        if code != RDKafkaErrorCode::AllBrokersDown || events.last_error.is_none() {
            events.last_error = Some((code, reason.to_owned()));
        }
        drop(events);
        tracing::debug!(target: "fastdata::kafka", "{code}: {reason}");
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ConsumerContext for KafkaContext {
    /// Only records the event. The group waits for the member's acknowledgement, which a later poll gives, after the
    /// last commit of revoked partitions.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let mut events = self.events();
        events.callbacks += 1;
        if events.closing {
            drop(events);
            if let Err(e) = consumer.unassign() {
                tracing::debug!(target: "fastdata::kafka", "leaving: {e}");
            }
        } else if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let assigned = partitions.elements().iter().map(|e| (e.topic().to_owned(), e.partition())).collect();
            events.rebalances.push_back(Rebalance::Assigned(assigned));
        } else {
            events.rebalances.push_back(Rebalance::Revoked);
        }
    }
}

/// Delivery reports of one transaction.
#[derive(Debug, Default)]
pub(super) struct DeliveryReports {
    /// Number of the transaction: late reports on an earlier one are ignored.
    pub(super) transaction: u32,
    /// How many records were acknowledged.
    pub(super) acknowledged: usize,
    /// The first offset of each append.
    pub(super) first_offsets: Vec<Option<i64>>,
    /// The first record that was refused: topic, partition, error.
    pub(super) refused: Option<(String, i32, RDKafkaErrorCode)>,
}

/// The context of a producer.
#[derive(Clone, Debug, Default)]
pub(super) struct KafkaProducerContext {
    pub(super) client: KafkaContext,
    deliveries: Arc<Mutex<DeliveryReports>>,
}

impl KafkaProducerContext {
    pub(super) fn deliveries(&self) -> MutexGuard<'_, DeliveryReports> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for KafkaProducerContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.client.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.client.error(error, reason);
    }

    fn stats_raw(&self, _: &[u8]) {}
}

/// The opaque value of a record: the numbers of its transaction and append in one integer.
pub(super) fn delivery_tag(transaction: u32, append: usize) -> usize {
    (append << 16) | usize::try_from(transaction & 0xffff).unwrap_or(0)
}

impl ProducerContext for KafkaProducerContext {
    /// See [`delivery_tag`].
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, tag: usize) {
        let mut deliveries = self.deliveries();
        let append = tag >> 16;
        if tag != delivery_tag(deliveries.transaction, append) {
            return;
        }
        match result {
            Ok(message) => {
                deliveries.acknowledged += 1;
                if let Some(first) = deliveries.first_offsets.get_mut(append) {
                    let offset = message.offset();
                    *first = Some(first.map_or(offset, |f| f.min(offset)));
                }
            }
            Err((error, message)) => {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
                // A purged record is a consequence of another failure.
                let purged = matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight);
                if deliveries.refused.is_none() && !purged {
                    deliveries.refused = Some((message.topic().to_owned(), message.partition(), code));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_topic_is_read_from_a_log_line() {
        let line = "[thrd:main]: Topic a.b-c changed id from AAAAAAAAAAAAAAAAAAAAAA to q8juK-1TQ4-yvx3aB1cD2e";
        assert_eq!(parse_changed_id(line), Some(("a.b-c", NO_ID, "q8juK-1TQ4-yvx3aB1cD2e")));
        assert_eq!(parse_changed_id("[thrd:main]: Topic raw [0] Leader 1 Epoch 0"), None);
        let context = KafkaContext::default();
        context.log(RDKafkaLogLevel::Debug, "METADATA", line);
        assert!(context.events().replaced_topics.is_empty(), "the first id of a topic is no change");
        context.log(RDKafkaLogLevel::Debug, "METADATA", "Topic a.b-c changed id from q8juK-1TQ4-yvx3aB1cD2e to x");
        assert_eq!(context.events().replaced_topics, ["a.b-c"]);
        assert_eq!(context.events().topic_ids["a.b-c"], "x");
    }

    #[test]
    fn the_topic_without_write_access_is_read_from_a_log_line() {
        let line = |why: &str| {
            format!(
                "[thrd:main]: TxnCoordinator/1: Failed to add partition \"a-out\" [0] to transaction: Broker: {why}"
            )
        };
        assert_eq!(parse_denied_topic(&line("Topic authorization failed")), Some("a-out"));
        assert_eq!(parse_denied_topic(&line("Operation not attempted")), None);
    }

    #[test]
    fn the_end_of_a_partition_is_read_from_its_event() {
        let reason = "Fetch from broker 1 reached end of partition at offset 42 (HighwaterMark 43)";
        assert_eq!(parse_end_offset(reason), Some(42));
        assert_eq!(parse_end_offset("something else"), None);
    }
}
