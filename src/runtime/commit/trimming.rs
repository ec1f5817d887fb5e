//! Removes repartitioned records once the task that reads them has committed what they did.
//!
//! A thread of its own does it, so that no commit waits for it. What is not removed while the thread is busy goes
//! with the next round; a failure is worth a warning, never the run.

use crate::log::{Log, LogError, Recovery};
use crate::plan::Physical;
use crate::record::{Offset, TopicPartition};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Time between two rounds of removal.
const TRIM_INTERVAL: Duration = Duration::from_secs(1);

/// The first offset of each partition that is still needed.
pub(in crate::runtime) type TrimPoints = BTreeMap<TopicPartition, Offset>;

/// The side that commits: collects up to where records may be removed.
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

    /// Takes in committed positions.
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

    /// Sends what is left, at the end of an assignment.
    pub(super) fn flush(&mut self) {
        if !self.points.is_empty() {
            // The other side is gone only when the run has failed.
            drop(self.to.send(std::mem::take(&mut self.points)));
        }
    }
}

/// Removes records until the side that commits is gone.
pub(in crate::runtime) fn trim(log: &dyn Log, points: &Receiver<TrimPoints>) {
    let mut denied = false;
    for points in points {
        let before: Vec<(TopicPartition, Offset)> = points.into_iter().collect();
        match log.delete_records(&before) {
            Ok(()) => {}
            // A missing right is missing for the whole run.
            Err(LogError::Denied(why)) if std::mem::replace(&mut denied, true) => tracing::debug!("{why}"),
            // The next round asks a busy cluster again.
            Err(e) if e.recovery() == Recovery::Retry => tracing::debug!("repartitioned records stay for now: {e}"),
            Err(e) => tracing::warn!("processed records of repartition topics could not be removed: {e}"),
        }
    }
}
