//! One instance of a pipeline at a time.
//!
//! Separate because two marks must agree: a lock of the operating system, which falls with its process
//! however that dies, and an epoch in the log, which a commit checks inside its transaction. It never
//! waits for a lease.

use super::errors::{self, Named};
use super::{Store, now};
use crate::log::{LogError, LogResult};
use rusqlite::{Connection, OptionalExtension, params};
use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// The right to commit for a pipeline, held until dropped.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) group: String,
    epoch: i64,
    store: Arc<Store>,
    lock: Mutex<Option<File>>,
}

impl Lease {
    /// Takes the lease.
    ///
    /// # Errors
    /// [`LogError::GroupTaken`] with the holder where there is one.
    pub(super) fn take(store: &Arc<Store>, group: &str, instance: &str) -> LogResult<Self> {
        let lock = lock(store, group)?;
        let file = &store.file;
        let epoch = store.write(|conn, _| {
            conn.query_row(
                "INSERT INTO leases (pipeline, epoch, pid, instance, since) VALUES (?1, 1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET epoch = epoch + 1, pid = ?2, instance = ?3, since = ?4 RETURNING epoch",
                params![group, std::process::id(), instance, now()],
                |r| r.get(0),
            )
            .at(file)
        })?;
        Ok(Self { group: group.to_owned(), epoch, store: store.clone(), lock: Mutex::new(Some(lock)) })
    }

    /// Refuses to go on in a transaction of a pipeline that another instance has taken over.
    pub(super) fn check(&self, conn: &Connection) -> LogResult<()> {
        let epoch: Option<i64> = conn
            .prepare_cached("SELECT epoch FROM leases WHERE pipeline = ?1")
            .at(&self.store.file)?
            .query_row([&self.group], |r| r.get(0))
            .optional()
            .at(&self.store.file)?;
        if epoch == Some(self.epoch) { Ok(()) } else { Err(LogError::Fenced { group: self.group.clone() }) }
    }

    /// Gives the lease back: nothing more can be committed with it.
    pub(super) fn release(&self) -> LogResult<()> {
        let file = &self.store.file;
        self.store.write(|conn, _| {
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

    /// Closing the file is not enough: a process that is being started by another thread holds a copy of
    /// it until its own program begins, and with it the lock.
    fn unlock(&self) {
        if let Some(lock) = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // The lock falls with the file where this fails.
            drop(lock.unlock());
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.unlock();
    }
}

/// Takes the lock of the operating system.
fn lock(store: &Store, group: &str) -> LogResult<File> {
    store.writable()?;
    let path = lock_file(store, group)?;
    let lock = File::options().create(true).truncate(false).write(true).open(&path);
    let lock = lock.map_err(|e| errors::io(&path, &e))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            Err(LogError::GroupTaken { group: group.to_owned(), holder: holder(store, group)? })
        }
        Err(TryLockError::Error(e)) => Err(errors::io(&path, &e)),
    }
}

/// Throws away the positions of a group.
///
/// # Errors
/// [`LogError::GroupTaken`] with the holder where somebody is at work in it.
pub(super) fn forget(store: &Store, group: &str) -> LogResult<()> {
    let lock = lock(store, group)?;
    let forgotten = store
        .write(|conn, _| conn.execute("DELETE FROM offsets WHERE pipeline = ?1", [group]).at(&store.file).map(drop));
    // Unlocked, not only closed: see `Lease::unlock`.
    drop(lock.unlock());
    forgotten
}

fn holder(store: &Store, group: &str) -> LogResult<String> {
    let conn = store.connect()?;
    let found: Option<(u32, String, i64)> = conn
        .query_row("SELECT pid, instance, since FROM leases WHERE pipeline = ?1 AND pid IS NOT NULL", [group], |r| {
            Ok((r.get(0)?, r.get(1)?, r.get(2)?))
        })
        .optional()
        .at(&store.file)?;
    Ok(match found {
        Some((pid, instance, since)) => {
            // An instance of the command line names its process itself.
            let who =
                if instance.contains(&pid.to_string()) { instance } else { format!("process {pid} ({instance})") };
            format!("{who}, since {}", crate::time::rfc3339(since))
        }
        None => "another process has just started it".into(),
    })
}

/// The lock's file: the group's name, with whatever no file name may have written as %XX.
fn lock_file(store: &Store, group: &str) -> LogResult<PathBuf> {
    let mut name = String::from("group-");
    for b in group.bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => name.push(char::from(b)),
            b => name.push_str(&format!("%{b:02X}")),
        }
    }
    if group.is_empty() || name.len() > 200 {
        return Err(LogError::InvalidTopic(format!(
            "`{group}` cannot be the name of a pipeline: it is empty or too long"
        )));
    }
    Ok(store.locks().join(name))
}
