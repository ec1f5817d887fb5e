//! What travels between the intake, the tasks and the committer.

use super::TaskCommit;
use super::merge_queue::Offer;
use crate::record::{Fetched, Offset, TopicPartition};
use crate::runtime::Fault;
use std::time::Instant;
use tokio::sync::mpsc;

/// Batches that may wait in front of a task: enough that it never runs dry while the intake reads on. One
/// further place is left for a barrier, which must never wait for a task that waits.
pub(in crate::runtime) const QUEUE: usize = 4;

/// Whether a task can be given another batch.
pub(in crate::runtime) fn room(to: &mpsc::Sender<Message>) -> bool {
    to.capacity() > 1
}

/// What a task is told.
pub(in crate::runtime) enum Message {
    /// Records of one of its partitions.
    Data(Fetched, Instant),
    /// The next of one input, where it merges several.
    Offer(Offer, Instant),
    /// Time passes.
    Tick,
    /// Close every window.
    Drain,
    /// Hand over everything up to here.
    Barrier {
        epoch: Epoch,
        drain: bool,
        /// How far its partitions were looked at: some offsets hold no record.
        looked: Vec<(TopicPartition, Offset)>,
        /// There they end.
        ended: bool,
    },
}

/// What lies between two barriers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::runtime) struct Epoch {
    pub(in crate::runtime) number: u64,
    /// It is committed; else only its results are sent ahead.
    pub(in crate::runtime) whole: bool,
}

/// What a task says to the committer.
pub(in crate::runtime) enum Report {
    /// It has reached the barrier.
    Ready { epoch: Epoch, commit: Box<TaskCommit>, read_at: Vec<Instant> },
    /// It cannot go on.
    Failed(Fault),
}

/// What the committer says to the intake: an epoch is over.
pub(in crate::runtime) type Committed = Result<Epoch, Fault>;
