//! A log that makes a mistake, to prove that the tests of the guarantees detect it.
//!
//! It exists only with the feature `failpoints`, which no release has. The mistakes are made behind the [`Log`]
//! trait, so the tests check the same code as in a release. `FASTDATA_MISTAKE=NAME` selects one.

mod appends;
mod committer;
mod lookups;
mod member;
mod mistake;
mod reader;
mod rows;
mod transactions;

use super::kafka::Settings;
use super::{
    Access, Appender, GroupSpec, Log, LogResult, Member, Reader, RecordLimit, Start, StartOver, TopicConfig, TopicInfo,
};
use crate::faults;
use crate::record::{Offset, TopicPartition};
use member::MistakenMember;
use mistake::{Mistake, Planted};
use reader::MistakenReader;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Wraps a log so that it makes the mistake selected by the environment, if any.
///
/// # Errors
/// An unknown name.
pub fn wrap(log: Arc<dyn Log>) -> LogResult<Arc<dyn Log>> {
    let Some(name) = faults::mistake() else { return Ok(log) };
    let planted = Arc::new(Planted::new(Mistake::named(name)?));
    Ok(Arc::new(MistakenLog { log, planted }))
}

/// Settings with the one mistake that only the Kafka client can make: reading uncommitted records.
#[must_use]
pub fn kafka_settings(settings: &Settings) -> Settings {
    let read_uncommitted = matches!(faults::mistake().map(Mistake::named), Some(Ok(Mistake::ReadUncommitted)));
    Settings { read_uncommitted, ..settings.clone() }
}

/// A log that makes a mistake.
#[derive(Debug)]
struct MistakenLog {
    log: Arc<dyn Log>,
    planted: Arc<Planted>,
}

impl Log for MistakenLog {
    fn name(&self) -> String {
        self.log.name()
    }

    fn create_topic(&self, topic: &str, config: &TopicConfig) -> LogResult<()> {
        self.log.create_topic(topic, config)
    }

    fn delete_topic(&self, topic: &str) -> LogResult<()> {
        self.log.delete_topic(topic)
    }

    fn topics(&self, only: Option<&str>) -> LogResult<Vec<TopicInfo>> {
        self.log.topics(only)
    }

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> LogResult<()> {
        self.log.delete_records(before)
    }

    fn resolve(&self, at: &TopicPartition, start: Start) -> LogResult<Offset> {
        self.log.resolve(at, start)
    }

    fn reader(&self, from: &[(TopicPartition, Offset)]) -> LogResult<Box<dyn Reader>> {
        Ok(Box::new(MistakenReader { reader: self.log.reader(from)?, planted: self.planted.clone() }))
    }

    fn appender(&self) -> LogResult<Box<dyn Appender>> {
        self.log.appender()
    }

    fn committed(&self, group: &str, of: &[TopicPartition]) -> LogResult<Vec<Option<Offset>>> {
        self.log.committed(group, of)
    }

    fn delete_offsets(&self, group: &str, given_up: &AtomicBool) -> LogResult<()> {
        self.log.delete_offsets(group, given_up)
    }

    fn start_over(&self, over: &StartOver<'_>, given_up: &AtomicBool) -> LogResult<()> {
        self.log.start_over(over, given_up)
    }

    fn join(&self, group: &GroupSpec) -> LogResult<Box<dyn Member>> {
        Ok(Box::new(MistakenMember {
            member: self.log.join(group)?,
            log: self.log.clone(),
            group: group.group.clone(),
            planted: self.planted.clone(),
        }))
    }

    fn check_access(&self, access: &Access<'_>) -> LogResult<()> {
        self.log.check_access(access)
    }

    fn record_limits(&self, topics: &[Arc<str>]) -> LogResult<Vec<RecordLimit>> {
        self.log.record_limits(topics)
    }

    fn check_storage(&self) -> LogResult<()> {
        self.log.check_storage()
    }

    fn deletion_retention(&self) -> Duration {
        self.log.deletion_retention()
    }
}
