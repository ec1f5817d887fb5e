//! The reasons to refuse a model, or a batch that was given to it.
//!
//! Publishing, the model feed and `score` report the same errors. A refused model never stops a stream: the
//! previous one continues to serve.

use super::ModelFormat;
use thiserror::Error;

/// Why a model or a batch was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ModelError {
    /// The content is not a model of a known format.
    #[error(
        "the content is not a model: {reason}; expected a TensorFlow frozen graph, an ONNX, PMML or PFA model, a SavedModel, or a model descriptor"
    )]
    Unrecognised {
        /// A description of the content.
        reason: String,
    },
    /// The format is recognised but not supported.
    #[error("{format} models are not supported by this version; it serves {}", ModelFormat::served())]
    Unsupported {
        /// The format.
        format: ModelFormat,
    },
    /// The record declares one format, its content has another.
    #[error(
        "the descriptor declares {declared}, the content is {found}; publish the model file itself, so that its format is recognised"
    )]
    WrongFormat {
        /// The format that the descriptor declares.
        declared: ModelFormat,
        /// The format of the content.
        found: ModelFormat,
    },
    /// The content has the format but is inconsistent.
    #[error("the {format} model cannot be read: {reason}")]
    Malformed {
        /// The format.
        format: ModelFormat,
        /// The cause.
        reason: String,
    },
    /// The model uses operators that are not supported.
    #[error("model uses {}, which this version cannot evaluate", list(operators))]
    Operators {
        /// Each operator once, with its domain.
        operators: Vec<String>,
    },
    /// A node cannot be evaluated, or not correctly.
    #[error("node `{node}` (`{operator}`) of the model {reason}")]
    Node {
        /// The name of the node.
        node: String,
        /// The operator.
        operator: String,
        /// The cause.
        reason: String,
    },
    /// An input cannot be fed from columns.
    #[error("input `{input}` of the model {reason}")]
    Input {
        /// The tensor or field.
        input: String,
        /// The cause.
        reason: String,
    },
    /// An output does not have one row per record.
    #[error("output `{output}` of the model {reason}")]
    Output {
        /// The tensor or field.
        output: String,
        /// The cause.
        reason: String,
    },
    /// The content has another digest than the published one.
    #[error("the content has the SHA-256 {actual}, the descriptor declares {expected}; publish the model again")]
    Digest {
        /// The digest in the descriptor, hexadecimal.
        expected: String,
        /// The digest of the content, hexadecimal.
        actual: String,
    },
    /// The record is not a usable descriptor.
    #[error("the model record cannot be used: {reason}")]
    Descriptor {
        /// The cause.
        reason: String,
    },
    /// The location in the record cannot be read.
    #[error("the model at `{location}` cannot be read: {reason}")]
    Location {
        /// The location.
        location: String,
        /// The cause.
        reason: String,
    },
    /// A golden row does not reproduce.
    #[error("golden row {row}: output `{output}` is {got}, expected {expected}")]
    Golden {
        /// The row, from 1.
        row: usize,
        /// Name of the output.
        output: String,
        /// The output of the model.
        got: String,
        /// The output in the row.
        expected: String,
    },
    /// The columns do not fit the model's inputs.
    #[error("{reason}")]
    Columns {
        /// The cause and the remedy.
        reason: String,
    },
    /// The evaluation of a batch failed for a reason that lies in no single record.
    #[error("the model failed on a batch of {rows} records: {reason}")]
    Evaluation {
        /// The number of records.
        rows: usize,
        /// The cause.
        reason: String,
    },
}

fn list(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|n| format!("`{n}`")).collect();
    quoted.join(", ")
}
