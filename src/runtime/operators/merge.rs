//! `merge: [a, b]` makes one stream of several with the same columns, in the order in which they were read.
//!
//! Rows of one round are put in order of their place in it, then of input, so that the result is the same
//! wherever batches were cut.

use crate::plan::Port;
use crate::record::Batch;
use crate::runtime::task::operator::Operator;
use crate::runtime::task::round::Round;
use crate::runtime::{Collector, Fault};

/// The operator of `merge`.
#[derive(Debug)]
pub struct Merge;

impl Operator for Merge {
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault> {
        in_order(round.single()).into_iter().for_each(|b| out.emit(Port(0), b));
        Ok(())
    }
}

/// One batch of several, in order of place in the round, then of batch.
pub(super) fn in_order(batches: Vec<Batch>) -> Option<Batch> {
    if batches.len() < 2 {
        return batches.into_iter().next();
    }
    let all = batches.iter().enumerate().flat_map(|(b, batch)| (0..batch.len()).map(move |row| (b, row)));
    let mut rows: Vec<(usize, usize)> = all.collect();
    rows.sort_by_key(|(b, row)| batches[*b].meta.order[*row]);
    Some(Batch::interleave(&batches.iter().collect::<Vec<_>>(), &rows))
}
