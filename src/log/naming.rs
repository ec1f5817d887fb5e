//! The valid names and settings of topics. All backplanes apply Kafka's rules, so that a pipeline can move
//! from one to another.

use super::{LogError, LogResult, TopicConfig};

const MAX_NAME_BYTES: usize = 249;
const MAX_PARTITIONS: u32 = 10_000;

/// Refuses an invalid name.
pub(super) fn check_name(name: &str) -> LogResult<()> {
    let valid = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name == "." || name == ".." || !name.bytes().all(valid) {
        return Err(LogError::InvalidTopic(format!(
            "`{name}` cannot be the name of a topic: use 1 to {MAX_NAME_BYTES} letters, digits, `.`, `_` and `-`"
        )));
    }
    Ok(())
}

/// Refuses an invalid name or invalid settings.
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
