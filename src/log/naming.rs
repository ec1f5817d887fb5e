//! Which names and settings a topic can have: the rules of Kafka, so that pipelines can move there.
//!
//! Separate because every backplane must refuse the same ones, in the same words.

use super::{LogError, LogResult, TopicConfig};

const MAX_NAME: usize = 249;
const MAX_PARTITIONS: u32 = 10_000;

/// Whether a topic may have this name.
pub(super) fn check_name(name: &str) -> LogResult<()> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > MAX_NAME || name == "." || name == ".." || !name.bytes().all(fine) {
        return Err(LogError::InvalidTopic(format!(
            "`{name}` cannot be the name of a topic: use 1 to {MAX_NAME} letters, digits, `.`, `_` and `-`"
        )));
    }
    Ok(())
}

/// Whether a topic may have this name and these settings.
pub(super) fn check(name: &str, config: &TopicConfig) -> LogResult<()> {
    check_name(name)?;
    if config.partitions == 0 || config.partitions > MAX_PARTITIONS {
        return Err(LogError::InvalidTopic(format!(
            "topic `{name}` cannot have {} partitions: use 1 to {MAX_PARTITIONS}",
            config.partitions
        )));
    }
    if config.compacted && (config.retention.is_some() || config.retention_bytes.is_some()) {
        return Err(LogError::InvalidTopic(format!(
            "topic `{name}` cannot be compacted and have a retention: it keeps the latest record of each key"
        )));
    }
    Ok(())
}
