//! Queries to the cluster: topics and their ids, bounds of partitions, committed offsets.
//!
//! All other files use this one connection for queries. It changes nothing and reads no records. It never concludes
//! from one answer that something is missing: a broker may not know yet what another has created.

use super::closing::ClosesInTime;
use super::context::KafkaContext;
use super::errors;
use super::record_limits::BatchLimit;
use super::settings::Settings;
use crate::log::{LogError, LogResult};
use crate::record::{Partition, TopicPartition};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::groups::GroupInfo;
use rdkafka::metadata::MetadataTopic;
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset as NativeOffset, TopicPartitionList};
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long to wait for a cluster that does not answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait after a permanent error, such as a refused login: another broker may accept it.
const PERMANENT_ERROR_TIMEOUT: Duration = Duration::from_secs(2);

/// How long one request may take.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a single-attempt lookup may take.
const LOOKUP_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a request is retried while the cluster is busy.
pub(super) const RETRY_TIMEOUT: Duration = Duration::from_secs(20);

/// How often each further broker is asked, on average, before a topic counts as missing.
const QUERIES_PER_BROKER: usize = 3;

/// How far the metadata of a busy broker may lag behind: a topic that existed does not count as deleted before.
pub(super) const METADATA_LAG: Duration = Duration::from_secs(3);

/// Pause between two attempts.
pub(super) const RETRY_BACKOFF: Duration = Duration::from_millis(20);

/// Kafka's internal topics.
const INTERNAL_TOPICS: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];

/// The group id of readers, which never join it.
pub(super) const READER_GROUP: &str = "fastdata-reader";

/// A topic as the metadata has it.
#[derive(Clone, Debug, Default)]
pub(super) struct TopicMetadata {
    pub(super) partitions: u32,
    /// How many brokers keep the partition with the fewest copies.
    pub(super) replication: u32,
    pub(super) id: String,
}

impl TopicMetadata {
    fn of(topic: &MetadataTopic) -> Self {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let replication = topic.partitions().iter().map(|p| count(p.replicas().len())).min().unwrap_or(0);
        Self { partitions: count(topic.partitions().len()), replication, id: String::new() }
    }
}

/// First offset and high watermark of a partition.
pub(super) type PartitionBounds = (i64, i64);

pub(super) fn create_client(
    settings: &Settings,
    config: &rdkafka::ClientConfig,
) -> LogResult<BaseConsumer<KafkaContext>> {
    config.create_with_context(KafkaContext::default()).map_err(|e| settings.property_error(&e))
}

pub(super) fn native_partition(partition: Partition) -> i32 {
    i32::try_from(partition.0).unwrap_or(i32::MAX)
}

/// A partition as the client names it.
pub(super) fn native_name(at: &TopicPartition) -> (&str, i32) {
    (&at.topic, native_partition(at.partition))
}

/// The elements of a list by partition: the client's own search in it is linear.
pub(super) fn by_partition<'a>(
    elements: &'a [TopicPartitionListElem<'_>],
) -> HashMap<(&'a str, i32), &'a TopicPartitionListElem<'a>> {
    elements.iter().map(|element| ((element.topic(), element.partition()), element)).collect()
}

pub(super) fn partition_list<'a>(of: impl IntoIterator<Item = &'a TopicPartition>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for at in of {
        list.add_partition(&at.topic, native_partition(at.partition));
    }
    list
}

/// Runs the pending callbacks of a client; none of these clients is ever assigned partitions.
pub(super) fn run_callbacks(client: &BaseConsumer<KafkaContext>) {
    loop {
        let before = client.context().events().callbacks;
        let polled = client.poll(Duration::ZERO).is_some();
        if !polled && client.context().events().callbacks == before {
            return;
        }
    }
}

/// The connection for queries.
pub(super) struct Cluster {
    pub(super) settings: Settings,
    client: ClosesInTime<BaseConsumer<KafkaContext>>,
    /// The client for the group that was queried last: creating one takes longer than a query.
    pub(super) group: Mutex<Option<(String, ClosesInTime<BaseConsumer<KafkaContext>>)>>,
    /// The topics that existed when they were last looked up.
    known_topics: Mutex<BTreeSet<String>>,
    pub(super) batch_limit: BatchLimit,
}

impl Cluster {
    /// Connects to the cluster, or reports why it cannot.
    pub(super) fn connect(settings: &Settings) -> LogResult<Self> {
        settings.check()?;
        let client = ClosesInTime::new(create_client(settings, &settings.for_queries())?);
        let (group, known_topics, batch_limit) = (Mutex::new(None), Mutex::default(), BatchLimit::default());
        let cluster = Self { settings: settings.clone(), client, group, known_topics, batch_limit };
        let start = Instant::now();
        loop {
            let answer = cluster.client.fetch_metadata(Some(INTERNAL_TOPICS[0]), Duration::from_millis(500));
            run_callbacks(&cluster.client);
            if answer.is_ok() {
                return Ok(cluster);
            }
            let events = cluster.client.context().events();
            let is_permanent = events.last_error.as_ref().is_some_and(|(code, _)| errors::is_permanent(*code));
            if start.elapsed() > if is_permanent { PERMANENT_ERROR_TIMEOUT } else { CONNECT_TIMEOUT } {
                return Err(errors::unreachable_error(cluster.brokers(), events.last_error.as_ref()));
            }
        }
    }

    pub(super) fn brokers(&self) -> &str {
        &self.settings.brokers
    }

    /// Retries a request until its answer is final.
    fn request<T>(&self, action: &str, send: impl FnMut() -> KafkaResult<T>) -> LogResult<T> {
        self.try_request(send).map_err(|code| errors::log_error(self.brokers(), action, code))
    }

    /// Like [`Self::request`], for callers that decide by the error code.
    fn try_request<T>(&self, mut send: impl FnMut() -> KafkaResult<T>) -> Result<T, Code> {
        let start = Instant::now();
        loop {
            let answer = send();
            run_callbacks(&self.client);
            match answer.map_err(|e| errors::error_code(&e)) {
                Ok(answer) => return Ok(answer),
                Err(code) if !errors::is_transient(code) || start.elapsed() > RETRY_TIMEOUT => return Err(code),
                Err(_) => std::thread::park_timeout(RETRY_BACKOFF),
            }
        }
    }

    /// The names of all topics except Kafka's own. A topic is listed if any of the brokers asked knows it: one may
    /// not know yet what another has created.
    pub(super) fn topic_names(&self) -> LogResult<Vec<String>> {
        let mut names = BTreeSet::new();
        let mut queries = 0;
        loop {
            let metadata = self.request("listing topics", || self.client.fetch_metadata(None, REQUEST_TIMEOUT))?;
            names.extend(metadata.topics().iter().map(|t| t.name().to_owned()));
            queries += 1;
            if queries > QUERIES_PER_BROKER * metadata.brokers().len().saturating_sub(1) {
                names.retain(|n| !INTERNAL_TOPICS.contains(&n.as_str()));
                return Ok(names.into_iter().collect());
            }
        }
    }

    fn known_topics(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.known_topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_topic(&self, topic: &str) {
        let mut known_topics = self.known_topics();
        if !known_topics.contains(topic) {
            known_topics.insert(topic.to_owned());
        }
    }

    /// Notes that a topic was deleted here, so that its absence is believed at once.
    pub(super) fn note_deleted(&self, topic: &str) {
        self.known_topics().remove(topic);
    }

    /// How many partitions a topic has; `None` where it does not exist.
    pub(super) fn partition_count(&self, topic: &str) -> LogResult<Option<u32>> {
        Ok(self.find_topic(topic)?.map(|found| found.partitions))
    }

    /// The metadata of a topic without its id; `None` where it does not exist. One broker may not know yet what another
    /// has created or deleted: a broker that knows the topic is believed at once, its absence only after each was
    /// probably asked, and for a topic that existed only after a while.
    fn find_topic(&self, topic: &str) -> LogResult<Option<TopicMetadata>> {
        let action = format!("looking up topic `{topic}`");
        let start = Instant::now();
        let mut misses = 0;
        loop {
            let metadata = self.request(&action, || self.client.fetch_metadata(Some(topic), REQUEST_TIMEOUT))?;
            let found = metadata.topics().iter().find(|t| t.name() == topic);
            let code = found.and_then(|t| t.error()).map_or(Code::NoError, Code::from);
            match (found, code) {
                (Some(t), Code::NoError) if !t.partitions().is_empty() => {
                    self.note_topic(topic);
                    return Ok(Some(TopicMetadata::of(t)));
                }
                (Some(_), code) if errors::is_transient(code) && start.elapsed() < RETRY_TIMEOUT => {}
                (None, _) | (_, Code::InvalidTopic) => return Ok(None),
                (_, code) if errors::is_missing(code) => {
                    misses += 1;
                    let others = metadata.brokers().len().saturating_sub(1);
                    let may_lag = others > 0 && start.elapsed() < METADATA_LAG && self.known_topics().contains(topic);
                    if misses >= QUERIES_PER_BROKER * others && !may_lag {
                        self.note_deleted(topic);
                        return Ok(None);
                    }
                }
                (_, code) => return Err(errors::log_error(self.brokers(), &action, code)),
            }
            std::thread::park_timeout(RETRY_BACKOFF);
        }
    }

    /// The metadata of a topic; `None` where it does not exist.
    pub(super) fn describe_topic(&self, topic: &str) -> LogResult<Option<TopicMetadata>> {
        let Some(found) = self.find_topic(topic)? else { return Ok(None) };
        let id = self.client.context().events().topic_ids.get(topic).cloned().unwrap_or_default();
        Ok(Some(TopicMetadata { id, ..found }))
    }

    /// The id of a topic; `None` where it does not exist.
    pub(super) fn topic_id(&self, topic: &str) -> LogResult<Option<String>> {
        Ok(self.describe_topic(topic)?.map(|found| found.id))
    }

    /// The id of a topic by a single quick lookup: `None` where there is no clear answer, `Some(None)` where the
    /// topic does not exist.
    pub(super) fn lookup_topic_id(&self, topic: &str) -> Option<Option<String>> {
        let answer = self.client.fetch_metadata(Some(topic), LOOKUP_TIMEOUT);
        run_callbacks(&self.client);
        let metadata = answer.ok()?;
        let found = metadata.topics().iter().find(|t| t.name() == topic)?;
        match found.error().map_or(Code::NoError, Code::from) {
            Code::NoError => {
                Some(Some(self.client.context().events().topic_ids.get(topic).cloned().unwrap_or_default()))
            }
            code if errors::is_missing(code) => Some(None),
            _ => None,
        }
    }

    /// The error that a topic does not exist, with the names of those that do.
    pub(super) fn unknown_topic(&self, topic: &str) -> LogError {
        match self.topic_names() {
            Ok(known) => LogError::UnknownTopic { topic: topic.to_owned(), known },
            Err(e) => e,
        }
    }

    /// Fails with the first of these partitions that does not exist.
    pub(super) fn require_partitions<'a>(&self, of: impl IntoIterator<Item = &'a TopicPartition>) -> LogResult<()> {
        let mut last: Option<(&str, u32)> = None;
        for at in of {
            let count = match last {
                Some((topic, count)) if *topic == *at.topic => count,
                _ => self.partition_count(&at.topic)?.ok_or_else(|| self.unknown_topic(&at.topic))?,
            };
            last = Some((&at.topic, count));
            if at.partition.0 >= count {
                return Err(LogError::UnknownPartition { at: at.clone(), count });
            }
        }
        Ok(())
    }

    /// The bounds of partitions, in the order given; one request a broker.
    pub(super) fn bounds(&self, of: &[TopicPartition]) -> LogResult<Vec<PartitionBounds>> {
        let low = self.offsets(of, NativeOffset::Beginning)?;
        let high = self.offsets(of, NativeOffset::End)?;
        Ok(low.into_iter().zip(high).map(|(l, h)| (l.unwrap_or(0), h.unwrap_or(0))).collect())
    }

    /// The offset of the first record at or after a time; `None` where there is none.
    pub(super) fn offset_at_time(&self, at: &TopicPartition, time: i64) -> LogResult<Option<i64>> {
        Ok(self.offsets(std::slice::from_ref(at), NativeOffset::Offset(time))?.pop().flatten())
    }

    fn offsets(&self, of: &[TopicPartition], what: NativeOffset) -> LogResult<Vec<Option<i64>>> {
        if of.is_empty() {
            return Ok(Vec::new());
        }
        let action = format!("looking up the bounds of `{}`", of[0]);
        let start = Instant::now();
        loop {
            let answer = self.try_request(|| {
                let mut list = partition_list(of);
                list.set_all_offsets(what)?;
                self.client.offsets_for_times(list, REQUEST_TIMEOUT)
            });
            let of_one = |list: &TopicPartitionList| {
                list.elements().iter().find_map(|e| e.error().err()).map(|e| errors::error_code(&e))
            };
            let code = match answer.map(|list| (of_one(&list), list)) {
                Ok((None, list)) => {
                    let elements = list.elements();
                    let found = by_partition(&elements);
                    let offset = |at: &TopicPartition| match found.get(&native_name(at)).map(|e| e.offset()) {
                        Some(NativeOffset::Offset(offset)) => Some(offset),
                        _ => None,
                    };
                    return Ok(of.iter().map(offset).collect());
                }
                Ok((Some(code), _)) | Err(code) => code,
            };
            // Fails for a partition that does not exist; one that this broker does not know yet is looked up again.
            self.require_partitions(of)?;
            if !(errors::is_missing(code) || errors::is_transient(code)) || start.elapsed() > RETRY_TIMEOUT {
                return Err(errors::log_error(self.brokers(), &action, code));
            }
            std::thread::park_timeout(RETRY_BACKOFF);
        }
    }

    /// Waits until a group has no members. A killed instance remains a member until its session times out.
    pub(super) fn await_empty_group(&self, group: &str, given_up: &AtomicBool) -> LogResult<()> {
        let action = format!("looking up the members of group `{group}`");
        let (start, mut logged) = (Instant::now(), false);
        loop {
            let list = self.request(&action, || self.client.fetch_group_list(Some(group), REQUEST_TIMEOUT))?;
            let members = list.groups().iter().filter(|g| g.name() == group).flat_map(GroupInfo::members);
            let names: Vec<String> =
                members.map(|m| format!("`{}` at {}", m.client_id(), m.client_host().trim_matches('/'))).collect();
            if names.is_empty() {
                return Ok(());
            }
            if start.elapsed() > RETRY_TIMEOUT || given_up.load(Ordering::Relaxed) {
                return Err(LogError::GroupTaken { group: group.to_owned(), holder: names.join(", ") });
            }
            if !std::mem::replace(&mut logged, true) {
                tracing::info!("waiting for the other instances of `{group}` to leave: {}", names.join(", "));
            }
            std::thread::park_timeout(RETRY_BACKOFF);
        }
    }
}
