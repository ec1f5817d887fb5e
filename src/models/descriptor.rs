//! The record that carries a model: `proto/model.proto` as Rust types.
//!
//! The record is a contract with other programs. Fields 1 to 6 are those of the public model-serving
//! tutorial; fastdata's own fields start at 16. A record with only fields 1 to 6 is served too. The derives
//! are written by hand, so that the build needs no protobuf compiler; a test compares them with the proto file.

use super::{ModelError, ModelFormat};
use prost::Message;
use sha2::{Digest, Sha256};

/// A model or its location, with its metadata.
#[derive(Clone, PartialEq, Message)]
pub struct ModelDescriptor {
    /// Name of the model.
    #[prost(string, tag = "1")]
    pub name: String,
    /// A description for people.
    #[prost(string, tag = "2")]
    pub description: String,
    /// The data type that the model serves; if empty, the model's name.
    #[prost(string, tag = "3")]
    pub data_type: String,
    /// The format, a [`ModelType`].
    #[prost(enumeration = "ModelType", tag = "4")]
    pub modeltype: i32,
    /// The model or its location.
    #[prost(oneof = "Content", tags = "5, 6")]
    pub content: Option<Content>,
    /// The publisher's name for this version. The version that counts is the offset of the record.
    #[prost(string, tag = "16")]
    pub version: String,
    /// SHA-256 of the content, 32 bytes; empty: not checked.
    #[prost(bytes = "vec", tag = "17")]
    pub sha256: Vec<u8>,
    /// Names of the classes, in the order of the output's elements.
    #[prost(string, repeated, tag = "19")]
    pub labels: Vec<String>,
    /// Records with the outputs that the model must give for them before it serves.
    #[prost(message, repeated, tag = "20")]
    pub golden: Vec<GoldenRow>,
    /// Milliseconds since the epoch; 0: unknown.
    #[prost(int64, tag = "22")]
    pub published_at: i64,
    /// Whether the record makes its model the one served, an [`Activation`].
    #[prost(enumeration = "Activation", tag = "23")]
    pub activation: i32,
}

/// The bytes of a model, or their location.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Content {
    /// The bytes of the model file.
    #[prost(bytes, tag = "5")]
    Data(Vec<u8>),
    /// A path, or a `file:` URL, that every instance can read.
    #[prost(string, tag = "6")]
    Location(String),
}

/// The formats as numbered in the record.
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

/// The effect of a record on the model that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Activation {
    /// The model serves from this record on.
    Serve = 0,
    /// The model is loaded but does not serve; the previous one continues.
    Hold = 1,
}

/// One record and the outputs that the model must give for it, both as JSON objects.
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
    /// A descriptor that contains a model file, with its digest.
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

    /// Decodes a record.
    ///
    /// # Errors
    /// If the bytes are not a descriptor.
    pub fn read(bytes: &[u8]) -> Result<Self, ModelError> {
        Self::decode(bytes).map_err(|e| ModelError::Descriptor { reason: e.to_string() })
    }

    /// Encodes the record.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// The data type that the model serves: `data_type`, or the name if that is empty.
    #[must_use]
    pub fn served_as(&self) -> &str {
        if self.data_type.is_empty() { &self.name } else { &self.data_type }
    }

    /// The declared format.
    ///
    /// # Errors
    /// If the format is unknown to this version.
    pub fn format(&self) -> Result<ModelFormat, ModelError> {
        ModelType::try_from(self.modeltype).map(ModelFormat::from).map_err(|_| ModelError::Descriptor {
            reason: format!("this version does not know the model type {}", self.modeltype),
        })
    }

    /// The effect of the record on the model that is served.
    ///
    /// # Errors
    /// If the activation is unknown to this version.
    pub fn activates(&self) -> Result<Activation, ModelError> {
        Activation::try_from(self.activation).map_err(|_| ModelError::Descriptor {
            reason: format!("this version does not know the activation {}", self.activation),
        })
    }
}
