//! The embedded log: topics, groups and transactions in one SQLite file, shared by several processes.
//!
//! Separate from Kafka's half because it needs nothing installed; everything above sees only the
//! [`Log`] trait. It never keeps a transaction open between calls.
//!
//! Writes of one handle go through one connection, one at a time; every reader has its own, and so has
//! the thread that copies the write-ahead log back into the file. A commit is visible to all at once and
//! survives the death of the process; what survives a loss of power is everything up to some commit of
//! the last moments, whole transactions only, so that offsets, state and outputs always agree.

mod append;
mod batch;
mod checkpoint;
mod commit;
mod compaction;
mod errors;
mod lease;
mod member;
mod notify;
mod reader;
mod retention;
mod schema;
mod topics;

use crate::log::{
    Access, Appender, GroupSpec, Log, LogError, LogResult, Member, Reader, Start, TopicConfig, TopicInfo, naming,
};
use crate::record::{Offset, TopicPartition};
use checkpoint::Checkpoints;
use errors::Named;
use notify::Notify;
use retention::Retention;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use schema::{Access as FileAccess, Kind};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Milliseconds since the Unix epoch.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What all parts of one handle share.
#[derive(Debug)]
struct Store {
    dir: PathBuf,
    file: PathBuf,
    access: FileAccess,
    notify: Notify,
    writer: Mutex<Option<Writer>>,
}

#[derive(Debug)]
struct Writer {
    conn: Connection,
    retention: Retention,
    checkpoints: Checkpoints,
}

impl Store {
    fn locks(&self) -> PathBuf {
        self.dir.join("locks")
    }

    /// A further connection, for reading.
    fn connect(&self) -> LogResult<Connection> {
        schema::connect(&self.file, self.access)
    }

    fn writable(&self) -> LogResult<()> {
        if self.access == FileAccess::Write { Ok(()) } else { Err(errors::read_only(&self.file)) }
    }

    /// Runs `work` in a transaction of its own: all of it becomes visible, or nothing.
    fn write<T>(&self, work: impl FnOnce(&Connection, &mut Retention) -> LogResult<T>) -> LogResult<T> {
        self.writable()?;
        let mut slot = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = match &mut *slot {
            Some(writer) => writer,
            none => {
                let conn = self.connect()?;
                let checkpoints = Checkpoints::begin(&conn, &self.file)?;
                none.insert(Writer { conn, retention: Retention::default(), checkpoints })
            }
        };
        let Writer { conn, retention, checkpoints } = writer;
        checkpoints.fault()?;
        let tx = Transaction::new(conn, TransactionBehavior::Immediate).at(&self.file)?;
        let done = work(&tx, retention).and_then(|done| tx.commit().at(&self.file).map(|()| done));
        if done.is_err() {
            *retention = Retention::default();
        }
        let done = done?;
        self.notify.committed();
        checkpoints.committed(conn);
        Ok(done)
    }
}

/// A log in a folder of this machine. Clones share one handle; several handles, in this or other
/// processes, share the file.
#[derive(Clone, Debug)]
pub struct EmbeddedLog {
    store: Arc<Store>,
}

impl EmbeddedLog {
    /// Opens the log in a folder; makes both where they are not there. Where the file system allows only
    /// reading, the log can be read, and each write says why not.
    ///
    /// # Errors
    /// The folder cannot be made or used, or the file in it is foreign, newer or torn. Such a file is
    /// not changed.
    pub fn open(dir: &Path) -> LogResult<Self> {
        let file = dir.join(schema::FILE);
        if schema::recognise(&file)? == Kind::Empty {
            let locks = dir.join("locks");
            std::fs::create_dir_all(&locks).map_err(|e| errors::io(dir, &e))?;
            let lock = locks.join("create");
            let held = File::options().create(true).truncate(false).write(true).open(&lock);
            let held = held.map_err(|e| errors::io(&lock, &e))?;
            held.lock().map_err(|e| errors::io(&lock, &e))?;
            if schema::recognise(&file)? == Kind::Empty {
                schema::create(&file)?;
            }
        }
        Self::open_existing(dir)
    }

    /// Opens the log in a folder only if it is there.
    ///
    /// # Errors
    /// As for [`Self::open`], and where there is no log.
    pub fn open_existing(dir: &Path) -> LogResult<Self> {
        let file = dir.join(schema::FILE);
        if schema::recognise(&file)? == Kind::Empty {
            return Err(errors::missing(&file));
        }
        let mut access = schema::access(&file)?;
        if access == FileAccess::Write && std::fs::create_dir_all(dir.join("locks")).is_err() {
            access = FileAccess::Read;
        }
        let (notify, writer) = (Notify::default(), Mutex::new(None));
        let log = Self { store: Arc::new(Store { dir: dir.to_owned(), file, access, notify, writer }) };
        log.finish_deletions()?;
        Ok(log)
    }

    /// A deletion that was interrupted goes on with the next handle that can write.
    fn finish_deletions(&self) -> LogResult<()> {
        let left: i64 = {
            let conn = self.store.connect()?;
            conn.query_row("SELECT count(*) FROM garbage", [], |r| r.get(0)).at(&self.store.file)?
        };
        if left > 0 && self.store.access == FileAccess::Write {
            retention::collect(&self.store)?;
        }
        Ok(())
    }
}

impl Log for EmbeddedLog {
    fn name(&self) -> String {
        self.store.dir.display().to_string()
    }

    fn create_topic(&self, topic: &str, config: &TopicConfig) -> LogResult<()> {
        self.store.write(|conn, _| topics::create(conn, &self.store.file, topic, config, now()))
    }

    fn delete_topic(&self, topic: &str) -> LogResult<()> {
        self.store.write(|conn, _| topics::delete(conn, &self.store.file, topic))?;
        retention::collect(&self.store)
    }

    fn topics(&self, only: Option<&str>) -> LogResult<Vec<TopicInfo>> {
        topics::list(&self.store.connect()?, &self.store.file, only)
    }

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> LogResult<()> {
        retention::trim(&self.store, before)
    }

    fn resolve(&self, at: &TopicPartition, start: Start) -> LogResult<Offset> {
        let conn = self.store.connect()?;
        let part = topics::find(&conn, &self.store.file, at)?;
        match start {
            Start::Earliest => Ok(Offset(part.earliest)),
            Start::Latest => Ok(Offset(part.end)),
            Start::At(offset) => topics::within(at, &part, offset).map(|()| offset),
            Start::Time(time) => reader::at_time(&conn, &self.store.file, at, &part, time),
        }
    }

    fn reader(&self, from: &[(TopicPartition, Offset)]) -> LogResult<Box<dyn Reader>> {
        let mut cursors = reader::Cursors::new(self.store.clone(), Vec::new())?;
        for (at, offset) in from {
            let part = topics::find(&cursors.conn, &self.store.file, at)?;
            topics::within(at, &part, *offset)?;
            let mut cursor = reader::Cursor::new(at.clone(), &part);
            cursor.seek(*offset);
            cursors.cursors.push(cursor);
        }
        Ok(Box::new(reader::EmbeddedReader { cursors }))
    }

    fn appender(&self) -> LogResult<Box<dyn Appender>> {
        self.store.writable()?;
        Ok(Box::new(append::EmbeddedAppender { store: self.store.clone() }))
    }

    fn committed(&self, group: &str, of: &[TopicPartition]) -> LogResult<Vec<Option<Offset>>> {
        let conn = self.store.connect()?;
        let file = &self.store.file;
        of.iter()
            .map(|at| {
                let part = topics::find(&conn, file, at)?;
                // An offset of a topic that was replaced is none of this one.
                Ok(member::committed(&conn, file, group, at)?.filter(|(_, id)| *id == part.id).map(|(o, _)| o))
            })
            .collect()
    }

    fn delete_offsets(&self, group: &str, _: &AtomicBool) -> LogResult<()> {
        lease::forget(&self.store, group)
    }

    fn join(&self, group: &GroupSpec) -> LogResult<Box<dyn Member>> {
        Ok(Box::new(member::EmbeddedMember::join(&self.store, group)?))
    }

    fn check_access(&self, access: &Access<'_>) -> LogResult<()> {
        match access {
            Access::CreateTopic(topic, config) => {
                naming::check(topic, config)?;
                self.store.writable()?;
                let there = self.topics(Some(topic))?;
                there.first().map_or(Ok(()), |t| Err(LogError::TopicExists(t.name.to_string())))
            }
            Access::ReadTopic(topic) => crate::log::topic(self, topic).map(drop),
            Access::ReadOffsets(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
