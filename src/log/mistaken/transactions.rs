//! Splits a transaction into several.

use crate::log::{Append, LogResult, Transaction};
use crate::record::Offset;

/// A part of a transaction, with the index of each of its state appends in the whole transaction.
#[derive(Clone, Default)]
pub(super) struct Part {
    indexes: Vec<usize>,
    pub(super) transaction: Transaction,
}

/// The appends of a transaction for which a predicate holds, without offsets.
pub(super) fn part(of: &Transaction, predicate: impl Fn(&Append) -> bool) -> Part {
    let mut part = Part::default();
    part.transaction.results = of.results.iter().filter(|a| predicate(a)).cloned().collect();
    for (index, append) in of.state.iter().enumerate().filter(|(_, a)| predicate(a)) {
        part.indexes.push(index);
        part.transaction.state.push(append.clone());
    }
    part
}

impl Part {
    /// The same part with the offsets of a transaction.
    pub(super) fn with_offsets(mut self, of: &Transaction) -> Self {
        self.transaction.offsets.clone_from(&of.offsets);
        self
    }
}

/// Commits parts in order. Returns the first offset of each of the `states` state appends of the whole transaction.
pub(super) fn commit_in_parts(
    states: usize,
    parts: &[Part],
    mut commit: impl FnMut(&Transaction) -> LogResult<Vec<Option<Offset>>>,
) -> LogResult<Vec<Option<Offset>>> {
    let mut first_offsets = vec![None; states];
    for part in parts {
        for (index, first) in part.indexes.iter().zip(commit(&part.transaction)?) {
            first_offsets[*index] = first;
        }
    }
    Ok(first_offsets)
}
