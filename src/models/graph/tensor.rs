//! Columns to tensors and back.
//!
//! Separate from running so that each conversion is plain loops over slices. A null becomes zero in the
//! tensor and a bad row in the answer; it is never scored as zero silently.

use super::super::ModelError;
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, ListArray, StringArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field};
use std::ops::Range;
use std::sync::Arc;
use tract_onnx::prelude::{Datum, DatumType, Tensor, TractResult};

/// The column type that feeds a tensor, where there is one.
pub(super) fn input_type(datum: DatumType) -> Option<DataType> {
    Some(match datum {
        DatumType::F32 => DataType::Float32,
        DatumType::F64 => DataType::Float64,
        DatumType::I32 => DataType::Int32,
        DatumType::I64 => DataType::Int64,
        DatumType::Bool => DataType::Boolean,
        DatumType::String => DataType::Utf8,
        _ => return None,
    })
}

/// The column type of one element of an output tensor, where there is one.
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

/// Some rows of some columns, all of the tensor's type, as a tensor of this shape; what the shape holds
/// beyond the rows is zero.
pub(super) fn from_columns(columns: &[ArrayRef], rows: &Range<usize>, shape: &[usize]) -> Result<Tensor, String> {
    let tensor = match columns[0].data_type() {
        DataType::Float32 => primitive::<Float32Type>(columns, rows, shape),
        DataType::Float64 => primitive::<Float64Type>(columns, rows, shape),
        DataType::Int32 => primitive::<Int32Type>(columns, rows, shape),
        DataType::Int64 => primitive::<Int64Type>(columns, rows, shape),
        DataType::Boolean => {
            let at = |c: &ArrayRef, i: usize| c.is_valid(i) && c.as_boolean().value(i);
            from_vec(interleave(columns, rows, at), shape)
        }
        DataType::Utf8 => {
            let at = |c: &ArrayRef, i: usize| {
                if c.is_valid(i) { c.as_string::<i32>().value(i).to_owned() } else { String::new() }
            };
            from_vec(interleave(columns, rows, at), shape)
        }
        other => return Err(format!("no tensor is made of {other}")),
    };
    tensor.map_err(|e| super::guard::causes(&e))
}

/// Column by column, because a column is contiguous and the tensor of one chunk stays in the cache.
fn primitive<T: ArrowPrimitiveType>(columns: &[ArrayRef], rows: &Range<usize>, shape: &[usize]) -> TractResult<Tensor>
where
    T::Native: Datum + Copy + Default,
{
    let width = columns.len();
    let mut data = vec![T::Native::default(); shape.iter().product()];
    for (j, column) in columns.iter().enumerate() {
        let column = column.as_primitive::<T>();
        let values = &column.values()[rows.clone()];
        for (to, from) in data[j..].iter_mut().step_by(width).zip(values) {
            *to = *from;
        }
        if column.null_count() > 0 {
            for i in rows.clone().filter(|i| column.is_null(*i)) {
                data[(i - rows.start) * width + j] = T::Native::default();
            }
        }
    }
    from_vec(data, shape)
}

fn interleave<T>(columns: &[ArrayRef], rows: &Range<usize>, at: impl Fn(&ArrayRef, usize) -> T) -> Vec<T> {
    rows.clone().flat_map(|i| columns.iter().map(move |c| (c, i))).map(|(c, i)| at(c, i)).collect()
}

fn from_vec<T: Datum + Default>(mut data: Vec<T>, shape: &[usize]) -> TractResult<Tensor> {
    data.resize_with(shape.iter().product(), T::default);
    Ok(tract_onnx::prelude::tract_ndarray::ArrayD::from_shape_vec(shape, data)?.into())
}

/// Gathers the chunks of one output tensor into one column.
pub(super) struct Gather {
    values: Values,
}

enum Values {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    Bool(Vec<bool>),
    Text(Vec<String>),
}

/// The exponential, 0 where it would be less than the smallest normal number: such numbers are slow to
/// compute with, and scores far apart are common.
fn share(below_greatest: f32) -> f32 {
    const LEAST: f32 = -87.0;
    if below_greatest < LEAST { 0.0 } else { below_greatest.exp() }
}

impl Gather {
    pub(super) fn new(item: &DataType, elements: usize) -> Self {
        let values = match item {
            DataType::Float64 => Values::F64(Vec::with_capacity(elements)),
            DataType::Int32 => Values::I32(Vec::with_capacity(elements)),
            DataType::Int64 => Values::I64(Vec::with_capacity(elements)),
            DataType::Boolean => Values::Bool(Vec::with_capacity(elements)),
            DataType::Utf8 => Values::Text(Vec::with_capacity(elements)),
            _ => Values::F32(Vec::with_capacity(elements)),
        };
        Self { values }
    }

    /// Adds the first `count` elements of a tensor.
    pub(super) fn push(&mut self, tensor: &Tensor, count: usize) -> Result<(), String> {
        self.extend(tensor, count).map_err(|e| super::guard::causes(&e))
    }

    fn extend(&mut self, tensor: &Tensor, count: usize) -> TractResult<()> {
        match &mut self.values {
            Values::F32(v) => copy(tensor, count, v),
            Values::F64(v) => copy(tensor, count, v),
            Values::I32(v) => copy(tensor, count, v),
            Values::I64(v) => copy(tensor, count, v),
            Values::Bool(v) => copy(tensor, count, v),
            Values::Text(v) => copy(tensor, count, v),
        }
    }

    /// Turns the last rows, each of `width` scores, into shares of one.
    pub(super) fn softmax(&mut self, rows: usize, width: usize) {
        let Values::F32(values) = &mut self.values else { return };
        let start = values.len().saturating_sub(rows * width);
        for row in values[start..].chunks_exact_mut(width.max(1)) {
            // The greatest score is taken off first, so that no exponential overflows; f32::max skips NaN,
            // which then spreads over the row by the sum.
            let greatest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            row.iter_mut().for_each(|v| *v = share(*v - greatest));
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|v| *v /= sum);
        }
    }

    /// The column: plain where a row has one element, else a list of `width` elements a row.
    pub(super) fn finish(self, width: Option<usize>, nulls: Option<NullBuffer>) -> ArrayRef {
        let inner = if width.is_none() { nulls.clone() } else { None };
        let flat: ArrayRef = match self.values {
            Values::F32(v) => Arc::new(Float32Array::new(v.into(), inner)),
            Values::F64(v) => Arc::new(Float64Array::new(v.into(), inner)),
            Values::I32(v) => Arc::new(Int32Array::new(v.into(), inner)),
            Values::I64(v) => Arc::new(Int64Array::new(v.into(), inner)),
            Values::Bool(v) => Arc::new(BooleanArray::new(v.into(), inner)),
            Values::Text(v) => match inner {
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

/// An error about an input.
pub(super) fn bad_input(input: &str, reason: impl Into<String>) -> ModelError {
    ModelError::Input { input: input.to_owned(), reason: reason.into() }
}

/// An error about an output.
pub(super) fn bad_output(output: &str, reason: impl Into<String>) -> ModelError {
    ModelError::Output { output: output.to_owned(), reason: reason.into() }
}
