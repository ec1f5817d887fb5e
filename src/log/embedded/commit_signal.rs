//! Wakes readers: at once for a commit of this process, by polling the file for commits of other processes.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a reader polls the file while it received records recently.
const ACTIVE_POLL_INTERVAL: Duration = Duration::from_micros(500);
/// How often it polls after [`IDLE_AFTER`] without records.
const IDLE_POLL_INTERVAL: Duration = Duration::from_millis(2);
const IDLE_AFTER: Duration = Duration::from_millis(250);

/// Counts the commits of this process.
#[derive(Debug, Default)]
pub(super) struct CommitSignal {
    commits: Mutex<u64>,
    changed: Condvar,
}

impl CommitSignal {
    /// Records a commit and wakes the readers that wait.
    pub(super) fn notify(&self) {
        *self.commits.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }

    /// Number of commits so far.
    pub(super) fn commits(&self) -> u64 {
        *self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, seen: u64, timeout: Duration) {
        let commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_timeout_while(commits, timeout, |commits| *commits == seen));
    }
}

/// Divides the wait of one poll into intervals; the reader checks the file after each of them.
#[derive(Debug)]
pub(super) struct PollWait {
    started: Instant,
    timeout: Duration,
    idle_before: Duration,
}

impl PollWait {
    /// `idle_before` is the time without records before this poll.
    pub(super) fn new(timeout: Duration, idle_before: Duration) -> Self {
        Self { started: Instant::now(), timeout, idle_before }
    }

    /// The time without records, this poll included.
    pub(super) fn idle(&self) -> Duration {
        self.idle_before.saturating_add(self.started.elapsed())
    }

    /// Waits one interval, or until there are more commits than `seen`; false when the timeout has passed.
    pub(super) fn next(&self, signal: &CommitSignal, seen: u64) -> bool {
        let elapsed = self.started.elapsed();
        let Some(left) = self.timeout.checked_sub(elapsed).filter(|l| !l.is_zero()) else { return false };
        let idle = self.idle_before.saturating_add(elapsed);
        let interval = if idle < IDLE_AFTER { ACTIVE_POLL_INTERVAL } else { IDLE_POLL_INTERVAL };
        signal.wait(seen, interval.min(left));
        true
    }
}
