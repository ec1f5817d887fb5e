//! Reading outside any group: partitions and offsets are given, nothing is committed.
//!
//! Separate from members because there is nobody to share with: whatever moves a position is this reader.
//! It never skips what it cannot read: records that are gone, and topics that are gone or others, are faults.

use super::context::Context;
use super::control::{Control, READERS, client};
use super::errors;
use super::feed::{Feed, Signals};
use crate::log::{FetchLimit, LogError, LogResult, Reader};
use crate::record::{Fetched, Offset, TopicPartition};
use rdkafka::consumer::Consumer;
use rdkafka::error::RDKafkaErrorCode as Code;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the topics of a reader that gets nothing are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Whether the topics that are read are still the ones that they were.
pub(super) struct Watch {
    control: Arc<Control>,
    ids: BTreeMap<Arc<str>, String>,
    looked: Instant,
}

impl Watch {
    /// Notes the identity of each topic.
    pub(super) fn new(control: &Arc<Control>, topics: impl IntoIterator<Item = Arc<str>>) -> LogResult<Self> {
        let mut ids = BTreeMap::new();
        for topic in topics.into_iter().collect::<BTreeSet<_>>() {
            let id = control.identity(&topic)?.ok_or_else(|| control.unknown(&topic))?;
            ids.insert(topic, id);
        }
        Ok(Self { control: control.clone(), ids, looked: Instant::now() })
    }

    pub(super) fn id(&self, topic: &str) -> &str {
        self.ids.get(topic).map_or("", String::as_str)
    }

    /// Looks at the topics again.
    pub(super) fn look(&mut self) -> LogResult<()> {
        self.looked = Instant::now();
        for (topic, known) in &self.ids {
            let id = self.control.identity(topic)?.ok_or_else(|| self.control.unknown(topic))?;
            if id != *known {
                return Err(LogError::TopicReplaced { topic: topic.to_string() });
            }
        }
        Ok(())
    }

    /// Looks at the topics once: a cluster that does not answer says nothing about them.
    pub(super) fn glance(&mut self) -> LogResult<()> {
        self.looked = Instant::now();
        for (topic, known) in &self.ids {
            match self.control.glimpse(topic) {
                Some(Some(id)) if id != *known => return Err(LogError::TopicReplaced { topic: topic.to_string() }),
                // One broker says so: another may know better.
                Some(None) if self.control.partitions(topic)?.is_none() => return Err(self.control.unknown(topic)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Looks at the topics now and then: for readers that get nothing.
    pub(super) fn idle(&mut self) -> LogResult<()> {
        if self.looked.elapsed() < LOOK { Ok(()) } else { self.glance() }
    }

    /// What a client complains about: named where it is about what is read, else left to the client, which
    /// tries again by itself.
    pub(super) fn judge(&mut self, feed: &Feed, signals: &Signals, group: Option<&str>) -> LogResult<()> {
        if let Some(topic) = feed.client.context().heard().replaced.pop() {
            return Err(LogError::TopicReplaced { topic });
        }
        for (code, words) in &signals.complaints {
            match *code {
                code if errors::damaged(code, words) => {
                    return Err(LogError::Corrupt(format!(
                        "records of {} cannot be read from Kafka at {}: {words}; they are damaged or not of a format that is known, and none is skipped: mend the topic, or start over with `--from latest`",
                        self.places(feed, words),
                        self.control.brokers()
                    )));
                }
                code if errors::given_up(code) => {
                    self.look()?;
                    self.in_range(&feed.positions())?;
                    return Err(self.refused(code, words, group));
                }
                code if errors::forbidden(code) => {
                    let doing = match group {
                        Some(group) => format!("reading {} as a member of group `{group}`", self.topics()),
                        None => format!("reading {}", self.topics()),
                    };
                    return Err(errors::fault_with(self.control.brokers(), &doing, code, "Read"));
                }
                code if errors::missing(code) => self.look()?,
                code => tracing::debug!("reading from Kafka: {}: {words}", errors::words(code)),
            }
        }
        Ok(())
    }

    /// The fault that a position was refused which can be read now.
    fn refused(&self, code: Code, words: &str, group: Option<&str>) -> LogError {
        let (topics, brokers) = (self.topics(), self.control.brokers());
        if errors::cut(code, words) {
            return LogError::Corrupt(format!(
                "Kafka at {brokers} has lost records of {topics} that were read from it: {words}; start over with `--from earliest` or `--from latest`"
            ));
        }
        let why = format!("Kafka at {brokers} has refused a position in {topics}: {words}");
        match group {
            Some(group) => LogError::Undone { group: group.to_owned(), why },
            None => LogError::Busy(why),
        }
    }

    /// All topics, for messages.
    fn topics(&self) -> String {
        self.ids.keys().map(|t| format!("`{t}`")).collect::<Vec<_>>().join(", ")
    }

    /// What a complaint about an offset is about, as far as is known: it does not name the partition, but
    /// mostly only one is at that offset.
    fn places(&self, feed: &Feed, words: &str) -> String {
        let positions = feed.positions();
        let offset = errors::offset(words);
        let mut near: Vec<_> = positions.iter().filter(|(_, next)| Some(next.0) == offset).collect();
        if positions.len() == 1 {
            near = positions.iter().collect();
        }
        match near[..] {
            [(at, _)] => format!("`{at}`"),
            _ => self.topics(),
        }
    }

    /// Whether all positions can be read.
    pub(super) fn in_range(&self, positions: &[(TopicPartition, Offset)]) -> LogResult<()> {
        let of: Vec<TopicPartition> = positions.iter().map(|(at, _)| at.clone()).collect();
        for ((at, asked), (earliest, end)) in positions.iter().zip(self.control.bounds(&of)?) {
            if asked.0 < earliest || asked.0 > end {
                let (at, asked) = (at.clone(), *asked);
                return Err(LogError::OffsetOutOfRange { at, asked, earliest: Offset(earliest), end: Offset(end) });
            }
        }
        Ok(())
    }
}

/// A reader of given partitions.
pub(super) struct KafkaReader {
    feed: Feed,
    watch: Watch,
}

impl KafkaReader {
    pub(super) fn new(control: &Arc<Control>, from: &[(TopicPartition, Offset)]) -> LogResult<Self> {
        control.require(from.iter().map(|(at, _)| at))?;
        let watch = Watch::new(control, from.iter().map(|(at, _)| at.topic.clone()))?;
        watch.in_range(from)?;
        let mut feed = Feed::new(client(&control.settings, &control.settings.reader(READERS), &Context::default())?);
        let reset = feed.reset(from.iter().map(|(at, _)| at.clone()));
        reset.map_err(|e| errors::fault(control.brokers(), "reading", errors::code(&e)))?;
        for (at, offset) in from {
            feed.seek(at, *offset);
        }
        Ok(Self { feed, watch })
    }

    fn fault(&self, error: &rdkafka::error::KafkaError) -> LogError {
        errors::fault(self.watch.control.brokers(), "reading", errors::code(error))
    }
}

/// The first record since a time. What the cluster answers is only near: the end of a transaction counts as
/// something written when it was decided, whatever the times of its records.
pub(super) fn first_since(
    control: &Arc<Control>,
    at: &TopicPartition,
    (near, end): (i64, i64),
    time: i64,
) -> LogResult<Offset> {
    let mut reader = KafkaReader::new(control, &[(at.clone(), Offset(near))])?;
    while reader.positions().iter().any(|(_, next)| next.0 < end) {
        if let Some(fetched) = reader.poll(FetchLimit::default(), LOOK)? {
            if let Some(row) = fetched.records.timestamps.iter().position(|t| *t >= time) {
                return Ok(Offset(fetched.offsets[row].min(end)));
            }
        }
    }
    Ok(Offset(end))
}

impl Reader for KafkaReader {
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<Option<Fetched>> {
        let start = Instant::now();
        let mut left = wait;
        self.feed.start().map_err(|e| self.fault(&e))?;
        loop {
            if !self.feed.plenty() {
                // In steps, so that what happens to the topics is heard while nothing comes.
                let step = if self.feed.any() { Duration::ZERO } else { left.min(LOOK) };
                let signals = self.feed.draw(step).map_err(|e| self.fault(&e))?;
                self.watch.judge(&self.feed, &signals, None)?;
                if signals.moved && !self.feed.any() {
                    return Ok(None);
                }
            }
            if let Some(fetched) = self.feed.take(limit) {
                return Ok(Some(fetched));
            }
            self.watch.idle()?;
            left = wait.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
        }
    }

    fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        self.feed.positions()
    }

    fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()> {
        of.iter().try_for_each(|at| self.feed.pause(at, paused).map(drop)).map_err(|e| self.fault(&e))
    }
}
