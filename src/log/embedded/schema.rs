//! The tables, the numbers that mark a file as ours, and how connections to it are opened.
//!
//! Separate because the format on disk is a promise of its own: a change here needs a new [`FORMAT`].
//! It never touches a file that it has not first recognised from its header bytes.
//!
//! A row of records is named by one integer, its partition's number above its first offset, so that a
//! partition is one range of the primary tree and needs no further index: half the pages of a small
//! commit, measured.

use super::errors::{self, Named};
use crate::log::{LogError, LogResult};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the file in the data folder.
pub(super) const FILE: &str = "fastdata.db";
/// Our mark in the file's header: "fast".
pub(super) const APPLICATION_ID: u32 = 0x6661_7374;
/// Version of the tables and of the rows in them.
pub(super) const FORMAT: u32 = 1;
/// How long a writer waits for another process's transaction.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes that the write-ahead log may hold: more only by the transactions that fill it, or while another
/// process stands still in it.
pub(super) const WAL_BYTES: i64 = 128 << 20;
/// How often whoever waits looks whether it is its turn.
pub(super) const RETRY: Duration = Duration::from_micros(300);
const HEADER: usize = 100;

const OFFSET_BITS: u32 = 40;
/// Offsets end here: a trillion records a partition.
pub(super) const MAX_OFFSET: i64 = (1 << OFFSET_BITS) - 1;
/// Partitions ever made in one file end here.
pub(super) const MAX_PART: i64 = (1 << (63 - OFFSET_BITS)) - 1;

const TABLES: &str = "
CREATE TABLE topics (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL,
    compacted INTEGER NOT NULL, retention_ms INTEGER, retention_bytes INTEGER);
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, topic INTEGER NOT NULL, partition INTEGER NOT NULL,
    earliest INTEGER NOT NULL DEFAULT 0, end INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
    clean INTEGER NOT NULL DEFAULT 0, clean_records INTEGER NOT NULL DEFAULT 0, clean_bytes INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX partitions_of ON partitions (topic, partition);
CREATE TABLE batches (
    id INTEGER PRIMARY KEY, last INTEGER NOT NULL, max_time INTEGER NOT NULL, bytes INTEGER NOT NULL,
    written INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE garbage (part INTEGER PRIMARY KEY);
CREATE TABLE offsets (
    pipeline TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, part INTEGER NOT NULL,
    next INTEGER NOT NULL, PRIMARY KEY (pipeline, topic, partition)) WITHOUT ROWID;
CREATE TABLE leases (
    pipeline TEXT PRIMARY KEY, epoch INTEGER NOT NULL, pid INTEGER, instance TEXT, since INTEGER) WITHOUT ROWID;
";

/// The row that begins with an offset of a partition.
pub(super) fn row_id(part: i64, offset: i64) -> i64 {
    part << OFFSET_BITS | offset.clamp(0, MAX_OFFSET)
}

/// The first offset of a row.
pub(super) fn offset_of(row_id: i64) -> i64 {
    row_id & MAX_OFFSET
}

/// The rows of a whole partition: from, up to but without.
pub(super) fn rows_of(part: i64) -> (i64, i64) {
    (row_id(part, 0), row_id(part, MAX_OFFSET))
}

/// The rows of a partition (?1: its first) from the one that may hold a record (?2) on, up to another (?3).
/// The first one may end before that record.
pub(super) const ROWS: &str = "SELECT id, last, data, bytes, max_time, written FROM batches WHERE id < ?3
    AND id >= (SELECT COALESCE(MAX(id), ?1) FROM batches WHERE id BETWEEN ?1 AND ?2) ORDER BY id";

/// How a file may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Read and written.
    Write,
    /// Only read, while others may write.
    Read,
    /// Only read, and nobody can write: not even a lock is taken.
    Frozen,
}

/// What a file is, by its first bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing there yet.
    Empty,
    /// A log of ours.
    Ours,
}

/// Looks at a file without changing it or taking a lock.
///
/// # Errors
/// The file is not ours, is from a later version, or is cut off.
pub(super) fn recognise(file: &Path) -> LogResult<Kind> {
    let mut header = [0; HEADER];
    let mut opened = match File::open(file) {
        Ok(f) => f,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Kind::Empty),
        Err(e) => return Err(errors::io(file, &e)),
    };
    let size = opened.metadata().map_err(|e| errors::io(file, &e))?.len();
    if size == 0 {
        return Ok(Kind::Empty);
    }
    opened.read_exact(&mut header).map_err(|_| errors::not_a_log(file))?;
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(errors::not_a_log(file));
    }
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        p => u64::from(p),
    };
    let (pages, version, application) = (number(28), number(60), number(68));
    if application != APPLICATION_ID {
        return Err(errors::foreign(file));
    }
    if version != FORMAT {
        return Err(errors::newer(file, version));
    }
    let wants = page * u64::from(pages);
    // A crash while the write-ahead log is copied back may leave the file short; the log then has the rest.
    if size < wants && !has_wal(file) {
        return Err(errors::torn(file, size, wants));
    }
    Ok(Kind::Ours)
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Whether commits wait to be copied into the file.
fn has_wal(file: &Path) -> bool {
    beside(file, "-wal").metadata().is_ok_and(|m| m.len() > 0)
}

/// Makes a new file; the caller holds the lock that only one process has at a time.
pub(super) fn create(file: &Path) -> LogResult<()> {
    if has_wal(file) {
        return Err(errors::damaged(file, "the file is gone but its write-ahead log is there"));
    }
    // Made under another name: a crash on the way leaves no file that is half ours.
    let made = beside(file, "-new");
    for old in [made.clone(), beside(&made, "-journal")] {
        match std::fs::remove_file(&old) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(errors::io(&old, &e)),
            _ => {}
        }
    }
    let mut conn = Connection::open(&made).at(&made)?;
    conn.execute_batch("PRAGMA page_size = 32768; PRAGMA synchronous = FULL;").at(file)?;
    let tx = conn.transaction_with_behavior(TransactionBehavior::Exclusive).at(file)?;
    tx.execute_batch(TABLES).at(file)?;
    tx.pragma_update(None, "application_id", APPLICATION_ID).at(file)?;
    tx.pragma_update(None, "user_version", FORMAT).at(file)?;
    tx.commit().at(file)?;
    conn.close().map_err(|(_, e)| e).at(file)?;
    std::fs::rename(&made, file).map_err(|e| errors::io(file, &e))
}

/// A connection of its own to a file that was recognised.
pub(super) fn connect(file: &Path, access: Access) -> LogResult<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let conn = match access {
        Access::Write => Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_READ_WRITE),
        Access::Read => Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_READ_ONLY),
        Access::Frozen => Connection::open_with_flags(frozen(file), flags | OpenFlags::SQLITE_OPEN_READ_ONLY),
    };
    let mut conn = conn.at(file)?;
    wait_for_locks(&mut conn, PATIENCE).at(file)?;
    if access == Access::Write {
        // NORMAL: a commit survives the death of the process at once, and that of the machine after
        // the next checkpoint; it is never torn. FULL costs a disk flush a commit.
        // `checkpoint` copies the write-ahead log back, not the commit that happens to fill it.
        conn.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;
             PRAGMA journal_size_limit = {WAL_BYTES};"
        ))
        .at(file)?;
    }
    conn.execute_batch("PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;").at(file)?;
    Ok(conn)
}

/// How long a connection waits for what another one holds.
pub(super) fn wait_for_locks(conn: &mut Connection, time: Duration) -> rusqlite::Result<()> {
    let tries = i32::try_from(time.as_micros() / RETRY.as_micros()).unwrap_or(i32::MAX);
    conn.busy_handler(Some(move |n| {
        std::thread::sleep(RETRY);
        n < tries
    }))
}

/// The best access that the file system allows.
pub(super) fn access(file: &Path) -> LogResult<Access> {
    let probe = |access| -> LogResult<bool> {
        let conn = connect(file, access)?;
        conn.query_row("SELECT count(*) FROM topics", [], |_| Ok(())).at(file)?;
        conn.is_readonly("main").at(file)
    };
    match probe(Access::Write) {
        Ok(false) => return Ok(Access::Write),
        Ok(true) | Err(LogError::Unusable(_)) => {}
        Err(e) => return Err(e),
    }
    match probe(Access::Read) {
        Ok(_) => Ok(Access::Read),
        Err(LogError::Unusable(_)) if !has_wal(file) => probe(Access::Frozen).map(|_| Access::Frozen),
        Err(e) => Err(e),
    }
}

fn frozen(file: &Path) -> String {
    let mut uri = String::from("file:");
    for b in std::path::absolute(file).unwrap_or_else(|_| file.to_owned()).as_os_str().as_encoded_bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => uri.push(char::from(*b)),
            b => uri.push_str(&format!("%{b:02X}")),
        }
    }
    uri + "?immutable=1"
}
