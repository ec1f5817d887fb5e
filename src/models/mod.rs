//! Models as data: a model is a record on a topic, and swapping it never stops the stream.
//!
//! ```text
//! bytes -> sniff -> ModelDescriptor -> prepare (digest, load, warm-up, golden rows) -> Slot -> score step
//! ```
//!
//! This module knows no topic and no step. A format is one file here, one variant of [`ModelFormat`] and one
//! arm of [`load`]; everything else works on a [`Scorer`] and its [`Signature`].

mod binding;
mod descriptor;
mod error;
mod gate;
mod graph;
mod onnx;
mod outputs;
mod registry;
mod rows;
mod served;
mod signature;
mod sniff;
mod tensorflow;
mod wire;

pub use binding::{BindError, Binding};
pub use descriptor::{Activation, Content, GoldenRow, ModelDescriptor, ModelType};
pub use error::ModelError;
pub use gate::prepare;
pub use outputs::{UNIFORM, UniformOutputs, output_schema, uniform_schema};
pub use registry::{Applied, Registry, Slot, VersionEntry, VersionState, serving_versions};
pub use rows::score_rows;
pub use served::ServedModel;
pub use signature::{Inputs, Signature};
pub use sniff::{Sniffed, read_model, sniff};

use crate::record::BadRow;
use arrow_array::ArrayRef;
use std::fmt;
use std::sync::Arc;

/// The formats that are recognised, whether or not this version serves them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelFormat {
    /// A TensorFlow graph whose variables are constants.
    Tensorflow,
    /// A TensorFlow SavedModel folder or archive.
    TensorflowSaved,
    /// PMML.
    Pmml,
    /// ONNX.
    Onnx,
    /// PFA as JSON.
    Pfa,
}

impl ModelFormat {
    /// All formats.
    pub const VARIANTS: [Self; 5] = [Self::Tensorflow, Self::TensorflowSaved, Self::Pmml, Self::Onnx, Self::Pfa];

    /// Whether this version can evaluate the format.
    #[must_use]
    pub fn is_served(self) -> bool {
        match self {
            Self::Tensorflow | Self::Onnx => true,
            Self::TensorflowSaved | Self::Pmml | Self::Pfa => false,
        }
    }

    /// The formats that this version can evaluate, for a message.
    pub(crate) fn served() -> String {
        let names: Vec<_> = Self::VARIANTS.into_iter().filter(|f| f.is_served()).map(|f| f.to_string()).collect();
        names.join(" and ")
    }
}

impl fmt::Display for ModelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tensorflow => "TensorFlow frozen graph",
            Self::TensorflowSaved => "TensorFlow SavedModel",
            Self::Pmml => "PMML",
            Self::Onnx => "ONNX",
            Self::Pfa => "PFA",
        })
    }
}

/// Evaluates one model over batches. All tasks share it; scoring takes no lock.
pub trait Scorer: Send + Sync + fmt::Debug {
    /// The inputs and outputs.
    fn signature(&self) -> &Signature;

    /// Scores a batch: one array for each column that [`Signature::inputs`] takes, in its order and of
    /// its types, all of one length. A row with a null input is a bad row.
    ///
    /// # Errors
    /// If the columns do not fit, or the model fails on the whole batch.
    fn score(&self, inputs: &[ArrayRef]) -> Result<Scored, ModelError>;
}

/// The outputs of a model for a batch.
#[derive(Clone, Debug)]
pub struct Scored {
    /// One array per output of the signature, in its order, as long as the inputs; null at bad rows.
    pub outputs: Vec<ArrayRef>,
    /// The rows that could not be scored, in order.
    pub bad: Vec<BadRow>,
}

/// Loads a model of a known format.
///
/// # Errors
/// If the format is not served, the bytes are not a model of this format, or it cannot be evaluated. Never
/// panics, whatever the bytes are.
pub fn load(format: ModelFormat, bytes: &[u8]) -> Result<Arc<dyn Scorer>, ModelError> {
    Ok(match format {
        ModelFormat::Tensorflow => Arc::new(tensorflow::load(bytes)?),
        ModelFormat::Onnx => Arc::new(onnx::load(bytes)?),
        ModelFormat::TensorflowSaved | ModelFormat::Pmml | ModelFormat::Pfa => {
            return Err(ModelError::Unsupported { format });
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
