//! Converts columns to tensors and tensors to columns, in plain loops over slices.
//!
//! A row with a null is replaced in the tensor, and the caller reports it as bad; it is never scored.

use super::super::ModelError;
use crate::expr::kernels::softmax;
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, ListArray, StringArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field};
use std::borrow::Cow;
use std::fmt::Display;
use std::ops::Range;
use std::sync::Arc;
use tract_onnx::prelude::tract_ndarray::ArrayD;
use tract_onnx::prelude::{Datum, DatumType, Tensor, TractError, TractResult};

/// The column type that feeds a tensor; `None` if no column can.
pub(super) fn input_type(datum: DatumType) -> Option<DataType> {
    Some(match datum {
        DatumType::F16 | DatumType::F32 => DataType::Float32,
        DatumType::F64 => DataType::Float64,
        DatumType::I8 | DatumType::I16 | DatumType::I32 | DatumType::U8 | DatumType::U16 => DataType::Int32,
        // Not U32 and U64: tract casts them through a signed 32-bit integer, so that large numbers turn negative.
        DatumType::I64 => DataType::Int64,
        DatumType::Bool => DataType::Boolean,
        DatumType::String => DataType::Utf8,
        _ => return None,
    })
}

/// The column type of one element of an output tensor; `None` if no column can hold it.
pub(super) fn output_type(datum: DatumType) -> Option<DataType> {
    Some(match datum {
        DatumType::F16 | DatumType::F32 => DataType::Float32,
        DatumType::F64 => DataType::Float64,
        DatumType::I8 | DatumType::I16 | DatumType::I32 | DatumType::U8 | DatumType::U16 => DataType::Int32,
        DatumType::I64 | DatumType::U32 | DatumType::U64 | DatumType::TDim => DataType::Int64,
        DatumType::Bool => DataType::Boolean,
        DatumType::String => DataType::Utf8,
        _ => return None,
    })
}

/// The rows of one run of a graph.
pub(super) struct ChunkRows<'a> {
    pub(super) rows: Range<usize>,
    /// Null at the rows that have a null in any input.
    pub(super) nulls: Option<&'a NullBuffer>,
    /// The row whose values replace those of null rows and pad the tensor. It has no null.
    pub(super) filler: usize,
}

/// A tensor of this shape from some rows of columns, all of the tensor's type.
pub(super) fn from_columns(columns: &[ArrayRef], chunk: &ChunkRows<'_>, shape: &[usize]) -> Result<Tensor, String> {
    let tensor = match columns[0].data_type() {
        DataType::Float32 => primitive::<Float32Type>(columns, chunk, shape),
        DataType::Float64 => primitive::<Float64Type>(columns, chunk, shape),
        DataType::Int32 => primitive::<Int32Type>(columns, chunk, shape),
        DataType::Int64 => primitive::<Int64Type>(columns, chunk, shape),
        DataType::Boolean => {
            from_vec(interleave(columns, chunk, |c, i| c.as_boolean().value(i)), columns.len(), chunk, shape)
        }
        DataType::Utf8 => from_vec(
            interleave(columns, chunk, |c, i| c.as_string::<i32>().value(i).to_owned()),
            columns.len(),
            chunk,
            shape,
        ),
        other => return Err(format!("a tensor cannot be made of {other}")),
    };
    tensor.map_err(|e| super::guard::causes(&e))
}

/// Copies column by column: a column is contiguous, and the tensor of one chunk fits in the cache.
fn primitive<T: ArrowPrimitiveType>(columns: &[ArrayRef], chunk: &ChunkRows<'_>, shape: &[usize]) -> TractResult<Tensor>
where
    T::Native: Datum + Copy + Default,
{
    let width = columns.len();
    let mut data = vec![T::Native::default(); chunk.rows.len() * width];
    for (j, column) in columns.iter().enumerate() {
        let values = &column.as_primitive::<T>().values()[chunk.rows.clone()];
        for (to, from) in data[j..].iter_mut().step_by(width).zip(values) {
            *to = *from;
        }
    }
    from_vec(data, width, chunk, shape)
}

fn interleave<T>(columns: &[ArrayRef], chunk: &ChunkRows<'_>, at: impl Fn(&ArrayRef, usize) -> T) -> Vec<T> {
    chunk.rows.clone().flat_map(|i| columns.iter().map(move |c| (c, i))).map(|(c, i)| at(c, i)).collect()
}

/// The rows as a tensor. The filler row replaces rows with nulls and pads the end: the value below a null is
/// arbitrary, and a graph need not be defined for zero.
fn from_vec<T: Datum>(mut data: Vec<T>, width: usize, chunk: &ChunkRows<'_>, shape: &[usize]) -> TractResult<Tensor> {
    let row_at = |row: usize| (row - chunk.rows.start) * width;
    let filler = data[row_at(chunk.filler)..][..width].to_vec();
    for row in chunk.rows.clone().filter(|row| chunk.nulls.is_some_and(|n| n.is_null(*row))) {
        data[row_at(row)..][..width].clone_from_slice(&filler);
    }
    let elements: usize = shape.iter().product();
    while data.len() < elements {
        data.extend_from_slice(&filler);
    }
    Ok(ArrayD::from_shape_vec(shape, data)?.into())
}

/// Converts a tensor from the type of its columns to the type that the model takes. A number out of range is an error
/// that names the type taken.
pub(super) fn narrowed(tensor: Tensor, datum: DatumType) -> Result<Tensor, String> {
    match datum {
        DatumType::I8 => in_range::<i32, i8>(&tensor, "8-bit integers"),
        DatumType::I16 => in_range::<i32, i16>(&tensor, "16-bit integers"),
        DatumType::U8 => in_range::<i32, u8>(&tensor, "unsigned 8-bit integers"),
        DatumType::U16 => in_range::<i32, u16>(&tensor, "unsigned 16-bit integers"),
        DatumType::F16 => tensor.cast_to_dt(datum).map(Cow::into_owned).map_err(|e| super::guard::causes(&e)),
        _ => Ok(tensor),
    }
}

fn in_range<W: Datum + Copy + Display, N: Datum + TryFrom<W>>(wide: &Tensor, takes: &str) -> Result<Tensor, String> {
    let internal = |e: TractError| super::guard::causes(&e);
    let values = wide.try_as_plain_ram().map_err(internal)?;
    let narrow = |v: &W| N::try_from(*v).map_err(|_| format!("{takes}, {v} is out of range"));
    let values = values.as_slice::<W>().map_err(internal)?.iter().map(narrow).collect::<Result<Vec<N>, _>>()?;
    let narrow = ArrayD::from_shape_vec(wide.shape(), values).map_err(|e| e.to_string())?;
    Ok(narrow.into())
}

/// Checks that each number of an output fits the type of its column, which is signed.
pub(super) fn check_range(output: &Tensor) -> Result<(), String> {
    if output.datum_type() != DatumType::U64 {
        return Ok(());
    }
    let values = output.try_as_plain_ram().and_then(|plain| plain.as_slice::<u64>().map(<[u64]>::to_vec));
    let values = values.map_err(|e| super::guard::causes(&e))?;
    let beyond = values.into_iter().find(|v| i64::try_from(*v).is_err());
    beyond.map_or(Ok(()), |v| Err(format!("{v}, which is beyond the range of bigint")))
}

/// Collects the chunks of one output tensor into one column.
pub(super) struct OutputBuilder {
    values: OutputValues,
}

enum OutputValues {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    Bool(Vec<bool>),
    Text(Vec<String>),
}

/// The exponential, 0 where it would be subnormal: subnormal numbers are slow to compute with, and scores
/// far apart are common.
fn exp_or_zero(exponent: f32) -> f32 {
    const MIN_EXPONENT: f32 = -87.0;
    if exponent < MIN_EXPONENT { 0.0 } else { exponent.exp() }
}

impl OutputBuilder {
    pub(super) fn new(item: &DataType, elements: usize) -> Self {
        let values = match item {
            DataType::Float64 => OutputValues::F64(Vec::with_capacity(elements)),
            DataType::Int32 => OutputValues::I32(Vec::with_capacity(elements)),
            DataType::Int64 => OutputValues::I64(Vec::with_capacity(elements)),
            DataType::Boolean => OutputValues::Bool(Vec::with_capacity(elements)),
            DataType::Utf8 => OutputValues::Text(Vec::with_capacity(elements)),
            _ => OutputValues::F32(Vec::with_capacity(elements)),
        };
        Self { values }
    }

    /// Adds the first `count` elements of a tensor.
    pub(super) fn push(&mut self, tensor: &Tensor, count: usize) -> Result<(), String> {
        self.extend(tensor, count).map_err(|e| super::guard::causes(&e))
    }

    fn extend(&mut self, tensor: &Tensor, count: usize) -> TractResult<()> {
        match &mut self.values {
            OutputValues::F32(v) => copy(tensor, count, v),
            OutputValues::F64(v) => copy(tensor, count, v),
            OutputValues::I32(v) => copy(tensor, count, v),
            OutputValues::I64(v) => copy_integers(tensor, count, v),
            OutputValues::Bool(v) => copy(tensor, count, v),
            OutputValues::Text(v) => copy(tensor, count, v),
        }
    }

    /// Adds elements for rows that are bad.
    pub(super) fn push_defaults(&mut self, count: usize) {
        match &mut self.values {
            OutputValues::F32(v) => v.resize(v.len() + count, 0.0),
            OutputValues::F64(v) => v.resize(v.len() + count, 0.0),
            OutputValues::I32(v) => v.resize(v.len() + count, 0),
            OutputValues::I64(v) => v.resize(v.len() + count, 0),
            OutputValues::Bool(v) => v.resize(v.len() + count, false),
            OutputValues::Text(v) => v.resize(v.len() + count, String::new()),
        }
    }

    /// Turns the scores of the last rows, `width` a row, into probabilities.
    pub(super) fn softmax(&mut self, rows: usize, width: usize) {
        let OutputValues::F32(values) = &mut self.values else { return };
        let start = values.len().saturating_sub(rows * width);
        for row in values[start..].chunks_exact_mut(width.max(1)) {
            softmax(row, exp_or_zero);
        }
    }

    /// The column: plain if `width` is `None`, else a list of `width` elements per row.
    pub(super) fn finish(self, width: Option<usize>, nulls: Option<NullBuffer>) -> ArrayRef {
        let inner = if width.is_none() { nulls.clone() } else { None };
        let flat: ArrayRef = match self.values {
            OutputValues::F32(v) => Arc::new(Float32Array::new(v.into(), inner)),
            OutputValues::F64(v) => Arc::new(Float64Array::new(v.into(), inner)),
            OutputValues::I32(v) => Arc::new(Int32Array::new(v.into(), inner)),
            OutputValues::I64(v) => Arc::new(Int64Array::new(v.into(), inner)),
            OutputValues::Bool(v) => Arc::new(BooleanArray::new(v.into(), inner)),
            OutputValues::Text(v) => match inner {
                None => Arc::new(StringArray::from_iter_values(v)),
                Some(n) => Arc::new(StringArray::from_iter(v.iter().zip(n.iter()).map(|(t, ok)| ok.then_some(t)))),
            },
        };
        let Some(width) = width else { return flat };
        let rows = flat.len().checked_div(width).unwrap_or_default();
        let item = Arc::new(Field::new("item", flat.data_type().clone(), true));
        Arc::new(ListArray::new(item, OffsetBuffer::from_repeated_length(width, rows), flat, nulls))
    }
}

fn copy<T: Datum + Clone>(tensor: &Tensor, count: usize, into: &mut Vec<T>) -> TractResult<()> {
    let cast = tensor.cast_to::<T>()?;
    into.extend_from_slice(&cast.try_as_plain_ram()?.as_slice::<T>()?[..count]);
    Ok(())
}

/// Not by a cast of tract where the type is unsigned: that goes through signed integers, so that large numbers turn
/// negative.
fn copy_integers(tensor: &Tensor, count: usize, into: &mut Vec<i64>) -> TractResult<()> {
    let plain = tensor.try_as_plain_ram()?;
    match tensor.datum_type() {
        DatumType::U32 => into.extend(plain.as_slice::<u32>()?[..count].iter().map(|v| i64::from(*v))),
        DatumType::U64 => into.extend(plain.as_slice::<u64>()?[..count].iter().map(|v| v.cast_signed())),
        _ => return copy(tensor, count, into),
    }
    Ok(())
}

/// An error about an input.
pub(super) fn bad_input(input: &str, reason: impl Into<String>) -> ModelError {
    ModelError::Input { input: input.to_owned(), reason: reason.into() }
}

/// An error about an output.
pub(super) fn bad_output(output: &str, reason: impl Into<String>) -> ModelError {
    ModelError::Output { output: output.to_owned(), reason: reason.into() }
}
