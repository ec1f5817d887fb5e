//! `branch: {NAME: CONDITION, …}` sends each row to the first output whose condition is true.
//!
//! What matches none goes to the output that `else` names, or counts as filtered.

use crate::expr::Predicate;
use crate::plan::Port;
use crate::runtime::task::operator::Operator;
use crate::runtime::task::round::Round;
use crate::runtime::{Collector, Fault};
use arrow_array::BooleanArray;

/// The operator of `branch`.
#[derive(Debug)]
pub struct Branch {
    /// One condition an output.
    pub conditions: Vec<Predicate>,
    /// Whether one more output takes the rest.
    pub rest: bool,
}

impl Operator for Branch {
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault> {
        for mut left in round.single() {
            for (port, condition) in self.conditions.iter().enumerate() {
                let (mask, bad) = condition.evaluate(&left);
                out.emit(Port(port), left.filter(&mask));
                let mut rest: Vec<bool> = mask.iter().map(|m| m != Some(true)).collect();
                bad.iter().for_each(|b| rest[b.row] = false);
                let _good = out.without_bad(left.clone(), &bad);
                left = left.filter(&BooleanArray::from(rest));
            }
            if self.rest {
                out.emit(Port(self.conditions.len()), left);
            } else {
                out.filtered(left.len());
            }
        }
        Ok(())
    }
}
