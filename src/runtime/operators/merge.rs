//! `merge: [a, b]` makes one stream of several with the same columns, in log order.
//!
//! Rows of one round are put in order of offset, then of input, so that the result is the same wherever
//! batches were cut.

use super::{Operator, Round};
use crate::plan::Port;
use crate::record::Batch;
use crate::runtime::{Collector, Fault};
use arrow_array::UInt32Array;

/// The operator of `merge`.
#[derive(Debug)]
pub struct Merge;

impl Operator for Merge {
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault> {
        in_order(round.single()).into_iter().for_each(|b| out.emit(Port(0), b));
        Ok(())
    }
}

/// One batch of several, in order of offset, then of batch.
pub(super) fn in_order(batches: Vec<Batch>) -> Option<Batch> {
    if batches.len() < 2 {
        return batches.into_iter().next();
    }
    let joined = Batch::concat(&batches);
    let mut rows: Vec<u32> = (0u32..).take(joined.len()).collect();
    rows.sort_by_key(|r| joined.meta.offsets[*r as usize]);
    Some(joined.take(&UInt32Array::from(rows)))
}
