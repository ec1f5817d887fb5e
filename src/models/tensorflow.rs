//! Reads TensorFlow frozen graphs.
//!
//! This file owns the rules of the format; `graph` runs the result. A frozen graph names neither inputs nor
//! outputs: inputs are the placeholders that an output depends on, outputs are the nodes that no other node
//! reads. Nodes that no output depends on are removed before the checks, because exports contain training nodes.

use super::graph::guard::{causes, guarded};
use super::graph::{DeclaredInput, GraphScorer, Remainder, compile};
use super::{ModelError, ModelFormat};
use prost::Message;
use std::collections::{BTreeSet, HashMap, HashSet};
use tract_onnx::prelude::{DatumType, InferenceModel};
use tract_onnx::tract_hir::ops::binary::BinIntoHir;
use tract_tensorflow::Tensorflow;
use tract_tensorflow::tfpb::tensorflow::attr_value::Value;
use tract_tensorflow::tfpb::tensorflow::{DataType, GraphDef, NodeDef, TensorProto, TensorShapeProto};

const FORMAT: ModelFormat = ModelFormat::Tensorflow;

/// Operators that are not outputs, even if no node reads them.
const OPERATORS_WITHOUT_RESULT: [&str; 5] = ["NoOp", "Const", "Placeholder", "PlaceholderWithDefault", "Assert"];

pub(super) fn load(bytes: &[u8]) -> Result<GraphScorer, ModelError> {
    let graph = GraphDef::decode(bytes).map_err(|e| malformed(e.to_string()))?;
    let outputs = outputs(&graph);
    if outputs.is_empty() {
        return Err(malformed("it has no outputs: every node is read by another".into()));
    }
    let graph = prune(graph, &outputs)?;
    let mut tensorflow = tract_tensorflow::tensorflow();
    tensorflow.op_register.insert("FloorMod", |_, _| Ok(Remainder::Floored.into_hir()));
    check_operators(&graph, &tensorflow)?;
    check_tensors(&graph)?;
    let inputs =
        graph.node.iter().filter(|n| n.op == "Placeholder").map(declared_input).collect::<Result<Vec<_>, _>>()?;
    let model = guarded(|| parse(&tensorflow, &graph, &inputs, &outputs)).map_err(malformed)?;
    compile(FORMAT, model, &inputs, &outputs)
}

fn malformed(reason: String) -> ModelError {
    ModelError::Malformed { format: FORMAT, reason }
}

fn parse(
    tensorflow: &Tensorflow,
    graph: &GraphDef,
    inputs: &[DeclaredInput],
    outputs: &[String],
) -> Result<InferenceModel, String> {
    let mut model = tensorflow.parse_graph(graph).map_err(|e| causes(&e))?.0;
    let names: Vec<&str> = inputs.iter().map(|i| i.name.as_str()).collect();
    model.set_input_names(names).map_err(|e| causes(&e))?;
    model.select_outputs_by_name(outputs).map_err(|e| causes(&e))?;
    Ok(model)
}

/// The node that an input refers to: `^node` is a control input, `node:1` the second output of `node`.
fn producer(input: &str) -> &str {
    let name = input.strip_prefix('^').unwrap_or(input);
    name.split(':').next().unwrap_or(name)
}

fn outputs(graph: &GraphDef) -> Vec<String> {
    let read: HashSet<&str> = graph.node.iter().flat_map(|n| &n.input).map(|i| producer(i)).collect();
    let last = |n: &&NodeDef| !read.contains(n.name.as_str()) && !OPERATORS_WITHOUT_RESULT.contains(&n.op.as_str());
    graph.node.iter().filter(last).map(|n| n.name.clone()).collect()
}

/// Keeps the nodes that an output depends on, in their order. Control inputs are removed: they order side
/// effects, and a frozen graph has none. A placeholder with a default becomes its default.
fn prune(graph: GraphDef, outputs: &[String]) -> Result<GraphDef, ModelError> {
    let by_name: HashMap<&str, &NodeDef> = graph.node.iter().map(|n| (n.name.as_str(), n)).collect();
    if by_name.len() < graph.node.len() {
        return Err(malformed("two of its nodes have the same name".into()));
    }
    let mut keep: HashSet<String> = HashSet::new();
    let mut pending: Vec<&str> = outputs.iter().map(String::as_str).collect();
    while let Some(name) = pending.pop() {
        let node =
            by_name.get(name).ok_or_else(|| malformed(format!("a node reads `{name}`, which does not exist")))?;
        if keep.insert(name.to_owned()) {
            pending.extend(node.input.iter().filter(|i| !i.starts_with('^')).map(|i| producer(i)));
        }
    }
    let mut graph = graph;
    graph.node.retain(|n| keep.contains(&n.name));
    for node in &mut graph.node {
        node.input.retain(|i| !i.starts_with('^'));
        if node.op == "PlaceholderWithDefault" {
            node.op = "Identity".into();
        }
    }
    Ok(graph)
}

fn check_operators(graph: &GraphDef, tensorflow: &Tensorflow) -> Result<(), ModelError> {
    let registered = &tensorflow.op_register.0;
    let unknown: BTreeSet<_> = graph.node.iter().map(|n| &n.op).filter(|op| !registered.contains_key(*op)).collect();
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(ModelError::Operators { operators: unknown.into_iter().cloned().collect() })
    }
}

/// The evaluator allocates a tensor by its shape before it reads the bytes, so the shape is checked first. The
/// format allows one value to stand for all elements; that is bounded.
fn check_tensors(graph: &GraphDef) -> Result<(), ModelError> {
    const MAX_REPEATED_ELEMENTS: u64 = 1 << 24;
    for node in &graph.node {
        for attribute in node.attr.values() {
            let Some(Value::Tensor(t)) = &attribute.value else { continue };
            let elements = t.tensor_shape.as_ref().and_then(elements);
            let stored = stored_elements(t) as u64;
            let fits = elements.is_some_and(|n| n == stored || (stored == 1 && n <= MAX_REPEATED_ELEMENTS));
            if !fits {
                return Err(malformed(format!(
                    "tensor `{}` does not contain as many elements as its shape declares",
                    node.name
                )));
            }
        }
    }
    Ok(())
}

fn elements(shape: &TensorShapeProto) -> Option<u64> {
    shape.dim.iter().try_fold(1u64, |n, d| n.checked_mul(u64::try_from(d.size).ok()?))
}

fn stored_elements(t: &TensorProto) -> usize {
    if t.tensor_content.is_empty() {
        let counts = [
            t.half_val.len(),
            t.float_val.len(),
            t.double_val.len(),
            t.int_val.len(),
            t.string_val.len(),
            t.int64_val.len(),
            t.bool_val.len(),
        ];
        return counts.into_iter().max().unwrap_or_default();
    }
    let size = match DataType::try_from(t.dtype) {
        Ok(DataType::DtFloat | DataType::DtInt32 | DataType::DtUint32) => 4,
        Ok(DataType::DtDouble | DataType::DtInt64 | DataType::DtUint64) => 8,
        Ok(DataType::DtHalf | DataType::DtInt16 | DataType::DtUint16) => 2,
        _ => 1,
    };
    t.tensor_content.len() / size
}

fn declared_input(node: &NodeDef) -> Result<DeclaredInput, ModelError> {
    let refuse = |reason: &str| ModelError::Input { input: node.name.clone(), reason: reason.into() };
    let attribute = |name: &str| node.attr.get(name).and_then(|a| a.value.as_ref());
    let datum = match attribute("dtype") {
        Some(Value::Type(t)) => DataType::try_from(*t).ok().and_then(|t| DatumType::try_from(t).ok()),
        _ => None,
    };
    let shape = match attribute("shape") {
        Some(Value::Shape(s)) if !s.unknown_rank => {
            Some(s.dim.iter().map(|d| usize::try_from(d.size).ok().filter(|n| *n > 0)).collect())
        }
        _ => None,
    };
    let datum = datum.ok_or_else(|| refuse("has an unknown element type"))?;
    Ok(DeclaredInput { name: node.name.clone(), datum, shape })
}
