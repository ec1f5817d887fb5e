//! Whether and how a version of a model fits a step: what it reads, and the outputs of its own that the
//! step uses.
//!
//! Separate because it is asked twice: as the gate of a version before it serves, and once by each task
//! that scores with it.

use crate::models::{BindError, Binding, Scored, ServedModel};
use crate::plan::ScorePlan;
use crate::record::type_name;
use arrow_array::RecordBatch;
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use std::sync::Arc;

/// How a step and a version of a model fit together.
#[derive(Debug)]
pub(crate) struct Fit {
    pub(super) inputs: Binding,
    /// The places of the model's own outputs that the step uses.
    pub(super) own: Vec<usize>,
}

/// How the inputs of a step become those of a model, and its outputs those of the step; also the gate of a
/// new version.
pub(crate) fn bind(plan: &ScorePlan, model: &ServedModel) -> Result<Fit, BindError> {
    let name = |n: &Option<String>, e: &crate::expr::Expr| n.clone().or_else(|| e.column().map(str::to_owned));
    let named: Vec<_> = plan.inputs.iter().map(|(n, e)| (name(n, e), e.data_type().clone())).collect();
    let inputs: Vec<_> = named.iter().map(|(n, t)| (n.as_deref(), t.clone())).collect();
    let signature = model.scorer.signature();
    let inputs = Binding::new(signature, &inputs, plan.nulls_as_nan)?;
    let own = plan.own.iter().map(|field| {
        let found = signature.outputs.iter().position(|o| o.name() == field.name());
        let found = found.ok_or_else(|| BindError::NoOutput {
            output: field.name().clone(),
            given: signature.outputs.iter().map(|o| o.name().clone()).collect(),
        })?;
        let (gives, takes) = (signature.outputs[found].data_type(), field.data_type());
        if turns_into(gives, takes) {
            return Ok(found);
        }
        let (gives, takes) = (type_name(gives), type_name(takes));
        Err(BindError::Output { output: field.name().clone(), gives, takes })
    });
    Ok(Fit { inputs, own: own.collect::<Result<_, _>>()? })
}

/// Whether an output is what SQL was compiled for, but for the width of numbers.
fn turns_into(gives: &DataType, takes: &DataType) -> bool {
    match (gives, takes) {
        (DataType::List(gives), DataType::List(takes)) => turns_into(gives.data_type(), takes.data_type()),
        (_, DataType::Float64) => gives.is_numeric(),
        _ => gives == takes,
    }
}

/// The outputs that every model offers, then those of the model's own that the step uses.
pub(super) fn with_own(
    uniform: Result<RecordBatch, ArrowError>,
    fields: &[Field],
    own: &[usize],
    scored: &Scored,
) -> Result<RecordBatch, ArrowError> {
    let uniform = uniform?;
    if own.is_empty() {
        return Ok(uniform);
    }
    let (mut all, mut columns) = (uniform.schema().fields().to_vec(), uniform.columns().to_vec());
    for (field, output) in fields.iter().zip(own) {
        columns.push(cast(&scored.outputs[*output], field.data_type())?);
        all.push(Arc::new(field.clone()));
    }
    RecordBatch::try_new(Arc::new(Schema::new(all)), columns)
}
