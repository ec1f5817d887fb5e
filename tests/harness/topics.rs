//! Creates topics, appends records to them and reads them, on any log.

use super::record::{Record, unpack};
use super::wait;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{Append, FetchLimit, Log, Start, TopicConfig, topic};
use fastdata::record::{Records, TopicPartition};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// Longest wait of one poll.
const POLL_TIMEOUT: Duration = Duration::from_millis(50);

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

/// All committed records of a partition, in order, to where it ends now.
pub fn read_partition(log: &dyn Log, at: &TopicPartition) -> Vec<Record> {
    let (from, end) = (log.resolve(at, Start::Earliest).unwrap(), log.resolve(at, Start::Latest).unwrap());
    let mut reader = log.reader(&[(at.clone(), from)]).unwrap();
    let mut found = Vec::new();
    // An offset without a record, such as the marker of a transaction, only moves the position.
    wait::until(&format!("offset {end} of {at}"), || {
        while reader.positions()[0].1 < end {
            found.extend(unpack(&reader.poll(FetchLimit::default(), POLL_TIMEOUT).unwrap()?.records));
        }
        Some(())
    });
    found
}

/// The sum of the end offsets of a topic; `None` if it does not exist.
pub fn total_end(log: &dyn Log, name: &str) -> Option<i64> {
    Some(topic(log, name).ok()?.partitions.iter().map(|p| p.end.0).sum())
}
