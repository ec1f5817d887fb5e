//! Wakes readers: at once for a commit through the same handle, by looking at the file for any other.
//!
//! Separate because waiting is the only place that knows real time. It never reads records.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a reader looks for commits of other processes while it has just seen some.
const EAGER: Duration = Duration::from_micros(500);
/// And when nothing came for [`PATIENT_AFTER`].
const PATIENT: Duration = Duration::from_millis(2);
const PATIENT_AFTER: Duration = Duration::from_millis(250);

/// Counts the commits of one handle.
#[derive(Debug, Default)]
pub(super) struct Notify {
    commits: Mutex<u64>,
    changed: Condvar,
}

impl Notify {
    /// After a commit.
    pub(super) fn committed(&self) {
        *self.commits.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }

    /// Commits so far.
    pub(super) fn commits(&self) -> u64 {
        *self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a commit beyond `seen`, at most `time`; true if there is one.
    fn wait(&self, seen: u64, time: Duration) -> bool {
        let guard = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        let (guard, _) = self
            .changed
            .wait_timeout_while(guard, time, |commits| *commits == seen)
            .unwrap_or_else(PoisonError::into_inner);
        *guard != seen
    }
}

/// One call's waiting, cut into looks at the file.
#[derive(Debug)]
pub(super) struct Wait {
    started: Instant,
    limit: Duration,
    idle: Duration,
}

impl Wait {
    /// `idle` is for how long nothing has come before this call.
    pub(super) fn new(limit: Duration, idle: Duration) -> Self {
        Self { started: Instant::now(), limit, idle }
    }

    /// For how long nothing has come, this call included.
    pub(super) fn idle(&self) -> Duration {
        self.idle.saturating_add(self.started.elapsed())
    }

    /// Waits until it is time to look again; false when the time given is over.
    pub(super) fn pause(&self, notify: &Notify, seen: u64) -> bool {
        let waited = self.started.elapsed();
        let Some(left) = self.limit.checked_sub(waited).filter(|l| !l.is_zero()) else { return false };
        let step = if self.idle.saturating_add(waited) < PATIENT_AFTER { EAGER } else { PATIENT };
        notify.wait(seen, step.min(left));
        true
    }
}
