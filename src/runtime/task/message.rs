//! What travels between the intake, the tasks and the commit loop.

use super::TaskCommit;
use super::merge_queue::OfferedBatch;
use crate::record::{Fetched, Offset, TopicPartition};
use crate::runtime::Fault;
use std::time::Instant;
use tokio::sync::mpsc;

/// Batches that may wait in front of a task, so that it is not idle while the intake reads on. The queue has one
/// more slot, kept free for a barrier: the intake must not block behind a task that waits for a model.
pub(in crate::runtime) const TASK_QUEUE_BATCHES: usize = 4;

/// Whether a task's queue takes another batch and still has its slot for a barrier.
pub(in crate::runtime) fn has_capacity(queue: &mpsc::Sender<TaskMessage>) -> bool {
    queue.capacity() > 1
}

/// A message to a task.
pub(in crate::runtime) enum TaskMessage {
    /// Records of one of its partitions, and when they were read.
    Data(Fetched, Instant),
    /// The next batch of one input of a task that merges its inputs by event time.
    Offer(OfferedBatch, Instant),
    /// Wall-clock time passes.
    Tick,
    /// Close every window: no more input will come.
    Drain,
    /// Hand over everything up to here.
    Barrier(Barrier),
}

/// A barrier behind everything that was sent to a task.
#[derive(Clone)]
pub(in crate::runtime) struct Barrier {
    pub(in crate::runtime) epoch: Epoch,
    /// Windows were closed because no more input will come.
    pub(in crate::runtime) drain: bool,
    /// Positions of the task's partitions past offsets that hold no record.
    pub(in crate::runtime) positions: Vec<(TopicPartition, Offset)>,
    /// The partitions end at these positions.
    pub(in crate::runtime) at_end: bool,
}

/// What lies between two barriers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::runtime) struct Epoch {
    pub(in crate::runtime) number: u64,
    /// The epoch ends with a commit; otherwise only its results are sent, ahead of the next commit.
    pub(in crate::runtime) commits: bool,
}

/// A message of a task to the commit loop.
pub(in crate::runtime) enum TaskReport {
    /// It has reached a barrier; `read_at` holds when each batch before it was read.
    Ready { epoch: Epoch, commit: Box<TaskCommit>, read_at: Vec<Instant> },
    /// It cannot go on.
    Failed(Fault),
}

/// What the commit loop reports to the intake: an epoch is complete, or the run has failed.
pub(in crate::runtime) type CommitOutcome = Result<Epoch, Fault>;
