//! Counters that intake, tasks and committer share without a message.

use std::sync::atomic::{AtomicBool, AtomicUsize};

/// What tasks, intake and committer tell each other without a message.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Gauges {
    /// Bytes that were read and wait for their task, all tasks together.
    pub(in crate::runtime) queued: AtomicUsize,
    /// Bytes that wait for the commit, all tasks together.
    pub(in crate::runtime) waiting: AtomicUsize,
    /// Bytes of state whose results were sent ahead of their commit.
    pub(in crate::runtime) held: AtomicUsize,
    /// Something happened that should be committed.
    pub(in crate::runtime) active: AtomicBool,
    /// The group takes the partitions back; the run goes on with others.
    pub(in crate::runtime) revoked: AtomicBool,
}
