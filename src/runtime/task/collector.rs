//! Collects the results of an operator in one round: rows by output, counts, dead rows and records to write.
//!
//! An operator cannot write a topic or commit by itself. The task counts the rows that go in and out; the operator
//! counts only what it filters, absorbs, creates or writes.

use crate::metrics::Counters;
use crate::plan::Port;
use crate::record::{BadRow, Batch};
use crate::runtime::task::outbox::Outbox;

/// A row that could not be handled.
#[derive(Debug)]
pub struct DeadRow {
    /// The row, with its position.
    pub row: Batch,
    /// The reason.
    pub error: String,
    /// The step that failed.
    pub step: usize,
}

/// The results of one operator in one round.
#[derive(Debug)]
pub struct Collector<'a> {
    /// Rows by output.
    pub(in crate::runtime) outputs: Vec<Vec<Batch>>,
    pub(in crate::runtime) counters: &'a mut Counters,
    pub(in crate::runtime) dead: &'a mut Vec<DeadRow>,
    pub(in crate::runtime) outbox: &'a mut Outbox,
    pub(in crate::runtime) step: usize,
    pub(in crate::runtime) release: Release,
}

/// How many rows a step may release by time alone in one round, so that a commit does not grow with the state.
#[derive(Clone, Copy, Debug)]
pub(in crate::runtime) struct Release {
    pub(in crate::runtime) max_rows: usize,
    /// More rows are due. For the steps behind, time stands still until the rest has left.
    pub(in crate::runtime) more_due: bool,
}

impl Collector<'_> {
    /// Emits rows to the steps that read this output.
    pub fn emit(&mut self, port: Port, batch: Batch) {
        if !batch.is_empty() {
            self.outputs[port.0].push(batch);
        }
    }

    /// Counts rows that the step filtered out.
    pub fn filtered(&mut self, rows: usize) {
        self.counters.filtered += rows as u64;
    }

    /// Counts rows that were absorbed into state.
    pub fn absorbed(&mut self, rows: usize) {
        self.counters.absorbed += rows as u64;
    }

    /// Counts rows that the operator created.
    pub fn created(&mut self, rows: usize) {
        self.counters.created += rows as u64;
    }

    /// The number of rows that the step may release by time alone in this round.
    #[must_use]
    pub fn max_released_rows(&self) -> usize {
        self.release.max_rows
    }

    /// Says that more rows are due than the step may release in this round. The round is continued until none are.
    pub fn more_due(&mut self) {
        self.release.more_due = true;
    }

    /// Counts rows that were written as records of a topic.
    pub fn written(&mut self, rows: usize) {
        self.counters.written += rows as u64;
    }

    /// Marks the bad rows as dead and returns the others.
    #[must_use]
    pub fn without_bad(&mut self, batch: Batch, bad: &[BadRow]) -> Batch {
        if bad.is_empty() {
            return batch;
        }
        let mut good = vec![true; batch.len()];
        for b in bad {
            if std::mem::replace(&mut good[b.row], false) {
                let row = batch.take(&[u32::try_from(b.row).unwrap_or(u32::MAX)].to_vec().into());
                self.dead.push(DeadRow { row, error: b.error.clone(), step: self.step });
                self.counters.dead += 1;
            }
        }
        batch.filter(&good.into())
    }

    /// The records that are committed with this round.
    pub fn outbox(&mut self) -> &mut Outbox {
        self.outbox
    }
}
