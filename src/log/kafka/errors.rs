//! Maps librdkafka's errors to errors of the log.
//!
//! This one table decides what is retried, what aborts a transaction and what ends a run. It decides by code;
//! librdkafka's texts are quoted, and parsed only if the code does not decide.

use crate::log::LogError;
use crate::record::{Offset, TopicPartition};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use std::time::Duration;

/// librdkafka's description of a code.
pub(super) fn description(code: Code) -> String {
    let full = code.to_string();
    match full.split_once(" (") {
        Some((_, inner)) => inner.trim_end_matches(')').to_owned(),
        None => full,
    }
}

/// The code of an error; an error without one did not come from a broker and is not transient.
pub(super) fn error_code(error: &KafkaError) -> Code {
    match error {
        KafkaError::Transaction(e) => e.code(),
        // `rdkafka_error_code` does not return the code of this variant.
        KafkaError::AdminOp(code) => *code,
        other => other.rdkafka_error_code().unwrap_or(Code::Fail),
    }
}

/// Whether a retry may succeed.
pub(super) fn is_transient(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::OperationTimedOut
            | Code::TimedOutQueue
            | Code::MessageTimedOut
            | Code::WaitingForCoordinator
            | Code::WaitCache
            | Code::InProgress
            | Code::Retry
            | Code::Outdated
            | Code::DestroyBroker
            | Code::BrokerDestroy
            | Code::Resolve
            | Code::LeaderNotAvailable
            | Code::NotLeaderForPartition
            | Code::RequestTimedOut
            | Code::BrokerNotAvailable
            | Code::ReplicaNotAvailable
            | Code::NetworkException
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::NotController
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::ISRInsufficient
            | Code::ConcurrentTransactions
            | Code::KafkaStorageError
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::UnstableOffsetCommit
            | Code::OffsetNotAvailable
            | Code::ThrottlingQuotaExceeded
            // A broker that has lost the state of a producer reports these; a new producer does not get them.
            | Code::Unknown
            | Code::OutOfOrderSequenceNumber
            | Code::UnknownProducerId
            | Code::InvalidTransactionalState
    )
}

/// Whether a topic or a partition does not exist.
pub(super) fn is_missing(code: Code) -> bool {
    matches!(
        code,
        Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::UnknownTopicId
            | Code::NoEnt
    )
}

/// Whether another instance, or a later life of this one, has taken over.
pub(super) fn is_fenced(code: Code) -> bool {
    matches!(
        code,
        Code::Fenced
            | Code::ProducerFenced
            | Code::InvalidProducerEpoch
            | Code::InvalidProducerIdMapping
            | Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::FencedInstanceId
            | Code::RebalanceInProgress
            | Code::AssignmentLost
            | Code::StaleMemberEpoch
            | Code::FencedMemberEpoch
    )
}

/// Whether an offset cannot be fetched. librdkafka then stops fetching that partition for good.
pub(super) fn is_unfetchable(code: Code) -> bool {
    matches!(code, Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation)
}

/// Whether the end of a partition was truncated after it was read. Often only the text shows it.
pub(super) fn is_truncated(code: Code, text: &str) -> bool {
    code == Code::LogTruncation || (is_unfetchable(code) && text.contains("truncation detected"))
}

/// Whether librdkafka would skip records because it cannot parse them. It reports no offset for a response that it
/// cannot parse as a whole, and fetches that again.
pub(super) fn is_corrupt(code: Code, text: &str) -> bool {
    matches!(code, Code::BadMessage | Code::BadCompression | Code::NotImplemented) && parse_offset(text).is_some()
}

/// The offset in a text about corrupt records.
pub(super) fn parse_offset(text: &str) -> Option<i64> {
    let (_, rest) = text.split_once("offset ").or_else(|| text.split_once("message at "))?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The missing right and its resource; `right` is the operation that was tried.
fn missing_right(code: Code, right: &str) -> Option<String> {
    match code {
        Code::TopicAuthorizationFailed => Some(format!("`{right}` on the topic")),
        Code::GroupAuthorizationFailed if right == "Delete" => Some("`Delete` on the consumer group".into()),
        Code::GroupAuthorizationFailed => Some("`Read` on the consumer group".into()),
        Code::ClusterAuthorizationFailed => Some("`IdempotentWrite` and `Create` on the cluster".into()),
        Code::TransactionalIdAuthorizationFailed => Some("`Write` on the transactional id".into()),
        _ => None,
    }
}

/// Whether a right is missing.
pub(super) fn is_denied(code: Code) -> bool {
    missing_right(code, "").is_some()
}

/// The error for a failed request; `action` says what was tried, with its names.
pub(super) fn log_error(brokers: &str, action: &str, code: Code) -> LogError {
    log_error_for(brokers, action, code, "Describe")
}

/// Like [`log_error`], for a request that needs `right` on a topic.
pub(super) fn log_error_for(brokers: &str, action: &str, code: Code, right: &str) -> LogError {
    if let Some(missing) = missing_right(code, right) {
        let what = description(code);
        return LogError::Denied(format!(
            "Kafka does not allow it: {action}: {what}; give this user the right {missing}"
        ));
    }
    let text = format!("{action} failed on Kafka at {brokers}: {}", description(code));
    if is_transient(code) { LogError::Busy(text) } else { LogError::Unusable(text) }
}

/// The error for an open transaction that a lookup cannot read past.
pub(super) fn open_transaction(brokers: &str, at: &TopicPartition, next: Offset, waited: Duration) -> LogError {
    let (topic, partition) = (&at.topic, at.partition);
    LogError::Busy(format!(
        "`{at}` cannot be read beyond offset {next}: a transaction of another producer has been open there for more than {waited:?}, and which records come next is not decided before it ends; Kafka ends it when the `transaction.timeout.ms` of that producer is over: try again then, or end it with `kafka-transactions.sh --bootstrap-server {brokers} abort --topic {topic} --partition {partition} --start-offset {next}`"
    ))
}

/// librdkafka's texts for a connection that the broker closed.
const DISCONNECT_TEXTS: [&str; 4] = ["security.protocol", "isconnected", "roken pipe", "reset by peer"];

/// Why no broker answers, from the last error of the client.
pub(super) fn unreachable_error(brokers: &str, last_error: Option<&(Code, String)>) -> LogError {
    let Some((code, reason)) = last_error else {
        return LogError::Unusable(format!(
            "Kafka at {brokers} does not answer; check `--brokers` and whether a firewall is between"
        ));
    };
    LogError::Unusable(match code {
        Code::Authentication | Code::SaslAuthenticationFailed => format!(
            "Kafka at {brokers} refuses the login: {reason}; check mechanism, username and password under `security: {{sasl: …}}`"
        ),
        Code::SSL => format!(
            "no encrypted connection to Kafka at {brokers}: {reason}; check `security: {{tls: {{ca: …}}}}` and that the port is one for TLS"
        ),
        _ if DISCONNECT_TEXTS.iter().any(|text| reason.contains(text)) => {
            format!("Kafka at {brokers} hangs up: {reason}; the port may want TLS or a login: check `security:`")
        }
        _ => format!("no broker can be reached at {brokers}: {reason}; check `--brokers` and that Kafka is running"),
    })
}

/// Whether an error is permanent, so that waiting longer does not help.
pub(super) fn is_permanent(code: Code) -> bool {
    matches!(code, Code::Authentication | Code::SaslAuthenticationFailed | Code::SSL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_fails_during_a_topic_query_is_transient() {
        let gone = KafkaError::AdminOp(Code::BrokerTransportFailure);
        assert!(matches!(log_error("b:9092", "asking", error_code(&gone)), LogError::Busy(_)));
    }

    #[test]
    fn truncation_and_corruption_are_read_from_the_text_of_the_client() {
        // librdkafka reports both as the same code.
        let cut_off = "Partition log truncation detected at offset 42 (leader epoch 3): broker end offset is 40 (offset leader epoch 3). Reset to INVALID.: Local: Partition log truncation detected (broker 1)";
        let refused =
            "fetch failed due to requested offset not available on the broker: Broker: Offset out of range (broker 1)";
        assert!(is_truncated(Code::AutoOffsetReset, cut_off) && is_truncated(Code::LogTruncation, ""));
        assert!(!is_truncated(Code::AutoOffsetReset, refused) && is_unfetchable(Code::AutoOffsetReset));
        let of_records = "MessageSet at offset 7 (93 bytes) failed CRC32C check (original 0x1 != calculated 0x2)";
        assert_eq!(parse_offset(of_records), Some(7));
        assert!(is_corrupt(Code::BadMessage, of_records) && !is_corrupt(Code::BadMessage, "Local: Bad message format"));
        assert_eq!(parse_offset("Decompression (codec 0x1) of message at 12 of 99 bytes failed: x"), Some(12));
        assert_eq!(parse_offset("Unsupported Message(Set) MagicByte 9 at offset 5"), Some(5));
        assert_eq!(parse_offset("nothing"), None);
    }
}
