//! Creates topics and appends records to them, on any log.

use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{Append, Log, TopicConfig, topic};
use fastdata::record::{Records, TopicPartition};
use std::sync::Arc;
use tempfile::TempDir;

/// An empty embedded log in a folder of its own.
pub fn temp_log() -> (Arc<EmbeddedLog>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Arc::new(EmbeddedLog::open(dir.path()).unwrap()), dir)
}

/// The default configuration with this number of partitions.
pub fn topic_config(partitions: u32) -> TopicConfig {
    TopicConfig { partitions, ..TopicConfig::default() }
}

/// Appends records to one partition.
pub fn append(log: &dyn Log, topic: &str, partition: u32, records: Records) {
    let to = TopicPartition::new(topic, partition);
    log.appender().unwrap().append(&[Append { to, records }]).unwrap();
}

/// The sum of the end offsets of a topic; `None` if it does not exist.
pub fn total_end(log: &dyn Log, name: &str) -> Option<i64> {
    Some(topic(log, name).ok()?.partitions.iter().map(|p| p.end.0).sum())
}
