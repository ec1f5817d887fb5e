//! `text` and `bytes`: the value is one column.
//!
//! Separate from the formats with fields. Bytes are passed on without a copy; text is checked, not changed.

use super::cells::{Cells, check, encode_rows, prepare};
use super::fault::Fault;
use super::json::utf8;
use super::{Decoded, Decoder, Encoded, Encoder, FormatError};
use crate::record::{BadRow, type_name};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};
use std::sync::Arc;

/// Values that are UTF-8.
#[derive(Debug)]
pub(super) struct TextDecoder(SchemaRef);

/// Values as they are.
#[derive(Debug)]
pub(super) struct BytesDecoder(SchemaRef);

/// One column as the value.
#[derive(Debug)]
pub(super) struct PlainEncoder {
    column: String,
}

fn one_column(schema: &Schema, format: &'static str) -> Result<(), FormatError> {
    match schema.fields().len() {
        1 => Ok(()),
        found => Err(FormatError::OneColumn { format, found }),
    }
}

fn one_of_type(schema: &SchemaRef, data_type: &DataType, format: &'static str) -> Result<SchemaRef, FormatError> {
    one_column(schema, format)?;
    let field = schema.field(0);
    if field.data_type() != data_type {
        let (column, data_type) = (field.name().clone(), type_name(field.data_type()));
        return Err(FormatError::Type { column, data_type, format });
    }
    Ok(schema.clone())
}

impl TextDecoder {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self, FormatError> {
        one_of_type(schema, &DataType::Utf8, "text").map(Self)
    }
}

impl BytesDecoder {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self, FormatError> {
        one_of_type(schema, &DataType::Binary, "bytes").map(Self)
    }
}

/// The values that `check` accepts, and why the others are bad.
fn sift(values: &BinaryArray, check: impl Fn(&[u8]) -> Result<(), Fault>) -> (BinaryArray, Vec<BadRow>) {
    let mut bad = Vec::new();
    for row in 0..values.len() {
        let checked =
            if values.is_null(row) { Err(Fault::new("the record has no value")) } else { check(values.value(row)) };
        if let Err(fault) = checked {
            bad.push(BadRow { row, error: fault.to_string() });
        }
    }
    if bad.is_empty() {
        return (values.clone(), bad);
    }
    let mut rest = bad.iter().map(|b| b.row).peekable();
    let mask: BooleanArray = (0..values.len()).map(|row| Some(rest.next_if_eq(&row).is_none())).collect();
    let kept = arrow_select::filter::filter(values, &mask).expect("the mask is as long as the values");
    (kept.as_binary::<i32>().clone(), bad)
}

fn decoded(schema: &SchemaRef, column: ArrayRef, bad: Vec<BadRow>) -> Decoded {
    let columns = RecordBatch::try_new(schema.clone(), vec![column]).expect("the type was checked against the schema");
    Decoded { columns, bad }
}

impl Decoder for TextDecoder {
    fn decode(&mut self, values: &BinaryArray) -> Decoded {
        let (good, bad) = sift(values, utf8);
        let text = arrow_cast::cast(&good, &DataType::Utf8).expect("each value was checked to be UTF-8");
        decoded(&self.0, text, bad)
    }
}

impl Decoder for BytesDecoder {
    fn decode(&mut self, values: &BinaryArray) -> Decoded {
        let (good, bad) = sift(values, |_| Ok(()));
        decoded(&self.0, Arc::new(good), bad)
    }
}

impl PlainEncoder {
    pub(super) fn new(schema: &SchemaRef, format: &'static str) -> Result<Self, FormatError> {
        one_column(schema, format)?;
        check(schema, format)?;
        Ok(Self { column: schema.field(0).name().clone() })
    }
}

impl Encoder for PlainEncoder {
    fn encode(&mut self, columns: &RecordBatch) -> Encoded {
        let arrays = prepare(columns.columns());
        let binary = arrays[0].as_binary_opt::<i32>();
        let cells = Cells::new(&arrays[0]);
        encode_rows(columns.num_rows(), arrays[0].get_buffer_memory_size(), |row, out| {
            if cells.is_null(row) {
                return Err(Fault::new("null has no form as a whole value").in_field(&self.column));
            }
            if let Some(binary) = binary {
                out.extend_from_slice(binary.value(row));
                return Ok(());
            }
            cells.bare(row, out).map_err(|fault| fault.in_field(&self.column))
        })
    }
}
