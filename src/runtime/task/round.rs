//! One round of a task: what one batch of its inputs brings to each operator, and the clock that goes with
//! it.
//!
//! Separate because it is the contract between a task and its operators. A round is complete: every
//! operator sees all its inputs of a round at once, so that what it gives does not depend on where
//! batches were cut.

use crate::record::{Batch, TopicPartition};
use arrow_buffer::ScalarBuffer;
use std::sync::Arc;

/// The rows of a round for one operator, input by input.
#[derive(Debug)]
pub struct Round<'a> {
    /// Batches in the order of the operator's inputs.
    pub inputs: Vec<Vec<Batch>>,
    /// Time in this round.
    pub clock: &'a RoundClock,
}

impl Round<'_> {
    /// The batches of the only input.
    pub fn single(self) -> Vec<Batch> {
        self.inputs.into_iter().flatten().collect()
    }
}

/// How the watermark moves within a round.
#[derive(Clone, Debug)]
pub struct RoundClock {
    /// The partition that the round was read from; of several, the one of its last record.
    pub origin: Arc<TopicPartition>,
    /// The place of each record read in the round, rising.
    pub order: ScalarBuffer<i64>,
    /// The offset of each record read.
    pub offsets: ScalarBuffer<i64>,
    /// The watermark in force at each record.
    pub watermarks: ScalarBuffer<i64>,
    /// The watermark before the round.
    pub before: i64,
    /// The watermark after the round.
    pub after: i64,
    /// Wall clock, epoch milliseconds.
    pub now: i64,
    /// All windows close, as nothing more will come.
    pub drain: bool,
}

impl RoundClock {
    /// Place and offset of the record that moved the watermark to `needed` or beyond, and the watermark
    /// before it.
    #[must_use]
    pub fn moved_by(&self, needed: i64) -> (i64, i64, i64) {
        let i = self.watermarks.partition_point(|w| *w < needed);
        let before = if i == 0 { self.before } else { self.watermarks[i - 1] };
        let at = |of: &ScalarBuffer<i64>| of.get(i).or(of.last()).copied().unwrap_or(-1);
        (at(&self.order), at(&self.offsets), before)
    }
}
