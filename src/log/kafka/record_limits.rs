//! The size limit of the records of a topic: the client's or the topic's, whichever is reached first.
//!
//! Both count bytes as Kafka writes them, before compression. The maximum overhead of a record is subtracted, so that
//! no record within the limit is refused.

use crate::log::RecordLimit;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The maximum overhead of a record, as librdkafka counts it (`RD_KAFKAP_MESSAGE_V2_MAX_OVERHEAD`). A header takes
/// no more bytes in Kafka than in the encoded form.
const MAX_RECORD_OVERHEAD: usize = 36;

/// The header of a record batch. A topic limits batches: a record fits if it fits alone in one.
const BATCH_OVERHEAD: usize = 61;

/// The limit of a topic. `topic_max` is its `max.message.bytes`, where the user may read that.
pub(super) fn record_limit(topic: &str, client_max: usize, topic_max: Option<usize>) -> RecordLimit {
    let by_client = client_max.saturating_sub(MAX_RECORD_OVERHEAD);
    let by_topic = |max: usize| max.saturating_sub(BATCH_OVERHEAD + MAX_RECORD_OVERHEAD);
    match topic_max {
        Some(max) if by_topic(max) < by_client => RecordLimit {
            bytes: by_topic(max),
            remedy: format!(
                "raise `max.message.bytes` of topic `{topic}`, which is {max} (the brokers call their default for it `message.max.bytes`)"
            )
            .into(),
        },
        _ => RecordLimit {
            bytes: by_client,
            remedy: format!(
                "raise `message.max.bytes` of this program, which is {client_max}, with `--kafka message.max.bytes=BYTES`"
            )
            .into(),
        },
    }
}

/// The smallest `max.message.bytes` of the topics that were queried. A topic refuses a batch of small records for
/// its size as it refuses one large record, and librdkafka does not split a batch.
pub(super) struct BatchLimit(AtomicUsize);

impl Default for BatchLimit {
    fn default() -> Self {
        Self(AtomicUsize::new(usize::MAX))
    }
}

impl BatchLimit {
    /// Lowers the limit of all producers that begin a write after this.
    pub(super) fn lower_to(&self, bytes: usize) {
        self.0.fetch_min(bytes, Ordering::Relaxed);
    }

    /// The maximum bytes of a batch.
    pub(super) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::record_limit;

    #[test]
    fn the_lower_of_the_two_limits_counts_and_is_named() {
        let limit = record_limit("t", 1_000_000, Some(1_048_588));
        assert_eq!(limit.bytes, 999_964);
        assert!(limit.remedy.contains("`message.max.bytes` of this program, which is 1000000"), "{limit:?}");
        let limit = record_limit("t", 1_000_000, Some(2_000));
        assert_eq!(limit.bytes, 1_903);
        assert!(limit.remedy.contains("`max.message.bytes` of topic `t`, which is 2000"), "{limit:?}");
        assert_eq!(record_limit("t", 1_000_000, None).bytes, 999_964);
        assert_eq!(record_limit("t", 1_000_000, Some(50)).bytes, 0);
    }
}
