//! What can be wrong with a model: its bytes, its format, its operators, its inputs and outputs.
//!
//! Separate because publishing, the model feed and `score` report the same faults. None of these ever
//! stops a stream: a model that is refused leaves the one before it serving.

use super::ModelFormat;
use thiserror::Error;

/// Why a model, or a batch that was given to it, was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ModelError {
    /// The bytes are no model that we know of.
    #[error(
        "the content is no model: {reason}; expected a TensorFlow frozen graph, an ONNX, PMML or PFA model, a SavedModel, or a ready model descriptor"
    )]
    Unrecognised {
        /// What was seen instead.
        reason: String,
    },
    /// A format that is recognised but not evaluated yet.
    #[error("{format} models are not supported by this version; it serves {}", ModelFormat::served())]
    Unsupported {
        /// The format.
        format: ModelFormat,
    },
    /// The record says one format, its content is another.
    #[error(
        "the descriptor says {declared}, its content is {found}; publish the model file itself to have it recognised"
    )]
    WrongFormat {
        /// The format that the descriptor names.
        declared: ModelFormat,
        /// The format of the content.
        found: ModelFormat,
    },
    /// The bytes look like the format but do not hold together.
    #[error("the {format} model cannot be read: {reason}")]
    Malformed {
        /// The format.
        format: ModelFormat,
        /// What is wrong.
        reason: String,
    },
    /// The model uses operators that cannot be evaluated.
    #[error("model uses {}, which this version cannot evaluate", list(operators))]
    Operators {
        /// Each operator once, with its domain where that is not the usual one.
        operators: Vec<String>,
    },
    /// An input that cannot be fed with columns.
    #[error("input `{input}` of the model {reason}")]
    Input {
        /// The tensor or field.
        input: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An output that does not give one row a record.
    #[error("output `{output}` of the model {reason}")]
    Output {
        /// The tensor or field.
        output: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The bytes are not those that were published.
    #[error("the model's content has the SHA-256 {actual}, its descriptor says {expected}; publish it again")]
    Digest {
        /// As the descriptor says, in hexadecimal digits.
        expected: String,
        /// As it is.
        actual: String,
    },
    /// A record without a model in it.
    #[error("the model record cannot be used: {reason}")]
    Descriptor {
        /// What is wrong.
        reason: String,
    },
    /// The model is not in the record, and where the record points there is none.
    #[error("the model at `{location}` cannot be read: {reason}")]
    Location {
        /// As the descriptor says.
        location: String,
        /// What is wrong.
        reason: String,
    },
    /// A golden row gives another result than it must.
    #[error("golden row {row}: output `{output}` is {got}, expected {expected}")]
    Golden {
        /// Row, from 1.
        row: usize,
        /// Name of the output.
        output: String,
        /// What the model gave.
        got: String,
        /// What the row says.
        expected: String,
    },
    /// Columns that do not fit the model's inputs.
    #[error("{reason}")]
    Columns {
        /// What is wrong and what to do.
        reason: String,
    },
    /// Evaluation failed for a whole batch.
    #[error("the model failed on a batch of {rows} records: {reason}")]
    Evaluation {
        /// How many records.
        rows: usize,
        /// What went wrong.
        reason: String,
    },
}

fn list(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|n| format!("`{n}`")).collect();
    quoted.join(", ")
}
