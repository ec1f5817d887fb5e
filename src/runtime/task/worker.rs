//! A task on the Tokio runtime: takes messages in order and reports at barriers.
//!
//! Its queue is bounded; a full queue pauses the partitions behind it. A round that releases many rows is handed over
//! in parts, one at each barrier. Between parts the task waits for a barrier while the commit is full.

use super::Task;
use super::gauges::Gauges;
use super::merge_queue::offered_bytes;
use super::message::{Barrier, TaskInbox, TaskMessage, TaskReport};
use crate::runtime::cancel::CancelToken;
use crate::runtime::fault::{self, Fault};
use crate::time::Clock;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::task::block_in_place;

/// Time between two checks whether the commit is still full.
const FULL_COMMIT_POLL_INTERVAL: Duration = Duration::from_millis(1);

/// The handles that a task runs with.
pub(in crate::runtime) struct Worker {
    pub(in crate::runtime) inbox: TaskInbox,
    pub(in crate::runtime) reports: mpsc::Sender<TaskReport>,
    pub(in crate::runtime) cancel: CancelToken,
    pub(in crate::runtime) clock: Arc<dyn Clock>,
    pub(in crate::runtime) gauges: Arc<Gauges>,
}

/// The state of a running task.
struct Working {
    worker: Worker,
    /// A barrier that was received before all messages in front of it were processed.
    barrier: Option<Barrier>,
    /// Messages processed.
    processed: u64,
    read_at: Vec<Instant>,
    /// What the task has added to [`Gauges::pending_bytes`].
    pending_bytes: usize,
    /// The task left in the middle of a round; everything up to its last barrier is handed over.
    has_left: bool,
}

/// What a task handles next.
#[expect(clippy::large_enum_variant, reason = "it is moved once and never stored")]
enum Next {
    Message(TaskMessage),
    Barrier(Barrier),
}

/// Runs a task until its queue is closed; returns the task unless it has failed. A panic is reported as a fault:
/// without a report the commit loop would wait forever.
pub(in crate::runtime) async fn work(mut task: Task, worker: Worker) -> Option<Task> {
    let (reports, cancel) = (worker.reports.clone(), worker.cancel.clone());
    let name = format!("task {}", task.id());
    let mut working =
        Working { worker, barrier: None, processed: 0, read_at: Vec::new(), pending_bytes: 0, has_left: false };
    while let Some(next) = working.next().await {
        let handled = fault::report_panic(&name, &cancel, || working.handle(&mut task, next));
        let report = match handled {
            Ok(None) => continue,
            Ok(Some(report)) => report,
            Err(Fault::Stopped) if working.has_left => return Some(task),
            Err(fault) => TaskReport::Failed(fault),
        };
        let failed = matches!(report, TaskReport::Failed(_));
        // The commit loop drops its end only after a fault, which it has reported itself.
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
            // A round restored from an earlier run may be unfinished: this barrier takes one part, another one follows.
            Next::Barrier(barrier) if task.is_unfinished() => {
                self.barrier = Some(barrier);
                task.resume(now, &mut |task| self.hand_over(task))?;
                self.count_pending(task);
                Ok(None)
            }
            Next::Barrier(barrier) => {
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
                task.limit_merged_rounds(self.worker.gauges.commit_limit.bytes());
                let done = task.offer(offered, now, &mut |task| self.hand_over(task));
                self.worker.gauges.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
                self.read_at.push(at);
                done
            }
            TaskMessage::Tick => task.tick(now, &mut |task| self.hand_over(task)),
            TaskMessage::Drain => task.drain(now, &mut |task| self.hand_over(task)),
        }
    }

    /// Called in the middle of a round, and between the rounds of merged inputs: hands over a part if a barrier has
    /// arrived, and waits for one while the commit is full. All tasks share the commit, so the wait may end without a barrier.
    fn hand_over(&mut self, task: &mut Task) -> Result<(), Fault> {
        self.count_pending(task);
        loop {
            let received = self.barrier.take().map_or_else(|| self.worker.inbox.barriers.try_recv(), Ok);
            match received {
                Ok(barrier) => return self.hand_over_part(task, &barrier),
                Err(TryRecvError::Disconnected) => return Err(Fault::Stopped),
                Err(TryRecvError::Empty) if !self.worker.gauges.is_commit_full() => return Ok(()),
                Err(TryRecvError::Empty) => block_in_place(|| std::thread::park_timeout(FULL_COMMIT_POLL_INTERVAL)),
            }
        }
    }

    fn hand_over_part(&mut self, task: &mut Task, barrier: &Barrier) -> Result<(), Fault> {
        let report = self.report(task, barrier, barrier.leaving)?;
        // The rest of the round must be committed even if no more input arrives.
        self.worker.gauges.uncommitted.store(true, Ordering::Relaxed);
        block_in_place(|| self.worker.reports.blocking_send(report)).map_err(|_| Fault::Stopped)?;
        self.has_left = barrier.leaving;
        if self.has_left { Err(Fault::Stopped) } else { Ok(()) }
    }

    fn report(&mut self, task: &mut Task, barrier: &Barrier, complete: bool) -> Result<TaskReport, Fault> {
        if barrier.leaving {
            task.flush_moves();
        }
        let commit = Box::new(task.barrier(self.worker.clock.now(), barrier.drain && complete)?);
        self.count_pending(task);
        Ok(TaskReport::Ready { epoch: barrier.epoch, commit, read_at: std::mem::take(&mut self.read_at), complete })
    }

    /// Updates the gauges by what the task has pending.
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
