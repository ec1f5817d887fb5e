//! From what librdkafka reports to the faults of a backplane.
//!
//! Separate because one table decides what is tried again, what undoes a transaction and what ends a run.
//! It decides by code; librdkafka's words are only quoted.

use crate::log::LogError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// librdkafka's words for a code.
pub(super) fn words(code: Code) -> String {
    let full = code.to_string();
    match full.split_once(" (") {
        Some((_, inner)) => inner.trim_end_matches(')').to_owned(),
        None => full,
    }
}

/// The code of an error; one that has none did not come from a broker, and does not pass.
pub(super) fn code(error: &KafkaError) -> Code {
    match error {
        KafkaError::Transaction(e) => e.code(),
        // The client library does not count this one among those with a code.
        KafkaError::AdminOp(code) => *code,
        other => other.rdkafka_error_code().unwrap_or(Code::Fail),
    }
}

/// Whether it may go well when asked again in a moment.
pub(super) fn passes(code: Code) -> bool {
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
            // What a broker says that has lost track, and what it no longer says to a producer made anew.
            | Code::Unknown
            | Code::OutOfOrderSequenceNumber
            | Code::UnknownProducerId
            | Code::InvalidTransactionalState
    )
}

/// Whether the code says that a topic or a partition is not there.
pub(super) fn missing(code: Code) -> bool {
    matches!(
        code,
        Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::UnknownTopicId
            | Code::NoEnt
    )
}

/// Whether the code says that another instance, or a later life of this one, goes on in its place.
pub(super) fn superseded(code: Code) -> bool {
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

/// Whether the code says that a position cannot be read. The client gives such a partition up: it never
/// fetches it again.
pub(super) fn given_up(code: Code) -> bool {
    matches!(code, Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation)
}

/// Whether the end of a partition was cut off after it was read. Mostly only the words tell.
pub(super) fn cut(code: Code, words: &str) -> bool {
    code == Code::LogTruncation || (given_up(code) && words.contains("truncation detected"))
}

/// Whether records cannot be understood, which the client would skip. Of an answer that cannot be understood
/// as a whole it says no offset, and asks again.
pub(super) fn damaged(code: Code, words: &str) -> bool {
    matches!(code, Code::BadMessage | Code::BadCompression | Code::NotImplemented) && offset(words).is_some()
}

/// The offset in the words about damaged records.
pub(super) fn offset(words: &str) -> Option<i64> {
    let (_, rest) = words.split_once("offset ").or_else(|| words.split_once("message at "))?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The right that is missing, and on what; `right` is that on the topic, where it is one.
fn missing_right(code: Code, right: &str) -> Option<String> {
    match code {
        Code::TopicAuthorizationFailed => Some(format!("`{right}` on the topic")),
        Code::GroupAuthorizationFailed => Some("`Read` on the consumer group".into()),
        Code::ClusterAuthorizationFailed => Some("`IdempotentWrite` and `Create` on the cluster".into()),
        Code::TransactionalIdAuthorizationFailed => Some("`Write` on the transactional id".into()),
        _ => None,
    }
}

/// Whether the code says that a right is missing.
pub(super) fn forbidden(code: Code) -> bool {
    missing_right(code, "").is_some()
}

/// The fault that a failed request is; `doing` says what was tried, with its names.
pub(super) fn fault(brokers: &str, doing: &str, code: Code) -> LogError {
    fault_with(brokers, doing, code, "Describe")
}

/// The same, of a request that needs this right on a topic.
pub(super) fn fault_with(brokers: &str, doing: &str, code: Code, right: &str) -> LogError {
    if let Some(missing) = missing_right(code, right) {
        let what = words(code);
        return LogError::Unusable(format!(
            "Kafka does not allow it: {doing}: {what}; give this user the right {missing}"
        ));
    }
    let text = format!("{doing} failed on Kafka at {brokers}: {}", words(code));
    if passes(code) { LogError::Busy(text) } else { LogError::Unusable(text) }
}

/// How librdkafka says that a connection was there, and was broken off by the other side.
const HANGS_UP: [&str; 4] = ["security.protocol", "isconnected", "roken pipe", "reset by peer"];

/// Why no broker answers, from the last thing that a client has complained about.
pub(super) fn unreachable(brokers: &str, heard: Option<&(Code, String)>) -> LogError {
    let Some((code, reason)) = heard else {
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
        _ if HANGS_UP.iter().any(|words| reason.contains(words)) => {
            format!("Kafka at {brokers} hangs up: {reason}; the port may want TLS or a login: check `security:`")
        }
        _ => format!("no broker can be reached at {brokers}: {reason}; check `--brokers` and that Kafka is running"),
    })
}

/// Whether a complaint will be the same for ever, so that waiting longer helps nobody.
pub(super) fn hopeless(code: Code) -> bool {
    matches!(code, Code::Authentication | Code::SaslAuthenticationFailed | Code::SSL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_goes_away_under_a_question_about_topics_passes() {
        let gone = KafkaError::AdminOp(Code::BrokerTransportFailure);
        assert!(matches!(fault("b:9092", "asking", code(&gone)), LogError::Busy(_)));
    }

    #[test]
    fn what_was_cut_and_where_something_is_damaged_is_read_from_the_words_of_the_client() {
        // The client reports both as the same code.
        let cut_off = "Partition log truncation detected at offset 42 (leader epoch 3): broker end offset is 40 (offset leader epoch 3). Reset to INVALID.: Local: Partition log truncation detected (broker 1)";
        let refused =
            "fetch failed due to requested offset not available on the broker: Broker: Offset out of range (broker 1)";
        assert!(cut(Code::AutoOffsetReset, cut_off) && cut(Code::LogTruncation, ""));
        assert!(!cut(Code::AutoOffsetReset, refused) && given_up(Code::AutoOffsetReset));
        let of_records = "MessageSet at offset 7 (93 bytes) failed CRC32C check (original 0x1 != calculated 0x2)";
        assert_eq!(offset(of_records), Some(7));
        assert!(damaged(Code::BadMessage, of_records) && !damaged(Code::BadMessage, "Local: Bad message format"));
        assert_eq!(offset("Decompression (codec 0x1) of message at 12 of 99 bytes failed: x"), Some(12));
        assert_eq!(offset("Unsupported Message(Set) MagicByte 9 at offset 5"), Some(5));
        assert_eq!(offset("nothing"), None);
    }
}
