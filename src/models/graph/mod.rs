//! Runs a tensor graph over batches: what ONNX and TensorFlow models have in common once read.
//!
//! Separate from the two formats, which only read, check and name. The number of records is a symbol while
//! shapes are inferred, and fixed in the plan that runs. It never holds a lock while scoring: the plan is shared and
//! read only, each call runs its own state.

pub(super) mod guard;
mod registers;
mod tensor;

use super::{Inputs, ModelError, ModelFormat, Scored, Scorer, Signature};
use crate::record::BadRow;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field};
use guard::{causes, guarded};
use std::sync::Arc;
use tensor::{Gather, bad_input, bad_output, from_columns, input_type, output_type};
use tract_onnx::prelude::{
    DatumType, InferenceFact, InferenceModel, InferenceModelExt, IntoRunnable, TDim, TVec, ToDim, TractResult,
    TypedSimplePlan, tvec,
};
use tract_onnx::tract_core::ops::nn::{Softmax, SoftmaxKind};
use tract_onnx::tract_hir::infer::{DimFact, Factoid, ShapeFactoid};
use tract_onnx::tract_hir::internal::DimLike;

/// Rows that go through the network at once, the last chunk of a batch filled up with zeros. One plan for
/// one size, because kernels for other sizes may add in another order: a record's outputs must not depend
/// on the batch that it came in.
const CHUNK: usize = 64;

/// Widest row of an input or output; wider ones are no records.
const MAX_WIDTH: usize = 1 << 16;

/// An input as the model file declares it.
pub(super) struct DeclaredInput {
    pub(super) name: String,
    pub(super) datum: DatumType,
    /// `None`: the file does not say; a dimension that is `None` is open.
    pub(super) shape: Option<Vec<Option<usize>>>,
}

/// Scores batches with a tensor graph.
#[derive(Debug)]
pub(super) struct GraphScorer {
    signature: Signature,
    inputs: Vec<InputTensor>,
    outputs: Vec<OutputTensor>,
    plan: Arc<TypedSimplePlan>,
}

#[derive(Debug)]
struct InputTensor {
    width: usize,
    /// All dimensions but the first.
    tail: Vec<usize>,
}

#[derive(Debug)]
struct OutputTensor {
    name: String,
    item: DataType,
    /// Elements a row; `None` for a plain column.
    width: Option<usize>,
    /// Whether each row still goes through [`Gather::softmax`].
    softmax: bool,
}

/// Types, optimises and tries out a graph whose inputs and outputs stand in the order given.
pub(super) fn compile(
    format: ModelFormat,
    model: InferenceModel,
    declared: &[DeclaredInput],
    outputs: &[String],
) -> Result<GraphScorer, ModelError> {
    let malformed = |reason| ModelError::Malformed { format, reason };
    let records = model.new_sym_with_prefix("RECORDS").to_dim();
    let facts = declared.iter().map(|d| input_fact(d, &records)).collect::<Result<Vec<_>, _>>()?;
    let (typed, inputs) = with_known_width(
        facts,
        |facts| {
            let inferred = guarded(|| inferred(&model, facts)).map_err(malformed)?;
            let shapes: Vec<_> = (0..declared.len()).filter_map(|i| inferred.input_fact(i).ok()).collect();
            let inputs = declared.iter().zip(shapes).map(|(d, f)| input_tensor(&d.name, &f.shape));
            let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
            Ok((guarded(|| inferred.into_typed().map_err(|e| causes(&e))).map_err(malformed)?, inputs))
        },
        &widths_beside(&model),
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
    let scorer = GraphScorer { signature, inputs, outputs, plan };
    scorer.warm_up()?;
    Ok(scorer)
}

fn inferred(model: &InferenceModel, facts: &[InferenceFact]) -> Result<InferenceModel, String> {
    let mut model = model.clone();
    for (i, fact) in facts.iter().enumerate() {
        model.set_input_fact(i, fact.clone()).map_err(|e| causes(&e))?;
    }
    model.analyse(false).map_err(|e| causes(&e))?;
    Ok(model)
}

/// The plan for exactly [`CHUNK`] records, and which of its outputs are still to go through
/// [`Gather::softmax`]: the library pads every row of a softmax to 64 elements, which over a few classes
/// took half of the time of a small network.
fn chunk_plan(
    mut model: InferenceModel,
    declared: &[DeclaredInput],
    inputs: &[InputTensor],
) -> TractResult<(Arc<TypedSimplePlan>, Vec<bool>)> {
    for (i, (declared, input)) in declared.iter().zip(inputs).enumerate() {
        let shape: TVec<usize> = std::iter::once(CHUNK).chain(input.tail.iter().copied()).collect();
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

/// Files that leave the number of features open still fix it by the weights that meet the input. Types
/// are not inferred backwards through every operator, so the sizes of those weights are tried.
fn with_known_width<T>(
    facts: Vec<InferenceFact>,
    attempt: impl Fn(&[InferenceFact]) -> Result<T, ModelError>,
    widths: &[usize],
) -> Result<T, ModelError> {
    let first = attempt(&facts);
    if first.is_ok() || facts.len() != 1 || facts[0].shape.concretize().is_some() {
        return first;
    }
    let records = facts[0].shape.dim(0).unwrap_or_default();
    let with = |width: &usize| {
        let shape = ShapeFactoid::closed(tvec![records.clone(), DimFact::from(width.to_dim())]);
        attempt(&[facts[0].clone().with_shape(shape)]).ok()
    };
    widths.iter().find_map(with).map_or(first, Ok)
}

/// Sizes of the constants that are read together with the first input.
fn widths_beside(model: &InferenceModel) -> Vec<usize> {
    let mut model = model.clone();
    // What can be inferred without the input, the shapes of the weights, is inferred before it fails.
    let _ = guarded(|| model.analyse(true).map_err(|e| causes(&e)));
    let Some(input) = model.inputs.first() else { return Vec::new() };
    let readers = model.outlet_successors(*input).iter().map(|inlet| &model.nodes()[inlet.node]);
    let beside = readers.flat_map(|node| &node.inputs).filter(|outlet| *outlet != input);
    let shapes = beside.filter_map(|outlet| model.outlet_fact(*outlet).ok()?.shape.as_concrete_finite().ok()?);
    let mut widths: Vec<usize> = shapes.flat_map(|s| s.to_vec()).filter(|w| (1..=MAX_WIDTH).contains(w)).collect();
    widths.dedup();
    widths
}

/// The declared shape with its first dimension replaced by the number of records.
fn input_fact(declared: &DeclaredInput, records: &TDim) -> Result<InferenceFact, ModelError> {
    let name = &declared.name;
    let records = DimFact::from(records.clone());
    let shape = match declared.shape.as_deref() {
        None => ShapeFactoid::open(tvec![records]),
        Some([]) => return Err(bad_input(name, "is a single value, not one a record")),
        Some([Some(n)]) if *n != 1 => {
            return Err(bad_input(
                name,
                format!("has the shape [{n}]: no dimension is left for the records of a batch"),
            ));
        }
        Some([Some(n), ..]) if *n != 1 => {
            return Err(bad_input(
                name,
                format!("takes exactly {n} records at a time; export the model with an open first dimension"),
            ));
        }
        Some([_, tail @ ..]) => {
            let tail = tail.iter().map(|d| d.map_or(DimFact::default(), |d| DimFact::from(d.to_dim())));
            ShapeFactoid::closed(std::iter::once(records).chain(tail).collect())
        }
    };
    Ok(InferenceFact::dt_shape(declared.datum, shape))
}

fn input_tensor(name: &str, shape: &ShapeFactoid) -> Result<InputTensor, ModelError> {
    let closed = !shape.is_open();
    let tail: Option<Vec<usize>> =
        shape.dims().skip(1).map(|d| d.concretize().and_then(|d| d.to_usize().ok())).collect();
    match tail.filter(|_| closed) {
        Some(tail) => match tail.iter().try_fold(1usize, |n, d| n.checked_mul(*d)) {
            Some(width @ 1..=MAX_WIDTH) => Ok(InputTensor { width, tail }),
            _ => Err(bad_input(name, format!("has the shape [n, {tail:?}], which no record has"))),
        },
        None => Err(bad_input(name, "does not say how many features it takes")),
    }
}

fn output_tensor(name: &str, datum: DatumType, shape: &[TDim], records: &TDim) -> Result<OutputTensor, ModelError> {
    let item =
        output_type(datum).ok_or_else(|| bad_output(name, format!("has the type {datum:?}, which no column has")))?;
    let Some((first, tail)) = shape.split_first() else {
        return Err(bad_output(name, "is a single value, not one a record"));
    };
    if first != records {
        return Err(bad_output(name, "is not one row a record"));
    }
    let width = tail.iter().map(|d| d.to_usize().ok()).try_fold(1usize, |n, d| n.checked_mul(d?));
    match width {
        Some(1) => Ok(OutputTensor { name: name.to_owned(), item, width: None, softmax: false }),
        Some(width) if width <= MAX_WIDTH => {
            Ok(OutputTensor { name: name.to_owned(), item, width: Some(width), softmax: false })
        }
        _ => Err(bad_output(name, "does not have the same number of elements for every record")),
    }
}

impl OutputTensor {
    fn field(&self) -> Field {
        let data_type = match self.width {
            None => self.item.clone(),
            Some(_) => DataType::List(Arc::new(Field::new("item", self.item.clone(), true))),
        };
        Field::new(&self.name, data_type, true)
    }
}

fn signature_inputs(declared: &[DeclaredInput], tensors: &[InputTensor]) -> Result<Inputs, ModelError> {
    let typed = declared
        .iter()
        .map(|d| {
            let refuse = || bad_input(&d.name, format!("has the type {:?}, which no column feeds", d.datum));
            input_type(d.datum).map(|t| (d, t)).ok_or_else(refuse)
        })
        .collect::<Result<Vec<_>, _>>()?;
    match &typed[..] {
        [] => Err(bad_input("", "is missing: the model takes none")),
        [(d, data_type)] => {
            Ok(Inputs::Tensor { name: d.name.clone(), features: tensors[0].width, data_type: data_type.clone() })
        }
        several => {
            for ((d, _), tensor) in several.iter().zip(tensors) {
                if tensor.width != 1 {
                    let reason = format!(
                        "takes {} elements a record beside other inputs; a model with several inputs takes one each",
                        tensor.width
                    );
                    return Err(bad_input(&d.name, reason));
                }
            }
            Ok(Inputs::Tensors(several.iter().map(|(d, t)| Field::new(&d.name, t.clone(), false)).collect()))
        }
    }
}

impl GraphScorer {
    /// Runs once with one and once with three records, so that a model that cannot run is refused before
    /// it serves, and one whose outputs are not a row a record too.
    fn warm_up(&self) -> Result<(), ModelError> {
        for rows in [1, 3] {
            let columns: Vec<ArrayRef> = (0..self.signature.inputs.columns())
                .map(|i| match self.signature.inputs.data_type(i) {
                    DataType::Utf8 => Arc::new(arrow_array::StringArray::from(vec![""; rows])) as ArrayRef,
                    DataType::Boolean => Arc::new(arrow_array::BooleanArray::from(vec![false; rows])),
                    number => arrow_cast::cast(&arrow_array::Int32Array::from(vec![0; rows]), number)
                        .expect("every input type but text and boolean is a number"),
                })
                .collect();
            self.score(&columns)?;
        }
        Ok(())
    }

    fn run_chunk(
        &self,
        inputs: &[ArrayRef],
        rows: &std::ops::Range<usize>,
        gathered: &mut [Gather],
    ) -> Result<(), String> {
        let real = rows.len();
        let mut tensors = TVec::with_capacity(self.inputs.len());
        let mut column = 0;
        for input in &self.inputs {
            let shape: TVec<usize> = std::iter::once(CHUNK).chain(input.tail.iter().copied()).collect();
            let columns = &inputs[column..column + input.width];
            tensors.push(from_columns(columns, rows, &shape)?.into());
            column += input.width;
        }
        let results = self.plan.run(tensors).map_err(|e| causes(&e));
        registers::clean();
        let results = results?;
        for ((output, gather), result) in self.outputs.iter().zip(gathered).zip(&results) {
            if result.len() != CHUNK * output.width.unwrap_or(1) || result.shape().first() != Some(&CHUNK) {
                return Err(format!(
                    "output `{}` has the shape {:?} for {} records: not one row a record",
                    output.name,
                    result.shape(),
                    CHUNK
                ));
            }
            gather.push(result, real * output.width.unwrap_or(1))?;
            if output.softmax {
                gather.softmax(real, output.width.unwrap_or(1));
            }
        }
        Ok(())
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
}

impl Scorer for GraphScorer {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn score(&self, inputs: &[ArrayRef]) -> Result<Scored, ModelError> {
        let rows = self.check_columns(inputs)?;
        let mut gathered: Vec<Gather> =
            self.outputs.iter().map(|o| Gather::new(&o.item, rows * o.width.unwrap_or(1))).collect();
        guarded(|| {
            (0..rows)
                .step_by(CHUNK)
                .try_for_each(|start| self.run_chunk(inputs, &(start..rows.min(start + CHUNK)), &mut gathered))
        })
        .map_err(|reason| ModelError::Evaluation { rows, reason })?;
        let nulls = inputs.iter().fold(None, |n, c| NullBuffer::union(n.as_ref(), c.logical_nulls().as_ref()));
        let outputs = self.outputs.iter().zip(gathered).map(|(o, g)| g.finish(o.width, nulls.clone())).collect();
        Ok(Scored { outputs, bad: nulls.map_or_else(Vec::new, |n| self.bad_rows(inputs, &n)) })
    }
}

impl GraphScorer {
    fn bad_rows(&self, inputs: &[ArrayRef], nulls: &NullBuffer) -> Vec<BadRow> {
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
