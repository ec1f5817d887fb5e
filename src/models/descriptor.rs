//! The record that carries a model: `proto/model.proto` as Rust types.
//!
//! Separate because it is a contract with other programs. Fields 1 to 6 are those of the public
//! model-serving tutorial, ours begin at 16; a record with only the former is served just as well. The
//! derives are written by hand and held to the text of the proto file by a test, so that building needs
//! no protobuf compiler.

use super::{ModelError, ModelFormat};
use prost::Message;
use sha2::{Digest, Sha256};

/// A model, or where it is, with what its publisher says of it.
#[derive(Clone, PartialEq, Message)]
pub struct ModelDescriptor {
    /// Name of the model.
    #[prost(string, tag = "1")]
    pub name: String,
    /// For a person.
    #[prost(string, tag = "2")]
    pub description: String,
    /// The data type that the model serves; the model's name where it is empty.
    #[prost(string, tag = "3")]
    pub data_type: String,
    /// Its format.
    #[prost(enumeration = "ModelType", tag = "4")]
    pub modeltype: i32,
    /// The model itself.
    #[prost(oneof = "Content", tags = "5, 6")]
    pub content: Option<Content>,
    /// The publisher's own name for this version; what counts is the offset of the record.
    #[prost(string, tag = "16")]
    pub version: String,
    /// SHA-256 of the content, 32 bytes; empty: not checked.
    #[prost(bytes = "vec", tag = "17")]
    pub sha256: Vec<u8>,
    /// Names of the classes, in the order of the output's elements.
    #[prost(string, repeated, tag = "19")]
    pub labels: Vec<String>,
    /// Records with the outputs that the model must give for them.
    #[prost(message, repeated, tag = "20")]
    pub golden: Vec<GoldenRow>,
    /// Milliseconds since the epoch; 0: not known.
    #[prost(int64, tag = "22")]
    pub published_at: i64,
    /// Whether the record makes the model the one served.
    #[prost(enumeration = "Activation", tag = "23")]
    pub activation: i32,
}

/// The bytes of a model, or where they are.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Content {
    /// The model as its file has it.
    #[prost(bytes, tag = "5")]
    Data(Vec<u8>),
    /// A path, or a `file:` URL, that every instance can read.
    #[prost(string, tag = "6")]
    Location(String),
}

/// The formats as the record numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ModelType {
    /// TensorFlow frozen graph.
    Tensorflow = 0,
    /// TensorFlow SavedModel.
    Tensorflowsaved = 1,
    /// PMML.
    Pmml = 2,
    /// ONNX.
    Onnx = 3,
    /// PFA.
    Pfa = 4,
}

/// What a record does to the model that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Activation {
    /// It is served from now on.
    Serve = 0,
    /// It is kept, and the one before goes on serving.
    Hold = 1,
}

/// One record and what the model must give for it, both as JSON objects.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct GoldenRow {
    /// The model's input fields; for a tensor model the features in order.
    #[prost(string, tag = "1")]
    pub input: String,
    /// The outputs that are checked, by the model's own names.
    #[prost(string, tag = "2")]
    pub output: String,
}

impl From<ModelFormat> for ModelType {
    fn from(format: ModelFormat) -> Self {
        match format {
            ModelFormat::Tensorflow => Self::Tensorflow,
            ModelFormat::TensorflowSaved => Self::Tensorflowsaved,
            ModelFormat::Pmml => Self::Pmml,
            ModelFormat::Onnx => Self::Onnx,
            ModelFormat::Pfa => Self::Pfa,
        }
    }
}

impl From<ModelType> for ModelFormat {
    fn from(model_type: ModelType) -> Self {
        match model_type {
            ModelType::Tensorflow => Self::Tensorflow,
            ModelType::Tensorflowsaved => Self::TensorflowSaved,
            ModelType::Pmml => Self::Pmml,
            ModelType::Onnx => Self::Onnx,
            ModelType::Pfa => Self::Pfa,
        }
    }
}

impl ModelDescriptor {
    /// A record that carries the content of a model file, with its digest.
    #[must_use]
    pub fn of(name: &str, data_type: &str, format: ModelFormat, content: Vec<u8>) -> Self {
        Self {
            name: name.to_owned(),
            data_type: data_type.to_owned(),
            modeltype: ModelType::from(format).into(),
            sha256: Sha256::digest(&content).to_vec(),
            content: Some(Content::Data(content)),
            ..Self::default()
        }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// Where the bytes are no descriptor.
    pub fn read(bytes: &[u8]) -> Result<Self, ModelError> {
        Self::decode(bytes).map_err(|e| ModelError::Descriptor { reason: e.to_string() })
    }

    /// The bytes of the record.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// The data type that the model serves: its own, else its name.
    #[must_use]
    pub fn served_as(&self) -> &str {
        if self.data_type.is_empty() { &self.name } else { &self.data_type }
    }

    /// The format that the record names.
    ///
    /// # Errors
    /// Where a later version wrote a format that this one does not know.
    pub fn format(&self) -> Result<ModelFormat, ModelError> {
        ModelType::try_from(self.modeltype).map(ModelFormat::from).map_err(|_| ModelError::Descriptor {
            reason: format!("this version does not know the model type {}", self.modeltype),
        })
    }

    /// What the record does to the model that is served.
    ///
    /// # Errors
    /// Where a later version asks for something that this one does not know.
    pub fn activates(&self) -> Result<Activation, ModelError> {
        Activation::try_from(self.activation).map_err(|_| ModelError::Descriptor {
            reason: format!("this version does not know the activation {}", self.activation),
        })
    }
}
