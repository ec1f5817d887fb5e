//! Removes records of repartition topics once the task that reads them has committed their effect.
//!
//! A separate thread removes them, so that no commit waits. Positions that arrive while it is busy go with the next
//! round. A failure is a warning, never a fault.

use crate::log::{Log, LogError, Recovery};
use crate::plan::Physical;
use crate::record::{Offset, TopicPartition};
use crate::runtime::cancel::CancelToken;
use crate::runtime::fault::{Fault, supervise};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// The thread, as faults name it.
const TRIMMING_THREAD: &str = "the trimming of repartition topics";

/// How long the end of an assignment waits for a removal.
const END_TIMEOUT: Duration = Duration::from_secs(3);

/// Time between two attempts to pass on the last positions.
const END_POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Time between two rounds of removal.
const TRIM_INTERVAL: Duration = Duration::from_secs(1);

/// The first offset of each partition that is still needed.
pub(in crate::runtime) type TrimPoints = BTreeMap<TopicPartition, Offset>;

/// The committing side: collects the offsets up to which records may be removed.
pub(in crate::runtime) struct Trimming {
    points: TrimPoints,
    to: SyncSender<TrimPoints>,
    sent_at: Option<Instant>,
}

impl Trimming {
    /// The two sides; at most one round waits.
    pub(in crate::runtime) fn new() -> (Self, Receiver<TrimPoints>) {
        let (to, from) = sync_channel(1);
        (Self { points: TrimPoints::new(), to, sent_at: None }, from)
    }

    /// Adds committed positions, and sends them if a round is due.
    pub(super) fn on_committed(&mut self, plan: &Physical, positions: &[(TopicPartition, Offset)]) {
        let internal = positions.iter().filter(|(at, _)| plan.is_repartition(&at.topic));
        self.points.extend(internal.cloned());
        if self.points.is_empty() || self.sent_at.is_some_and(|at| at.elapsed() < TRIM_INTERVAL) {
            return;
        }
        self.sent_at = Some(Instant::now());
        if self.to.try_send(self.points.clone()).is_ok() {
            self.points.clear();
        }
    }

    /// Sends the remaining positions at the end of an assignment.
    pub(super) fn flush(&mut self) {
        let (mut points, start) = (std::mem::take(&mut self.points), Instant::now());
        // The other side is gone only when the run has failed.
        while let Err(TrySendError::Full(waiting)) = self.to.try_send(points) {
            if start.elapsed() > END_TIMEOUT {
                return;
            }
            std::thread::park_timeout(END_POLL_INTERVAL);
            points = waiting;
        }
    }
}

/// The thread that removes records. The end of an assignment waits for it, but leaves it behind if the brokers do not
/// answer.
pub(in crate::runtime) struct Trimmer(Receiver<Result<(), Fault>>);

impl Trimmer {
    /// Starts it. A panic in it cancels the token.
    pub(in crate::runtime) fn start(log: Arc<dyn Log>, points: Receiver<TrimPoints>, cancel: CancelToken) -> Self {
        let (done, ended) = sync_channel(1);
        let trimming = move || {
            let trim = || {
                trim(log.as_ref(), &points);
                Ok(())
            };
            // The receiver is gone if this took too long.
            drop(done.send(supervise(TRIMMING_THREAD, &cancel, trim)));
        };
        if let Err(e) = std::thread::Builder::new().name("trimming".into()).spawn(trimming) {
            tracing::warn!("repartition topics are not trimmed: no thread could be started: {e}");
        }
        Self(ended)
    }

    /// Waits until everything is removed, at most for [`END_TIMEOUT`].
    pub(in crate::runtime) fn join(self) -> Result<(), Fault> {
        match self.0.recv_timeout(END_TIMEOUT) {
            Ok(ended) => ended,
            Err(_) => {
                tracing::debug!("repartitioned records are still being removed");
                Ok(())
            }
        }
    }
}

/// Removes records until the side that commits is gone.
fn trim(log: &dyn Log, points: &Receiver<TrimPoints>) {
    let mut denied = false;
    for points in points {
        let before: Vec<(TopicPartition, Offset)> = points.into_iter().collect();
        match log.delete_records(&before) {
            Ok(()) => {}
            // The right stays missing for the whole run: one warning is enough.
            Err(LogError::Denied(why)) if std::mem::replace(&mut denied, true) => tracing::debug!("{why}"),
            // The next round tries again.
            Err(e) if e.recovery() == Recovery::Retry => tracing::debug!("repartitioned records stay for now: {e}"),
            Err(e) => tracing::warn!("processed records of repartition topics could not be removed: {e}"),
        }
    }
}
