//! Infers schemas from samples.
//!
//! Decoders never guess; this file does. An inferred schema decodes every sample that it was inferred from, and a
//! pipeline file can declare it. A sample that is not valid in its format is skipped and counted. If no type can hold
//! a field of two samples, that is an error that names the field and both types.

mod csv;
mod inferred_type;
mod json;

pub use csv::infer_csv;
pub use json::infer_json;

use arrow_schema::{Field, Schema};
use inferred_type::{InferredType, declarable};

/// A sample and the number of its line.
pub type Sample<'a> = (u64, &'a [u8]);

/// A schema, and what a person should know about how it came about.
#[derive(Debug)]
pub struct Inferred {
    /// The columns.
    pub schema: Schema,
    /// Texts that mean null in columns that are no strings.
    pub nulls: Vec<String>,
    /// The number of samples that were not valid.
    pub skipped: u64,
    /// What is wrong with the first of them.
    pub first_skipped: Option<String>,
    /// Why a column is a string, or left out.
    pub notes: Vec<String>,
}

/// Why no schema can be inferred.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InferError {
    /// The column names cannot be read, or one occurs twice.
    #[error("the column names: {0}")]
    Header(String),
    /// No sample is valid in its format.
    #[error("none is valid; the first: {0}")]
    NoneValid(String),
    /// No type fits two samples.
    #[error("line {line}: field `{field}` is {found} here and {before} before, and no type holds both")]
    Conflict {
        /// The line of the sample.
        line: u64,
        /// The path of the field.
        field: String,
        /// Its type in this sample.
        found: String,
        /// Its type in the samples before.
        before: String,
    },
    /// The samples have no fields.
    #[error("there are no samples with fields")]
    Empty,
}

/// Counts the samples that are not valid.
#[derive(Debug, Default)]
struct SkippedSamples {
    count: u64,
    first: Option<String>,
}

impl SkippedSamples {
    fn add(&mut self, line: u64, error: impl std::fmt::Display) {
        self.count += 1;
        self.first.get_or_insert_with(|| format!("line {line}: {error}"));
    }
}

/// The columns of a schema: those of the fields that a pipeline file can declare.
fn finish(
    fields: Vec<(String, InferredType)>,
    skipped: SkippedSamples,
    nulls: Vec<String>,
    mut notes: Vec<String>,
) -> Result<Inferred, InferError> {
    let mut columns = Vec::new();
    for (name, inferred) in fields {
        match declarable(&name, inferred, &mut notes) {
            Ok(data_type) => columns.push(Field::new(name, data_type, true)),
            Err(reason) => notes.push(format!("`{name}` is left out: {reason}")),
        }
    }
    match skipped.first {
        _ if !columns.is_empty() => {
            let (schema, SkippedSamples { count, first }) = (Schema::new(columns), skipped);
            Ok(Inferred { schema, nulls, skipped: count, first_skipped: first, notes })
        }
        Some(first) => Err(InferError::NoneValid(first)),
        None => Err(InferError::Empty),
    }
}

#[cfg(test)]
mod tests;
