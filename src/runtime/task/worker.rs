//! A task on the Tokio runtime: takes messages in order, reports at barriers.
//!
//! Separate from the task itself, which knows no channel. Its queue is bounded; a full queue pauses the
//! partitions behind it.

use super::gauges::Gauges;
use super::message::Message;
use crate::runtime::fault::Fault;
use crate::runtime::task::Task;
use crate::runtime::task::message::Report;
use crate::time::Clock;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::sync::mpsc;

/// Works until its queue is closed; gives the task back unless it has failed. A panic is a fault like any
/// other: nobody would hear of a task that is only gone, and all that wait for it would wait for ever.
pub(in crate::runtime) async fn work(
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
