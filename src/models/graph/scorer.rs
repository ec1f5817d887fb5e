//! Scores batches with a compiled graph.
//!
//! A graph that fails on some rows is run again on each half of them, down to single rows. The rows that fail
//! alone are bad; all others are scored. That takes at most two runs per row. Scoring takes no lock: the plan is
//! shared and read-only, and each run has its own state.

use super::guard::{causes, guarded};
use super::registers;
use super::shapes::{InputTensor, OutputTensor};
use super::tensor::{ChunkRows, OutputBuilder, check_range, from_columns, narrowed};
use crate::models::{ModelError, Scored, Scorer, Signature};
use crate::record::BadRow;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use std::ops::Range;
use std::sync::Arc;
use tract_onnx::prelude::{TValue, TVec, TypedSimplePlan};

/// Rows that go through the network at once; fewer are padded with copies of one of them. There is one plan for
/// one size, because kernels for other sizes may add in another order, and the outputs of a record must not depend
/// on its batch.
pub(super) const CHUNK_ROWS: usize = 64;

/// Scores batches with a tensor graph.
#[derive(Debug)]
pub(in crate::models) struct GraphScorer {
    pub(super) signature: Signature,
    pub(super) inputs: Vec<InputTensor>,
    pub(super) outputs: Vec<OutputTensor>,
    pub(super) plan: Arc<TypedSimplePlan>,
}

/// One batch while it is scored.
struct Scoring<'a> {
    scorer: &'a GraphScorer,
    inputs: &'a [ArrayRef],
    /// Null at the rows that have a null in any input.
    nulls: Option<&'a NullBuffer>,
    builders: Vec<OutputBuilder>,
    failed: Vec<BadRow>,
}

impl Scoring<'_> {
    /// Scores some rows of one chunk, or halves of them if the graph fails.
    fn score(&mut self, rows: Range<usize>) -> Result<(), String> {
        let is_complete = |row: &usize| self.nulls.is_none_or(|n| n.is_valid(*row));
        let Some(filler) = rows.clone().find(is_complete) else {
            self.push_defaults(rows.len());
            return Ok(());
        };
        let chunk = ChunkRows { rows: rows.clone(), nulls: self.nulls, filler };
        let results = guarded(|| self.scorer.run(self.inputs, &chunk));
        registers::zero_upper_halves();
        match results {
            Ok(results) => self.push(&results, rows.len()),
            Err(reason) if rows.len() == 1 => {
                let error = format!("the model cannot be evaluated on this record: {reason}");
                self.failed.push(BadRow { row: rows.start, error });
                self.push_defaults(1);
                Ok(())
            }
            Err(_) => {
                let middle = rows.start + rows.len() / 2;
                self.score(rows.start..middle)?;
                self.score(middle..rows.end)
            }
        }
    }

    fn push(&mut self, results: &[TValue], rows: usize) -> Result<(), String> {
        for ((output, builder), result) in self.scorer.outputs.iter().zip(&mut self.builders).zip(results) {
            let width = output.width.unwrap_or(1);
            if result.len() != CHUNK_ROWS * width || result.shape().first() != Some(&CHUNK_ROWS) {
                let (name, shape) = (&output.name, result.shape());
                return Err(format!("output `{name}` has the shape {shape:?} for {CHUNK_ROWS} records"));
            }
            builder.push(result, rows * width)?;
            if output.softmax {
                builder.softmax(rows, width);
            }
        }
        Ok(())
    }

    fn push_defaults(&mut self, rows: usize) {
        for (output, builder) in self.scorer.outputs.iter().zip(&mut self.builders) {
            builder.push_defaults(rows * output.width.unwrap_or(1));
        }
    }
}

impl GraphScorer {
    fn run(&self, inputs: &[ArrayRef], chunk: &ChunkRows<'_>) -> Result<TVec<TValue>, String> {
        let mut tensors = TVec::with_capacity(self.inputs.len());
        let mut column = 0;
        for input in &self.inputs {
            let shape: TVec<usize> = std::iter::once(CHUNK_ROWS).chain(input.tail.iter().copied()).collect();
            let columns = &inputs[column..column + input.width];
            let tensor = from_columns(columns, chunk, &shape)?;
            let tensor = narrowed(tensor, input.datum).map_err(|e| format!("input `{}` takes {e}", input.name))?;
            tensors.push(tensor.into());
            column += input.width;
        }
        let results = self.plan.run(tensors).map_err(|e| causes(&e))?;
        for (output, result) in self.outputs.iter().zip(&results) {
            check_range(result).map_err(|e| format!("output `{}` is {e}", output.name))?;
        }
        Ok(results)
    }

    fn check_columns(&self, inputs: &[ArrayRef]) -> Result<usize, ModelError> {
        let takes = &self.signature.inputs;
        if inputs.len() != takes.columns() {
            let reason = format!("the model takes {} columns ({takes}), {} were given", takes.columns(), inputs.len());
            return Err(ModelError::Columns { reason });
        }
        let rows = inputs[0].len();
        for (i, column) in inputs.iter().enumerate() {
            if column.data_type() != takes.data_type(i) || column.len() != rows {
                let reason = format!(
                    "input `{}` takes {}, {} rows of {} were given",
                    takes.label(i),
                    takes.data_type(i),
                    column.len(),
                    column.data_type()
                );
                return Err(ModelError::Columns { reason });
            }
        }
        Ok(rows)
    }

    fn null_rows(&self, inputs: &[ArrayRef], nulls: &NullBuffer) -> Vec<BadRow> {
        let missing = |row: usize| inputs.iter().position(|c| c.is_null(row)).unwrap_or_default();
        (0..nulls.len())
            .filter(|row| nulls.is_null(*row))
            .map(|row| BadRow {
                row,
                error: format!("model input `{}` is null", self.signature.inputs.label(missing(row))),
            })
            .collect()
    }
}

impl Scorer for GraphScorer {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn score(&self, inputs: &[ArrayRef]) -> Result<Scored, ModelError> {
        let rows = self.check_columns(inputs)?;
        let nulls = inputs.iter().fold(None, |n, c| NullBuffer::union(n.as_ref(), c.logical_nulls().as_ref()));
        let builder = |o: &OutputTensor| OutputBuilder::new(&o.item, rows * o.width.unwrap_or(1));
        let mut scoring = Scoring {
            scorer: self,
            inputs,
            nulls: nulls.as_ref(),
            builders: self.outputs.iter().map(builder).collect(),
            failed: Vec::new(),
        };
        for start in (0..rows).step_by(CHUNK_ROWS) {
            let chunk = start..rows.min(start + CHUNK_ROWS);
            scoring.score(chunk).map_err(|reason| ModelError::Evaluation { rows, reason })?;
        }
        let Scoring { builders, failed, .. } = scoring;
        let mut bad = nulls.as_ref().map_or_else(Vec::new, |n| self.null_rows(inputs, n));
        let mut valid = nulls;
        if !failed.is_empty() {
            bad.extend(failed);
            bad.sort_by_key(|b| b.row);
            let mut is_valid = vec![true; rows];
            bad.iter().for_each(|b| is_valid[b.row] = false);
            valid = Some(NullBuffer::from(is_valid));
        }
        let outputs = self.outputs.iter().zip(builders).map(|(o, b)| b.finish(o.width, valid.clone())).collect();
        Ok(Scored { outputs, bad })
    }
}
