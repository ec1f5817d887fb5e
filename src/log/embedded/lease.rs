//! One instance of a pipeline at a time.
//!
//! A lease has two parts: a file lock of the operating system, which the death of its process releases, and an
//! epoch in the log, which every commit checks inside its transaction. Nothing here waits for a lease.

use super::database::Database;
use super::errors::{self, FileContext};
use crate::log::{LogError, LogResult};
use crate::time::{Clock as _, SystemClock};
use rusqlite::{Connection, OptionalExtension, params};
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Longest name of a lock file.
const MAX_LOCK_NAME_BYTES: usize = 200;

/// The right to commit for a pipeline, held until dropped.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) group: String,
    epoch: i64,
    database: Arc<Database>,
    lock: Mutex<Option<File>>,
}

impl Lease {
    /// Acquires the lease.
    ///
    /// # Errors
    /// [`LogError::GroupTaken`] with the holder where there is one.
    pub(super) fn acquire(database: &Arc<Database>, group: &str, instance: &str) -> LogResult<Self> {
        let lock = lock_group(database, group)?;
        let file = &database.file;
        let epoch = database.write(|conn, _| {
            conn.query_row(
                "INSERT INTO leases (pipeline, epoch, pid, instance, since) VALUES (?1, 1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET epoch = epoch + 1, pid = ?2, instance = ?3, since = ?4 RETURNING epoch",
                params![group, std::process::id(), instance, SystemClock.now()],
                |r| r.get(0),
            )
            .at(file)
        })?;
        Ok(Self { group: group.to_owned(), epoch, database: database.clone(), lock: Mutex::new(Some(lock)) })
    }

    /// Fails inside a transaction where another instance has acquired the lease since.
    pub(super) fn check(&self, conn: &Connection) -> LogResult<()> {
        let epoch: Option<i64> = conn
            .prepare_cached("SELECT epoch FROM leases WHERE pipeline = ?1")
            .at(&self.database.file)?
            .query_row([&self.group], |r| r.get(0))
            .optional()
            .at(&self.database.file)?;
        if epoch == Some(self.epoch) { Ok(()) } else { Err(LogError::Fenced { group: self.group.clone() }) }
    }

    /// Releases the lease: nothing more can be committed with it.
    pub(super) fn release(&self) -> LogResult<()> {
        let file = &self.database.file;
        self.database.write(|conn, _| {
            conn.execute(
                "UPDATE leases SET epoch = epoch + 1, pid = NULL, instance = NULL, since = NULL
                 WHERE pipeline = ?1 AND epoch = ?2",
                params![self.group, self.epoch],
            )
            .at(file)
        })?;
        self.unlock();
        Ok(())
    }

    /// Unlocks explicitly. Closing the file is not enough: a child process that another thread is starting
    /// holds a copy of it until its own program begins, and with it the lock.
    fn unlock(&self) {
        if let Some(lock) = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Where this fails, closing the file releases the lock.
            drop(lock.unlock());
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.unlock();
    }
}

fn lock_group(database: &Database, group: &str) -> LogResult<File> {
    database.check_writable()?;
    let path = lock_path(database, group)?;
    let lock = File::options().create(true).truncate(false).write(true).open(&path);
    let lock = lock.map_err(|e| errors::io(&path, &e))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            Err(LogError::GroupTaken { group: group.to_owned(), holder: describe_holder(database, group)? })
        }
        Err(TryLockError::Error(e)) => Err(errors::io(&path, &e)),
    }
}

/// Deletes the committed offsets of a group.
///
/// # Errors
/// [`LogError::GroupTaken`] with the holder where an instance of the group runs.
pub(super) fn delete_offsets(database: &Database, group: &str) -> LogResult<()> {
    delete_offsets_and(database, group, |_| Ok(()))
}

/// Deletes the committed offsets of a group, and does something else in the same transaction.
///
/// # Errors
/// [`LogError::GroupTaken`] with the holder where an instance of the group runs, and those of `more`.
pub(super) fn delete_offsets_and(
    database: &Database,
    group: &str,
    more: impl FnOnce(&Connection) -> LogResult<()>,
) -> LogResult<()> {
    let lock = lock_group(database, group)?;
    let deleted = database.write(|conn, _| {
        conn.execute("DELETE FROM offsets WHERE pipeline = ?1", [group]).at(&database.file)?;
        more(conn)
    });
    // Unlocked explicitly for the reason given at `Lease::unlock`.
    drop(lock.unlock());
    deleted
}

fn describe_holder(database: &Database, group: &str) -> LogResult<String> {
    let sql = "SELECT pid, instance, since FROM leases WHERE pipeline = ?1 AND pid IS NOT NULL";
    let holder: Option<(u32, String, i64)> = database.read(|conn| {
        let row = conn.query_row(sql, [group], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)));
        row.optional().at(&database.file)
    })?;
    Ok(match holder {
        Some((pid, instance, since)) => {
            // The instance name that the command line sets contains the process id.
            let name =
                if instance.contains(&pid.to_string()) { instance } else { format!("process {pid} ({instance})") };
            format!("{name}, since {}", crate::time::rfc3339(since))
        }
        None => "another process has just started it".into(),
    })
}

/// Path of the lock file: the group's name, with bytes that a file name must not contain written as %XX.
fn lock_path(database: &Database, group: &str) -> LogResult<PathBuf> {
    let mut name = String::from("group-");
    for b in group.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => name.push(char::from(b)),
            b => name.push_str(&format!("%{b:02X}")),
        }
    }
    if group.is_empty() || name.len() > MAX_LOCK_NAME_BYTES {
        return Err(LogError::InvalidTopic(format!(
            "`{group}` cannot be the name of a pipeline: it is empty or too long"
        )));
    }
    Ok(database.locks().join(name))
}
