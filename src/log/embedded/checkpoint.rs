//! Copies the write-ahead log back into the file, on a thread of its own.
//!
//! Separate because a copy flushes the disk, for milliseconds: a commit that waited for that would show
//! its records so much later. It never makes a commit wait except at [`FULL`], never holds the lock on
//! writing while it copies more than a little, and never fails a commit that is already made.
//!
//! The log can only begin again from its start when all of it is copied and nobody reads from it, which
//! under steady writing needs the lock on writing for a moment. Each handle that writes has such a thread
//! and looks at the log that all share, so that any one of them keeps it bounded, whoever filled it.

use super::errors::{self, Named};
use super::schema::{self, Access};
use crate::log::{LogError, LogResult, Recovery};
use rusqlite::Connection;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Copies begin when so many bytes wait for it ...
const COPY: i64 = 32 << 20;
/// ... the log is made to begin again at this size ...
const RESET: i64 = 96 << 20;
/// ... and here writers wait until it did.
const FULL: i64 = schema::WAL_BYTES;
/// How long a writer waits at most. Where a reader of another process stands still in the log, nothing
/// helps, and the log grows.
const WAIT: Duration = Duration::from_secs(2);
/// How long the lock on writing is held at most for readers to be done.
const READERS: Duration = Duration::from_millis(50);

/// The write-ahead log as it is now.
#[derive(Clone, Copy, Debug)]
struct Wal {
    /// Another connection is copying already.
    busy: bool,
    /// Pages in it, and how many of them are in the file too.
    pages: i64,
    copied: i64,
}

/// Runs one kind of checkpoint; `NOOP` only looks.
fn checkpoint(conn: &Connection, kind: &str) -> rusqlite::Result<Wal> {
    conn.prepare_cached(&format!("PRAGMA wal_checkpoint({kind})"))?
        .query_row([], |r| Ok(Wal { busy: r.get(0)?, pages: r.get(1)?, copied: r.get(2)? }))
}

/// What one handle's writer asks of its thread, and hears from it.
#[derive(Debug, Default)]
struct Asked {
    copy: bool,
    reset: bool,
    closing: bool,
    rounds: u64,
    fault: Option<LogError>,
}

#[derive(Debug, Default)]
struct Shared {
    asked: Mutex<Asked>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, reset: bool) -> u64 {
        let mut asked = self.lock();
        asked.copy = true;
        asked.reset |= reset;
        self.changed.notify_all();
        asked.rounds
    }

    /// Waits for something to do: whether to begin the log again, too. `None` when the handle is closed.
    fn next(&self) -> Option<bool> {
        let idle = |asked: &mut Asked| !asked.copy && !asked.closing;
        let mut asked = self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        asked.copy = false;
        let reset = std::mem::take(&mut asked.reset);
        (!asked.closing).then_some(reset)
    }

    fn done(&self, result: LogResult<()>) {
        let mut asked = self.lock();
        asked.rounds += 1;
        // What may go well the next time is no reason to refuse a transaction.
        asked.fault = result.err().filter(|fault| fault.recovery() != Recovery::Retry);
        self.changed.notify_all();
    }

    /// Waits for a round after `seen`, at most `time`.
    fn wait(&self, seen: u64, time: Duration) {
        drop(self.changed.wait_timeout_while(self.lock(), time, |asked| asked.rounds == seen));
    }
}

/// The writer's side: looks at the log after each commit. Dropped, it ends the thread.
#[derive(Debug)]
pub(super) struct Checkpoints {
    page: i64,
    /// Sizes at which the log is next made to begin again, and at which the writer next waits for it.
    reset: i64,
    full: i64,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Begins the thread of one writer.
    pub(super) fn begin(conn: &Connection, file: &Path) -> LogResult<Self> {
        let page = conn.query_row("PRAGMA page_size", [], |r| r.get(0)).at(file)?;
        let shared = Arc::new(Shared::default());
        let thread = std::thread::Builder::new().name("log-checkpoint".into()).spawn({
            let (shared, file) = (shared.clone(), file.to_owned());
            move || run(&shared, &file, page)
        });
        let thread = Some(thread.map_err(|e| errors::io(file, &e))?);
        Ok(Self { page, reset: RESET, full: FULL, shared, thread })
    }

    /// Before a transaction: the fault of the last copy. Without this a disk that takes commits but no
    /// copies would let the log grow and nobody know.
    pub(super) fn fault(&self) -> LogResult<()> {
        self.shared.lock().fault.take().map_or(Ok(()), Err)
    }

    /// After a commit: asks for what the log needs, and waits for it where the log is full.
    pub(super) fn committed(&mut self, conn: &Connection) {
        let Ok(wal) = checkpoint(conn, "NOOP") else { return };
        let (bytes, left) = (wal.pages * self.page, (wal.pages - wal.copied) * self.page);
        if bytes < RESET || left == 0 {
            (self.reset, self.full) = (RESET, FULL);
        }
        if bytes >= self.full && left > 0 {
            self.full = if self.press(conn) { FULL } else { bytes + RESET };
        } else if bytes >= self.reset && left > 0 {
            // Should it fail, the next try is worth it only after a while: each takes the lock on writing.
            self.reset = bytes + COPY;
            self.shared.ask(true);
        } else if left >= COPY {
            self.shared.ask(false);
        }
    }

    /// Waits until the log can begin again; false if that takes too long.
    fn press(&self, conn: &Connection) -> bool {
        let begun = Instant::now();
        while let Some(left) = WAIT.checked_sub(begun.elapsed()) {
            let seen = self.shared.ask(true);
            self.shared.wait(seen, left);
            match checkpoint(conn, "NOOP") {
                Ok(wal) if wal.pages * self.page >= RESET && wal.copied < wal.pages => {}
                _ => return true,
            }
        }
        false
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It has nothing to say that a closed handle could pass on.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, file: &Path, page: i64) {
    let mut conn = None;
    while let Some(reset) = shared.next() {
        let opened = conn.take().map_or_else(|| connect(file), Ok);
        shared.done(opened.and_then(|opened| round(conn.insert(opened), page, reset).at(file)));
    }
}

fn connect(file: &Path) -> LogResult<Connection> {
    let mut conn = schema::connect(file, Access::Write)?;
    schema::wait_for_locks(&mut conn, READERS).at(file)?;
    Ok(conn)
}

fn round(conn: &Connection, page: i64, reset: bool) -> rusqlite::Result<()> {
    let wal = checkpoint(conn, "PASSIVE")?;
    if wal.busy {
        // Another handle is at it; a writer that waits asks again at once.
        std::thread::sleep(schema::RETRY);
        return Ok(());
    }
    if reset && wal.pages * page >= RESET {
        // Leaves so little that, under the lock, it is only two flushes of almost nothing.
        checkpoint(conn, "PASSIVE")?;
        checkpoint(conn, "RESTART")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::super::EmbeddedLog;
    use super::*;
    use crate::log::{Append, Log, TopicConfig};
    use crate::record::{RecordsBuilder, TopicPartition};
    use tempfile::TempDir;

    fn opened(dir: &TempDir) -> EmbeddedLog {
        EmbeddedLog::open(dir.path()).unwrap()
    }

    fn with_topic(dir: &TempDir) -> EmbeddedLog {
        let log = opened(dir);
        log.create_topic("t", &TopicConfig { partitions: 1, ..TopicConfig::default() }).unwrap();
        log
    }

    fn append(log: &EmbeddedLog, mib: usize) -> LogResult<()> {
        let value = vec![7; 1 << 20];
        for _ in 0..mib {
            let mut b = RecordsBuilder::default();
            b.push(None, Some(&value), 0);
            let to = TopicPartition::new("t", 0);
            log.appender()?.append(&[Append { to, records: b.finish() }])?;
        }
        Ok(())
    }

    /// Bytes of the write-ahead log's file; none where the last handle was closed in good order.
    fn wal(dir: &TempDir) -> Option<i64> {
        let file = dir.path().join(format!("{}-wal", schema::FILE));
        std::fs::metadata(file).ok().map(|m| i64::try_from(m.len()).unwrap())
    }

    fn held(log: &EmbeddedLog) -> Wal {
        checkpoint(&log.store.connect().unwrap(), "NOOP").unwrap()
    }

    #[test]
    fn the_log_stays_bounded_whoever_fills_it() {
        let dir = TempDir::new().unwrap();
        let log = with_topic(&dir);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| append(&opened(&dir), 150).unwrap());
            }
        });
        // Each of the writers may have been within a transaction when the log was full.
        let most = FULL + (8 << 20);
        assert!(wal(&dir).is_some_and(|bytes| bytes < most), "{:?}", wal(&dir));
        drop(log);
        assert_eq!(wal(&dir), None);
    }

    #[test]
    fn a_commit_leaves_copying_to_the_thread() {
        let dir = TempDir::new().unwrap();
        let log = with_topic(&dir);
        let in_the_file = || std::fs::metadata(dir.path().join(schema::FILE)).unwrap().len() >> 20;
        let shared = log.store.writer.lock().unwrap().as_ref().unwrap().checkpoints.shared.clone();
        append(&log, 16).unwrap();
        assert_eq!((in_the_file(), shared.lock().rounds), (0, 0));
        append(&log, 17).unwrap();
        shared.wait(0, Duration::from_secs(20));
        assert!(in_the_file() > 16, "{} MiB after {} rounds", in_the_file(), shared.lock().rounds);
    }

    #[test]
    fn a_reader_that_stands_still_stops_no_writer_and_when_it_goes_the_log_begins_again() {
        let dir = TempDir::new().unwrap();
        let log = with_topic(&dir);
        let standing = log.store.connect().unwrap();
        standing.execute_batch("BEGIN; SELECT count(*) FROM topics").unwrap();
        append(&log, usize::try_from(FULL >> 20).unwrap() + 8).unwrap();
        assert!(wal(&dir).is_some_and(|bytes| bytes > FULL), "{:?}", wal(&dir));
        standing.execute_batch("COMMIT").unwrap();
        append(&log, usize::try_from(RESET >> 20).unwrap()).unwrap();
        let wal = held(&log);
        assert!(wal.pages << 15 < FULL, "{wal:?}");
    }

    #[test]
    fn a_copy_that_fails_is_told_before_the_next_transaction() {
        let dir = TempDir::new().unwrap();
        let log = with_topic(&dir);
        let end_round = |fault| {
            log.store.writer.lock().unwrap().as_ref().unwrap().checkpoints.shared.done(Err(fault));
        };
        end_round(LogError::Busy("later".into()));
        append(&log, 1).unwrap();
        end_round(LogError::Unusable("no room".into()));
        let refused = append(&log, 1);
        assert!(matches!(&refused, Err(LogError::Unusable(e)) if e == "no room"), "{refused:?}");
        append(&log, 1).unwrap();
        assert_eq!(log.topics(Some("t")).unwrap()[0].partitions[0].end.0, 2);
    }
}
