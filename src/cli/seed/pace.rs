//! The pace of writing: as fast as possible, or evenly at a rate.

use super::super::arguments::Rate;
use super::super::shutdown::{CHECK_INTERVAL, Shutdown};
use crate::log::LogResult;
use std::time::{Duration, Instant};

/// A compromise: more appends make the rate smoother, fewer make batches larger.
const MAX_APPENDS_PER_SECOND: f64 = 50.0;

/// The due time of each record.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Option<Rate>,
    start: Instant,
}

impl Pace {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self { rate, start: Instant::now() }
    }

    /// The number of records in one append, at most `max`.
    pub(super) fn batch_size(&self, max: usize) -> usize {
        match self.rate {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate is positive, and the cast saturates"
            )]
            Some(Rate(rate)) => ((rate / MAX_APPENDS_PER_SECOND).ceil() as usize).clamp(1, max),
            None => max,
        }
    }

    /// Waits until the record after `done` others is due, or until a shutdown is requested. A long wait runs `check`
    /// every [`CHECK_INTERVAL`].
    pub(super) fn wait(&self, done: u64, shutdown: &Shutdown, check: impl Fn() -> LogResult<()>) -> LogResult<()> {
        let Some(due) = self.due(done) else { return Ok(()) };
        loop {
            let left = due.saturating_sub(self.start.elapsed());
            shutdown.sleep(left.min(CHECK_INTERVAL));
            if left <= CHECK_INTERVAL || shutdown.is_requested() {
                return Ok(());
            }
            check()?;
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "beyond 2^53 records the due time is rounded")]
    fn due(&self, done: u64) -> Option<Duration> {
        let Rate(rate) = self.rate?;
        Some(Duration::try_from_secs_f64(done as f64 / rate).unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_due_evenly_in_small_batches() {
        let slow = Pace::new(Some(Rate(10.0)));
        assert_eq!((slow.batch_size(4096), slow.due(5)), (1, Some(Duration::from_millis(500))));
        let fast = Pace::new(Some(Rate(1_000_000.0)));
        assert_eq!((fast.batch_size(4096), fast.due(0)), (4096, Some(Duration::ZERO)));
        assert_eq!(Pace::new(Some(Rate(1000.0))).batch_size(4096), 20);
        let free = Pace::new(None);
        assert_eq!((free.batch_size(4096), free.due(5)), (4096, None));
    }
}
