//! A task on the Tokio runtime: takes messages in order, reports at barriers.
//!
//! Separate from the task itself, which knows no channel. Its queue is bounded; a full queue pauses the
//! partitions behind it.

use super::commit::{Epoch, Report};
use super::fault::Fault;
use super::ordered::Offer;
use super::task::Task;
use crate::record::{Fetched, Offset, TopicPartition};
use crate::time::Clock;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::mpsc;

/// Batches that may wait in front of a task: enough that it never runs dry while the intake reads on. One
/// further place is left for a barrier, which must never wait for a task that waits.
pub(super) const QUEUE: usize = 4;

/// Whether a task can be given another batch.
pub(super) fn room(to: &mpsc::Sender<Message>) -> bool {
    to.capacity() > 1
}

/// What a task is told.
pub(super) enum Message {
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

/// What tasks, intake and committer tell each other without a message.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    /// Bytes that were read and wait for their task, all tasks together.
    pub(super) queued: AtomicUsize,
    /// Bytes that wait for the commit, all tasks together.
    pub(super) waiting: AtomicUsize,
    /// Bytes of state whose results were sent ahead of their commit.
    pub(super) held: AtomicUsize,
    /// Something happened that should be committed.
    pub(super) active: AtomicBool,
    /// The group takes the partitions back; the run goes on with others.
    pub(super) revoked: AtomicBool,
}

/// Works until its queue is closed; gives the task back unless it has failed. A panic is a fault like any
/// other: nobody would hear of a task that is only gone, and all that wait for it would wait for ever.
pub(super) async fn work(
    mut task: Task,
    mut messages: mpsc::Receiver<Message>,
    reports: mpsc::Sender<Report>,
    clock: Arc<dyn Clock>,
    gauges: Arc<Gauges>,
) -> Option<Task> {
    let mut read_at = Vec::new();
    let id = task.id();
    while let Some(message) = messages.recv().await {
        // Nothing of the task is used after a panic, so it does not matter how it has left it.
        let step = || handle(&mut task, message, &mut read_at, clock.as_ref(), &gauges);
        let report = match catch_unwind(AssertUnwindSafe(step)) {
            Ok(Ok(None)) => continue,
            Ok(Ok(Some(report))) => report,
            Ok(Err(fault)) => Report::Failed(fault),
            Err(panic) => Report::Failed(Fault::internal(format!("task {id} has panicked: {}", words(&*panic)))),
        };
        let failed = matches!(report, Report::Failed(_));
        // The committer hangs up only after a fault, which it has reported itself.
        if reports.send(report).await.is_err() || failed {
            return None;
        }
        tokio::task::yield_now().await;
    }
    Some(task)
}

/// Does what a task is told; a report, where there is something to say.
fn handle(
    task: &mut Task,
    message: Message,
    read_at: &mut Vec<Instant>,
    clock: &dyn Clock,
    gauges: &Gauges,
) -> Result<Option<Report>, Fault> {
    let before = task.waiting();
    match message {
        Message::Data(fetched, at) => {
            read_at.push(at);
            let done = task.run(&fetched, clock.now());
            gauges.queued.fetch_sub(fetched.records.bytes(), Ordering::Relaxed);
            done?;
        }
        Message::Offer(offer, at) => {
            read_at.push(at);
            task.offer(offer, clock.now())?;
        }
        Message::Tick => task.tick(clock.now())?,
        Message::Drain => task.drain(clock.now())?,
        Message::Barrier { epoch, drain, looked, ended } => {
            let commit = Box::new(task.looked(&looked, ended).barrier(clock.now(), drain)?);
            gauges.waiting.fetch_sub(before, Ordering::Relaxed);
            return Ok(Some(Report::Ready { epoch, commit, read_at: std::mem::take(read_at) }));
        }
    }
    gauges.waiting.fetch_add(task.waiting() - before, Ordering::Relaxed);
    if task.dirty() {
        gauges.active.store(true, Ordering::Relaxed);
    }
    Ok(None)
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it does not say why")
}
