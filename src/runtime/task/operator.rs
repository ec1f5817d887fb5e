//! The contract between a task and its operators.
//!
//! An operator sees complete rounds, gives its results to a [`Collector`], and hands over its state changes at
//! each barrier. It knows neither threads nor topics nor commits.

use crate::expr::Expr;
use crate::metrics::ModelUse;
use crate::record::Batch;
use crate::runtime::fault::Fault;
use crate::runtime::task::collector::Collector;
use crate::runtime::task::round::{Round, RoundClock};
use crate::state::{StateChange, StateEntries, StateSize};
use arrow_array::ArrayRef;

/// One step of a pipeline at work on one partition.
pub trait Operator: Send {
    /// Takes one round. Called for every round, also when it brings no rows, as time moves with it.
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault>;

    /// Hands over what changed in state since the last barrier. `moved` is there when time has moved since:
    /// whether all inputs are idle now.
    fn barrier(
        &mut self,
        _clock: &RoundClock,
        _moved: Option<bool>,
        _out: &mut Collector<'_>,
    ) -> Result<Vec<StateChange>, Fault> {
        Ok(Vec::new())
    }

    /// Takes back what an earlier barrier handed over.
    fn restore(&mut self, _key: &[u8], _value: Option<&[u8]>) -> Result<(), Fault> {
        Err(Fault::internal("state was found for a step that keeps none"))
    }

    /// Gives away all that it remembers, as it was at the last barrier; it is not used again. None where it
    /// can only be read back from its changelog.
    fn take_state(&mut self) -> Option<StateEntries> {
        None
    }

    /// How much it remembers.
    fn size(&self) -> StateSize {
        StateSize::default()
    }

    /// The models it has used.
    fn models(&self) -> Vec<ModelUse> {
        Vec::new()
    }
}

/// Evaluates expressions over a batch; rows on which one fails are given up and left out of everything.
pub(crate) fn evaluate(exprs: &[&Expr], batch: Batch, out: &mut Collector<'_>) -> (Batch, Vec<ArrayRef>) {
    let mut bad = Vec::new();
    let mut arrays = Vec::with_capacity(exprs.len());
    for expr in exprs {
        let evaluated = expr.evaluate(&batch);
        bad.extend(evaluated.bad);
        arrays.push(evaluated.array);
    }
    if bad.is_empty() {
        return (batch, arrays);
    }
    let good = out.without_bad(batch, &bad);
    let arrays = exprs.iter().map(|e| e.evaluate(&good).array).collect();
    (good, arrays)
}
