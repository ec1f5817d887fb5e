//! Binds the inputs and outputs of a step to a version of a model, for the gate that checks a new version and for the
//! tasks that score with it.

use crate::models::{BindError, Binding, Scored, ServedModel};
use crate::plan::ScorePlan;
use crate::record::type_name;
use arrow_array::{Array, ArrayRef, ListArray, RecordBatch};
use arrow_buffer::OffsetBuffer;
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use std::sync::Arc;

/// The binding of a step to a version of a model.
#[derive(Debug)]
pub(crate) struct Fit {
    pub(super) inputs: Binding,
    /// The indices of the model's own outputs that the step uses.
    pub(super) own: Vec<usize>,
}

/// Binds the inputs of a step to those of a model, and the outputs of the model to those of the step.
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

/// Whether an output converts to the type that SQL was compiled for: numbers to doubles, and a number to a list of
/// one, because the number of elements per row depends on the model.
fn turns_into(gives: &DataType, takes: &DataType) -> bool {
    match (gives, takes) {
        (DataType::List(gives), DataType::List(takes)) => turns_into(gives.data_type(), takes.data_type()),
        (_, DataType::List(takes)) => turns_into(gives, takes.data_type()),
        (_, DataType::Float64) => gives.is_numeric(),
        _ => gives == takes,
    }
}

/// Appends the model's own outputs that the step uses to those that every model has.
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
        columns.push(converted(&scored.outputs[*output], field.data_type())?);
        all.push(Arc::new(field.clone()));
    }
    RecordBatch::try_new(Arc::new(Schema::new(all)), columns)
}

fn converted(output: &ArrayRef, takes: &DataType) -> Result<ArrayRef, ArrowError> {
    match takes {
        DataType::List(item) if !output.data_type().is_nested() => {
            let items = cast(output, item.data_type())?;
            let (offsets, nulls) = (OffsetBuffer::from_repeated_length(1, items.len()), items.logical_nulls());
            Ok(Arc::new(ListArray::try_new(item.clone(), offsets, items, nulls)?))
        }
        _ => cast(output, takes),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float64Type;
    use arrow_array::{Float32Array, StringArray};

    /// SQL that names an output, as in `outputs: {y: y}`, is compiled for a list.
    #[test]
    fn a_number_is_a_list_of_one_element_for_sql_that_takes_a_list() {
        let list = DataType::new_list(DataType::Float64, true);
        assert!(turns_into(&DataType::Float32, &list));
        assert!(turns_into(&DataType::Int64, &list));
        assert!(!turns_into(&DataType::Utf8, &list));
        assert!(!turns_into(&list, &DataType::Float64));
        let y: ArrayRef = Arc::new(Float32Array::from(vec![Some(1.5), None]));
        let uniform: ArrayRef = Arc::new(StringArray::from(vec!["wine"; 2]));
        let uniform = RecordBatch::try_from_iter([("model_name", uniform)]);
        let scored = Scored { outputs: vec![y], bad: vec![] };
        let batch = with_own(uniform, &[Field::new("y", list, true)], &[0], &scored).unwrap();
        let lists = batch.column(1).as_list::<i32>();
        assert_eq!(lists.value(0).as_primitive::<Float64Type>().values(), &[1.5]);
        assert!(lists.is_null(1));
    }
}
