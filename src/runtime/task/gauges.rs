//! Counters that intake, tasks and commit loop share without a message.

use std::sync::atomic::{AtomicBool, AtomicUsize};

/// The shared counters of one assignment, over all its tasks.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Gauges {
    /// Bytes that were read and wait in front of a task.
    pub(in crate::runtime) queued_bytes: AtomicUsize,
    /// Bytes of output that wait for a barrier.
    pub(in crate::runtime) output_bytes: AtomicUsize,
    /// Bytes of state changes whose results were sent ahead of their commit.
    pub(in crate::runtime) uncommitted_state_bytes: AtomicUsize,
    /// A task has something to commit.
    pub(in crate::runtime) uncommitted: AtomicBool,
}
