//! Event times that advance at a rate, some out of order and some late.
//!
//! Separate because the wine generator and generator files share it. The time of a record depends only on
//! its number and the random numbers drawn for it.

use super::Random;
use rand::RngExt as _;

/// 2026-01-01T00:00:00Z, where event time starts unless something else is asked for.
pub(super) const START: i64 = 1_767_225_600_000;

/// Some records are moved in time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Shift {
    /// How many of them, from 0 to 1.
    pub(super) share: f64,
    /// How far, in milliseconds.
    pub(super) by: i64,
}

/// Event times, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clock {
    pub(super) start: i64,
    /// Milliseconds from a record to the next, before it is moved.
    pub(super) step: f64,
    /// Moved by up to this much, to either side.
    pub(super) disorder: Shift,
    /// Moved back by exactly this much.
    pub(super) late: Shift,
    pub(super) count: u64,
}

impl Clock {
    /// The time of the next record.
    pub(super) fn next(&mut self, random: &mut Random) -> i64 {
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "saturates far beyond any run")]
        let passed = (self.count as f64 * self.step) as i64;
        self.count += 1;
        let mut at = self.start.saturating_add(passed);
        if self.disorder.share > 0.0 && random.random_bool(self.disorder.share) {
            at = at.saturating_add(random.random_range(-self.disorder.by..=self.disorder.by));
        }
        if self.late.share > 0.0 && random.random_bool(self.late.share) {
            at = at.saturating_sub(self.late.by);
        }
        at
    }
}
