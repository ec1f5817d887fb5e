//! Derives the inputs and outputs of a graph from the shapes of its tensors.
//!
//! The first dimension of every input and output is the number of records, a symbol here. All other dimensions
//! must be known.

use super::guard::{causes, guarded};
use super::tensor::{bad_input, bad_output, input_type, output_type};
use crate::models::{Inputs, ModelError};
use arrow_schema::{DataType, Field};
use std::sync::Arc;
use tract_onnx::prelude::{DatumType, InferenceFact, InferenceModel, InferenceModelExt, TDim, ToDim, tvec};
use tract_onnx::tract_hir::infer::{DimFact, Factoid, ShapeFactoid};
use tract_onnx::tract_hir::internal::DimLike;

/// Maximum elements per row of an input or output.
const MAX_ROW_ELEMENTS: usize = 1 << 16;

/// An input as declared in the model file.
pub(in crate::models) struct DeclaredInput {
    pub(in crate::models) name: String,
    pub(in crate::models) datum: DatumType,
    /// `None` if the file declares no shape; an open dimension is `None`.
    pub(in crate::models) shape: Option<Vec<Option<usize>>>,
}

#[derive(Debug)]
pub(super) struct InputTensor {
    pub(super) name: String,
    pub(super) datum: DatumType,
    pub(super) width: usize,
    /// All dimensions but the first.
    pub(super) tail: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct OutputTensor {
    pub(super) name: String,
    pub(super) item: DataType,
    /// Elements per row; `None` for a plain column.
    pub(super) width: Option<usize>,
    /// Whether [`OutputBuilder::softmax`] is applied to each row.
    pub(super) softmax: bool,
}

/// If the file leaves the number of features open, tries `widths`, the dimensions of the constants that are combined
/// with the input. The library does not infer shapes backwards through every operator.
pub(super) fn with_inferred_width<T>(
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

/// The dimensions of the constants that nodes combine with the first input.
pub(super) fn candidate_widths(model: &InferenceModel) -> Vec<usize> {
    let mut model = model.clone();
    // The shapes of the weights need no input and are inferred before this fails.
    let _ = guarded(|| model.analyse(true).map_err(|e| causes(&e)));
    let Some(input) = model.inputs.first() else { return Vec::new() };
    let readers = model.outlet_successors(*input).iter().map(|inlet| &model.nodes()[inlet.node]);
    let beside = readers.flat_map(|node| &node.inputs).filter(|outlet| *outlet != input);
    let shapes = beside.filter_map(|outlet| model.outlet_fact(*outlet).ok()?.shape.as_concrete_finite().ok()?);
    let mut widths: Vec<usize> =
        shapes.flat_map(|s| s.to_vec()).filter(|w| (1..=MAX_ROW_ELEMENTS).contains(w)).collect();
    widths.dedup();
    widths
}

/// The declared shape with the number of records as its first dimension.
pub(super) fn input_fact(declared: &DeclaredInput, records: &TDim) -> Result<InferenceFact, ModelError> {
    let name = &declared.name;
    let records = DimFact::from(records.clone());
    let shape = match declared.shape.as_deref() {
        None => ShapeFactoid::open(tvec![records]),
        Some([]) => return Err(bad_input(name, "is a single value instead of one per record")),
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

pub(super) fn input_tensor(declared: &DeclaredInput, shape: &ShapeFactoid) -> Result<InputTensor, ModelError> {
    let name = &declared.name;
    let closed = !shape.is_open();
    let tail: Option<Vec<usize>> =
        shape.dims().skip(1).map(|d| d.concretize().and_then(|d| d.to_usize().ok())).collect();
    match tail.filter(|_| closed) {
        Some(tail) => match tail.iter().try_fold(1usize, |n, d| n.checked_mul(*d)) {
            Some(width @ 1..=MAX_ROW_ELEMENTS) => {
                Ok(InputTensor { name: name.clone(), datum: declared.datum, width, tail })
            }
            _ => Err(bad_input(name, format!("has the shape [n, {tail:?}], which no record can fill"))),
        },
        None => Err(bad_input(name, "does not say how many features it takes")),
    }
}

pub(super) fn output_tensor(
    name: &str,
    datum: DatumType,
    shape: &[TDim],
    records: &TDim,
) -> Result<OutputTensor, ModelError> {
    let item = output_type(datum)
        .ok_or_else(|| bad_output(name, format!("has the type {datum:?}, which no column can hold")))?;
    let Some((first, tail)) = shape.split_first() else {
        return Err(bad_output(name, "is a single value instead of one per record"));
    };
    if first != records {
        return Err(bad_output(name, "does not have one row per record"));
    }
    let width = tail.iter().map(|d| d.to_usize().ok()).try_fold(1usize, |n, d| n.checked_mul(d?));
    match width {
        Some(0) => {
            let tail: Vec<_> = tail.iter().map(ToString::to_string).collect();
            Err(bad_output(name, format!("has no elements: its shape is [n, {}]", tail.join(", "))))
        }
        Some(1) => Ok(OutputTensor { name: name.to_owned(), item, width: None, softmax: false }),
        Some(width) if width <= MAX_ROW_ELEMENTS => {
            Ok(OutputTensor { name: name.to_owned(), item, width: Some(width), softmax: false })
        }
        _ => Err(bad_output(name, "does not have the same number of elements for every record")),
    }
}

impl OutputTensor {
    pub(super) fn field(&self) -> Field {
        let data_type = match self.width {
            None => self.item.clone(),
            Some(_) => DataType::List(Arc::new(Field::new("item", self.item.clone(), true))),
        };
        Field::new(&self.name, data_type, true)
    }
}

pub(super) fn signature_inputs(declared: &[DeclaredInput], tensors: &[InputTensor]) -> Result<Inputs, ModelError> {
    let typed = declared
        .iter()
        .map(|d| {
            let refuse = || bad_input(&d.name, format!("has the type {:?}, which no column can feed", d.datum));
            input_type(d.datum).map(|t| (d, t)).ok_or_else(refuse)
        })
        .collect::<Result<Vec<_>, _>>()?;
    match &typed[..] {
        [] => Err(bad_input("", "is missing: the model has no inputs")),
        [(d, data_type)] => {
            Ok(Inputs::Tensor { name: d.name.clone(), features: tensors[0].width, data_type: data_type.clone() })
        }
        several => {
            for ((d, _), tensor) in several.iter().zip(tensors) {
                if tensor.width != 1 {
                    let reason = format!(
                        "takes {} elements per record beside other inputs; a model with several inputs must take one each",
                        tensor.width
                    );
                    return Err(bad_input(&d.name, reason));
                }
            }
            Ok(Inputs::Tensors(several.iter().map(|(d, t)| Field::new(&d.name, t.clone(), false)).collect()))
        }
    }
}
