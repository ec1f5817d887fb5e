//! Kafka: topics, groups and transactions of a cluster, through librdkafka.
//!
//! Separate from the embedded log because only this half needs brokers; everything above sees only the
//! [`Log`] trait, and no other module names the client. It never writes outside a transaction, unless a pipeline
//! asks for less than exactly-once.
//!
//! The end of a partition is its high watermark: what a transaction that is still open has written is
//! before it. A reader of committed records that is to read up to the end therefore waits until all that was
//! begun before has been decided, which is what a restart needs.

mod admin;
mod appender;
mod bell;
mod committer;
mod context;
mod control;
mod errors;
mod feed;
mod member;
mod producer;
mod reader;
mod sending;
mod settings;

pub use settings::{Sasl, Settings, Tls};

use crate::log::{
    Access, Appender, FetchLimit, GroupSpec, Log, LogError, LogResult, Member, PartitionInfo, Reader, Start,
    TopicConfig, TopicInfo, topic,
};
use crate::record::{Offset, TopicPartition};
use admin::Admin;
use control::Control;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// How long a refusal to read may take; a broker holds back its answer for half a second where nothing is.
const FETCH: Duration = Duration::from_millis(1500);

/// A name that no other client has.
fn unique() -> String {
    let number = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", number(), number())
}

/// A cluster. Clones share the connections for questions and changes.
#[derive(Clone)]
pub struct KafkaLog {
    control: Arc<Control>,
    admin: Arc<Admin>,
}

impl fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaLog").field("settings", &self.control.settings).finish_non_exhaustive()
    }
}

impl KafkaLog {
    /// Reaches a cluster; tries for up to ten seconds.
    ///
    /// # Errors
    /// A property that cannot be set, nobody who listens, a login or a certificate that is refused.
    pub fn connect(settings: &Settings) -> LogResult<Self> {
        Ok(Self { control: Arc::new(Control::connect(settings)?), admin: Arc::default() })
    }

    /// What is known of topics. One that is not there, or is removed meanwhile, is left out.
    fn described(&self, names: &[String]) -> LogResult<Vec<TopicInfo>> {
        let mut configs = self.admin.configs(&self.control, names)?;
        let mut found = Vec::new();
        for name in names {
            let Some(config) = configs.remove(name) else { continue };
            let Some((partitions, id)) = self.control.known(name)? else { continue };
            let config = TopicConfig { partitions, ..config };
            found.push(TopicInfo { name: name.as_str().into(), id, config, partitions: Vec::new() });
        }
        loop {
            let mut all = Vec::new();
            for topic in &found {
                all.extend((0..topic.config.partitions).map(|p| TopicPartition::new(topic.name.clone(), p)));
            }
            let gone = match self.control.bounds(&all) {
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
            // Removed while its bounds were asked for, or made anew with fewer partitions.
            match self.control.known(&gone)? {
                None => found.retain(|t| *t.name != gone),
                Some((partitions, id)) => {
                    found.iter_mut().filter(|t| *t.name == gone).for_each(|t| {
                        t.config.partitions = partitions;
                        t.id.clone_from(&id);
                    });
                }
            }
        }
    }
}

impl Log for KafkaLog {
    fn name(&self) -> String {
        self.control.brokers().to_owned()
    }

    fn create_topic(&self, topic: &str, config: &TopicConfig) -> LogResult<()> {
        self.admin.create(&self.control, topic, config)
    }

    fn delete_topic(&self, topic: &str) -> LogResult<()> {
        self.admin.delete(&self.control, topic)
    }

    fn topics(&self, only: Option<&str>) -> LogResult<Vec<TopicInfo>> {
        match only {
            Some(name) if self.control.partitions(name)?.is_none() => Ok(Vec::new()),
            Some(name) => self.described(&[name.to_owned()]),
            None => self.described(&self.control.names()?),
        }
    }

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> LogResult<()> {
        let mut names: Vec<String> = before.iter().map(|(at, _)| at.topic.to_string()).collect();
        names.sort();
        names.dedup();
        let configs = self.admin.configs(&self.control, &names)?;
        if let Some((topic, _)) = configs.iter().find(|(_, config)| config.compacted) {
            return Err(LogError::InvalidTopic(format!(
                "topic `{topic}` is compacted and cannot be trimmed: it keeps the latest record of each key"
            )));
        }
        let at: Vec<TopicPartition> = before.iter().map(|(at, _)| at.clone()).collect();
        let bounds = self.control.bounds(&at)?;
        // A broker refuses what lies past the end.
        let within = before.iter().zip(bounds).map(|((at, offset), (low, end))| (at.clone(), offset.0.min(end), low));
        let left = within.filter(|(_, offset, low)| offset > low).map(|(at, offset, _)| (at, Offset(offset)));
        self.admin.trim(&self.control, &left.collect::<Vec<_>>())
    }

    fn resolve(&self, at: &TopicPartition, start: Start) -> LogResult<Offset> {
        self.control.require([at])?;
        let (earliest, end) = self.control.bounds(std::slice::from_ref(at))?[0];
        match start {
            Start::Earliest => Ok(Offset(earliest)),
            Start::Latest => Ok(Offset(end)),
            Start::At(asked) if (earliest..=end).contains(&asked.0) => Ok(asked),
            Start::At(asked) => {
                Err(LogError::OffsetOutOfRange { at: at.clone(), asked, earliest: Offset(earliest), end: Offset(end) })
            }
            // Times before the epoch have meanings of their own to a broker.
            Start::Time(time) if time <= 0 => Ok(Offset(earliest)),
            Start::Time(time) => match self.control.at_time(at, time)? {
                Some(near) => reader::first_since(&self.control, at, (near, end), time),
                None => Ok(Offset(end)),
            },
        }
    }

    fn reader(&self, from: &[(TopicPartition, Offset)]) -> LogResult<Box<dyn Reader>> {
        Ok(Box::new(reader::KafkaReader::new(&self.control, from)?))
    }

    fn appender(&self) -> LogResult<Box<dyn Appender>> {
        Ok(Box::new(appender::KafkaAppender::new(&self.control)))
    }

    fn committed(&self, group: &str, of: &[TopicPartition]) -> LogResult<Vec<Option<Offset>>> {
        let held = self.control.committed(group, of)?;
        of.iter()
            .zip(held)
            .map(|(at, position)| {
                let Some(position) = position else { return Ok(None) };
                // A position in a topic that was made anew is none in this one.
                let id = self.control.identity(&at.topic)?.unwrap_or_default();
                Ok((position.id.is_empty() || position.id == id).then_some(position.next))
            })
            .collect()
    }

    fn delete_offsets(&self, group: &str, given_up: &AtomicBool) -> LogResult<()> {
        self.control.empty(group, given_up)?;
        self.admin.forget(&self.control, group)
    }

    fn join(&self, group: &GroupSpec) -> LogResult<Box<dyn Member>> {
        Ok(Box::new(member::KafkaMember::join(&self.control, group)?))
    }

    fn check_access(&self, access: &Access<'_>) -> LogResult<()> {
        match access {
            Access::CreateTopic(topic, config) => self.admin.could_create(&self.control, topic, config),
            // A right to read is asked for where records are fetched, and nowhere before.
            Access::ReadTopic(name) => {
                let from = crate::log::partitions(&topic(self, name)?);
                let from = from.into_iter().map(|at| Ok((at.clone(), self.resolve(&at, Start::Earliest)?)));
                let mut reader = self.reader(&from.collect::<LogResult<Vec<_>>>()?)?;
                reader.poll(FetchLimit { records: 1, bytes: 0 }, FETCH).map(drop)
            }
            Access::ReadOffsets(group) => {
                let any = self.control.names()?.into_iter().take(1).map(|name| TopicPartition::new(name, 0));
                self.control.committed(group, &any.collect::<Vec<_>>()).map(drop)
            }
        }
    }
}

#[cfg(test)]
mod tests;
