//! Kafka: topics, groups and transactions of a cluster, through librdkafka.
//!
//! Everything above sees only the [`Log`] trait, and no other module names the client. It never writes outside a
//! transaction, except the results of a pipeline that asks for less than exactly-once.
//!
//! The end of a partition is its high watermark, which includes records of open transactions. A reader of committed
//! records that reads up to that end waits until those transactions are decided. Recovery relies on this.

mod admin;
mod appender;
mod client_names;
mod closing;
mod cluster;
mod committed;
mod committer;
mod context;
mod defaults;
mod errors;
mod fetcher;
mod generation;
mod headers;
mod member;
mod partition_buffer;
mod producer;
mod queue_signal;
mod reader;
mod record_limits;
mod sending;
mod settings;
mod timed_call;
mod write_mode;

pub use settings::{SaslSettings, Settings, SettingsError, TlsSettings, rack_refusal};

use crate::log::{
    Access, Appender, FetchLimit, GroupSpec, Log, LogError, LogResult, Member, PartitionInfo, Reader, RecordLimit,
    Start, TopicConfig, TopicInfo, topic,
};
use crate::record::{Offset, TopicPartition};
use admin::{Admin, TopicConfigs};
use cluster::{Cluster, TopicMetadata};
use std::collections::hash_map::{Entry, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How long to wait for the error of a denied read: for an empty partition a broker delays its answer by half a
/// second.
const DENIED_READ_TIMEOUT: Duration = Duration::from_millis(1500);

/// A name that no other client has.
fn unique_suffix() -> String {
    let number = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}

/// A Kafka cluster. Clones share the connections.
#[derive(Clone)]
pub struct KafkaLog {
    cluster: Arc<Cluster>,
    admin: Arc<Admin>,
}

impl fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaLog").field("settings", &self.cluster.settings).finish_non_exhaustive()
    }
}

impl KafkaLog {
    /// Connects to a cluster; retries for up to ten seconds.
    ///
    /// # Errors
    /// A property that cannot be set, brokers that cannot be reached, a refused login or certificate.
    pub fn connect(settings: &Settings) -> LogResult<Self> {
        Ok(Self { cluster: Arc::new(Cluster::connect(settings)?), admin: Arc::default() })
    }

    /// The configurations of topics, all of which the user must be allowed to read.
    fn topic_configs(&self, names: &[String]) -> LogResult<TopicConfigs> {
        let mut found = self.admin.topic_configs(&self.cluster, names)?;
        match found.denied.pop() {
            Some((_, denied)) => Err(denied),
            None => Ok(found),
        }
    }

    /// Describes topics. A topic that does not exist, or is deleted meanwhile, is left out.
    fn describe(&self, names: &[String], mut read: TopicConfigs) -> LogResult<Vec<TopicInfo>> {
        let mut found = Vec::new();
        for name in names {
            let Some(config) = read.configs.remove(name) else { continue };
            let Some(TopicMetadata { partitions, replication, id }) = self.cluster.describe_topic(name)? else {
                continue;
            };
            let config = TopicConfig { partitions, ..config };
            let (replication, settings) = (Some(replication), read.settings.remove(name).unwrap_or_default());
            let (name, partitions) = (name.as_str().into(), Vec::new());
            found.push(TopicInfo { name, id, config, partitions, replication, settings });
        }
        loop {
            let mut all = Vec::new();
            for topic in &found {
                all.extend((0..topic.config.partitions).map(|p| TopicPartition::new(topic.name.clone(), p)));
            }
            let missing = match self.cluster.bounds(&all) {
                Ok(bounds) => {
                    let mut bounds = bounds.into_iter().map(|(low, high)| PartitionInfo {
                        earliest: Offset(low),
                        end: Offset(high),
                        bytes: None,
                    });
                    for topic in &mut found {
                        let count = usize::try_from(topic.config.partitions).unwrap_or(0);
                        topic.partitions = bounds.by_ref().take(count).collect();
                    }
                    return Ok(found);
                }
                Err(LogError::UnknownTopic { topic, .. }) => topic,
                Err(LogError::UnknownPartition { at, .. }) => at.topic.to_string(),
                Err(e) => return Err(e),
            };
            // The topic was deleted after its metadata was read, or created again with fewer partitions.
            match self.cluster.describe_topic(&missing)? {
                None => found.retain(|t| *t.name != missing),
                Some(now) => {
                    found.iter_mut().filter(|t| *t.name == missing).for_each(|t| {
                        t.config.partitions = now.partitions;
                        t.replication = Some(now.replication);
                        t.id.clone_from(&now.id);
                    });
                }
            }
        }
    }
}

impl Log for KafkaLog {
    fn name(&self) -> String {
        self.cluster.brokers().to_owned()
    }

    fn create_topic(&self, topic: &str, config: &TopicConfig) -> LogResult<()> {
        self.admin.create(&self.cluster, topic, config)
    }

    fn delete_topic(&self, topic: &str) -> LogResult<()> {
        self.admin.delete(&self.cluster, topic)
    }

    fn topics(&self, only: Option<&str>) -> LogResult<Vec<TopicInfo>> {
        match only {
            Some(name) if self.cluster.partition_count(name)?.is_none() => Ok(Vec::new()),
            Some(name) => {
                let names = [name.to_owned()];
                self.describe(&names, self.topic_configs(&names)?)
            }
            None => {
                let names = self.cluster.topic_names()?;
                let found = self.admin.topic_configs(&self.cluster, &names)?;
                if !found.denied.is_empty() {
                    let denied: Vec<String> = found.denied.iter().map(|(name, _)| format!("`{name}`")).collect();
                    tracing::warn!(
                        "left out {}: Kafka does not allow this user to describe its configuration; give this user the right `DescribeConfigs` on the topic",
                        denied.join(", ")
                    );
                }
                self.describe(&names, found)
            }
        }
    }

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> LogResult<()> {
        let mut names: Vec<String> = before.iter().map(|(at, _)| at.topic.to_string()).collect();
        names.sort();
        names.dedup();
        let configs = self.topic_configs(&names)?.configs;
        if let Some((topic, _)) = configs.iter().find(|(_, config)| config.compacted) {
            return Err(LogError::InvalidTopic(format!(
                "topic `{topic}` is compacted and cannot be trimmed: it keeps the latest record of each key"
            )));
        }
        let at: Vec<TopicPartition> = before.iter().map(|(at, _)| at.clone()).collect();
        let bounds = self.cluster.bounds(&at)?;
        // A broker refuses an offset past the end.
        let within = before.iter().zip(bounds).map(|((at, offset), (low, end))| (at.clone(), offset.0.min(end), low));
        let to_delete = within.filter(|(_, offset, low)| offset > low).map(|(at, offset, _)| (at, Offset(offset)));
        self.admin.delete_records(&self.cluster, &to_delete.collect::<Vec<_>>())
    }

    fn resolve(&self, at: &TopicPartition, start: Start) -> LogResult<Offset> {
        self.cluster.require_partitions([at])?;
        let (earliest, end) = self.cluster.bounds(std::slice::from_ref(at))?[0];
        match start {
            Start::Earliest => Ok(Offset(earliest)),
            Start::Latest => Ok(Offset(end)),
            Start::At(asked) if (earliest..=end).contains(&asked.0) => Ok(asked),
            Start::At(asked) => {
                Err(LogError::OffsetOutOfRange { at: at.clone(), asked, earliest: Offset(earliest), end: Offset(end) })
            }
            // Brokers give negative times special meanings.
            Start::Time(time) if time <= 0 => Ok(Offset(earliest)),
            Start::Time(time) => match self.cluster.offset_at_time(at, time)? {
                Some(near) => reader::first_since(&self.cluster, at, (near, end), time),
                None => Ok(Offset(end)),
            },
        }
    }

    fn reader(&self, from: &[(TopicPartition, Offset)]) -> LogResult<Box<dyn Reader>> {
        Ok(Box::new(reader::KafkaReader::new(&self.cluster, from)?))
    }

    fn appender(&self) -> LogResult<Box<dyn Appender>> {
        Ok(Box::new(appender::KafkaAppender::new(&self.cluster)))
    }

    fn committed(&self, group: &str, of: &[TopicPartition]) -> LogResult<Vec<Option<Offset>>> {
        let offsets = self.cluster.committed_offsets(group, of)?;
        let mut ids: HashMap<&str, String> = HashMap::new();
        let mut committed = Vec::with_capacity(of.len());
        for (at, position) in of.iter().zip(offsets) {
            let Some(position) = position else {
                committed.push(None);
                continue;
            };
            let id = match ids.entry(&at.topic) {
                Entry::Occupied(id) => id.into_mut(),
                Entry::Vacant(id) => id.insert(self.cluster.topic_id(&at.topic)?.unwrap_or_default()),
            };
            // An offset that was committed for an earlier topic of that name is not valid in this one.
            committed.push((position.id.is_empty() || position.id == *id).then_some(position.next));
        }
        Ok(committed)
    }

    fn delete_offsets(&self, group: &str, given_up: &AtomicBool) -> LogResult<()> {
        self.cluster.await_empty_group(group, given_up)?;
        self.admin.delete_group(&self.cluster, group)
    }

    fn join(&self, group: &GroupSpec) -> LogResult<Box<dyn Member>> {
        Ok(Box::new(member::KafkaMember::join(&self.cluster, group)?))
    }

    fn deletion_retention(&self) -> Duration {
        // As compacted topics are created: `delete.retention.ms`.
        Duration::from_secs(24 * 60 * 60)
    }

    fn record_limits(&self, topics: &[Arc<str>]) -> LogResult<Vec<RecordLimit>> {
        let names: Vec<String> = topics.iter().map(ToString::to_string).collect();
        let found = self.admin.topic_configs(&self.cluster, &names)?;
        let client_max = self.cluster.settings.max_record_bytes();
        let limit = |topic: &Arc<str>| {
            let is_denied = found.denied.iter().any(|(name, _)| **name == **topic);
            let topic_max = found.max_message_bytes.get(&**topic).copied();
            if topic_max.is_none() && !is_denied && !found.configs.contains_key(&**topic) {
                return Err(self.cluster.unknown_topic(topic));
            }
            Ok(record_limits::record_limit(topic, client_max, topic_max))
        };
        let limits = topics.iter().map(limit).collect::<LogResult<_>>()?;
        if let Some(min) = found.max_message_bytes.values().min() {
            self.cluster.batch_limit.lower_to(*min);
        }
        Ok(limits)
    }

    fn check_access(&self, access: &Access<'_>) -> LogResult<()> {
        match access {
            Access::CreateTopic(topic, config) => self.admin.validate_create(&self.cluster, topic, config),
            // A broker checks the right to read only when records are fetched.
            Access::ReadTopic(name) => {
                let of = crate::log::partitions(&topic(self, name)?);
                let bounds = self.cluster.bounds(&of)?;
                let from: Vec<_> =
                    of.into_iter().zip(bounds).map(|(at, (earliest, _))| (at, Offset(earliest))).collect();
                let mut reader = self.reader(&from)?;
                reader.poll(FetchLimit { records: 1, bytes: 0 }, DENIED_READ_TIMEOUT).map(drop)
            }
            Access::ReadOffsets(group) => {
                let any = self.cluster.topic_names()?.into_iter().take(1).map(|name| TopicPartition::new(name, 0));
                self.cluster.committed_offsets(group, &any.collect::<Vec<_>>()).map(drop)
            }
        }
    }
}

#[cfg(test)]
mod tests;
