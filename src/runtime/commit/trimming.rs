//! Removes repartitioned records once the task that reads them has committed what they did.
//!
//! Separate because it may take its time: a thread of its own, which no commit waits for. What it misses
//! while it is busy goes with the next round; a fault is worth a warning, never the run.

use crate::log::{Log, Recovery};
use crate::plan::Physical;
use crate::record::{Offset, TopicPartition};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Least time between two rounds.
const EVERY: Duration = Duration::from_secs(1);

/// What may go: everything before these offsets.
pub(in crate::runtime) type Done = BTreeMap<TopicPartition, Offset>;

/// The committer's side.
pub(in crate::runtime) struct Trimming {
    done: Done,
    to: SyncSender<Done>,
    at: Option<Instant>,
}

impl Trimming {
    /// The two sides; at most one round waits.
    pub(in crate::runtime) fn new() -> (Self, Receiver<Done>) {
        let (to, from) = sync_channel(1);
        (Self { done: Done::new(), to, at: None }, from)
    }

    /// Takes note of what was committed.
    pub(in crate::runtime) fn committed(&mut self, plan: &Physical, positions: &[(TopicPartition, Offset)]) {
        let internal = positions.iter().filter(|(at, _)| plan.is_repartition(&at.topic));
        self.done.extend(internal.cloned());
        if self.done.is_empty() || self.at.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        self.at = Some(Instant::now());
        if self.to.try_send(self.done.clone()).is_ok() {
            self.done.clear();
        }
    }

    /// At the end of the run everything that is left may go.
    pub(in crate::runtime) fn finish(self) {
        if !self.done.is_empty() {
            // The other side is gone only when the run has failed.
            drop(self.to.send(self.done));
        }
    }
}

/// Removes what is done until the committer is gone.
pub(in crate::runtime) fn follow(log: &dyn Log, done: &Receiver<Done>) {
    for done in done {
        let before: Vec<(TopicPartition, Offset)> = done.into_iter().collect();
        match log.delete_records(&before) {
            Ok(()) => {}
            // A cluster that is busy will be asked again.
            Err(e) if e.recovery() == Recovery::Retry => tracing::debug!("repartitioned records stay for now: {e}"),
            Err(e) => tracing::warn!("repartitioned records that are done with could not be removed: {e}"),
        }
    }
}
