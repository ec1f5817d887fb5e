//! `filter: CONDITION` keeps the rows for which the condition is true.

use crate::expr::Predicate;
use crate::plan::Port;
use crate::runtime::task::operator::Operator;
use crate::runtime::task::round::Round;
use crate::runtime::{Collector, Fault};

/// The operator of `filter`.
#[derive(Debug)]
pub struct FilterOperator(pub Predicate);

impl Operator for FilterOperator {
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault> {
        for batch in round.single() {
            let (mask, bad) = self.0.evaluate(&batch);
            let kept = batch.filter(&mask);
            // A row on which the condition fails is false in the mask, but counts as dead and not as filtered.
            let removed = batch.len() - kept.len();
            let dead = batch.len() - out.without_bad(batch, &bad).len();
            out.filtered(removed - dead);
            out.emit(Port(0), kept);
        }
        Ok(())
    }
}
