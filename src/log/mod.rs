//! The backplane: topics with partitions, readers, groups and transactions.
//!
//! The modules above behave the same over the embedded log, over Kafka and over the log in memory: a
//! backplane is whatever passes [`conformance`]. It never decodes a value. All calls block, so they are made
//! from dedicated threads (the intake, the committer) or from commands.
//!
//! Internal topics (changelogs, progress, repartitioned records) are ordinary topics.

pub mod conformance;
pub mod embedded;
mod error;
mod fetch_limit;
pub mod kafka;
pub mod memory;
#[cfg(feature = "failpoints")]
pub mod mistaken;
mod naming;
mod partitioner;
mod record_limit;
mod record_limits;

pub use error::{LogError, LogResult, Recovery};
pub use fetch_limit::FetchLimit;
pub use partitioner::{murmur2, partition_of};
pub use record_limit::RecordLimit;
pub use record_limits::RecordLimits;

use crate::record::{Fetched, Offset, Partition, Records, TopicPartition};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The settings of a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicConfig {
    /// Number of partitions, at least 1.
    pub partitions: u32,
    /// Whether only the latest record of each key is kept; a null value deletes the key.
    pub compacted: bool,
    /// Records older than this may be removed. Not for compacted topics.
    pub retention: Option<Duration>,
    /// The oldest records are removed while a partition has more bytes than this. Not for compacted topics.
    pub retention_bytes: Option<u64>,
    /// How many brokers of Kafka keep each partition; `None`: as many as the cluster's default says. Not described.
    pub replication: Option<u32>,
    /// Further settings by the names that Kafka gives them, which win over those above. Other backplanes ignore them.
    /// Not described: see [`TopicInfo::settings`].
    pub settings: BTreeMap<String, String>,
}

/// Who has set the value of a topic's setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingOrigin {
    /// The topic itself.
    Topic,
    /// The brokers, for all topics that do not set it.
    Broker,
    /// Nobody.
    Default,
}

/// A setting of a topic as the brokers apply it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSetting {
    /// Kafka's name of it.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Who has set it.
    pub origin: SettingOrigin,
}

/// The description of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Identifies this topic among all that had its name: a topic that is deleted and created again gets
    /// another id.
    pub id: String,
    /// Its settings.
    pub config: TopicConfig,
    /// The bounds of each partition, in order.
    pub partitions: Vec<PartitionInfo>,
    /// How many brokers keep each partition, where there are brokers: the least over the partitions.
    pub replication: Option<u32>,
    /// The settings of Kafka that matter most, and all that are not Kafka's defaults, by name; none elsewhere.
    pub settings: Vec<TopicSetting>,
}

/// The bounds of a partition for a reader of committed records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionInfo {
    /// The first offset that can be read.
    pub earliest: Offset,
    /// The offset after the last record.
    pub end: Offset,
    /// Bytes of its keys and values, where the backplane knows them.
    pub bytes: Option<u64>,
}

/// Where reading starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record.
    Earliest,
    /// After the last record.
    Latest,
    /// At this offset.
    At(Offset),
    /// At the first record with this timestamp (epoch milliseconds) or a later one.
    Time(i64),
}

/// An operation that [`Log::check_access`] checks.
#[derive(Clone, Copy, Debug)]
pub enum Access<'a> {
    /// Create a topic.
    CreateTopic(&'a str, &'a TopicConfig),
    /// Read the records of a topic.
    ReadTopic(&'a str),
    /// Read the committed offsets of a group.
    ReadOffsets(&'a str),
}

/// What a group leaves behind where it starts over.
#[derive(Clone, Copy, Debug)]
pub struct StartOver<'a> {
    /// The group, whose committed offsets are deleted.
    pub group: &'a str,
    /// Topics that are deleted.
    pub deleted: &'a [Arc<str>],
    /// Topics that lose their records, and keep their settings and their number of partitions.
    pub emptied: &'a [Arc<str>],
}

/// A backplane. It is cheap to share, and the handles it returns are independent of one another.
pub trait Log: Send + Sync + std::fmt::Debug {
    /// Its name in messages: a folder or a list of brokers.
    fn name(&self) -> String;

    /// Creates a topic; fails with [`LogError::TopicExists`] where one has that name.
    fn create_topic(&self, topic: &str, config: &TopicConfig) -> LogResult<()>;

    /// Deletes a topic with all its records.
    fn delete_topic(&self, topic: &str) -> LogResult<()>;

    /// All topics in the order of their names, internal ones included; or only the named one, if it exists.
    fn topics(&self, only: Option<&str>) -> LogResult<Vec<TopicInfo>>;

    /// Deletes the records before these offsets, as far as the backplane can, and none at or after them. An
    /// offset past the end means the end. Compacted topics are refused with [`LogError::InvalidTopic`].
    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> LogResult<()>;

    /// The offset in a partition that a start position means.
    fn resolve(&self, at: &TopicPartition, start: Start) -> LogResult<Offset>;

    /// Reads the given partitions from the given offsets, outside any group.
    fn reader(&self, from: &[(TopicPartition, Offset)]) -> LogResult<Box<dyn Reader>>;

    /// Appends outside any group. Each append is atomic and written once, also where the backplane fails in
    /// between.
    fn appender(&self) -> LogResult<Box<dyn Appender>>;

    /// The offsets that a group has committed; `None` for a partition without one.
    fn committed(&self, group: &str, of: &[TopicPartition]) -> LogResult<Vec<Option<Offset>>>;

    /// Deletes the committed offsets of a group without live members. Waits for a member that is about to
    /// leave, until `given_up` is set.
    fn delete_offsets(&self, group: &str, given_up: &AtomicBool) -> LogResult<()>;

    /// Deletes the committed offsets of a group without live members, and topics that are its own, where they exist;
    /// empties others by making them anew with their settings. A backplane that can do all of it or nothing does so;
    /// one that cannot refuses to empty a topic with [`LogError::InvalidTopic`] before it deletes anything.
    fn start_over(&self, over: &StartOver<'_>, given_up: &AtomicBool) -> LogResult<()> {
        if let Some(topic) = over.emptied.first() {
            let log = self.name();
            return Err(LogError::InvalidTopic(format!("`{topic}` cannot be emptied together with the rest on {log}")));
        }
        // Offsets first: their deletion is refused while an instance runs, which would continue without its state.
        self.delete_offsets(over.group, given_up)?;
        for topic in over.deleted {
            match self.delete_topic(topic) {
                Ok(()) | Err(LogError::UnknownTopic { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Joins a group as a member.
    fn join(&self, group: &GroupSpec) -> LogResult<Box<dyn Member>>;

    /// The size limit of the records of each of these topics, in their order. A larger record is refused with
    /// [`LogError::TooLarge`] where the backplane knows its size, and no smaller one is refused for its size.
    fn record_limits(&self, topics: &[Arc<str>]) -> LogResult<Vec<RecordLimit>>;

    /// Checks whether an operation would be allowed, without doing it, as far as the backplane can tell.
    fn check_access(&self, access: &Access<'_>) -> LogResult<()>;

    /// Fails where the storage is no longer the one that was opened. For programs that make no other call for a
    /// while. A backplane without local storage always succeeds.
    fn check_storage(&self) -> LogResult<()> {
        Ok(())
    }

    /// The minimum time for which a compacted topic keeps a deletion after it was written; zero without a
    /// guarantee. A copy of a topic that is older than this may lack deletions that the topic no longer has.
    fn deletion_retention(&self) -> Duration {
        Duration::ZERO
    }
}

/// Reads records in order, each partition from its own position.
pub trait Reader: Send {
    /// The next records of one partition, or `None` after waiting for `wait`. Partitions are served in turn,
    /// so that none starves. `None` may come early where a position has moved past offsets without a record.
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<Option<Fetched>>;

    /// The position in each partition: the offset of the next record to return.
    fn positions(&self) -> Vec<(TopicPartition, Offset)>;

    /// Pauses (`true`) or resumes partitions; the others are not affected.
    fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()>;
}

/// Records for one partition of a topic.
#[derive(Clone, Debug)]
pub struct Append {
    /// The partition.
    pub to: TopicPartition,
    /// The records.
    pub records: Records,
}

/// Appends records. When a call returns they survive the death of this process; the backplane decides how much
/// of them a loss of power may take.
pub trait Appender: Send {
    /// Appends all or nothing; returns the first offset of each append.
    fn append(&mut self, appends: &[Append]) -> LogResult<Vec<Offset>>;
}

/// The delivery guarantee: what a reader of results may see after a failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// The effect of each record once.
    #[default]
    ExactlyOnce,
    /// The effect of each record at least once: state and offsets are committed after all results are acknowledged.
    AtLeastOnce,
    /// The effect of each record at most once: state and offsets are committed before any result is sent.
    AtMostOnce,
}

/// How to join a group.
#[derive(Clone, Debug, Default)]
pub struct GroupSpec {
    /// The pipeline's name, from which the consumer group and the transactional ids are made.
    pub group: String,
    /// The topics to consume. Partitions with the same number go to the same member.
    pub topics: Vec<Arc<str>>,
    /// The name of this instance. Where only one may run, the error of a second instance shows it.
    pub instance: String,
    /// The guarantee that its commits must give.
    pub delivery: Delivery,
}

/// What [`Member::poll`] returns.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "an event is moved once and never stored")]
pub enum GroupEvent {
    /// These partitions are assigned to this member, each with the group's committed offset.
    Assigned(Vec<(TopicPartition, Option<Offset>)>),
    /// These partitions are revoked. Until its next `poll` the member may still commit for them.
    Revoked(Vec<TopicPartition>),
    /// Records of an assigned partition.
    Records(Fetched),
    /// Nothing happened within the waiting time.
    Idle,
}

/// A member of a group: the consuming half. It lives on the intake thread, and its [`Committer`] on the
/// thread that owns transactions.
pub trait Member: Send {
    /// The next event. The first one is `Assigned`. A partition is read only after a [`Member::seek`].
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<GroupEvent>;

    /// Sets the positions in assigned partitions; where one is refused, none is set.
    fn seek(&mut self, to: &[(TopicPartition, Offset)]) -> LogResult<()>;

    /// The position in each assigned partition: the offset of the next record to return. It moves past
    /// offsets without a record.
    fn positions(&self) -> Vec<(TopicPartition, Offset)>;

    /// Pauses (`true`) or resumes partitions; polling goes on.
    fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()>;

    /// The committing half. Only the first call succeeds.
    fn committer(&mut self) -> LogResult<Box<dyn Committer>>;

    /// Leaves the group, which can then be joined at once.
    fn leave(self: Box<Self>) -> LogResult<()>;
}

/// What a commit writes. State and offsets become visible together or not at all, with any [`Delivery`].
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    /// Outputs, dead letters and repartitioned records. Each partition gets its appends in this order. Only with less
    /// than [`Delivery::ExactlyOnce`] may they become visible apart from the rest.
    pub results: Vec<Append>,
    /// Changelogs and progress: what a restart restores.
    pub state: Vec<Append>,
    /// The next offset to read of each input partition.
    pub offsets: Vec<(TopicPartition, Offset)>,
}

impl Transaction {
    /// Bytes of the records that it appends, as [`Records::bytes`] counts them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.results.iter().chain(&self.state).map(|a| a.records.bytes()).sum()
    }
}

/// How long a commit may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitTimeout {
    /// A commit that takes longer is undone.
    pub after: Duration,
    /// The settings that it comes from, for messages.
    pub setting: &'static str,
}

/// The committing half of a member. A member that lost the group to another one is fenced: its commit fails with
/// [`LogError::Fenced`] or [`LogError::Undone`], and neither its state nor its offsets become visible.
pub trait Committer: Send {
    /// Makes the whole transaction visible and durable (as [`Appender`] defines it), or fails without a trace; with
    /// less than [`Delivery::ExactlyOnce`] a failure may leave results. Returns the first offset of each append of
    /// state, `None` for an append without records.
    fn commit(&mut self, transaction: &Transaction) -> LogResult<Vec<Option<Offset>>>;

    /// How long a commit may take; `None` where that is not limited.
    fn timeout(&self) -> Option<CommitTimeout> {
        None
    }

    /// Sends results before their transaction, where the delivery guarantee allows it.
    fn early_output(&mut self) -> Option<&mut dyn EarlyOutput> {
        None
    }
}

/// Sends results before their transaction (at least once only).
pub trait EarlyOutput {
    /// Queues results without waiting for acknowledgements; the next commit waits for them. If either fails, any
    /// result since the last commit may have been written, and the caller reads the input again.
    fn send(&mut self, results: &[Append]) -> LogResult<()>;
}

/// Finds a topic by name.
///
/// # Errors
/// [`LogError::UnknownTopic`] with the topics that exist.
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
