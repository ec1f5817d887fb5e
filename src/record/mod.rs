//! Records in columns: raw bytes as a log stores them, and decoded batches with their positions.
//!
//! Most other modules use these types. This one knows no format, log or operator.

mod batch;
mod headers;
mod origins;
mod raw;
mod types;

pub use batch::{Batch, Meta};
pub use headers::{Headers, HeadersBuilder, encoded_len};
pub use origins::Origins;
pub use raw::{Fetched, KeyedRecord, Records, RecordsBuilder};
pub use types::{MAX_TYPE_BYTES, MAX_TYPE_DEPTH, TypeError, parse_type, timestamp, type_name};

use std::fmt;
use std::sync::Arc;

/// The number of a partition within its topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Partition(pub u32);

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The position of a record in its partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Offset(pub i64);

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A topic and one of its partitions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: Partition,
}

impl TopicPartition {
    /// The partition of a topic.
    pub fn new(topic: impl Into<Arc<str>>, partition: u32) -> Self {
        Self { topic: topic.into(), partition: Partition(partition) }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// A record that cannot be processed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Its row in the batch.
    pub row: usize,
    /// The message for the user.
    pub error: String,
}
