//! Bytes to columns and back: json, csv, text and bytes, and schemas from samples.
//!
//! Separate from logs and operators: a decoder sees the values of a batch and nothing else. Whatever a
//! record holds, the answer is a row or a [`BadRow`]; it never panics on data, never guesses, and never
//! drops a row silently. Places in messages are bytes of the record's value, from 0.

mod cells;
mod column;
mod csv;
mod fault;
mod infer;
mod json;
mod key;
mod number;
mod plain;

pub use csv::{csv_complete, csv_fields};
pub use infer::{InferError, infer_csv, infer_json};
pub use key::{keyable, keys};

use crate::record::BadRow;
use crate::time::rfc3339;
use arrow_array::{BinaryArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// How the values of a topic are encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a record.
    Json {
        /// Unknown fields are errors.
        strict: bool,
    },
    /// One line of separated values a record, without a header.
    Csv {
        /// Between values.
        delimiter: u8,
    },
    /// The value as one string column `value`.
    Text,
    /// The value as one bytes column `value`.
    Bytes,
}

impl Format {
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

    /// The columns of a format that always has the same: `text` and `bytes` have one, `value`.
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
    /// Where the format cannot fill such columns.
    pub fn decoder(&self, schema: &SchemaRef) -> Result<Box<dyn Decoder>, FormatError> {
        Ok(match self {
            Self::Json { strict } => Box::new(json::JsonDecoder::new(schema, *strict)?),
            Self::Csv { delimiter } => Box::new(csv::CsvDecoder::new(schema, *delimiter)?),
            Self::Text => Box::new(plain::TextDecoder::new(schema)?),
            Self::Bytes => Box::new(plain::BytesDecoder::new(schema)?),
        })
    }

    /// An encoder of columns as in `schema` into values.
    ///
    /// # Errors
    /// Where the format cannot hold such columns.
    pub fn encoder(&self, schema: &SchemaRef) -> Result<Box<dyn Encoder>, FormatError> {
        Ok(match self {
            Self::Json { .. } => Box::new(json::JsonEncoder::new(schema)?),
            Self::Csv { delimiter } => Box::new(csv::CsvEncoder::new(schema, *delimiter)?),
            Self::Text | Self::Bytes => Box::new(plain::PlainEncoder::new(schema, self.name())?),
        })
    }
}

/// Values to columns, a batch at a time.
pub trait Decoder: Send {
    /// Decodes each value; a null value is a bad row.
    fn decode(&mut self, values: &BinaryArray) -> Decoded;
}

/// What became of the values of a batch: each is a row of `columns` or one of `bad`.
#[derive(Debug)]
pub struct Decoded {
    /// The good rows, in order.
    pub columns: RecordBatch,
    /// The others, by their row in the values, rising.
    pub bad: Vec<BadRow>,
}

/// Columns to values, a batch at a time.
pub trait Encoder: Send {
    /// Encodes each row of columns that have the types of the encoder's schema.
    fn encode(&mut self, columns: &RecordBatch) -> Encoded;
}

/// The values of a batch of columns.
#[derive(Debug)]
pub struct Encoded {
    /// As many as the batch has rows; null where the row is bad.
    pub values: BinaryArray,
    /// Rows that have no encoding, rising.
    pub bad: Vec<BadRow>,
}

/// Columns that a format cannot read or write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A column's type has no form in the format.
    #[error("the column `{column}` is of the type {data_type}, which {format} cannot hold")]
    Type {
        /// The column, or the path to a part of it.
        column: String,
        /// Its type as pipeline files name it.
        data_type: String,
        /// The format's name.
        format: &'static str,
    },
    /// A column is declared as never null.
    #[error("the column `{column}` is declared as never null, which {format} cannot promise")]
    Required {
        /// The column, or the path to a part of it.
        column: String,
        /// The format's name.
        format: &'static str,
    },
    /// A format of one column was given more or fewer.
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
