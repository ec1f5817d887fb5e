//! Counters that intake, tasks and commit loop share without a message.

use super::commit_limit::CommitLimit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The shared counters of one assignment, over all its tasks.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Gauges {
    /// Bytes that were read and wait in front of a task.
    pub(in crate::runtime) queued_bytes: AtomicUsize,
    /// Bytes of output and state changes that wait for a barrier.
    pub(in crate::runtime) pending_bytes: AtomicUsize,
    /// Bytes of state changes whose results were sent ahead of their commit.
    pub(in crate::runtime) uncommitted_state_bytes: AtomicUsize,
    /// A task has something to commit.
    pub(in crate::runtime) uncommitted: AtomicBool,
    /// The intake has ended with a fault from which the run recovers: it goes on from the last commit.
    pub(in crate::runtime) goes_back: AtomicBool,
    /// How much a commit may carry; kept over assignments.
    pub(in crate::runtime) commit_limit: Arc<CommitLimit>,
}

impl Gauges {
    /// Gauges that share the commit limit of the run.
    pub(in crate::runtime) fn new(commit_limit: Arc<CommitLimit>) -> Self {
        Self { commit_limit, ..Self::default() }
    }

    /// Whether what waits for a commit is as much as one may carry.
    pub(in crate::runtime) fn is_commit_full(&self) -> bool {
        let [pending, state] = [&self.pending_bytes, &self.uncommitted_state_bytes];
        pending.load(Ordering::Relaxed) + state.load(Ordering::Relaxed) >= self.commit_limit.bytes()
    }

    /// Whether two commits' worth is queued or pending: one in flight, one being filled. Then the rest of a backlog
    /// stays in the log.
    pub(in crate::runtime) fn is_flight_full(&self) -> bool {
        let [queued, pending] = [&self.queued_bytes, &self.pending_bytes];
        queued.load(Ordering::Relaxed) + pending.load(Ordering::Relaxed) >= 2 * self.commit_limit.bytes()
    }
}
