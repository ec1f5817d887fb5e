//! Names for what can go wrong with the file: whose fault it is, where, and what to do.
//!
//! Separate so that every query goes through one table from SQLite's codes to [`LogError`]. It must
//! never call a damaged file busy, nor a busy one damaged: the first stops, the second tries again.

use super::schema;
use crate::log::{LogError, LogResult};
use rusqlite::ErrorCode;
use std::io;
use std::path::Path;

/// Names a fault of SQLite after the file it happened to.
pub(super) trait Named<T> {
    fn at(self, file: &Path) -> LogResult<T>;
}

impl<T> Named<T> for rusqlite::Result<T> {
    fn at(self, file: &Path) -> LogResult<T> {
        self.map_err(|e| fault(file, &e))
    }
}

/// The fault behind an answer of SQLite.
pub(super) fn fault(file: &Path, e: &rusqlite::Error) -> LogError {
    let shown = file.display();
    let Some(code) = e.sqlite_error_code() else {
        return LogError::Corrupt(format!("`{shown}` holds something unexpected ({e}); {RESTORE}"));
    };
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => LogError::Busy(
            format!("`{shown}` was held by another process for more than {} s", schema::PATIENCE.as_secs()),
        ),
        ErrorCode::DatabaseCorrupt => {
            LogError::Corrupt(format!("`{shown}` is torn or damaged ({e}); nothing was changed; {RESTORE}"))
        }
        ErrorCode::NotADatabase => not_a_log(file),
        ErrorCode::DiskFull => full(file),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
            LogError::Unusable(format!("`{shown}` cannot be written ({e}); {WRITABLE}"))
        }
        ErrorCode::SystemIoFailure | ErrorCode::NoLargeFileSupport => LogError::Unusable(format!(
            "the disk failed under `{shown}` ({e}); the transaction was undone; check the disk and the room on it"
        )),
        ErrorCode::OutOfMemory => LogError::Unusable(format!("no memory left to work on `{shown}`")),
        ErrorCode::TooBig => LogError::Unusable(format!("a record is too large for `{shown}`")),
        _ => LogError::Corrupt(format!("`{shown}` holds something unexpected ({e}); {RESTORE}")),
    }
}

const RESTORE: &str = "restore the folder from a copy, or name another one with `--data-dir`";
const WRITABLE: &str = "make the folder and the file writable, or name another folder with `--data-dir`";

/// The fault behind an answer of the file system.
pub(super) fn io(path: &Path, e: &io::Error) -> LogError {
    let shown = path.display();
    match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => full(path),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            let file = path.ancestors().find(|p| p.is_file()).unwrap_or(path).display();
            LogError::Unusable(format!("`{file}` is a file, not a folder; name a folder with `--data-dir`"))
        }
        _ => LogError::Unusable(format!("`{shown}` cannot be used ({e}); {WRITABLE}")),
    }
}

/// The file is no database at all.
pub(super) fn not_a_log(file: &Path) -> LogError {
    LogError::Corrupt(format!(
        "`{}` is not a log of fastdata, or its beginning is destroyed; nothing was changed; {RESTORE}",
        file.display()
    ))
}

/// The file is a database of another program.
pub(super) fn foreign(file: &Path) -> LogError {
    LogError::Corrupt(format!(
        "`{}` is a database of another program; nothing was changed; name another folder with `--data-dir`",
        file.display()
    ))
}

/// The file was written by a later version of this program.
pub(super) fn newer(file: &Path, version: u32) -> LogError {
    LogError::Unusable(format!(
        "`{}` has format {version}, this fastdata reads format {}; use the newer fastdata that wrote it",
        file.display(),
        schema::FORMAT
    ))
}

/// The file is shorter than it says.
pub(super) fn torn(file: &Path, has: u64, wants: u64) -> LogError {
    LogError::Corrupt(format!(
        "`{}` is torn: it has {has} of {wants} bytes; nothing was changed; {RESTORE}",
        file.display()
    ))
}

/// A record batch that does not read back as it was written.
pub(super) fn damaged(file: &Path, what: &str) -> LogError {
    LogError::Corrupt(format!("`{}` is damaged: {what}; nothing was changed; {RESTORE}", file.display()))
}

/// There is nothing to read.
pub(super) fn missing(file: &Path) -> LogError {
    LogError::Unusable(format!(
        "there is no log at `{}`; fill one with `fastdata seed --topic T`, or name its folder with `--data-dir`",
        file.display()
    ))
}

/// A write to a log that could only be opened for reading.
pub(super) fn read_only(file: &Path) -> LogError {
    LogError::Unusable(format!("`{}` is open for reading only; {WRITABLE}", file.display()))
}

fn full(path: &Path) -> LogError {
    LogError::Unusable(format!(
        "no room left on the disk of `{}`; nothing of this write was kept and nothing older was lost; free some room and start again",
        path.display()
    ))
}
