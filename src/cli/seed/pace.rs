//! How fast records are written: as fast as it goes, or evenly at a rate.
//!
//! Separate so that the arithmetic can be tested without waiting.

use super::super::shutdown::Shutdown;
use super::super::values::Rate;
use std::time::{Duration, Instant};

/// Appends a second at most: small enough that a graph of the input is smooth, large enough to batch.
const BEATS: f64 = 50.0;

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

    /// How many records to write at once.
    pub(super) fn chunk(&self, most: usize) -> usize {
        match self.rate {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate is positive, and the cast saturates"
            )]
            Some(Rate(rate)) => ((rate / BEATS).ceil() as usize).clamp(1, most),
            None => most,
        }
    }

    /// Waits until the record after `done` others is due, or until it is asked to stop.
    pub(super) fn wait(&mut self, done: u64, shutdown: &Shutdown) {
        if let Some(due) = self.due(done) {
            shutdown.sleep(due.saturating_sub(self.start.elapsed()));
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a record in 2^53 may come a moment early")]
    fn due(&self, done: u64) -> Option<Duration> {
        let Rate(rate) = self.rate?;
        Some(Duration::try_from_secs_f64(done as f64 / rate).unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_due_evenly_and_in_small_chunks() {
        let slow = Pace::new(Some(Rate(10.0)));
        assert_eq!((slow.chunk(4096), slow.due(5)), (1, Some(Duration::from_millis(500))));
        let fast = Pace::new(Some(Rate(1_000_000.0)));
        assert_eq!((fast.chunk(4096), fast.due(0)), (4096, Some(Duration::ZERO)));
        assert_eq!(Pace::new(Some(Rate(1000.0))).chunk(4096), 20);
        let free = Pace::new(None);
        assert_eq!((free.chunk(4096), free.due(5)), (4096, None));
    }
}
