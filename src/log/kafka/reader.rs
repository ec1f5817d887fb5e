//! Reading outside any group: partitions and offsets are given, nothing is committed.
//!
//! It never skips what it cannot read: deleted records, and deleted or recreated topics, are errors.

use super::cluster::{Cluster, PartitionBounds, READER_GROUP, create_client};
use super::errors;
use super::fetcher::{Fetcher, PollOutcome};
use crate::log::{FetchLimit, LogError, LogResult, Reader};
use crate::record::{Fetched, Offset, TopicPartition};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode as Code;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the topics of an idle reader are checked.
const TOPIC_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How long a lookup waits for an open transaction: longer than the transaction of a killed instance stays open.
const OPEN_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30);

/// Checks that topics are still the ones that reading started with.
pub(super) struct TopicWatch {
    cluster: Arc<Cluster>,
    topic_ids: BTreeMap<Arc<str>, String>,
    checked_at: Instant,
}

impl TopicWatch {
    /// Notes the id of each topic.
    pub(super) fn new(cluster: &Arc<Cluster>, topics: impl IntoIterator<Item = Arc<str>>) -> LogResult<Self> {
        let mut topic_ids = BTreeMap::new();
        for topic in topics.into_iter().collect::<BTreeSet<_>>() {
            let id = cluster.topic_id(&topic)?.ok_or_else(|| cluster.unknown_topic(&topic))?;
            topic_ids.insert(topic, id);
        }
        Ok(Self { cluster: cluster.clone(), topic_ids, checked_at: Instant::now() })
    }

    pub(super) fn id(&self, topic: &str) -> &str {
        self.topic_ids.get(topic).map_or("", String::as_str)
    }

    /// Checks every topic, and retries until the cluster answers.
    pub(super) fn check(&mut self) -> LogResult<()> {
        self.checked_at = Instant::now();
        for (topic, known) in &self.topic_ids {
            let id = self.cluster.topic_id(topic)?.ok_or_else(|| self.cluster.unknown_topic(topic))?;
            if id != *known {
                return Err(LogError::TopicReplaced { topic: topic.to_string() });
            }
        }
        Ok(())
    }

    /// Checks every topic with a single quick lookup. A lookup without an answer is ignored.
    pub(super) fn check_once(&mut self) -> LogResult<()> {
        self.checked_at = Instant::now();
        for (topic, known) in &self.topic_ids {
            match self.cluster.lookup_topic_id(topic) {
                Some(Some(id)) if id != *known => return Err(LogError::TopicReplaced { topic: topic.to_string() }),
                // Only one broker was asked: another may know the topic.
                Some(None) if self.cluster.partition_count(topic)?.is_none() => {
                    return Err(self.cluster.unknown_topic(topic));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks the topics of an idle reader if the last check is long enough ago.
    pub(super) fn check_if_due(&mut self) -> LogResult<()> {
        if self.checked_at.elapsed() < TOPIC_CHECK_INTERVAL { Ok(()) } else { self.check_once() }
    }

    /// Turns what a client reports into an error if it concerns the topics read. The client handles everything else
    /// by retrying.
    pub(super) fn check_reports(
        &mut self,
        fetcher: &Fetcher,
        outcome: &PollOutcome,
        group: Option<&str>,
    ) -> LogResult<()> {
        if let Some(topic) = fetcher.client.context().events().replaced_topics.pop() {
            return Err(LogError::TopicReplaced { topic });
        }
        for (code, text) in &outcome.errors {
            match *code {
                code if errors::is_corrupt(code, text) => {
                    return Err(LogError::Corrupt(format!(
                        "records of {} cannot be read from Kafka at {}: {text}; they are damaged or not of a format that is known, and none is skipped: mend the topic, or start over with `--from latest`",
                        self.locate(fetcher, text),
                        self.cluster.brokers()
                    )));
                }
                code if errors::is_unfetchable(code) => {
                    self.check()?;
                    self.require_in_range(&fetcher.positions())?;
                    return Err(self.refused_position(code, text, group));
                }
                code if errors::is_denied(code) => {
                    let action = match group {
                        Some(group) => format!("reading {} as a member of group `{group}`", self.topics()),
                        None => format!("reading {}", self.topics()),
                    };
                    return Err(errors::log_error_for(self.cluster.brokers(), &action, code, "Read"));
                }
                code if errors::is_missing(code) => self.check()?,
                code => tracing::debug!("reading from Kafka: {}: {text}", errors::description(code)),
            }
        }
        Ok(())
    }

    /// The error for a refused offset that is in range now.
    fn refused_position(&self, code: Code, text: &str, group: Option<&str>) -> LogError {
        let (topics, brokers) = (self.topics(), self.cluster.brokers());
        if errors::is_truncated(code, text) {
            return LogError::Corrupt(format!(
                "Kafka at {brokers} has lost records of {topics} that were read from it: {text}; start over with `--from earliest` or `--from latest`"
            ));
        }
        let why = format!("Kafka at {brokers} has refused a position in {topics}: {text}");
        match group {
            Some(group) => LogError::Undone { group: group.to_owned(), why },
            None => LogError::Busy(why),
        }
    }

    /// All topics, for messages.
    fn topics(&self) -> String {
        self.topic_ids.keys().map(|t| format!("`{t}`")).collect::<Vec<_>>().join(", ")
    }

    /// Names the partition of a reported offset, or all topics if it is ambiguous. The report does not name it, but
    /// usually only one partition is at that offset.
    fn locate(&self, fetcher: &Fetcher, text: &str) -> String {
        let positions = fetcher.positions();
        let offset = errors::parse_offset(text);
        let mut near: Vec<_> = positions.iter().filter(|(_, next)| Some(next.0) == offset).collect();
        if positions.len() == 1 {
            near = positions.iter().collect();
        }
        match near[..] {
            [(at, _)] => format!("`{at}`"),
            _ => self.topics(),
        }
    }

    /// Fails with the first position that is out of range.
    pub(super) fn require_in_range(&self, positions: &[(TopicPartition, Offset)]) -> LogResult<()> {
        let of: Vec<TopicPartition> = positions.iter().map(|(at, _)| at.clone()).collect();
        require_within(positions, &self.cluster.bounds(&of)?)
    }
}

/// Fails with the first position that is out of its bounds.
pub(super) fn require_within(positions: &[(TopicPartition, Offset)], bounds: &[PartitionBounds]) -> LogResult<()> {
    for ((at, asked), (earliest, end)) in positions.iter().zip(bounds) {
        if asked.0 < *earliest || asked.0 > *end {
            let (at, asked) = (at.clone(), *asked);
            return Err(LogError::OffsetOutOfRange { at, asked, earliest: Offset(*earliest), end: Offset(*end) });
        }
    }
    Ok(())
}

/// A reader of given partitions.
pub(super) struct KafkaReader {
    fetcher: Fetcher,
    watch: TopicWatch,
}

impl KafkaReader {
    pub(super) fn new(cluster: &Arc<Cluster>, from: &[(TopicPartition, Offset)]) -> LogResult<Self> {
        cluster.require_partitions(from.iter().map(|(at, _)| at))?;
        let watch = TopicWatch::new(cluster, from.iter().map(|(at, _)| at.topic.clone()))?;
        watch.require_in_range(from)?;
        let mut fetcher = Fetcher::new(create_client(&cluster.settings, &cluster.settings.for_reader(READER_GROUP))?);
        let reset = fetcher.reset(from.iter().map(|(at, _)| at.clone()));
        reset.map_err(|e| errors::log_error(cluster.brokers(), "reading", errors::error_code(&e)))?;
        for (at, offset) in from {
            fetcher.seek(at, *offset);
        }
        Ok(Self { fetcher, watch })
    }

    fn error(&self, error: &rdkafka::error::KafkaError) -> LogError {
        errors::log_error(self.watch.cluster.brokers(), "reading", errors::error_code(error))
    }
}

/// The first record at or after a time. The broker's answer `near` may lie before it: a transaction marker counts
/// with the time of its commit, whatever the times of its records.
///
/// # Errors
/// [`LogError::Busy`] where a transaction stays open before that record.
pub(super) fn first_since(
    cluster: &Arc<Cluster>,
    at: &TopicPartition,
    (near, end): (i64, i64),
    time: i64,
) -> LogResult<Offset> {
    let mut reader = KafkaReader::new(cluster, &[(at.clone(), Offset(near))])?;
    let (mut last, mut moved_at) = (Offset(near), Instant::now());
    while let Some((_, next)) = reader.positions().into_iter().find(|(_, next)| next.0 < end) {
        if next != last {
            (last, moved_at) = (next, Instant::now());
        }
        if moved_at.elapsed() > OPEN_TRANSACTION_TIMEOUT {
            // If the cause is that brokers do not answer, this returns that error instead.
            reader.watch.require_in_range(&[(at.clone(), next)])?;
            return Err(errors::open_transaction(cluster.brokers(), at, next, OPEN_TRANSACTION_TIMEOUT));
        }
        if let Some(fetched) = reader.poll(FetchLimit::default(), TOPIC_CHECK_INTERVAL)?
            && let Some(row) = fetched.records.timestamps.iter().position(|t| *t >= time)
        {
            return Ok(Offset(fetched.offsets[row].min(end)));
        }
    }
    Ok(Offset(end))
}

impl Reader for KafkaReader {
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<Option<Fetched>> {
        let start = Instant::now();
        let mut left = wait;
        self.fetcher.assign().map_err(|e| self.error(&e))?;
        loop {
            if !self.fetcher.has_enough() {
                // In steps, so that changes of the topics are detected while no records arrive.
                let step = if self.fetcher.has_records() { Duration::ZERO } else { left.min(TOPIC_CHECK_INTERVAL) };
                let outcome = self.fetcher.poll(step).map_err(|e| self.error(&e))?;
                self.watch.check_reports(&self.fetcher, &outcome, None)?;
                if outcome.advanced && !self.fetcher.has_records() {
                    return Ok(None);
                }
            }
            if let Some(fetched) = self.fetcher.take(limit) {
                return Ok(Some(fetched));
            }
            self.watch.check_if_due()?;
            left = wait.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
        }
    }

    fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        self.fetcher.positions()
    }

    fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()> {
        of.iter().try_for_each(|at| self.fetcher.pause(at, paused).map(drop)).map_err(|e| self.error(&e))
    }
}
