//! Reads the attributes of a node, and names it in errors.

use crate::models::ModelError;
use tract_onnx::pb::{AttributeProto, NodeProto};

pub(super) fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|a| a.name == name)
}

pub(super) fn bad_node(node: &NodeProto, reason: impl Into<String>) -> ModelError {
    let name = if node.name.is_empty() { node.output.first() } else { Some(&node.name) };
    ModelError::Node { node: name.cloned().unwrap_or_default(), operator: node.op_type.clone(), reason: reason.into() }
}
