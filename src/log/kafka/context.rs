//! What librdkafka says without being asked: log lines, errors, rebalances, deliveries.
//!
//! Separate because these calls come on threads of librdkafka's choosing: here they are only written down,
//! and acted upon where the client is polled. Nothing of it goes to stderr.
//!
//! A topic's identity is known from a log line. Kafka gives every topic a new id when it is made anew,
//! librdkafka follows it, but the calls that would give it are not reachable without unsafe code. With
//! `debug=metadata` the client says `Topic T changed id from A to B` whenever it learns another id, before
//! it fetches anything under it. Where a version of librdkafka should stop saying so, topics have no id,
//! and the conformance cases on topics that are made anew fail.

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

/// The id that stands for none.
const NO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// What was heard since the client was made.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// How many calls there were: shows whether a poll that gave nothing had something to do.
    pub(super) calls: u64,
    /// The id of each topic that the client knows.
    pub(super) ids: BTreeMap<String, String>,
    /// Topics whose id has changed under the client.
    pub(super) replaced: Vec<String>,
    /// The topic that a producer may not write to: only a log line names it.
    pub(super) denied: Option<String>,
    /// The last error, and what librdkafka says about it.
    pub(super) error: Option<(RDKafkaErrorCode, String)>,
    /// The offset that the end of a partition was last reported at.
    pub(super) end: Option<i64>,
    /// What the group has decided and the member not yet heard.
    pub(super) rebalances: VecDeque<Rebalance>,
    /// The member is leaving: nobody is left to be asked.
    pub(super) closing: bool,
}

/// A decision of the group.
#[derive(Debug)]
pub(super) enum Rebalance {
    /// These partitions are given.
    Given(Vec<(String, i32)>),
    /// All partitions are taken back.
    Taken,
}

/// The context of every client.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    heard: Arc<Mutex<Heard>>,
}

impl Context {
    pub(super) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The topic and its new and old id, where a log line tells of one.
fn changed_id(line: &str) -> Option<(&str, &str, &str)> {
    let (_, rest) = line.split_once("Topic ")?;
    let (topic, ids) = rest.split_once(" changed id from ")?;
    let (old, new) = ids.split_once(" to ")?;
    Some((topic, old.trim(), new.trim()))
}

/// The topic that could not be made part of a transaction for want of a right.
fn denied_topic(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("Failed to add partition \"")?;
    let (topic, why) = rest.split_once("\" [")?;
    why.ends_with("Topic authorization failed").then_some(topic)
}

/// The offset in the words with which the end of a partition is reported.
fn end_offset(reason: &str) -> Option<i64> {
    let (_, rest) = reason.split_once("end of partition at offset ")?;
    rest.split(' ').next()?.parse().ok()
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        let mut heard = self.heard();
        heard.calls += 1;
        if let Some((topic, old, new)) = changed_id(line) {
            if old != NO_ID {
                heard.replaced.push(topic.to_owned());
            }
            heard.ids.insert(topic.to_owned(), new.to_owned());
        }
        if let Some(topic) = denied_topic(line) {
            heard.denied = Some(topic.to_owned());
        }
        // Why a connection broke is told in a line only, where it is not about login or encryption.
        let vague = heard.error.as_ref().is_none_or(|(code, _)| *code == RDKafkaErrorCode::AllBrokersDown);
        if vague && facility == "FAIL" {
            let reason = line.split_once("]: ").map_or(line, |(_, reason)| reason);
            heard.error = Some((RDKafkaErrorCode::BrokerTransportFailure, reason.to_owned()));
        }
        drop(heard);
        match level {
            // A property of producers is of no use to a consumer, and the other way round: no news.
            _ if facility == "CONFWARN" => tracing::trace!(target: "fastdata::kafka", "{line}"),
            RDKafkaLogLevel::Debug => tracing::trace!(target: "fastdata::kafka", "{facility}: {line}"),
            // Errors reach the caller as errors; here they may be of a broker that is back in a moment.
            _ => tracing::debug!(target: "fastdata::kafka", "{facility}: {line}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        let mut heard = self.heard();
        heard.calls += 1;
        if code == RDKafkaErrorCode::PartitionEOF {
            heard.end = end_offset(reason);
            return;
        }
        // That all brokers are down says less than why the last one is.
        if code != RDKafkaErrorCode::AllBrokersDown || heard.error.is_none() {
            heard.error = Some((code, reason.to_owned()));
        }
        drop(heard);
        tracing::debug!(target: "fastdata::kafka", "{code}: {reason}");
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ConsumerContext for Context {
    /// Only writes down what was decided: the group waits until the member has answered, which it does
    /// in a later poll, after the last commit of what is taken away.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let mut heard = self.heard();
        heard.calls += 1;
        if heard.closing {
            drop(heard);
            if let Err(e) = consumer.unassign() {
                tracing::debug!(target: "fastdata::kafka", "leaving: {e}");
            }
        } else if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let given = partitions.elements().iter().map(|e| (e.topic().to_owned(), e.partition())).collect();
            heard.rebalances.push_back(Rebalance::Given(given));
        } else {
            heard.rebalances.push_back(Rebalance::Taken);
        }
    }
}

/// What became of the records of one transaction.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    /// The number of the transaction: a late report on an earlier one must not be taken for one on this.
    pub(super) transaction: u32,
    /// How many records have arrived.
    pub(super) arrived: usize,
    /// The first offset of each append.
    pub(super) firsts: Vec<Option<i64>>,
    /// The first record that was refused: topic, partition, why.
    pub(super) refused: Option<(String, i32, RDKafkaErrorCode)>,
}

/// The context of a producer.
#[derive(Clone, Debug, Default)]
pub(super) struct ProducerSide {
    pub(super) client: Context,
    deliveries: Arc<Mutex<Deliveries>>,
}

impl ProducerSide {
    pub(super) fn deliveries(&self) -> MutexGuard<'_, Deliveries> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for ProducerSide {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.client.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.client.error(error, reason);
    }

    fn stats_raw(&self, _: &[u8]) {}
}

/// What goes with a record and comes back with its report: the numbers of transaction and append in one.
pub(super) fn ticket(transaction: u32, append: usize) -> usize {
    (append << 16) | usize::try_from(transaction & 0xffff).unwrap_or(0)
}

impl ProducerContext for ProducerSide {
    /// The numbers of the transaction and of the append that a record is of.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, given: usize) {
        let mut deliveries = self.deliveries();
        let append = given >> 16;
        if given != ticket(deliveries.transaction, append) {
            return;
        }
        match result {
            Ok(message) => {
                deliveries.arrived += 1;
                if let Some(first) = deliveries.firsts.get_mut(append) {
                    let offset = message.offset();
                    *first = Some(first.map_or(offset, |f| f.min(offset)));
                }
            }
            Err((error, message)) => {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
                // What was thrown away because of another refusal says nothing.
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
    fn the_id_of_a_topic_is_read_from_the_words_of_the_client() {
        let line = "[thrd:main]: Topic a.b-c changed id from AAAAAAAAAAAAAAAAAAAAAA to q8juK-1TQ4-yvx3aB1cD2e";
        assert_eq!(changed_id(line), Some(("a.b-c", NO_ID, "q8juK-1TQ4-yvx3aB1cD2e")));
        assert_eq!(changed_id("[thrd:main]: Topic raw [0] Leader 1 Epoch 0"), None);
        let context = Context::default();
        context.log(RDKafkaLogLevel::Debug, "METADATA", line);
        assert!(context.heard().replaced.is_empty(), "the first id of a topic is no change");
        context.log(RDKafkaLogLevel::Debug, "METADATA", "Topic a.b-c changed id from q8juK-1TQ4-yvx3aB1cD2e to x");
        assert_eq!(context.heard().replaced, ["a.b-c"]);
        assert_eq!(context.heard().ids["a.b-c"], "x");
    }

    #[test]
    fn the_topic_that_may_not_be_written_is_read_from_the_words_of_the_client() {
        let line = |why: &str| {
            format!(
                "[thrd:main]: TxnCoordinator/1: Failed to add partition \"a-out\" [0] to transaction: Broker: {why}"
            )
        };
        assert_eq!(denied_topic(&line("Topic authorization failed")), Some("a-out"));
        assert_eq!(denied_topic(&line("Operation not attempted")), None);
    }

    #[test]
    fn the_end_of_a_partition_is_read_from_the_words_of_the_client() {
        let reason = "Fetch from broker 1 reached end of partition at offset 42 (HighwaterMark 43)";
        assert_eq!(end_offset(reason), Some(42));
        assert_eq!(end_offset("something else"), None);
    }
}
