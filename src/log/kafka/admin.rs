//! Changes to topics and groups, and topic configurations.
//!
//! Every change waits until it is visible: the controller answers before the brokers know.

use super::cluster::{Cluster, METADATA_LAG, RETRY_BACKOFF, RETRY_TIMEOUT, native_partition, partition_list};
use super::context::KafkaContext;
use super::errors::{self, description};
use crate::log::naming;
use crate::log::{LogError, LogResult, SettingOrigin, TopicConfig, TopicSetting};
use crate::record::{Offset, TopicPartition};
use rdkafka::Offset as NativeOffset;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigEntry, ConfigResource, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// How long the controller may take for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// How long brokers may take to delete records. Short, because an instance whose partitions are revoked waits for it;
/// a deletion that fails is tried again later.
const DELETE_RECORDS_TIMEOUT: Duration = Duration::from_secs(3);

/// Settings of the compacted topics that fastdata creates. Kafka compacts only closed segments: with its default
/// segments of a gigabyte or a week, a restore would read that much replaced state. Tombstones stay for a day
/// whatever the cluster's default: copies of state are reused for half a day and must see every tombstone.
const COMPACTED_TOPIC_SETTINGS: [(&str, &str); 3] =
    [("segment.bytes", "52428800"), ("segment.ms", "3600000"), ("delete.retention.ms", "86400000")];

/// Settings that are described even where they have Kafka's defaults.
const DESCRIBED_SETTINGS: [&str; 5] =
    ["cleanup.policy", "max.message.bytes", "min.insync.replicas", "retention.bytes", "retention.ms"];

/// How many topics one request for configurations names.
const CONFIGS_PER_REQUEST: usize = 200;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks this thread until the future is ready: calls of a log block and must not need an async runtime.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// The configurations of some topics.
#[derive(Default)]
pub(super) struct TopicConfigs {
    pub(super) configs: BTreeMap<String, TopicConfig>,
    /// Their settings by name: those that are described always, and those that are not defaults.
    pub(super) settings: BTreeMap<String, Vec<TopicSetting>>,
    /// The setting `max.message.bytes` of each.
    pub(super) max_message_bytes: BTreeMap<String, usize>,
    /// Topics whose configuration the user may not read, with the error for each.
    pub(super) denied: Vec<(String, LogError)>,
}

impl TopicConfigs {
    fn add(&mut self, topic: &str, resource: &ConfigResource) {
        let max_message_bytes = resource.get("max.message.bytes").and_then(|e| e.value.as_deref()?.parse().ok());
        self.max_message_bytes.extend(max_message_bytes.map(|max| (topic.to_owned(), max)));
        self.configs.insert(topic.to_owned(), parse_config(resource));
        let mut settings: Vec<TopicSetting> = resource.entries.iter().filter_map(described).collect();
        settings.sort_by(|a, b| a.name.cmp(&b.name));
        self.settings.insert(topic.to_owned(), settings);
    }
}

/// The admin connection; created on first use.
#[derive(Default)]
pub(super) struct Admin {
    client: Mutex<Option<AdminClient<KafkaContext>>>,
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT))
}

impl Admin {
    fn call<T, F>(
        &self,
        cluster: &Cluster,
        action: &str,
        request: impl FnOnce(&AdminClient<KafkaContext>) -> F,
    ) -> LogResult<T>
    where
        F: Future<Output = KafkaResult<T>>,
    {
        let mut slot = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match &mut *slot {
            Some(client) => client,
            none => {
                let config = cluster.settings.for_admin();
                let created = config.create_with_context(KafkaContext::default());
                none.insert(created.map_err(|e: KafkaError| cluster.settings.property_error(&e))?)
            }
        };
        block_on(request(client)).map_err(|e| errors::log_error(cluster.brokers(), action, errors::error_code(&e)))
    }

    /// Creates a topic and waits until each of its partitions can be used.
    pub(super) fn create(&self, cluster: &Cluster, topic: &str, config: &TopicConfig) -> LogResult<()> {
        self.create_request(cluster, topic, config, &options())?;
        let action = format!("creating topic `{topic}`");
        let start = Instant::now();
        while cluster.partition_count(topic)? != Some(config.partitions) {
            await_visible(cluster, &action, start)?;
        }
        let all: Vec<_> = (0..config.partitions).map(|p| TopicPartition::new(topic, p)).collect();
        cluster.bounds(&all).map(drop)
    }

    /// Checks whether a topic could be created, without creating it.
    pub(super) fn validate_create(&self, cluster: &Cluster, topic: &str, config: &TopicConfig) -> LogResult<()> {
        self.create_request(cluster, topic, config, &options().validate_only(true))
    }

    fn create_request(
        &self,
        cluster: &Cluster,
        topic: &str,
        config: &TopicConfig,
        options: &AdminOptions,
    ) -> LogResult<()> {
        naming::check(topic, config)?;
        let action = format!("creating topic `{topic}`");
        let partitions = i32::try_from(config.partitions).unwrap_or(i32::MAX);
        // -1: the cluster's default replication factor.
        let replication = config.replication.map_or(-1, |n| i32::try_from(n).unwrap_or(i32::MAX));
        let settings = native_settings(config);
        let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(replication));
        let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
        let results = self.call(cluster, &action, |client| client.create_topics([&new], options))?;
        if let Some(Err((_, code))) = results.into_iter().next() {
            return Err(match code {
                Code::TopicAlreadyExists => LogError::TopicExists(topic.to_owned()),
                Code::InvalidTopic
                | Code::InvalidConfig
                | Code::InvalidPartitions
                | Code::InvalidReplicationFactor
                | Code::PolicyViolation => LogError::InvalidTopic(format!(
                    "Kafka does not take topic `{topic}`: {}{}",
                    description(code),
                    asked_for(code, config)
                )),
                // If the user lacks the right to create it, the broker does not say whether the topic exists.
                code if errors::is_denied(code) && matches!(cluster.partition_count(topic), Ok(Some(_))) => {
                    LogError::TopicExists(topic.to_owned())
                }
                code => errors::log_error_for(cluster.brokers(), &action, code, "Create"),
            });
        }
        Ok(())
    }

    /// Deletes a topic and waits until it is gone.
    pub(super) fn delete(&self, cluster: &Cluster, topic: &str) -> LogResult<()> {
        let action = format!("deleting topic `{topic}`");
        if cluster.partition_count(topic)?.is_none() {
            return Err(cluster.unknown_topic(topic));
        }
        let results = self.call(cluster, &action, |client| client.delete_topics(&[topic], &options()))?;
        if let Some(Err((_, code))) = results.into_iter().next() {
            return Err(match code {
                code if errors::is_missing(code) => cluster.unknown_topic(topic),
                code => errors::log_error_for(cluster.brokers(), &action, code, "Delete"),
            });
        }
        cluster.note_deleted(topic);
        let start = Instant::now();
        while cluster.partition_count(topic)?.is_some() {
            await_visible(cluster, &action, start)?;
        }
        Ok(())
    }

    /// Deletes a group with its committed offsets.
    pub(super) fn delete_group(&self, cluster: &Cluster, group: &str) -> LogResult<()> {
        let action = format!("deleting the committed offsets of group `{group}`");
        let results = self.call(cluster, &action, |client| client.delete_groups(&[group], &options()))?;
        match results.into_iter().next() {
            None | Some(Ok(_) | Err((_, Code::GroupIdNotFound))) => Ok(()),
            Some(Err((_, Code::NonEmptyGroup))) => {
                Err(LogError::GroupTaken { group: group.to_owned(), holder: "an instance that has just joined".into() })
            }
            Some(Err((_, code))) => Err(errors::log_error_for(cluster.brokers(), &action, code, "Delete")),
        }
    }

    /// Deletes the records before some offsets.
    pub(super) fn delete_records(&self, cluster: &Cluster, before: &[(TopicPartition, Offset)]) -> LogResult<()> {
        if before.is_empty() {
            return Ok(());
        }
        cluster.require_partitions(before.iter().map(|(at, _)| at))?;
        let action = format!("deleting old records of `{}`", before[0].0);
        let mut offsets = partition_list([]);
        for (at, offset) in before {
            let added =
                offsets.add_partition_offset(&at.topic, native_partition(at.partition), NativeOffset::Offset(offset.0));
            added.map_err(|e| errors::log_error(cluster.brokers(), &action, errors::error_code(&e)))?;
        }
        let options = options().request_timeout(Some(DELETE_RECORDS_TIMEOUT));
        let options = options.operation_timeout(Some(DELETE_RECORDS_TIMEOUT));
        let done = self.call(cluster, &action, |client| client.delete_records(&offsets, &options))?;
        for element in done.elements() {
            let Err(e) = element.error() else { continue };
            let asked = before
                .iter()
                .find(|(at, _)| *at.topic == *element.topic() && native_partition(at.partition) == element.partition());
            if let (Code::OffsetOutOfRange, Some((at, asked))) = (errors::error_code(&e), asked) {
                let (earliest, end) = cluster.bounds(std::slice::from_ref(at))?[0];
                let (at, asked) = (at.clone(), *asked);
                return Err(LogError::OffsetOutOfRange { at, asked, earliest: Offset(earliest), end: Offset(end) });
            }
            return Err(errors::log_error_for(cluster.brokers(), &action, errors::error_code(&e), "Delete"));
        }
        Ok(())
    }

    /// The configurations of topics, without their partition counts; topics deleted meanwhile are left out.
    pub(super) fn topic_configs(&self, cluster: &Cluster, names: &[String]) -> LogResult<TopicConfigs> {
        let mut found = TopicConfigs::default();
        for names in names.chunks(CONFIGS_PER_REQUEST) {
            let mut pending: Vec<&String> = names.iter().collect();
            let start = Instant::now();
            while !pending.is_empty() {
                let of: Vec<_> = pending.iter().map(|n| ResourceSpecifier::Topic(n)).collect();
                let request = |client: &AdminClient<KafkaContext>| client.describe_configs(&of, &options());
                let answers = self.call(cluster, "reading topic configurations", request)?;
                let mut unknown = Vec::new();
                for (name, answer) in pending.into_iter().zip(answers) {
                    match answer {
                        Ok(resource) if !resource.entries.is_empty() => found.add(name, &resource),
                        // rdkafka drops the error of a single topic: the broker may not know it yet, or the user
                        // may not read its configuration.
                        _ if cluster.partition_count(name)?.is_none() => {}
                        _ if start.elapsed() < METADATA_LAG => unknown.push(name),
                        _ => found.denied.push((name.clone(), denied_config(cluster, name))),
                    }
                }
                pending = unknown;
                if !pending.is_empty() {
                    std::thread::park_timeout(RETRY_BACKOFF);
                }
            }
        }
        Ok(found)
    }
}

fn denied_config(cluster: &Cluster, topic: &str) -> LogError {
    let action = format!("reading the configuration of topic `{topic}`");
    errors::log_error_for(cluster.brokers(), &action, Code::TopicAuthorizationFailed, "DescribeConfigs")
}

fn await_visible(cluster: &Cluster, action: &str, since: Instant) -> LogResult<()> {
    if since.elapsed() > RETRY_TIMEOUT {
        let brokers = cluster.brokers();
        return Err(LogError::Busy(format!("{action} was accepted by Kafka at {brokers}, but it is not visible yet")));
    }
    std::thread::park_timeout(RETRY_BACKOFF);
    Ok(())
}

/// The settings of a new topic. Always explicit: a cluster's default retention would delete records with old timestamps
/// as soon as they are written, and models after a week; and the event times of records are their own.
fn native_settings(config: &TopicConfig) -> BTreeMap<&str, String> {
    // -1 means for ever.
    let limit = |of: Option<i64>| of.unwrap_or(-1).to_string();
    let mut settings = BTreeMap::from([("message.timestamp.type", "CreateTime".to_owned())]);
    if config.compacted {
        settings.insert("cleanup.policy", "compact".to_owned());
        settings.extend(COMPACTED_TOPIC_SETTINGS.map(|(name, value)| (name, value.to_owned())));
    } else {
        settings.insert("cleanup.policy", "delete".to_owned());
        settings.insert("retention.ms", limit(config.retention.and_then(|d| i64::try_from(d.as_millis()).ok())));
        settings.insert("retention.bytes", limit(config.retention_bytes.and_then(|b| i64::try_from(b).ok())));
    }
    settings.extend(config.settings.iter().map(|(name, value)| (name.as_str(), value.clone())));
    settings
}

/// What was asked for that Kafka may have refused; values are left out, because they may be secret.
fn asked_for(code: Code, config: &TopicConfig) -> String {
    let names: Vec<_> = config.settings.keys().map(|name| format!("`{name}`")).collect();
    match (code, config.replication) {
        (Code::InvalidReplicationFactor, Some(n)) => format!(": {n} replicas need as many brokers"),
        (Code::InvalidConfig | Code::PolicyViolation, _) if !names.is_empty() => {
            format!("; look at its settings {}", names.join(", "))
        }
        _ => String::new(),
    }
}

fn described(entry: &ConfigEntry) -> Option<TopicSetting> {
    let origin = match entry.source {
        ConfigSource::DynamicTopic => SettingOrigin::Topic,
        ConfigSource::DynamicBroker | ConfigSource::DynamicDefaultBroker | ConfigSource::StaticBroker => {
            SettingOrigin::Broker
        }
        ConfigSource::Default | ConfigSource::Unknown => SettingOrigin::Default,
    };
    let is_shown = origin != SettingOrigin::Default || DESCRIBED_SETTINGS.contains(&entry.name.as_str());
    let value = entry.value.clone().filter(|_| is_shown && !entry.is_sensitive)?;
    Some(TopicSetting { name: entry.name.clone(), value, origin })
}

fn parse_config(resource: &ConfigResource) -> TopicConfig {
    let value = |name: &str| resource.get(name).and_then(|e| e.value.as_deref());
    let positive = |name: &str| value(name).and_then(|v| v.parse::<u64>().ok());
    let compacted = value("cleanup.policy").is_some_and(|p| p.split(',').any(|p| p.trim() == "compact"));
    TopicConfig {
        partitions: 0,
        compacted,
        retention: positive("retention.ms").filter(|_| !compacted).map(Duration::from_millis),
        retention_bytes: positive("retention.bytes").filter(|_| !compacted),
        ..TopicConfig::default()
    }
}
