//! The backplane: topics with partitions, readers, groups and transactions.
//!
//! Separate so that everything above it runs over the embedded log and over Kafka alike; a backplane is
//! one that passes `log::conformance`. It never decodes a value. All calls block: each is made from a
//! thread of its own (the intake, the committer) or from a command.
//!
//! Internal topics (changelogs, progress, repartitioned records) are topics like any other.

pub mod conformance;
pub mod embedded;
mod error;
pub mod kafka;
mod naming;
mod partitioner;

pub use error::{LogError, LogResult, Recovery};
pub use partitioner::{murmur2, partition_of};

use crate::record::{Fetched, Offset, Partition, Records, TopicPartition};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How a topic is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicConfig {
    /// Number of partitions, at least 1.
    pub partitions: u32,
    /// Keeps only the latest record of each key; a null value deletes the key.
    pub compacted: bool,
    /// Records older than this may be removed (not where compacted).
    pub retention: Option<Duration>,
    /// Oldest records are removed while a partition holds more bytes than this (not where compacted).
    pub retention_bytes: Option<u64>,
}

/// What is known of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Changes when a topic is deleted and made again under the same name.
    pub id: String,
    /// How it is kept.
    pub config: TopicConfig,
    /// Bounds of each partition, in order.
    pub partitions: Vec<PartitionInfo>,
}

/// The bounds of a partition, as a reader of committed records sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionInfo {
    /// First offset that can still be read.
    pub earliest: Offset,
    /// The offset that the next record will get.
    pub end: Offset,
    /// Bytes of keys and values held, where the backplane can tell.
    pub bytes: Option<u64>,
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The oldest record.
    Earliest,
    /// Only records that come after this moment.
    Latest,
    /// This offset.
    At(Offset),
    /// The first record with this timestamp (epoch milliseconds) or a later one.
    Time(i64),
}

/// How many records one call may return.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimit {
    /// At most so many records.
    pub records: usize,
    /// Stops adding records once so many bytes are held; always returns at least one record.
    pub bytes: usize,
}

impl Default for FetchLimit {
    fn default() -> Self {
        Self { records: 4096, bytes: 4 << 20 }
    }
}

/// An operation whose rights can be checked before it is done.
#[derive(Clone, Copy, Debug)]
pub enum Access<'a> {
    /// Create a topic.
    CreateTopic(&'a str, &'a TopicConfig),
    /// Read the records of a topic.
    ReadTopic(&'a str),
    /// Read the committed offsets of a group.
    ReadOffsets(&'a str),
}

/// A backplane. Cheap to share; every handle it gives out is independent.
pub trait Log: Send + Sync + std::fmt::Debug {
    /// What to call it in messages: a folder or a list of brokers.
    fn name(&self) -> String;

    /// Makes a topic; fails with [`LogError::TopicExists`] where there is one.
    fn create_topic(&self, topic: &str, config: &TopicConfig) -> LogResult<()>;

    /// Removes a topic with all its records.
    fn delete_topic(&self, topic: &str) -> LogResult<()>;

    /// All topics by name, internal ones too, or just the named one.
    fn topics(&self, only: Option<&str>) -> LogResult<Vec<TopicInfo>>;

    /// Deletes the records before these offsets, as far as the backplane can; never any at or after them. An offset past the end means the end. Compacted topics are refused with
    /// [`LogError::InvalidTopic`].
    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> LogResult<()>;

    /// The offset to read from for a start, one partition.
    fn resolve(&self, at: &TopicPartition, start: Start) -> LogResult<Offset>;

    /// Reads the given partitions from the given offsets, outside any group.
    fn reader(&self, from: &[(TopicPartition, Offset)]) -> LogResult<Box<dyn Reader>>;

    /// Appends outside any group; each call is atomic and exact even where the backplane fails half way.
    fn appender(&self) -> LogResult<Box<dyn Appender>>;

    /// Offsets that a group has committed, `None` where it has none for a partition.
    fn committed(&self, group: &str, of: &[TopicPartition]) -> LogResult<Vec<Option<Offset>>>;

    /// Deletes the committed offsets of a group, which must have no live member. A member that is about to
    /// leave is waited for, until `given_up` is set.
    fn delete_offsets(&self, group: &str, given_up: &AtomicBool) -> LogResult<()>;

    /// Joins a group as one member; see [`Member`].
    fn join(&self, group: &GroupSpec) -> LogResult<Box<dyn Member>>;

    /// Checks whether this client may do something, without doing it, as far as the backplane can tell.
    fn check_access(&self, access: &Access<'_>) -> LogResult<()>;
}

/// Reads records in order, each partition from its own position.
pub trait Reader: Send {
    /// The next records of one partition; waits at most `wait` for some to come, then returns `None`.
    /// Partitions take turns, so that none starves. Returns at once when records are there, and `None`
    /// before the time is over where a position has moved past offsets that hold no record.
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<Option<Fetched>>;

    /// Where each partition is: the offset of the next record to be returned.
    fn positions(&self) -> Vec<(TopicPartition, Offset)>;

    /// Stops (`true`) or resumes reading some partitions; the others are read on.
    fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()>;
}

/// Records for one partition of a topic.
#[derive(Clone, Debug)]
pub struct Append {
    /// Where to.
    pub to: TopicPartition,
    /// What.
    pub records: Records,
}

/// Appends records, durable when a call returns.
pub trait Appender: Send {
    /// Appends all or nothing; returns the offset of the first record of each.
    fn append(&mut self, appends: &[Append]) -> LogResult<Vec<Offset>>;
}

/// What a reader of results may see after a fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Each record's effect once.
    #[default]
    ExactlyOnce,
    /// Each record's effect at least once: positions move after all that came of the records is there.
    AtLeastOnce,
    /// Each record's effect at most once: positions move first.
    AtMostOnce,
}

/// Who joins which group, and for what.
#[derive(Clone, Debug, Default)]
pub struct GroupSpec {
    /// The pipeline's name: consumer group and transactional ids.
    pub group: String,
    /// The topics to consume; partitions with the same number go to the same member.
    pub topics: Vec<Arc<str>>,
    /// Told to a second instance that finds the group taken, where only one may run.
    pub instance: String,
    /// What its commits are to keep, at least.
    pub delivery: Delivery,
}

/// What a group says to a member.
#[derive(Debug)]
pub enum GroupEvent {
    /// These partitions are now this member's, with the offset each group commit left (`None`: never).
    Assigned(Vec<(TopicPartition, Option<Offset>)>),
    /// These partitions are no longer this member's; until the next `poll` it may still commit.
    Revoked(Vec<TopicPartition>),
    /// Records of one assigned partition.
    Records(Fetched),
    /// Nothing within the time given.
    Idle,
}

/// One member of a group. The consuming half lives on the intake thread; the committing half is given
/// out once, by [`Member::committer`], to the thread that owns transactions.
pub trait Member: Send {
    /// The next event. The first is `Assigned`. Reads start only where [`Member::seek`] put them.
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<GroupEvent>;

    /// Sets where an assigned partition is read next.
    fn seek(&mut self, at: &TopicPartition, to: Offset) -> LogResult<()>;

    /// Where each assigned partition is: the offset of the next record to be returned. It moves past
    /// offsets that hold no record.
    fn positions(&self) -> Vec<(TopicPartition, Offset)>;

    /// Stops (`true`) or resumes reading some partitions; polling goes on.
    fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()>;

    /// The committing half; called once.
    fn committer(&mut self) -> LogResult<Box<dyn Committer>>;

    /// Leaves the group in good order.
    fn leave(self: Box<Self>) -> LogResult<()>;
}

/// All that becomes visible together, or not at all.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    /// Outputs, dead letters, changelogs, progress: in this order within each partition.
    pub appends: Vec<Append>,
    /// Indexes into `appends`. With less than [`Delivery::ExactlyOnce`] everything before such an index is
    /// acknowledged before anything after it is sent, so that state never runs ahead of results.
    pub flush_points: Vec<usize>,
    /// The next offset to read of each input partition.
    pub offsets: Vec<(TopicPartition, Offset)>,
}

/// The committing half of a member. Only the current holder of the group's lease can commit: a member
/// that lost it gets [`LogError::Fenced`] and nothing of its transaction is visible.
pub trait Committer: Send {
    /// Makes the whole transaction visible and durable, or fails and leaves no trace; with less than
    /// [`Delivery::ExactlyOnce`] a failure may leave a part. Returns the offset of the first record of each
    /// append, where it has records.
    fn commit(&mut self, transaction: &Transaction) -> LogResult<Vec<Option<Offset>>>;

    /// Sends results before their input positions are committed, where the delivery guarantee allows it.
    fn early_output(&mut self) -> Option<&mut dyn EarlyOutput> {
        None
    }

    /// Waits until the offsets of earlier commits are acknowledged: with less than
    /// [`Delivery::ExactlyOnce`] a commit may return before they are.
    fn await_acks(&mut self) -> LogResult<()> {
        Ok(())
    }
}

/// Sends results before their commit (at-least-once only).
pub trait EarlyOutput {
    /// Queues results without waiting for acknowledgements; the next commit waits for them. If either fails,
    /// any of the results sent since the last commit may have been written, and their inputs are read again.
    fn send(&mut self, results: &[Append]) -> LogResult<()>;
}

/// Finds a topic by name.
///
/// # Errors
/// [`LogError::UnknownTopic`] with the names that are there.
pub fn topic(log: &dyn Log, name: &str) -> LogResult<TopicInfo> {
    match log.topics(Some(name))?.pop() {
        Some(info) => Ok(info),
        None => Err(LogError::UnknownTopic {
            topic: name.to_owned(),
            known: log.topics(None)?.into_iter().map(|t| t.name.to_string()).collect(),
        }),
    }
}

/// All partitions of a topic.
#[must_use]
pub fn partitions(info: &TopicInfo) -> Vec<TopicPartition> {
    (0u32..)
        .zip(&info.partitions)
        .map(|(i, _)| TopicPartition { topic: info.name.clone(), partition: Partition(i) })
        .collect()
}
