//! The counters of one step.
//!
//! Invariant: `input + created + copied = output + filtered + late + dead + absorbed + written`.

use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// The rows of a step by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Rows that the step received.
    pub input: u64,
    /// Rows that the step sent, once for each step that reads them.
    pub output: u64,
    /// Rows that the step created: results of windows, elements of lists.
    pub created: u64,
    /// Further copies of a sent row, where several steps read one output.
    pub copied: u64,
    /// Rows that a condition rejected, or that no step reads.
    pub filtered: u64,
    /// Rows that arrived after their window had closed and that no step reads.
    pub late: u64,
    /// Rows that failed and became dead letters.
    pub dead: u64,
    /// Rows that went into state.
    pub absorbed: u64,
    /// Records written to a topic.
    pub written: u64,
}

impl Counters {
    /// What was counted since the counters were at `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            input: self.input.saturating_sub(before.input),
            output: self.output.saturating_sub(before.output),
            created: self.created.saturating_sub(before.created),
            copied: self.copied.saturating_sub(before.copied),
            filtered: self.filtered.saturating_sub(before.filtered),
            late: self.late.saturating_sub(before.late),
            dead: self.dead.saturating_sub(before.dead),
            absorbed: self.absorbed.saturating_sub(before.absorbed),
            written: self.written.saturating_sub(before.written),
        }
    }

    /// The difference between the two sides of the invariant; anything but 0 is a fault of the program.
    #[must_use]
    pub fn remainder(&self) -> i128 {
        let sum = |terms: &[u64]| terms.iter().map(|t| i128::from(*t)).sum::<i128>();
        sum(&[self.input, self.created, self.copied])
            - sum(&[self.output, self.filtered, self.late, self.dead, self.absorbed, self.written])
    }
}

impl AddAssign for Counters {
    fn add_assign(&mut self, o: Self) {
        self.input += o.input;
        self.output += o.output;
        self.created += o.created;
        self.copied += o.copied;
        self.filtered += o.filtered;
        self.late += o.late;
        self.dead += o.dead;
        self.absorbed += o.absorbed;
        self.written += o.written;
    }
}
