//! Event times that advance at a rate, some out of order and some late.
//!
//! The wine generator and generator files share it. The time of a record depends only on its number and on
//! the random numbers drawn for it.

use super::Random;
use rand::RngExt as _;

/// 2026-01-01T00:00:00Z, the default start of event time.
pub(super) const DEFAULT_START_MS: i64 = 1_767_225_600_000;

/// Moves some of the records in time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Shift {
    /// The share of records that are moved, from 0 to 1.
    pub(super) share: f64,
    pub(super) by_ms: i64,
}

/// A sequence of event times.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EventTimes {
    pub(super) start_ms: i64,
    /// Milliseconds from one record to the next, before records are moved.
    pub(super) step_ms: f64,
    /// Moves records by up to this time, in either direction.
    pub(super) disorder: Shift,
    /// Moves records back by exactly this time.
    pub(super) late: Shift,
    /// The number of times drawn so far.
    pub(super) count: u64,
}

impl EventTimes {
    /// Starts one step after a time.
    pub(super) fn start_after(&mut self, time: i64) {
        #[allow(clippy::cast_possible_truncation, reason = "saturates far beyond any run")]
        let step = self.step_ms.ceil() as i64;
        self.start_ms = time.saturating_add(step);
    }

    /// Draws the time of the next record.
    pub(super) fn next(&mut self, random: &mut Random) -> i64 {
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "saturates far beyond any run")]
        let passed = (self.count as f64 * self.step_ms) as i64;
        self.count += 1;
        let mut at = self.start_ms.saturating_add(passed);
        if self.disorder.share > 0.0 && random.random_bool(self.disorder.share) {
            at = at.saturating_add(random.random_range(-self.disorder.by_ms..=self.disorder.by_ms));
        }
        if self.late.share > 0.0 && random.random_bool(self.late.share) {
            at = at.saturating_sub(self.late.by_ms);
        }
        at
    }
}
