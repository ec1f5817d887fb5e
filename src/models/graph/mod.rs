//! Runs a tensor graph over batches, for ONNX and TensorFlow.
//!
//! The files of the two formats read and check a graph and name its inputs and outputs; this file types and optimises
//! it, and `scorer` runs it. The number of records is a symbol while shapes are inferred, and fixed in the plan.

pub(super) mod guard;
mod registers;
mod remainder;
mod scorer;
mod shapes;
mod tensor;

pub(super) use remainder::Remainder;
pub(super) use scorer::GraphScorer;
pub(super) use shapes::DeclaredInput;

use super::{ModelError, ModelFormat, Signature};
use guard::{causes, guarded};
use scorer::CHUNK_ROWS;
use shapes::{
    InputTensor, OutputTensor, candidate_widths, input_fact, input_tensor, output_tensor, signature_inputs,
    with_inferred_width,
};
use std::sync::Arc;
use tract_onnx::prelude::{
    DatumType, InferenceFact, InferenceModel, InferenceModelExt, IntoRunnable, TVec, ToDim, TractResult,
    TypedSimplePlan,
};
use tract_onnx::tract_core::ops::nn::{Softmax, SoftmaxKind};

/// The symbol for the number of records.
const RECORDS: &str = "RECORDS";

/// Types and optimises a graph whose inputs and outputs are in the given order.
pub(super) fn compile(
    format: ModelFormat,
    model: InferenceModel,
    declared: &[DeclaredInput],
    outputs: &[String],
) -> Result<GraphScorer, ModelError> {
    let malformed = |reason| ModelError::Malformed { format, reason };
    let unresolved = |reason: String| malformed(fixed_batch_size(&reason).unwrap_or(reason));
    let records = model.new_sym_with_prefix(RECORDS).to_dim();
    let facts = declared.iter().map(|d| input_fact(d, &records)).collect::<Result<Vec<_>, _>>()?;
    let (typed, inputs) = with_inferred_width(
        facts,
        |facts| {
            let inferred = guarded(|| inferred(&model, facts)).map_err(unresolved)?;
            let shapes: Vec<_> = (0..declared.len()).filter_map(|i| inferred.input_fact(i).ok()).collect();
            let inputs = declared.iter().zip(shapes).map(|(d, f)| input_tensor(d, &f.shape));
            let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
            Ok((guarded(|| inferred.into_typed().map_err(|e| causes(&e))).map_err(unresolved)?, inputs))
        },
        &candidate_widths(&model),
    )?;
    let mut outputs = outputs
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let fact = typed.output_fact(i).map_err(|e| malformed(causes(&e)))?;
            output_tensor(name, fact.datum_type, fact.shape.dims(), &records)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let signature = Signature {
        inputs: signature_inputs(declared, &inputs)?,
        outputs: outputs.iter().map(OutputTensor::field).collect(),
    };
    let (plan, softmax) =
        guarded(|| chunk_plan(model, declared, &inputs).map_err(|e| causes(&e))).map_err(malformed)?;
    for (output, softmax) in outputs.iter_mut().zip(softmax) {
        output.softmax = softmax;
    }
    Ok(GraphScorer { signature, inputs, outputs, plan })
}

/// The message for a graph whose shapes do not resolve because of the number of records.
fn fixed_batch_size(reason: &str) -> Option<String> {
    if !reason.contains(RECORDS) {
        return None;
    }
    let node = reason.split_once("node #").and_then(|(_, rest)| rest.split('"').nth(1));
    let node = node.map_or_else(|| "one of its nodes".into(), |name| format!("its node `{name}`"));
    Some(format!(
        "{node} does not accept an arbitrary number of records; export the model with an open first dimension"
    ))
}

fn inferred(model: &InferenceModel, facts: &[InferenceFact]) -> Result<InferenceModel, String> {
    let mut model = model.clone();
    for (i, fact) in facts.iter().enumerate() {
        model.set_input_fact(i, fact.clone()).map_err(|e| causes(&e))?;
    }
    model.analyse(false).map_err(|e| causes(&e))?;
    Ok(model)
}

/// The plan for exactly [`CHUNK_ROWS`] records, and for each output whether [`tensor::OutputBuilder::softmax`] must
/// still be applied. A final softmax is taken out of the graph, because the library pads its rows to 64 elements
/// (measured: half of the time of a small network with few classes).
fn chunk_plan(
    mut model: InferenceModel,
    declared: &[DeclaredInput],
    inputs: &[InputTensor],
) -> TractResult<(Arc<TypedSimplePlan>, Vec<bool>)> {
    for (i, (declared, input)) in declared.iter().zip(inputs).enumerate() {
        let shape: TVec<usize> = std::iter::once(CHUNK_ROWS).chain(input.tail.iter().copied()).collect();
        model.set_input_fact(i, InferenceFact::dt_shape(declared.datum, shape))?;
    }
    let mut model = model.into_typed()?.into_decluttered()?;
    let mut outlets = model.outputs.clone();
    let mut softmax = Vec::with_capacity(outlets.len());
    for outlet in &mut outlets {
        let node = model.node(outlet.node);
        let fact = &node.outputs[outlet.slot].fact;
        let plain = |s: &Softmax| s.kind == SoftmaxKind::Softmax && s.axes[..] == [1] && s.quant_output_dt.is_none();
        let last = fact.datum_type == DatumType::F32 && fact.rank() == 2 && node.op_as::<Softmax>().is_some_and(plain);
        if last {
            *outlet = node.inputs[0];
        }
        softmax.push(last);
    }
    model.select_output_outlets(&outlets)?;
    Ok((model.into_optimized()?.into_runnable()?, softmax))
}
