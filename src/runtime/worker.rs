//! A task on the Tokio runtime: takes messages in order, reports at barriers.
//!
//! Separate from the task itself, which knows no channel. Its queue is bounded; a full queue pauses the
//! partitions behind it.

use super::commit::{Epoch, Report};
use super::ordered::Offer;
use super::task::Task;
use crate::record::{Fetched, Offset, TopicPartition};
use crate::time::Clock;
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
    /// Something happened that should be committed.
    pub(super) active: AtomicBool,
    /// The group takes the partitions back; the run goes on with others.
    pub(super) revoked: AtomicBool,
}

/// Works until its queue is closed; gives the task back unless it has failed.
pub(super) async fn work(
    mut task: Task,
    mut messages: mpsc::Receiver<Message>,
    reports: mpsc::Sender<Report>,
    clock: Arc<dyn Clock>,
    gauges: Arc<Gauges>,
) -> Option<Task> {
    let mut read_at = Vec::new();
    while let Some(message) = messages.recv().await {
        let before = task.waiting();
        let done = match message {
            Message::Data(fetched, at) => {
                read_at.push(at);
                let done = task.run(&fetched, clock.now()).map(|()| None);
                gauges.queued.fetch_sub(fetched.records.bytes(), Ordering::Relaxed);
                done
            }
            Message::Offer(offer, at) => {
                read_at.push(at);
                task.offer(offer, clock.now()).map(|()| None)
            }
            Message::Tick => task.tick(clock.now()).map(|()| None),
            Message::Drain => task.drain(clock.now()).map(|()| None),
            Message::Barrier { epoch, drain, looked, ended } => {
                task.looked(&looked, ended).barrier(clock.now(), drain).map(|commit| {
                    gauges.waiting.fetch_sub(before, Ordering::Relaxed);
                    Some(Report::Ready { epoch, commit: Box::new(commit), read_at: std::mem::take(&mut read_at) })
                })
            }
        };
        let report = match done {
            Ok(None) => {
                gauges.waiting.fetch_add(task.waiting() - before, Ordering::Relaxed);
                if task.dirty() {
                    gauges.active.store(true, Ordering::Relaxed);
                }
                continue;
            }
            Ok(Some(report)) => report,
            Err(fault) => Report::Failed(fault),
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
