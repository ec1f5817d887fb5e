//! The input of an operator in one round, and the clock of that round.
//!
//! A round is complete: an operator receives all its inputs of a round at once, so that its results do not depend on
//! where batches were cut.

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
    /// The partition that the round was read from; of several, that of the last record.
    pub origin: Arc<TopicPartition>,
    /// The order of each record within the round, ascending.
    pub order: ScalarBuffer<i64>,
    /// The offset of each record read.
    pub offsets: ScalarBuffer<i64>,
    /// The watermark at each record.
    pub watermarks: ScalarBuffer<i64>,
    /// The watermark before the round.
    pub before: i64,
    /// The watermark after the round.
    pub after: i64,
    /// Wall clock, epoch milliseconds.
    pub now: i64,
    /// Close all windows, as the input has ended.
    pub drain: bool,
}

impl RoundClock {
    /// The clock for the steps after one that has more rows due than a round may release. If only the last record
    /// releases them, time stops just before it, else before the round, so that rows due earlier leave in order.
    #[must_use]
    pub(in crate::runtime) fn held_back(&self) -> Self {
        let releasing = self.watermarks.partition_point(|w| *w < self.after);
        let after = match self.watermarks.len() {
            n if n == releasing + 1 => self.record_reaching(self.after).2,
            _ => self.before,
        };
        Self { after, drain: false, ..self.clone() }
    }

    /// The order and the offset of the record at which the watermark reaches a time, and the watermark before it.
    #[must_use]
    pub fn record_reaching(&self, watermark: i64) -> (i64, i64, i64) {
        let i = self.watermarks.partition_point(|w| *w < watermark);
        let before = if i == 0 { self.before } else { self.watermarks[i - 1] };
        let at = |of: &ScalarBuffer<i64>| of.get(i).or(of.last()).copied().unwrap_or(-1);
        (at(&self.order), at(&self.offsets), before)
    }
}
