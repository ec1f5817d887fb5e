//! Maps errors of SQLite and of the file system to [`LogError`]: what happened, to which file, what to do.
//!
//! A damaged file is never reported as busy, nor a busy one as damaged: damage stops the program, a busy file
//! is tried again.

use super::schema;
use crate::log::{LogError, LogResult};
use rusqlite::ErrorCode;
use std::io;
use std::path::Path;

/// Adds the file to an error of SQLite.
pub(super) trait FileContext<T> {
    fn at(self, file: &Path) -> LogResult<T>;
}

impl<T> FileContext<T> for rusqlite::Result<T> {
    fn at(self, file: &Path) -> LogResult<T> {
        self.map_err(|e| sqlite(file, &e))
    }
}

const RESTORE: &str = "restore the folder from a copy, or name another one with `--data-dir`";
const MAKE_WRITABLE: &str = "make the folder and the file writable, or name another folder with `--data-dir`";

pub(super) fn sqlite(file: &Path, e: &rusqlite::Error) -> LogError {
    let path = file.display();
    let unexpected = || LogError::Corrupt(format!("`{path}` holds something unexpected ({e}); {RESTORE}"));
    let Some(code) = e.sqlite_error_code() else { return unexpected() };
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => LogError::Busy(
            format!("`{path}` was locked by another process for more than {} s", schema::LOCK_TIMEOUT.as_secs()),
        ),
        ErrorCode::DatabaseCorrupt => {
            LogError::Corrupt(format!("`{path}` is torn or damaged ({e}); nothing was changed; {RESTORE}"))
        }
        ErrorCode::NotADatabase => not_a_log(file),
        ErrorCode::DiskFull => disk_full(file),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
            LogError::Unusable(format!("`{path}` cannot be written ({e}); {MAKE_WRITABLE}"))
        }
        ErrorCode::SystemIoFailure | ErrorCode::NoLargeFileSupport => LogError::Unusable(format!(
            "the disk failed under `{path}` ({e}); the transaction was rolled back; check the disk and its free space"
        )),
        ErrorCode::OutOfMemory => LogError::Unusable(format!("out of memory while working on `{path}`")),
        ErrorCode::TooBig => LogError::Unusable(format!("a record is too large for `{path}`")),
        _ => unexpected(),
    }
}

pub(super) fn io(path: &Path, e: &io::Error) -> LogError {
    match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => disk_full(path),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            let file = path.ancestors().find(|p| p.is_file()).unwrap_or(path).display();
            LogError::Unusable(format!("`{file}` is a file, not a folder; name a folder with `--data-dir`"))
        }
        _ => LogError::Unusable(format!("`{}` cannot be used ({e}); {MAKE_WRITABLE}", path.display())),
    }
}

/// The file is not a database, or its header is destroyed.
pub(super) fn not_a_log(file: &Path) -> LogError {
    LogError::Corrupt(format!(
        "`{}` is not a log of fastdata, or its beginning is destroyed; nothing was changed; {RESTORE}",
        file.display()
    ))
}

/// The file is a database of another program.
pub(super) fn foreign_database(file: &Path) -> LogError {
    LogError::Corrupt(format!(
        "`{}` is a database of another program; nothing was changed; name another folder with `--data-dir`",
        file.display()
    ))
}

/// The file was written by a later version of this program.
pub(super) fn newer_format(file: &Path, version: i64) -> LogError {
    LogError::Unusable(format!(
        "`{}` has format {version}, this fastdata reads format {}; use the newer fastdata that wrote it",
        file.display(),
        schema::FORMAT
    ))
}

/// The file is shorter than its header says.
pub(super) fn truncated(file: &Path) -> LogError {
    LogError::Corrupt(format!(
        "`{}` is torn: it is shorter than its header says; nothing was changed; {RESTORE}",
        file.display()
    ))
}

/// The path no longer leads to the file that is open.
pub(super) fn folder_replaced(dir: &Path) -> LogError {
    LogError::Unusable(format!(
        "the data folder `{}` was removed, moved or replaced while in use; what was written to it last may be lost; \
         put the folder back or create a new one, then start again",
        dir.display()
    ))
}

/// Data that does not read back as it was written.
pub(super) fn damaged(file: &Path, what: &str) -> LogError {
    LogError::Corrupt(format!("`{}` is damaged: {what}; nothing was changed; {RESTORE}", file.display()))
}

/// The thread that copies commits into the file has ended.
pub(super) fn checkpoint_panic(why: &str) -> LogError {
    LogError::Unusable(format!("internal error: the checkpoints of the log have panicked: {why}"))
}

/// A write to a log that could only be opened for reading.
pub(super) fn read_only(file: &Path) -> LogError {
    LogError::Unusable(format!("`{}` is open for reading only; {MAKE_WRITABLE}", file.display()))
}

fn disk_full(path: &Path) -> LogError {
    LogError::Unusable(format!(
        "no space left on the disk of `{}`; nothing of this write was kept and nothing older was lost; free some space and start again",
        path.display()
    ))
}
