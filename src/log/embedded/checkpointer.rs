//! Copies the write-ahead log back into the file, on a thread of its own.
//!
//! A checkpoint flushes the disk, which takes milliseconds; on the thread that commits it would delay the
//! records by as much. A commit waits only when the log is at [`MAX_BYTES`], the write lock is held only
//! while little is left to copy, and a commit that has been made never fails.
//!
//! SQLite restarts the log from its beginning only when all of it is copied and nobody reads from it, which
//! under steady writing needs the write lock for a moment. Each process that writes has such a thread; all
//! of them check the same log, so any one of them keeps it bounded. If the thread panics, every call of the
//! log fails: without checkpoints it would grow without bound.

use super::connection::{self, OpenMode};
use super::errors::{self, FileContext};
use super::schema;
use crate::faults::{self, FailPoint};
use crate::log::{LogError, LogResult, Recovery};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A copy begins when this many bytes are not yet in the file.
const COPY_BYTES: i64 = 32 << 20;
/// The log is restarted from this size on.
const RESTART_BYTES: i64 = 96 << 20;
/// Writers wait for the restart at this size.
const MAX_BYTES: i64 = schema::MAX_WAL_BYTES;
/// How long a writer waits for the restart. While a reader of another process keeps a transaction open,
/// no restart is possible and the log grows.
const RESTART_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest time for which the write lock is taken while readers finish.
const READER_TIMEOUT: Duration = Duration::from_millis(50);

#[derive(Clone, Copy, Debug)]
struct WalStatus {
    /// Another connection is copying.
    busy: bool,
    pages: i64,
    copied_pages: i64,
}

/// Runs a checkpoint of one kind; `NOOP` only returns the status.
fn checkpoint(conn: &Connection, kind: &str) -> rusqlite::Result<WalStatus> {
    conn.prepare_cached(&format!("PRAGMA wal_checkpoint({kind})"))?
        .query_row([], |r| Ok(WalStatus { busy: r.get(0)?, pages: r.get(1)?, copied_pages: r.get(2)? }))
}

/// What the writer requests, and what the thread reports.
#[derive(Debug, Default)]
struct Requests {
    copy: bool,
    restart: bool,
    closing: bool,
    completed: u64,
    error: Option<LogError>,
}

#[derive(Debug, Default)]
struct RequestQueue {
    requests: Mutex<Requests>,
    changed: Condvar,
    panic: Arc<CheckpointPanic>,
}

/// The panic that has ended the thread, which all handles of the log check.
#[derive(Debug, Default)]
pub(super) struct CheckpointPanic(OnceLock<String>);

impl CheckpointPanic {
    /// Fails after a panic.
    pub(super) fn check(&self) -> LogResult<()> {
        self.0.get().map_or(Ok(()), |why| Err(errors::checkpoint_panic(why)))
    }

    /// Runs the thread's work; notes a panic of it.
    fn watch(&self, work: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message");
            // There is no other thread that could have set it.
            let _ = self.0.set(text.to_owned());
        }
    }
}

impl RequestQueue {
    fn lock(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests a checkpoint; returns the number of those completed so far.
    fn request(&self, restart: bool) -> u64 {
        let mut requests = self.lock();
        requests.copy = true;
        requests.restart |= restart;
        self.changed.notify_all();
        requests.completed
    }

    /// Waits for a request; returns whether to restart the log, `None` when the log is closed.
    fn next(&self) -> Option<bool> {
        let idle = |requests: &mut Requests| !requests.copy && !requests.closing;
        let mut requests = self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        requests.copy = false;
        let restart = std::mem::take(&mut requests.restart);
        (!requests.closing).then_some(restart)
    }

    fn complete(&self, result: LogResult<()>) {
        let mut requests = self.lock();
        requests.completed += 1;
        // An error that may pass is no reason to refuse a transaction.
        requests.error = result.err().filter(|error| error.recovery() != Recovery::Retry);
        self.changed.notify_all();
    }

    /// Wakes waiting writers for good: nothing is completed any more.
    fn close(&self) {
        self.lock().closing = true;
        self.changed.notify_all();
    }

    /// Waits until more checkpoints than `completed` are complete, or until the timeout.
    fn wait(&self, completed: u64, timeout: Duration) {
        let pending = |requests: &mut Requests| requests.completed == completed && !requests.closing;
        drop(self.changed.wait_timeout_while(self.lock(), timeout, pending));
    }
}

/// The writer's side: checks the size of the log after each commit. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct Checkpointer {
    page_size: i64,
    /// Sizes at which the next restart is requested, and at which the writer next waits for one.
    next_restart: i64,
    next_wait: i64,
    queue: Arc<RequestQueue>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts the thread.
    pub(super) fn start(conn: &Connection, file: &Path, panic: Arc<CheckpointPanic>) -> LogResult<Self> {
        let page_size = conn.query_row("PRAGMA page_size", [], |r| r.get(0)).at(file)?;
        let queue = Arc::new(RequestQueue { panic, ..RequestQueue::default() });
        let thread = std::thread::Builder::new().name("log-checkpoint".into()).spawn({
            let (queue, file) = (queue.clone(), file.to_owned());
            move || {
                queue.panic.watch(|| run(&queue, &file, page_size));
                queue.close();
            }
        });
        let thread = Some(thread.map_err(|e| errors::io(file, &e))?);
        Ok(Self { page_size, next_restart: RESTART_BYTES, next_wait: MAX_BYTES, queue, thread })
    }

    /// Before a transaction: fails with the error of the last checkpoint. Otherwise, on a disk that takes
    /// commits but no checkpoints, the log would grow unnoticed.
    pub(super) fn take_error(&self) -> LogResult<()> {
        self.queue.lock().error.take().map_or(Ok(()), Err)
    }

    /// After a commit: requests the checkpoint that is due, and waits for it where the log is full.
    pub(super) fn after_commit(&mut self, conn: &Connection) {
        let Ok(wal) = checkpoint(conn, "NOOP") else { return };
        let bytes = wal.pages * self.page_size;
        let uncopied = (wal.pages - wal.copied_pages) * self.page_size;
        if bytes < RESTART_BYTES || uncopied == 0 {
            (self.next_restart, self.next_wait) = (RESTART_BYTES, MAX_BYTES);
        }
        if bytes >= self.next_wait && uncopied > 0 {
            self.next_wait = if self.wait_for_restart(conn) { MAX_BYTES } else { bytes + RESTART_BYTES };
        } else if bytes >= self.next_restart && uncopied > 0 {
            // A failed restart is tried again only after more was written: each try takes the write lock.
            self.next_restart = bytes + COPY_BYTES;
            self.queue.request(true);
        } else if uncopied >= COPY_BYTES {
            self.queue.request(false);
        }
    }

    /// False where the log could not be restarted in time.
    fn wait_for_restart(&self, conn: &Connection) -> bool {
        let start = Instant::now();
        while let Some(left) = RESTART_TIMEOUT.checked_sub(start.elapsed()).filter(|_| self.queue.panic.check().is_ok())
        {
            let completed = self.queue.request(true);
            self.queue.wait(completed, left);
            match checkpoint(conn, "NOOP") {
                Ok(wal) if wal.pages * self.page_size >= RESTART_BYTES && wal.copied_pages < wal.pages => {}
                _ => return true,
            }
        }
        false
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was noted.
            let _ = thread.join();
        }
    }
}

fn run(queue: &RequestQueue, file: &Path, page_size: i64) {
    let mut conn = None;
    while let Some(restart) = queue.next() {
        faults::fail_point(FailPoint::AtCheckpoint);
        let opened = conn.take().map_or_else(|| connect(file), Ok);
        queue.complete(opened.and_then(|opened| run_once(conn.insert(opened), page_size, restart).at(file)));
    }
}

fn connect(file: &Path) -> LogResult<Connection> {
    let mut conn = connection::open(file, OpenMode::ReadWrite)?;
    connection::set_lock_timeout(&mut conn, READER_TIMEOUT).at(file)?;
    Ok(conn)
}

fn run_once(conn: &Connection, page_size: i64, restart: bool) -> rusqlite::Result<()> {
    let wal = checkpoint(conn, "PASSIVE")?;
    if wal.busy {
        // Another process is copying. A writer that waits requests again at once.
        std::thread::sleep(schema::LOCK_RETRY_INTERVAL);
        return Ok(());
    }
    if restart && wal.pages * page_size >= RESTART_BYTES {
        // The first leaves little to copy, so that the second holds the write lock for two short flushes.
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
    use crate::log::{Append, FetchLimit, GroupSpec, Log, TopicConfig};
    use crate::record::{Offset, RecordsBuilder, TopicPartition};
    use tempfile::TempDir;

    fn open_log(dir: &TempDir) -> EmbeddedLog {
        EmbeddedLog::open(dir.path()).unwrap()
    }

    fn with_topic(dir: &TempDir) -> EmbeddedLog {
        let log = open_log(dir);
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

    /// Size of the write-ahead log's file; `None` where the last connection was closed.
    fn wal_bytes(dir: &TempDir) -> Option<i64> {
        let file = dir.path().join(format!("{}-wal", schema::DATABASE_FILE));
        std::fs::metadata(file).ok().map(|m| i64::try_from(m.len()).unwrap())
    }

    fn queue_of(log: &EmbeddedLog) -> Arc<RequestQueue> {
        log.database.writer.lock().unwrap().as_ref().unwrap().checkpointer.queue.clone()
    }

    fn wal_status(log: &EmbeddedLog) -> WalStatus {
        checkpoint(&log.database.connect().unwrap(), "NOOP").unwrap()
    }

    #[test]
    fn wal_stays_bounded_with_several_writers() {
        let dir = TempDir::new().unwrap();
        let log = with_topic(&dir);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| append(&EmbeddedLog::open_separately(dir.path()).unwrap(), 150).unwrap());
            }
        });
        // Each of the writers may have been within a transaction when the limit was reached.
        let limit = MAX_BYTES + (8 << 20);
        assert!(wal_bytes(&dir).is_some_and(|bytes| bytes < limit), "{:?}", wal_bytes(&dir));
        drop(log);
        assert_eq!(wal_bytes(&dir), None);
    }

    #[test]
    fn commits_leave_copying_to_the_thread() {
        let dir = TempDir::new().unwrap();
        let log = with_topic(&dir);
        let file_mib = || std::fs::metadata(dir.path().join(schema::DATABASE_FILE)).unwrap().len() >> 20;
        let queue = queue_of(&log);
        append(&log, 16).unwrap();
        assert_eq!((file_mib(), queue.lock().completed), (0, 0));
        append(&log, 17).unwrap();
        queue.wait(0, Duration::from_secs(20));
        assert!(file_mib() > 16, "{} MiB after {} checkpoints", file_mib(), queue.lock().completed);
    }

    #[test]
    fn open_read_transaction_blocks_restart_but_no_writer() {
        let dir = TempDir::new().unwrap();
        let log = with_topic(&dir);
        let reader = log.database.connect().unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM topics").unwrap();
        append(&log, usize::try_from(MAX_BYTES >> 20).unwrap() + 8).unwrap();
        assert!(wal_bytes(&dir).is_some_and(|bytes| bytes > MAX_BYTES), "{:?}", wal_bytes(&dir));
        reader.execute_batch("COMMIT").unwrap();
        append(&log, usize::try_from(RESTART_BYTES >> 20).unwrap()).unwrap();
        let wal = wal_status(&log);
        assert!(wal.pages << 15 < MAX_BYTES, "{wal:?}");
    }

    #[test]
    fn failed_checkpoint_is_reported_before_the_next_transaction() {
        let dir = TempDir::new().unwrap();
        let log = with_topic(&dir);
        let complete = |error| queue_of(&log).complete(Err(error));
        complete(LogError::Busy("later".into()));
        append(&log, 1).unwrap();
        complete(LogError::Unusable("no space".into()));
        let refused = append(&log, 1);
        assert!(matches!(&refused, Err(LogError::Unusable(e)) if e == "no space"), "{refused:?}");
        append(&log, 1).unwrap();
        assert_eq!(log.topics(Some("t")).unwrap()[0].partitions[0].end.0, 2);
    }
    /// How soon a panic must be reported.
    const REPORT_TIMEOUT: Duration = Duration::from_secs(5);

    #[test]
    fn a_panic_of_the_thread_is_reported_to_readers_that_wait_and_to_writers() {
        let dir = TempDir::new().unwrap();
        let log = with_topic(&dir);
        let mut reader = log.reader(&[(TopicPartition::new("t", 0), Offset(0))]).unwrap();
        let mut member =
            log.join(&GroupSpec { group: "p".into(), topics: vec!["t".into()], ..GroupSpec::default() }).unwrap();
        member.poll(FetchLimit::default(), Duration::ZERO).unwrap();
        let start = Instant::now();
        std::thread::scope(|scope| {
            let reading = scope.spawn(move || reader.poll(FetchLimit::default(), REPORT_TIMEOUT).map(|_| ()));
            let joined = scope.spawn(move || member.poll(FetchLimit::default(), REPORT_TIMEOUT).map(|_| ()));
            let queue = queue_of(&log);
            queue.panic.watch(|| panic!("why"));
            for outcome in [reading.join().unwrap(), joined.join().unwrap(), append(&log, 1)] {
                let text = outcome.unwrap_err().to_string();
                assert_eq!(text, "internal error: the checkpoints of the log have panicked: why");
            }
        });
        assert!(start.elapsed() < REPORT_TIMEOUT, "{:?}", start.elapsed());
    }

    #[test]
    fn a_writer_does_not_wait_for_a_thread_that_has_ended() {
        let dir = TempDir::new().unwrap();
        let log = with_topic(&dir);
        let queue = queue_of(&log);
        queue.close();
        let start = Instant::now();
        let completed = queue.lock().completed;
        queue.wait(completed, Duration::from_secs(60));
        assert!(start.elapsed() < Duration::from_secs(60));
    }
}
