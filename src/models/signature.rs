//! The named inputs and outputs of a model, with Arrow types.
//!
//! It is independent of the model's format: steps bind to a signature, never to a scorer. It holds no data
//! and does not match columns; `binding` does.

use crate::record::type_name;
use arrow_schema::{DataType, Field};
use std::fmt;

/// The inputs and outputs of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// The inputs.
    pub inputs: Inputs,
    /// The outputs in order. A tensor with several elements per row is a list.
    pub outputs: Vec<Field>,
}

/// The form in which a model takes its inputs.
#[derive(Clone, Debug, PartialEq)]
pub enum Inputs {
    /// One `[n, k]` tensor: the columns are its features, in order.
    Tensor {
        /// The tensor's name.
        name: String,
        /// The number of features.
        features: usize,
        /// The type of each feature.
        data_type: DataType,
    },
    /// Several tensors with one element per row; each takes the column with the tensor's name.
    Tensors(Vec<Field>),
    /// Fields by name; case, spaces and underscores are ignored.
    Fields(Vec<Field>),
}

impl Inputs {
    /// The number of columns that the model takes.
    #[must_use]
    pub fn columns(&self) -> usize {
        match self {
            Self::Tensor { features, .. } => *features,
            Self::Tensors(fields) | Self::Fields(fields) => fields.len(),
        }
    }

    /// The type of column `i`.
    #[must_use]
    pub fn data_type(&self, i: usize) -> &DataType {
        match self {
            Self::Tensor { data_type, .. } => data_type,
            Self::Tensors(fields) | Self::Fields(fields) => fields[i].data_type(),
        }
    }

    /// The name of column `i` in a message.
    #[must_use]
    pub fn label(&self, i: usize) -> String {
        match self {
            Self::Tensor { name, features, .. } if *features > 1 => format!("{name}[{i}]"),
            Self::Tensor { name, .. } => name.clone(),
            Self::Tensors(fields) | Self::Fields(fields) => fields[i].name().clone(),
        }
    }
}

impl fmt::Display for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tensor { name, features, data_type } => {
                write!(f, "{name}: {} [n, {features}]", type_name(data_type))
            }
            Self::Tensors(fields) | Self::Fields(fields) => write_fields(fields, f),
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> ", self.inputs)?;
        write_fields(&self.outputs, f)
    }
}

fn write_fields(fields: &[Field], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (i, field) in fields.iter().enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        write!(f, "{comma}{}: {}", field.name(), type_name(field.data_type()))?;
    }
    Ok(())
}
