//! `text` and `bytes`: the value is one column.
//!
//! Bytes are passed on without a copy. Text is checked, not changed.

use super::cells::{Cells, cast_for_text, check_encodable, encode_rows};
use super::error::RecordError;
use super::json::check_utf8;
use super::{Decoded, Decoder, Encoded, Encoder, FormatError};
use crate::record::{BadRow, type_name};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};
use std::sync::Arc;

/// Decodes values that must be UTF-8.
#[derive(Debug)]
pub(super) struct TextDecoder(SchemaRef);

/// Decodes values without a change.
#[derive(Debug)]
pub(super) struct BytesDecoder(SchemaRef);

/// Encodes one column as the value.
#[derive(Debug)]
pub(super) struct PlainEncoder {
    column: String,
}

fn check_one_column(schema: &Schema, format: &'static str) -> Result<(), FormatError> {
    match schema.fields().len() {
        1 => Ok(()),
        found => Err(FormatError::OneColumn { format, found }),
    }
}

fn check_column_type(schema: &SchemaRef, data_type: &DataType, format: &'static str) -> Result<SchemaRef, FormatError> {
    check_one_column(schema, format)?;
    let field = schema.field(0);
    if field.data_type() != data_type {
        let (column, data_type) = (field.name().clone(), type_name(field.data_type()));
        return Err(FormatError::Type { column, data_type, format });
    }
    Ok(schema.clone())
}

impl TextDecoder {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self, FormatError> {
        check_column_type(schema, &DataType::Utf8, "text").map(Self)
    }
}

impl BytesDecoder {
    pub(super) fn new(schema: &SchemaRef) -> Result<Self, FormatError> {
        check_column_type(schema, &DataType::Binary, "bytes").map(Self)
    }
}

/// The values that `check` accepts, and the errors of the others.
fn partition(values: &BinaryArray, check: impl Fn(&[u8]) -> Result<(), RecordError>) -> (BinaryArray, Vec<BadRow>) {
    let mut bad = Vec::new();
    for row in 0..values.len() {
        let checked = if values.is_null(row) {
            Err(RecordError::new("the record has no value"))
        } else {
            check(values.value(row))
        };
        if let Err(error) = checked {
            bad.push(BadRow { row, error: error.to_string() });
        }
    }
    if bad.is_empty() {
        return (values.clone(), bad);
    }
    let mut bad_rows = bad.iter().map(|b| b.row).peekable();
    let mask: BooleanArray = (0..values.len()).map(|row| Some(bad_rows.next_if_eq(&row).is_none())).collect();
    let kept = arrow_select::filter::filter(values, &mask).expect("the mask is as long as the values");
    (kept.as_binary::<i32>().clone(), bad)
}

fn decoded(schema: &SchemaRef, column: ArrayRef, bad: Vec<BadRow>) -> Decoded {
    let columns = RecordBatch::try_new(schema.clone(), vec![column]).expect("the type was checked against the schema");
    Decoded { columns, bad }
}

impl Decoder for TextDecoder {
    fn decode(&mut self, values: &BinaryArray) -> Decoded {
        let (good, bad) = partition(values, check_utf8);
        let text = arrow_cast::cast(&good, &DataType::Utf8).expect("each value was checked to be UTF-8");
        decoded(&self.0, text, bad)
    }
}

impl Decoder for BytesDecoder {
    fn decode(&mut self, values: &BinaryArray) -> Decoded {
        let (good, bad) = partition(values, |_| Ok(()));
        decoded(&self.0, Arc::new(good), bad)
    }
}

impl PlainEncoder {
    pub(super) fn new(schema: &SchemaRef, format: &'static str) -> Result<Self, FormatError> {
        check_one_column(schema, format)?;
        check_encodable(schema, format)?;
        Ok(Self { column: schema.field(0).name().clone() })
    }
}

impl Encoder for PlainEncoder {
    fn encode(&mut self, columns: &RecordBatch) -> Encoded {
        let arrays = cast_for_text(columns.columns());
        let binary = arrays[0].as_binary_opt::<i32>();
        let cells = Cells::new(&arrays[0]);
        encode_rows(columns.num_rows(), arrays[0].get_buffer_memory_size(), |row, out| {
            if cells.is_null(row) {
                return Err(RecordError::new("null has no form as a whole value").in_field(&self.column));
            }
            if let Some(binary) = binary {
                out.extend_from_slice(binary.value(row));
                return Ok(());
            }
            cells.write_text(row, out).map_err(|e| e.in_field(&self.column))
        })
    }
}
