//! The contract between a task and its operators.
//!
//! An operator processes complete rounds, emits its results to a [`Collector`], and returns its state changes at each
//! barrier. It has no access to threads, topics or commits.

use crate::expr::Expr;
use crate::metrics::ModelUse;
use crate::record::Batch;
use crate::runtime::fault::Fault;
use crate::runtime::task::collector::Collector;
use crate::runtime::task::round::{Round, RoundClock};
use crate::state::{StateChange, StateEntries, StateSize};
use arrow_array::ArrayRef;

/// A step of a pipeline for one partition.
pub trait Operator: Send {
    /// Processes one round. It is called for rounds without rows too, as time advances with each round.
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault>;

    /// Returns the state changes since the last barrier. `idle_if_changed` is present if the watermark or the
    /// idleness of the task has changed since then, and says whether all inputs are idle.
    fn barrier(
        &mut self,
        _clock: &RoundClock,
        _idle_if_changed: Option<bool>,
        _out: &mut Collector<'_>,
    ) -> Result<Vec<StateChange>, Fault> {
        Ok(Vec::new())
    }

    /// If advancing to `upto` releases more than `max_rows` rows, the lowest watermark that releases any of them.
    fn mass_release(&self, _upto: i64, _max_rows: usize) -> Option<i64> {
        None
    }

    /// Restores a state change that an earlier barrier returned.
    fn restore(&mut self, _key: &[u8], _value: Option<&[u8]>) -> Result<(), Fault> {
        Err(Fault::internal("state was found for a step that keeps none"))
    }

    /// Hands over the state as of the last barrier; the operator is not used afterwards. `None` means that the state
    /// can be restored only from its changelog.
    fn take_state(&mut self) -> Option<StateEntries> {
        None
    }

    /// The size of the state.
    fn size(&self) -> StateSize {
        StateSize::default()
    }

    /// The models that it has used.
    fn models(&self) -> Vec<ModelUse> {
        Vec::new()
    }
}

/// Evaluates expressions over a batch. Rows on which one fails are dead, and are missing from the batch and arrays.
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
