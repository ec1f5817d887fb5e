//! A task on the Tokio runtime: takes messages in order and reports at barriers.
//!
//! Its queue is bounded; a full queue pauses the partitions behind it. A round that releases much is handed over in
//! parts, at a barrier each; in between the task waits where the parts are as much as a commit may carry.

use super::Task;
use super::gauges::Gauges;
use super::merge_queue::offered_bytes;
use super::message::{Barrier, TaskInbox, TaskMessage, TaskReport};
use crate::runtime::cancel::CancelToken;
use crate::runtime::fault::{self, Fault};
use crate::time::Clock;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::task::block_in_place;

/// What a task works with.
pub(in crate::runtime) struct Worker {
    pub(in crate::runtime) inbox: TaskInbox,
    pub(in crate::runtime) reports: mpsc::Sender<TaskReport>,
    pub(in crate::runtime) cancel: CancelToken,
    pub(in crate::runtime) clock: Arc<dyn Clock>,
    pub(in crate::runtime) gauges: Arc<Gauges>,
}

/// A task at work.
struct Working {
    worker: Worker,
    /// A barrier that was received and not reached.
    barrier: Option<Barrier>,
    /// Messages processed.
    processed: u64,
    read_at: Vec<Instant>,
    /// What the task has added to [`Gauges::pending_bytes`].
    pending_bytes: usize,
    /// It has left in the middle of a round, with everything up to its last barrier handed over.
    left: bool,
}

/// What comes next for a task.
#[expect(clippy::large_enum_variant, reason = "it is moved once and never stored")]
enum Next {
    Message(TaskMessage),
    Barrier(Barrier),
}

/// Works until its queue is closed; returns the task unless it has failed. A panic is reported as a fault, since
/// a task that only vanishes would leave the commit loop waiting for its report for ever.
pub(in crate::runtime) async fn work(mut task: Task, worker: Worker) -> Option<Task> {
    let (reports, cancel) = (worker.reports.clone(), worker.cancel.clone());
    let name = format!("task {}", task.id());
    let mut working =
        Working { worker, barrier: None, processed: 0, read_at: Vec::new(), pending_bytes: 0, left: false };
    while let Some(next) = working.next().await {
        let handled = fault::report_panic(&name, &cancel, || working.handle(&mut task, next));
        let report = match handled {
            Ok(None) => continue,
            Ok(Some(report)) => report,
            Err(Fault::Stopped) if working.left => return Some(task),
            Err(fault) => TaskReport::Failed(fault),
        };
        let failed = matches!(report, TaskReport::Failed(_));
        // The commit loop hangs up only after a fault, which it has reported itself.
        if reports.send(report).await.is_err() || failed {
            return None;
        }
        tokio::task::yield_now().await;
    }
    Some(task)
}

impl Working {
    /// The next message, or the barrier once all messages before it are processed.
    async fn next(&mut self) -> Option<Next> {
        loop {
            if let Some(barrier) = self.barrier.take_if(|b| b.messages_before <= self.processed) {
                return Some(Next::Barrier(barrier));
            }
            tokio::select! {
                Some(barrier) = self.worker.inbox.barriers.recv(), if self.barrier.is_none() => {
                    self.barrier = Some(barrier);
                }
                message = self.worker.inbox.messages.recv() => return message.map(Next::Message),
            }
        }
    }

    fn handle(&mut self, task: &mut Task, next: Next) -> Result<Option<TaskReport>, Fault> {
        let now = self.worker.clock.now();
        match next {
            Next::Message(message) => {
                self.take(task, message, now)?;
                self.processed += 1;
                self.count_pending(task);
                Ok(None)
            }
            Next::Barrier(barrier) => {
                // A round of an earlier run may not be complete.
                task.resume(&mut |task| self.hand_over(task))?;
                task.advance_positions(&barrier.positions, barrier.at_end);
                self.report(task, &barrier, true).map(Some)
            }
        }
    }

    fn take(&mut self, task: &mut Task, message: TaskMessage, now: i64) -> Result<(), Fault> {
        match message {
            TaskMessage::Data(fetched, at) => {
                let done = task.run(&fetched, now, &mut |task| self.hand_over(task));
                self.worker.gauges.queued_bytes.fetch_sub(fetched.records.bytes(), Ordering::Relaxed);
                self.read_at.push(at);
                done
            }
            TaskMessage::Offer(offered, at) => {
                let bytes = offered_bytes(&offered);
                let done = task.offer(offered, now, &mut |task| self.hand_over(task));
                self.worker.gauges.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
                self.read_at.push(at);
                done
            }
            TaskMessage::Tick => task.tick(now, &mut |task| self.hand_over(task)),
            TaskMessage::Drain => task.drain(now, &mut |task| self.hand_over(task)),
        }
    }

    /// In the middle of a round: hands over a part where a barrier is there, and waits for one where the parts are as
    /// much as a commit may carry.
    fn hand_over(&mut self, task: &mut Task) -> Result<(), Fault> {
        self.count_pending(task);
        let there = self.barrier.take().or_else(|| self.worker.inbox.barriers.try_recv().ok());
        match there {
            Some(barrier) => self.hand_over_part(task, &barrier),
            None if self.worker.gauges.is_commit_full() => {
                let barrier = block_in_place(|| self.worker.inbox.barriers.blocking_recv());
                self.hand_over_part(task, &barrier.ok_or(Fault::Stopped)?)
            }
            None => Ok(()),
        }
    }

    fn hand_over_part(&mut self, task: &mut Task, barrier: &Barrier) -> Result<(), Fault> {
        let report = self.report(task, barrier, barrier.leaving)?;
        block_in_place(|| self.worker.reports.blocking_send(report)).map_err(|_| Fault::Stopped)?;
        // The rest must be committed too, although nothing more may be read.
        self.worker.gauges.uncommitted.store(true, Ordering::Relaxed);
        self.left = barrier.leaving;
        if self.left { Err(Fault::Stopped) } else { Ok(()) }
    }

    fn report(&mut self, task: &mut Task, barrier: &Barrier, complete: bool) -> Result<TaskReport, Fault> {
        let commit = Box::new(task.barrier(self.worker.clock.now(), barrier.drain && complete)?);
        self.count_pending(task);
        Ok(TaskReport::Ready { epoch: barrier.epoch, commit, read_at: std::mem::take(&mut self.read_at), complete })
    }

    /// Brings the gauges up to what waits in the task for a barrier.
    fn count_pending(&mut self, task: &Task) {
        let (pending, gauges) = (task.pending_bytes(), &self.worker.gauges);
        // One of the two is zero.
        gauges.pending_bytes.fetch_add(pending.saturating_sub(self.pending_bytes), Ordering::Relaxed);
        gauges.pending_bytes.fetch_sub(self.pending_bytes.saturating_sub(pending), Ordering::Relaxed);
        self.pending_bytes = pending;
        if task.dirty() {
            gauges.uncommitted.store(true, Ordering::Relaxed);
        }
    }
}
