//! One open log: its file, its connections for writing and for short reads, and the signal of a commit.
//!
//! All writes go through one connection, one transaction at a time; each reader of records has a connection
//! of its own. Nothing is acknowledged, and nothing read, once the path leads to another file.

use super::checkpointer::{CheckpointPanic, Checkpointer};
use super::commit_signal::CommitSignal;
use super::connection::{self, FileState, OpenMode};
use super::errors::{self, FileContext};
use super::file_id::FileId;
use super::retention::Retention;
use super::schema;
use crate::log::{LogError, LogResult, RecordLimit};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The advice for a record that is too large.
const LIMIT_REMEDY: &str = "this is the limit of the embedded log; make the record smaller";

/// What all handles of one file share.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) dir: PathBuf,
    pub(super) file: PathBuf,
    pub(super) id: FileId,
    pub(super) mode: OpenMode,
    pub(super) signal: CommitSignal,
    pub(super) record_limit: RecordLimit,
    checkpoint_panic: Arc<CheckpointPanic>,
    /// Opened by the first write.
    pub(super) writer: Mutex<Option<WriteConnection>>,
    /// For short reads. It is open as long as the log, so that the file system cannot reuse `id` for another file.
    reader: Mutex<Connection>,
}

/// The one connection that writes.
#[derive(Debug)]
pub(super) struct WriteConnection {
    pub(super) conn: Connection,
    retention: Retention,
    pub(super) checkpointer: Checkpointer,
}

impl Database {
    /// Creates the folder and the file where they do not exist.
    pub(super) fn create(dir: &Path) -> LogResult<()> {
        let file = dir.join(schema::DATABASE_FILE);
        if connection::inspect(&file)? == FileState::Valid {
            return Ok(());
        }
        let locks = lock_dir(dir);
        std::fs::create_dir_all(&locks).map_err(|e| errors::io(dir, &e))?;
        let path = locks.join("create");
        let lock = File::options().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(|e| errors::io(&path, &e))?;
        lock.lock().map_err(|e| errors::io(&path, &e))?;
        match connection::inspect(&file)? {
            FileState::Missing => connection::create(&file),
            FileState::Valid => Ok(()),
        }
    }

    /// Opens the file in a folder, with a size limit for one record.
    pub(super) fn open(dir: &Path, max_record_bytes: usize) -> LogResult<Arc<Self>> {
        let file = dir.join(schema::DATABASE_FILE);
        if connection::inspect(&file)? == FileState::Missing {
            return Err(LogError::NoLog(dir.display().to_string()));
        }
        let (id, mut mode, reader) = open_identified(&file)?;
        if mode == OpenMode::ReadWrite && std::fs::create_dir_all(lock_dir(dir)).is_err() {
            mode = OpenMode::ReadOnly;
        }
        Ok(Arc::new(Self {
            dir: dir.to_owned(),
            file,
            id,
            mode,
            signal: CommitSignal::default(),
            record_limit: RecordLimit { bytes: max_record_bytes, remedy: LIMIT_REMEDY.into() },
            checkpoint_panic: Arc::default(),
            writer: Mutex::new(None),
            reader: Mutex::new(reader),
        }))
    }

    /// Folder of the lock files.
    pub(super) fn locks(&self) -> PathBuf {
        lock_dir(&self.dir)
    }

    /// Fails where the path no longer leads to the open file.
    pub(super) fn check_file(&self) -> LogResult<()> {
        match FileId::of(&self.file) {
            Ok(id) if id == self.id => Ok(()),
            Err(e) if !matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Err(errors::io(&self.file, &e))
            }
            _ => Err(errors::folder_replaced(&self.dir)),
        }
    }

    /// Fails where the log cannot be used any more.
    pub(super) fn check(&self) -> LogResult<()> {
        self.checkpoint_panic.check()?;
        self.check_file()
    }

    /// Fails where the log can only be read.
    pub(super) fn check_writable(&self) -> LogResult<()> {
        if self.mode == OpenMode::ReadWrite { Ok(()) } else { Err(errors::read_only(&self.file)) }
    }

    /// Opens a connection for reading.
    pub(super) fn connect(&self) -> LogResult<Connection> {
        self.check_file()?;
        let conn = connection::open(&self.file, self.mode);
        // Again: the path may have changed before the connection was open.
        self.check_file()?;
        conn
    }

    /// Runs `work` on the connection for short reads.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> LogResult<T>) -> LogResult<T> {
        self.check()?;
        work(&self.reader.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs `work` in a transaction of its own: all of it becomes visible, or nothing.
    pub(super) fn write<T>(&self, work: impl FnOnce(&Connection, &mut Retention) -> LogResult<T>) -> LogResult<T> {
        self.check_writable()?;
        self.check()?;
        let mut slot = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = match &mut *slot {
            Some(writer) => writer,
            none => {
                let conn = self.connect()?;
                let checkpointer = Checkpointer::start(&conn, &self.file, self.checkpoint_panic.clone())?;
                none.insert(WriteConnection { conn, retention: Retention::default(), checkpointer })
            }
        };
        let WriteConnection { conn, retention, checkpointer } = writer;
        checkpointer.take_error()?;
        let tx = Transaction::new(conn, TransactionBehavior::Immediate).at(&self.file);
        let result = tx.and_then(|tx| {
            let value = work(&tx, retention)?;
            tx.commit().at(&self.file).map(|()| value)
        });
        if result.is_err() {
            *retention = Retention::default();
        }
        // Checked after the commit: a commit to a file that the path no longer leads to must not be acknowledged.
        // Checked before SQLite's own error is returned, which says less if the folder is gone.
        self.check_file()?;
        let value = result?;
        self.signal.notify();
        checkpointer.after_commit(conn);
        Ok(value)
    }
}

/// Opens a connection, with the identity of the file that it has open.
fn open_identified(file: &Path) -> LogResult<(FileId, OpenMode, Connection)> {
    let identify = || FileId::of(file).map_err(|e| errors::io(file, &e));
    let mut id = identify()?;
    loop {
        let (mode, conn) = connection::open_in_best_mode(file)?;
        let opened = identify()?;
        if opened == id {
            return Ok((id, mode, conn));
        }
        // Replaced meanwhile, or opened for writing for the first time on an overlay file system, which copies
        // the file then.
        id = opened;
    }
}

fn lock_dir(dir: &Path) -> PathBuf {
    dir.join("locks")
}
