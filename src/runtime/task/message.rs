//! What travels between the intake, the tasks and the commit loop.

use super::TaskCommit;
use super::merge_queue::OfferedBatch;
use crate::record::{Fetched, Offset, TopicPartition};
use crate::runtime::Fault;
use std::time::Instant;
use tokio::sync::mpsc;

/// Batches that may wait in front of a task, so that it is not idle while the intake reads on.
const TASK_QUEUE_BATCHES: usize = 4;

/// The sending half of a task's queue. Barriers have a channel of their own: the intake must not block behind a task
/// that waits for a model, and a task in a long round takes a barrier ahead of the messages before it.
pub(in crate::runtime) struct TaskQueue {
    messages: mpsc::Sender<TaskMessage>,
    barriers: mpsc::Sender<Barrier>,
    sent: u64,
}

/// The other end of a [`TaskQueue`].
pub(in crate::runtime) struct TaskInbox {
    pub(in crate::runtime) messages: mpsc::Receiver<TaskMessage>,
    pub(in crate::runtime) barriers: mpsc::Receiver<Barrier>,
}

/// The task is gone.
#[derive(Debug)]
pub(in crate::runtime) struct TaskGone;

impl TaskQueue {
    pub(in crate::runtime) fn new() -> (Self, TaskInbox) {
        let (messages, received) = mpsc::channel(TASK_QUEUE_BATCHES);
        // One epoch is in flight at a time.
        let (barriers, received_barriers) = mpsc::channel(1);
        (Self { messages, barriers, sent: 0 }, TaskInbox { messages: received, barriers: received_barriers })
    }

    /// Whether a message can be sent without waiting.
    pub(in crate::runtime) fn has_capacity(&self) -> bool {
        self.messages.capacity() > 0
    }

    /// Sends a message; blocks while the queue is full.
    pub(in crate::runtime) fn send(&mut self, message: TaskMessage) -> Result<(), TaskGone> {
        self.sent += 1;
        self.messages.blocking_send(message).map_err(|_| TaskGone)
    }

    /// Sends a barrier behind all messages so far.
    pub(in crate::runtime) fn send_barrier(&mut self, barrier: Barrier) -> Result<(), TaskGone> {
        self.barriers.blocking_send(Barrier { messages_before: self.sent, ..barrier }).map_err(|_| TaskGone)
    }
}

/// A message to a task.
#[expect(clippy::large_enum_variant, reason = "a message is moved once and a queue holds few")]
pub(in crate::runtime) enum TaskMessage {
    /// Records of one of its partitions, and when they were read.
    Data(Fetched, Instant),
    /// The next batches of some inputs of a task that merges its inputs by event time.
    Offer(Vec<OfferedBatch>, Instant),
    /// Wall-clock time passes.
    Tick,
    /// Close every window: no more input will come.
    Drain,
}

/// A barrier behind everything that was sent to a task.
#[derive(Clone, Debug)]
pub(in crate::runtime) struct Barrier {
    /// How many messages were sent to the task before it.
    pub(in crate::runtime) messages_before: u64,
    pub(in crate::runtime) epoch: Epoch,
    /// Windows were closed because no more input will come.
    pub(in crate::runtime) drain: bool,
    /// Positions of the task's partitions past offsets that hold no record.
    pub(in crate::runtime) positions: Vec<(TopicPartition, Offset)>,
    /// The partitions end at these positions.
    pub(in crate::runtime) at_end: bool,
    /// The run is stopped or the partitions are revoked: the next owner of the partitions finishes the round.
    pub(in crate::runtime) leaving: bool,
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
    /// It has reached a barrier, or hands over one part of a large round. `read_at` holds when
    /// each batch that is complete was read.
    Ready { epoch: Epoch, commit: Box<TaskCommit>, read_at: Vec<Instant>, complete: bool },
    /// It cannot go on.
    Failed(Fault),
}

/// An epoch that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime) struct EpochEnd {
    pub(in crate::runtime) epoch: Epoch,
    /// Everything before its barriers was handed over.
    pub(in crate::runtime) complete: bool,
}

/// What the commit loop reports to the intake: an epoch has ended, or the run has failed.
pub(in crate::runtime) type CommitOutcome = Result<EpochEnd, Fault>;
