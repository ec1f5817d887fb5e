//! `branch: {NAME: CONDITION, …}` sends each row to the first output whose condition is true.
//!
//! A row that matches no condition goes to the output that `else` names, or counts as filtered.

use crate::expr::Predicate;
use crate::plan::Port;
use crate::runtime::task::operator::Operator;
use crate::runtime::task::round::Round;
use crate::runtime::{Collector, Fault};
use arrow_array::BooleanArray;

/// The operator of `branch`.
#[derive(Debug)]
pub struct BranchOperator {
    /// One condition per output.
    pub conditions: Vec<Predicate>,
    /// Whether one more output, the last one, receives the rows that match no condition.
    pub rest: bool,
}

impl Operator for BranchOperator {
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault> {
        for mut unmatched in round.single() {
            for (port, condition) in self.conditions.iter().enumerate() {
                let (mask, bad) = condition.evaluate(&unmatched);
                out.emit(Port(port), unmatched.filter(&mask));
                let mut remaining: Vec<bool> = mask.iter().map(|m| m != Some(true)).collect();
                bad.iter().for_each(|b| remaining[b.row] = false);
                let _good = out.without_bad(unmatched.clone(), &bad);
                unmatched = unmatched.filter(&BooleanArray::from(remaining));
            }
            if self.rest {
                out.emit(Port(self.conditions.len()), unmatched);
            } else {
                out.filtered(unmatched.len());
            }
        }
        Ok(())
    }
}
