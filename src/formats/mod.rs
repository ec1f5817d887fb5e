//! Record values to columns and back: json, csv, text and bytes; and schemas inferred from samples.
//!
//! A decoder sees the values of a batch and nothing else. Every record becomes a row or a [`BadRow`]: a
//! decoder never panics on data, never guesses, and never drops a record silently. Positions in messages are
//! byte offsets in the record's value.

mod cells;
mod column;
mod csv;
mod epoch;
mod error;
mod infer;
mod json;
mod key;
mod number;
mod plain;

pub use csv::{CsvLineEnd, CsvQuotes, csv_fields};
pub use infer::{InferError, Inferred, Sample, infer_csv, infer_json};
pub use json::{JsonField, json_field_text, json_fields};
pub use key::keys;

use crate::record::{BadRow, Headers};
use arrow_array::{BinaryArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// The record header with the names of the columns of a line of separated values: a JSON list of strings.
pub const COLUMNS_HEADER: &str = "fastdata-columns";

/// How the values of a topic are encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per record.
    Json {
        /// Whether unknown fields are errors.
        strict: bool,
    },
    /// One line of separated values per record, without a header.
    Csv {
        /// The byte between values.
        delimiter: u8,
        /// Values without quotes that are null, beside the empty one.
        nulls: Vec<String>,
    },
    /// The value as one string column `value`.
    Text,
    /// The value as one bytes column `value`.
    Bytes,
}

impl Format {
    /// Separated values, of which only the empty one is null.
    #[must_use]
    pub fn csv(delimiter: u8) -> Self {
        Self::Csv { delimiter, nulls: Vec::new() }
    }

    /// The name in a pipeline file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Json { .. } => "json",
            Self::Csv { .. } => "csv",
            Self::Text => "text",
            Self::Bytes => "bytes",
        }
    }

    /// The columns of a format whose schema is fixed: `text` and `bytes` have one column, `value`.
    #[must_use]
    pub fn default_schema(&self) -> Option<SchemaRef> {
        let value = match self {
            Self::Json { .. } | Self::Csv { .. } => return None,
            Self::Text => DataType::Utf8,
            Self::Bytes => DataType::Binary,
        };
        Some(Arc::new(Schema::new(vec![Field::new("value", value, true)])))
    }

    /// A decoder of values into the columns of `schema`.
    ///
    /// # Errors
    /// If the format cannot hold such columns.
    pub fn decoder(&self, schema: &SchemaRef) -> Result<Box<dyn Decoder>, FormatError> {
        Ok(match self {
            Self::Json { strict } => Box::new(json::JsonDecoder::new(schema, *strict)?),
            Self::Csv { delimiter, nulls } => Box::new(csv::CsvDecoder::new(schema, *delimiter, nulls)?),
            Self::Text => Box::new(plain::TextDecoder::new(schema)?),
            Self::Bytes => Box::new(plain::BytesDecoder::new(schema)?),
        })
    }

    /// An encoder of the columns of `schema` into values.
    ///
    /// # Errors
    /// If the format cannot hold such columns.
    pub fn encoder(&self, schema: &SchemaRef) -> Result<Box<dyn Encoder>, FormatError> {
        Ok(match self {
            Self::Json { .. } => Box::new(json::JsonEncoder::new(schema)?),
            Self::Csv { delimiter, .. } => Box::new(csv::CsvEncoder::new(schema, *delimiter)?),
            Self::Text | Self::Bytes => Box::new(plain::PlainEncoder::new(schema, self.name())?),
        })
    }
}

/// Decodes values to columns, batch by batch.
pub trait Decoder: Send {
    /// Decodes each value. A null value is a bad row.
    fn decode(&mut self, values: &BinaryArray) -> Decoded;

    /// Decodes the values of records with these headers. Only a format whose values do not name their columns takes
    /// the names from [`COLUMNS_HEADER`].
    fn decode_records(&mut self, values: &BinaryArray, _headers: Option<&Headers>) -> Decoded {
        self.decode(values)
    }
}

/// The decoded values of a batch: each is a row of `columns` or one of `bad`.
#[derive(Debug)]
pub struct Decoded {
    /// The good rows, in order.
    pub columns: RecordBatch,
    /// The bad rows, by their index in the values, in ascending order.
    pub bad: Vec<BadRow>,
}

/// Encodes columns to values, batch by batch.
pub trait Encoder: Send {
    /// Encodes each row. The columns must have the types of the encoder's schema.
    fn encode(&mut self, columns: &RecordBatch) -> Encoded;
}

/// The encoded rows of a batch.
#[derive(Debug)]
pub struct Encoded {
    /// One value per row; null where the row is bad.
    pub values: BinaryArray,
    /// The rows that have no encoding, in ascending order.
    pub bad: Vec<BadRow>,
}

/// A schema that a format cannot hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The format has no encoding for a column's type.
    #[error("the column `{column}` is of the type {data_type}, which {format} cannot hold")]
    Type {
        /// The column, or the path of a nested field.
        column: String,
        /// Its type as pipeline files name it.
        data_type: String,
        /// The format's name.
        format: &'static str,
    },
    /// A column is declared as never null.
    #[error("the column `{column}` is declared as never null, which {format} cannot promise")]
    Required {
        /// The column, or the path of a nested field.
        column: String,
        /// The format's name.
        format: &'static str,
    },
    /// The format holds one column, and the schema has more or none.
    #[error("the format `{format}` holds exactly one column, but here are {found}")]
    OneColumn {
        /// The format's name.
        format: &'static str,
        /// How many columns there are.
        found: usize,
    },
}

#[cfg(test)]
mod tests;
