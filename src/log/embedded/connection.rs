//! Creates the database file, checks that it is ours, and opens connections to it.
//!
//! A file is changed only after its header has been checked.

use super::errors::{self, FileContext};
use super::schema;
use crate::files;
use crate::log::{LogError, LogResult};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How a file may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenMode {
    /// Reads and writes.
    ReadWrite,
    /// Only reads, while others may write.
    ReadOnly,
    /// Only reads a file that nobody can write; takes no locks.
    Immutable,
}

/// What the header of a file says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum FileState {
    /// There is no file, or it is empty.
    Missing,
    /// A log of this program.
    Valid,
}

/// Checks the header of a file without changing it or taking a lock.
///
/// The header is read through SQLite. A file that this process opens and closes by itself would release all
/// POSIX locks that the process holds on it, also those of SQLite's connections; another process would then
/// take itself for the only user of the file and delete the write-ahead log.
///
/// # Errors
/// The file is not ours, is of a later format, or is truncated.
pub(super) fn inspect(file: &Path) -> LogResult<FileState> {
    match std::fs::metadata(file) {
        Ok(metadata) if metadata.len() > 0 => {}
        Ok(_) => return Ok(FileState::Missing),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(FileState::Missing),
        Err(e) => return Err(errors::io(file, &e)),
    }
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_READ_ONLY;
    let conn = Connection::open_with_flags(immutable_uri(file), flags).at(file)?;
    let header_value = |name: &str| conn.query_row(&format!("PRAGMA {name}"), [], |r| r.get::<_, i64>(0));
    // With this, SQLite reads the header of a truncated file too.
    conn.execute_batch("PRAGMA writable_schema = ON").at(file)?;
    if header_value("application_id").at(file)? != i64::from(schema::APPLICATION_ID) {
        return Err(errors::foreign_database(file));
    }
    let format = header_value("user_version").at(file)?;
    if format != i64::from(schema::FORMAT) {
        return Err(errors::newer_format(file, format));
    }
    conn.execute_batch("PRAGMA writable_schema = OFF").at(file)?;
    let is_short = match header_value("user_version") {
        Err(e) => e.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt),
        // SQLite takes the beginning of a page for a page.
        Ok(_) => {
            let size = std::fs::metadata(file).map_err(|e| errors::io(file, &e))?.len();
            !size.is_multiple_of(header_value("page_size").at(file)?.unsigned_abs())
        }
    };
    // A crash during a checkpoint may leave the file short; the write-ahead log then has the rest.
    if is_short && !has_wal(file) { Err(errors::truncated(file)) } else { Ok(FileState::Valid) }
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether there are commits that are not yet copied into the file.
fn has_wal(file: &Path) -> bool {
    with_suffix(file, "-wal").metadata().is_ok_and(|m| m.len() > 0)
}

/// Creates the file. The caller holds the lock that keeps other processes from doing the same.
pub(super) fn create(file: &Path) -> LogResult<()> {
    if has_wal(file) {
        return Err(errors::damaged(file, "the file is gone but its write-ahead log is there"));
    }
    // Created under a temporary name, so that a crash leaves no incomplete file.
    let draft = with_suffix(file, "-new");
    for old in [draft.clone(), with_suffix(&draft, "-journal")] {
        match std::fs::remove_file(&old) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(errors::io(&old, &e)),
            _ => {}
        }
    }
    let mut conn = Connection::open(&draft).at(&draft)?;
    conn.execute_batch("PRAGMA page_size = 32768; PRAGMA synchronous = FULL;").at(file)?;
    let tx = conn.transaction_with_behavior(TransactionBehavior::Exclusive).at(file)?;
    tx.execute_batch(schema::CREATE_TABLES).at(file)?;
    tx.pragma_update(None, "application_id", schema::APPLICATION_ID).at(file)?;
    tx.pragma_update(None, "user_version", schema::FORMAT).at(file)?;
    tx.commit().at(file)?;
    conn.close().map_err(|(_, e)| e).at(file)?;
    files::rename_durably(&draft, file).map_err(|e| errors::io(file, &e))
}

/// Opens a connection to a file that [`inspect`] has found valid.
pub(super) fn open(file: &Path, mode: OpenMode) -> LogResult<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let conn = match mode {
        OpenMode::ReadWrite => Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_READ_WRITE),
        OpenMode::ReadOnly => Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_READ_ONLY),
        OpenMode::Immutable => {
            Connection::open_with_flags(immutable_uri(file), flags | OpenFlags::SQLITE_OPEN_READ_ONLY)
        }
    };
    let mut conn = conn.at(file)?;
    set_lock_timeout(&mut conn, schema::LOCK_TIMEOUT).at(file)?;
    if mode == OpenMode::ReadWrite {
        // NORMAL: a commit survives the death of the process at once, and that of the machine after the
        // next checkpoint; it is never torn. FULL costs a disk flush per commit.
        // Automatic checkpoints are off: they would delay the commit that happens to trigger them.
        conn.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;
             PRAGMA journal_size_limit = {};",
            schema::MAX_WAL_BYTES
        ))
        .at(file)?;
    }
    conn.execute_batch("PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;").at(file)?;
    Ok(conn)
}

/// Sets how long a connection waits for locks that others hold.
pub(super) fn set_lock_timeout(conn: &mut Connection, timeout: Duration) -> rusqlite::Result<()> {
    let max_tries = i32::try_from(timeout.as_micros() / schema::LOCK_RETRY_INTERVAL.as_micros()).unwrap_or(i32::MAX);
    conn.busy_handler(Some(move |tries| {
        std::thread::sleep(schema::LOCK_RETRY_INTERVAL);
        tries < max_tries
    }))
}

/// Opens a connection in the best mode that the file system allows.
pub(super) fn open_in_best_mode(file: &Path) -> LogResult<(OpenMode, Connection)> {
    let open_and_read = |mode| -> LogResult<Connection> {
        let conn = open(file, mode)?;
        conn.query_row("SELECT count(*) FROM topics", [], |_| Ok(())).at(file)?;
        Ok(conn)
    };
    match open_and_read(OpenMode::ReadWrite) {
        Ok(conn) if !conn.is_readonly("main").at(file)? => return Ok((OpenMode::ReadWrite, conn)),
        Ok(_) | Err(LogError::Unusable(_)) => {}
        Err(e) => return Err(e),
    }
    match open_and_read(OpenMode::ReadOnly) {
        Ok(conn) => Ok((OpenMode::ReadOnly, conn)),
        Err(LogError::Unusable(_)) if !has_wal(file) => {
            open_and_read(OpenMode::Immutable).map(|conn| (OpenMode::Immutable, conn))
        }
        Err(e) => Err(e),
    }
}

fn immutable_uri(file: &Path) -> String {
    let mut uri = String::from("file:");
    for b in std::path::absolute(file).unwrap_or_else(|_| file.to_owned()).as_os_str().as_encoded_bytes() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => uri.push(char::from(*b)),
            b => uri.push_str(&format!("%{b:02X}")),
        }
    }
    uri + "?immutable=1"
}
