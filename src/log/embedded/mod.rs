//! The embedded log: topics, groups and transactions in one SQLite file that several processes share.
//!
//! A commit becomes visible as a whole and survives the death of the process. After a loss of power the log
//! ends with some commit of the last moments, never within one, so that offsets, state and outputs always
//! agree. No transaction stays open between calls.

mod append;
mod checkpointer;
mod commit;
mod commit_signal;
mod compaction;
mod connection;
mod database;
mod errors;
mod file_id;
mod lease;
mod member;
mod reader;
mod registry;
mod retention;
mod row_codec;
mod schema;
mod start_over;
mod topics;
mod trim;

use crate::log::{
    Access, Appender, GroupSpec, Log, LogError, LogResult, Member, Reader, RecordLimit, Start, StartOver, TopicConfig,
    TopicInfo, naming,
};
use crate::record::{Offset, TopicPartition};
use crate::time::{Clock as _, SystemClock};
use connection::OpenMode;
use database::Database;
use errors::FileContext;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A log in a folder of this machine. All handles of one process share its connections; processes share the
/// file.
#[derive(Clone, Debug)]
pub struct EmbeddedLog {
    database: Arc<Database>,
}

impl EmbeddedLog {
    /// Opens the log in a folder; creates both where they do not exist. Where the file system allows only
    /// reading, the log can be read, and each write fails with the reason.
    ///
    /// # Errors
    /// The folder cannot be created or used, or the file in it is foreign, of a later format, or truncated.
    /// Such a file is not changed.
    pub fn open(dir: &Path) -> LogResult<Self> {
        Database::create(dir)?;
        Self::open_existing(dir)
    }

    /// Opens the log in a folder only if it exists.
    ///
    /// # Errors
    /// As for [`Self::open`], and where there is no log.
    pub fn open_existing(dir: &Path) -> LogResult<Self> {
        Self::with(registry::open(dir)?)
    }

    /// Opens the log as another process would, with connections of its own: for tests and measurements. It
    /// must exist.
    ///
    /// # Errors
    /// As for [`Self::open_existing`].
    pub fn open_separately(dir: &Path) -> LogResult<Self> {
        Self::with(Database::open(dir, row_codec::MAX_RECORD_BYTES)?)
    }

    /// Opens the log like [`Self::open_separately`], with a lower size limit for key, value and headers of one
    /// record: for tests.
    ///
    /// # Errors
    /// As for [`Self::open_existing`].
    pub fn open_with_max_record_bytes(dir: &Path, max_record_bytes: usize) -> LogResult<Self> {
        Self::with(Database::open(dir, max_record_bytes.min(row_codec::MAX_RECORD_BYTES))?)
    }

    fn with(database: Arc<Database>) -> LogResult<Self> {
        let log = Self { database };
        log.finish_deletions()?;
        Ok(log)
    }

    /// Resumes the deletion of topics that an earlier process did not finish.
    fn finish_deletions(&self) -> LogResult<()> {
        let garbage: i64 = self
            .database
            .read(|conn| conn.query_row("SELECT count(*) FROM garbage", [], |r| r.get(0)).at(&self.database.file))?;
        if garbage > 0 && self.database.mode == OpenMode::ReadWrite {
            trim::delete_garbage(&self.database)?;
        }
        Ok(())
    }
}

impl Log for EmbeddedLog {
    fn name(&self) -> String {
        self.database.dir.display().to_string()
    }

    fn create_topic(&self, topic: &str, config: &TopicConfig) -> LogResult<()> {
        let file = &self.database.file;
        self.database.write(|conn, _| topics::create(conn, file, topic, config, SystemClock.now()))
    }

    fn delete_topic(&self, topic: &str) -> LogResult<()> {
        self.database.write(|conn, _| topics::delete(conn, &self.database.file, topic))?;
        trim::delete_garbage(&self.database)
    }

    fn topics(&self, only: Option<&str>) -> LogResult<Vec<TopicInfo>> {
        self.database.read(|conn| topics::list(conn, &self.database.file, only))
    }

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> LogResult<()> {
        trim::delete_records(&self.database, before)
    }

    fn resolve(&self, at: &TopicPartition, start: Start) -> LogResult<Offset> {
        let file = &self.database.file;
        self.database.read(|conn| {
            let partition = topics::find(conn, file, at)?;
            match start {
                Start::Earliest => Ok(Offset(partition.earliest)),
                Start::Latest => Ok(Offset(partition.end)),
                Start::At(offset) => topics::check_offset(at, &partition, offset).map(|()| offset),
                Start::Time(time) => reader::offset_at_time(conn, file, at, &partition, time),
            }
        })
    }

    fn reader(&self, from: &[(TopicPartition, Offset)]) -> LogResult<Box<dyn Reader>> {
        let mut reader = reader::EmbeddedReader::new(self.database.clone())?;
        for (at, offset) in from {
            reader.add(at, *offset)?;
        }
        Ok(Box::new(reader))
    }

    fn appender(&self) -> LogResult<Box<dyn Appender>> {
        self.database.check_writable()?;
        Ok(Box::new(append::EmbeddedAppender { database: self.database.clone() }))
    }

    fn committed(&self, group: &str, of: &[TopicPartition]) -> LogResult<Vec<Option<Offset>>> {
        let file = &self.database.file;
        let committed = |conn: &Connection, at| {
            let partition = topics::find(conn, file, at)?;
            let committed = member::committed(conn, file, group, at)?;
            // Ignores an offset that was committed for an older topic of the same name.
            Ok(committed.filter(|(_, id)| *id == partition.id).map(|(offset, _)| offset))
        };
        self.database.read(|conn| of.iter().map(|at| committed(conn, at)).collect())
    }

    fn delete_offsets(&self, group: &str, _: &AtomicBool) -> LogResult<()> {
        lease::delete_offsets(&self.database, group)
    }

    fn start_over(&self, over: &StartOver<'_>, _: &AtomicBool) -> LogResult<()> {
        start_over::start_over(&self.database, over)
    }

    fn join(&self, group: &GroupSpec) -> LogResult<Box<dyn Member>> {
        Ok(Box::new(member::EmbeddedMember::join(&self.database, group)?))
    }

    fn check_storage(&self) -> LogResult<()> {
        self.database.check()
    }

    fn deletion_retention(&self) -> Duration {
        compaction::DELETION_RETENTION
    }

    fn record_limits(&self, topics: &[Arc<str>]) -> LogResult<Vec<RecordLimit>> {
        let limit = |topic: &Arc<str>| crate::log::topic(self, topic).map(|_| self.database.record_limit.clone());
        topics.iter().map(limit).collect()
    }

    fn check_access(&self, access: &Access<'_>) -> LogResult<()> {
        match access {
            Access::CreateTopic(topic, config) => {
                naming::check(topic, config)?;
                self.database.check_writable()?;
                let existing = self.topics(Some(topic))?;
                existing.first().map_or(Ok(()), |t| Err(LogError::TopicExists(t.name.to_string())))
            }
            Access::ReadTopic(topic) => crate::log::topic(self, topic).map(drop),
            Access::ReadOffsets(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
