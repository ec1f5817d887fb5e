//! `merge: [a, b]` combines streams with the same columns into one.
//!
//! The rows of a round leave in the order in which they were read, then of input. So the result does not depend on
//! where batches were cut.

use crate::plan::Port;
use crate::record::Batch;
use crate::runtime::task::operator::Operator;
use crate::runtime::task::round::Round;
use crate::runtime::{Collector, Fault};

/// The operator of `merge`.
#[derive(Debug)]
pub struct MergeOperator;

impl Operator for MergeOperator {
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault> {
        merge_in_order(round.single()).into_iter().for_each(|b| out.emit(Port(0), b));
        Ok(())
    }
}

/// Merges batches into one, in the order of the round, then of batch.
pub(super) fn merge_in_order(batches: Vec<Batch>) -> Option<Batch> {
    if batches.len() < 2 {
        return batches.into_iter().next();
    }
    let all = batches.iter().enumerate().flat_map(|(b, batch)| (0..batch.len()).map(move |row| (b, row)));
    let mut rows: Vec<(usize, usize)> = all.collect();
    rows.sort_by_key(|(b, row)| batches[*b].meta.order[*row]);
    Some(Batch::interleave(&batches.iter().collect::<Vec<_>>(), &rows))
}
