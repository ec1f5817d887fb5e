//! A task on the Tokio runtime: takes messages in order and reports at barriers.
//!
//! Its queue is bounded; a full queue pauses the partitions behind it.

use super::Task;
use super::gauges::Gauges;
use super::message::{Barrier, TaskMessage, TaskReport};
use crate::runtime::fault::{self, Fault};
use crate::time::Clock;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::sync::mpsc;

/// Works until its queue is closed; returns the task unless it has failed. A panic is reported as a fault, since
/// a task that only vanishes would leave the commit loop waiting for its report for ever.
pub(in crate::runtime) async fn work(
    mut task: Task,
    mut messages: mpsc::Receiver<TaskMessage>,
    reports: mpsc::Sender<TaskReport>,
    clock: Arc<dyn Clock>,
    gauges: Arc<Gauges>,
) -> Option<Task> {
    let mut read_at = Vec::new();
    let name = format!("task {}", task.id());
    while let Some(message) = messages.recv().await {
        let handled = fault::catch_panic(&name, || handle(&mut task, message, &mut read_at, clock.as_ref(), &gauges));
        let report = match handled {
            Ok(None) => continue,
            Ok(Some(report)) => report,
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

fn handle(
    task: &mut Task,
    message: TaskMessage,
    read_at: &mut Vec<Instant>,
    clock: &dyn Clock,
    gauges: &Gauges,
) -> Result<Option<TaskReport>, Fault> {
    let before = task.pending_bytes();
    match message {
        TaskMessage::Data(fetched, at) => {
            read_at.push(at);
            let done = task.run(&fetched, clock.now());
            gauges.queued_bytes.fetch_sub(fetched.records.bytes(), Ordering::Relaxed);
            done?;
        }
        TaskMessage::Offer(offered, at) => {
            read_at.push(at);
            task.offer(offered, clock.now())?;
        }
        TaskMessage::Tick => task.tick(clock.now())?,
        TaskMessage::Drain => task.drain(clock.now())?,
        TaskMessage::Barrier(Barrier { epoch, drain, positions, at_end }) => {
            let commit = Box::new(task.advance_positions(&positions, at_end).barrier(clock.now(), drain)?);
            gauges.output_bytes.fetch_sub(before, Ordering::Relaxed);
            return Ok(Some(TaskReport::Ready { epoch, commit, read_at: std::mem::take(read_at) }));
        }
    }
    gauges.output_bytes.fetch_add(task.pending_bytes() - before, Ordering::Relaxed);
    if task.dirty() {
        gauges.uncommitted.store(true, Ordering::Relaxed);
    }
    Ok(None)
}
