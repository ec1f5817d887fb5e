//! Reads ONNX models.
//!
//! This file owns the rules of the format: the supported operators, the names of inputs and outputs, and the
//! check that tensors contain what their shapes declare. `trees` owns those of tree ensembles; `graph` runs the
//! result. It never reads another file: models with external weights are refused.

mod node;
mod trees;

use super::graph::guard::{causes, guarded};
use super::graph::{DeclaredInput, GraphScorer, Remainder, compile};
use super::{ModelError, ModelFormat};
use node::{attribute, bad_node};
use prost::Message;
use std::collections::{BTreeSet, HashSet};
use tract_onnx::Onnx;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dim;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, type_proto};
use tract_onnx::prelude::{DatumType, InferenceModel};
use tract_onnx::tract_hir::ops::binary::BinIntoHir;

const FORMAT: ModelFormat = ModelFormat::Onnx;

/// Domains whose operators the evaluator finds by the plain operator name.
const DOMAINS: [&str; 3] = ["", "ai.onnx", "ai.onnx.ml"];

pub(super) fn load(bytes: &[u8]) -> Result<GraphScorer, ModelError> {
    let mut proto = ModelProto::decode(bytes).map_err(|e| malformed(e.to_string()))?;
    let graph = proto.graph.as_ref().ok_or_else(|| malformed("it contains no graph".into()))?;
    if proto.opset_import.is_empty() {
        return Err(malformed("it declares no operator set; the file may be truncated".into()));
    }
    // Shapes between nodes are inferred, because those in the file may fix the number of records.
    let mut onnx = tract_onnx::onnx().with_ignore_value_info(true).with_ignore_output_types(true);
    onnx.op_register.insert("Mod", |_, node| Ok((remainder(node).into_hir(), Vec::new())));
    check_operators(graph, &onnx)?;
    check_classifiers(graph)?;
    check_tensors(graph)?;
    check_outputs(graph)?;
    let inputs = declared_inputs(graph)?;
    let outputs: Vec<String> = graph.output.iter().map(|o| o.name.clone()).collect();
    if let Some(graph) = &mut proto.graph {
        trees::rewrite(graph);
    }
    let model = guarded(|| parse(&onnx, &proto)).map_err(malformed)?;
    compile(FORMAT, model, &inputs, &outputs)
}

fn malformed(reason: String) -> ModelError {
    ModelError::Malformed { format: FORMAT, reason }
}

fn parse(onnx: &Onnx, proto: &ModelProto) -> Result<InferenceModel, String> {
    let parsed = onnx.parse(proto, None).map_err(|e| causes(&e))?;
    match &parsed.unresolved_inputs[..] {
        [] => Ok(parsed.model),
        names => Err(format!("its nodes read `{}`, which no node produces", names.join("`, `"))),
    }
}

fn check_operators(graph: &GraphProto, onnx: &Onnx) -> Result<(), ModelError> {
    let mut unknown = BTreeSet::new();
    visit(graph, &mut |g| {
        for node in &g.node {
            let domain = node.domain.as_str();
            if !DOMAINS.contains(&domain) || !onnx.op_register.0.contains_key(&node.op_type) {
                let prefix = if domain.is_empty() { "ai.onnx" } else { domain };
                unknown.insert(format!("{prefix}.{}", node.op_type));
            }
        }
    });
    if unknown.is_empty() { Ok(()) } else { Err(ModelError::Operators { operators: unknown.into_iter().collect() }) }
}

/// Calls `f` with the graph and every subgraph of its nodes.
fn visit<'a>(graph: &'a GraphProto, f: &mut impl FnMut(&'a GraphProto)) {
    f(graph);
    for attribute in graph.node.iter().flat_map(|n| &n.attribute) {
        attribute.g.iter().chain(&attribute.graphs).for_each(|inner| visit(inner, f));
    }
}

/// Refuses the classifiers that the evaluator gets wrong, and those that it refuses with an error about its internals.
fn check_classifiers(graph: &GraphProto) -> Result<(), ModelError> {
    let mut checked = Ok(());
    visit(graph, &mut |g| {
        for node in &g.node {
            if checked.is_ok() {
                checked = match node.op_type.as_str() {
                    "TreeEnsembleClassifier" => trees::check(node).and_then(|()| check_string_classes(node)),
                    "LinearClassifier" => check_string_classes(node),
                    _ => Ok(()),
                };
            }
        }
    });
    checked
}

fn remainder(node: &NodeProto) -> Remainder {
    if attribute(node, "fmod").is_some_and(|a| a.i == 1) { Remainder::Truncated } else { Remainder::Floored }
}

fn check_string_classes(node: &NodeProto) -> Result<(), ModelError> {
    if attribute(node, "classlabels_strings").is_none_or(|a| a.strings.is_empty()) {
        return Ok(());
    }
    let reason = "has strings as classes, which this version cannot evaluate; export the model with whole numbers as \
                  classes";
    Err(bad_node(node, reason))
}

/// The evaluator allocates a tensor by its shape before it reads the bytes, so the shape is checked first.
fn check_tensors(graph: &GraphProto) -> Result<(), ModelError> {
    let mut wrong = None;
    visit(graph, &mut |g| {
        let attributes = g.node.iter().flat_map(|n| &n.attribute);
        let tensors = attributes.flat_map(|a| a.t.iter().chain(&a.tensors));
        if let Some(t) = g.initializer.iter().chain(tensors).find(|t| !matches_shape(t)) {
            let external = !t.external_data.is_empty() || t.data_location.is_some_and(|l| l != 0);
            let why = if external {
                "has its values in another file"
            } else {
                "does not contain as many elements as its shape declares"
            };
            wrong.get_or_insert_with(|| malformed(format!("tensor `{}` {why}", t.name)));
        }
        if !g.sparse_initializer.is_empty() {
            wrong.get_or_insert_with(|| malformed("it contains sparse tensors".into()));
        }
    });
    wrong.map_or(Ok(()), Err)
}

fn matches_shape(t: &TensorProto) -> bool {
    let elements = t.dims.iter().try_fold(1u64, |n, d| n.checked_mul(u64::try_from(*d).ok()?));
    let stored = if t.raw_data.is_empty() {
        [
            t.float_data.len(),
            t.int32_data.len(),
            t.string_data.len(),
            t.int64_data.len(),
            t.double_data.len(),
            t.uint64_data.len(),
        ]
        .into_iter()
        .max()
        .unwrap_or_default()
    } else {
        let size = match DataType::try_from(t.data_type) {
            Ok(DataType::Float | DataType::Int32 | DataType::Uint32) => 4,
            Ok(DataType::Double | DataType::Int64 | DataType::Uint64) => 8,
            Ok(DataType::Float16 | DataType::Bfloat16 | DataType::Int16 | DataType::Uint16) => 2,
            _ => 1,
        };
        t.raw_data.len() / size
    };
    elements.is_some_and(|n| n == stored as u64) && t.data_location.unwrap_or_default() == 0
}

fn check_outputs(graph: &GraphProto) -> Result<(), ModelError> {
    let produced: HashSet<&str> = (graph.node.iter().flat_map(|n| n.output.iter().map(String::as_str)))
        .chain(graph.input.iter().map(|i| i.name.as_str()))
        .chain(graph.initializer.iter().map(|t| t.name.as_str()))
        .collect();
    if graph.output.is_empty() {
        return Err(malformed("it has no outputs".into()));
    }
    match graph.output.iter().find(|o| !produced.contains(o.name.as_str())) {
        Some(o) => Err(malformed(format!("no node produces its output `{}`", o.name))),
        None => Ok(()),
    }
}

fn declared_inputs(graph: &GraphProto) -> Result<Vec<DeclaredInput>, ModelError> {
    let constant: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    graph.input.iter().filter(|i| !constant.contains(i.name.as_str())).map(declared_input).collect()
}

fn declared_input(input: &ValueInfoProto) -> Result<DeclaredInput, ModelError> {
    let refuse = |reason: &str| ModelError::Input { input: input.name.clone(), reason: reason.into() };
    let Some(type_proto::Value::TensorType(tensor)) = input.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return Err(refuse("is not a tensor"));
    };
    let datum = DataType::try_from(tensor.elem_type)
        .ok()
        .and_then(|t| DatumType::try_from(t).ok())
        .ok_or_else(|| refuse("has an unknown element type"))?;
    let shape = tensor.shape.as_ref().map(|s| {
        let dim = |v: &Option<Dim>| match v {
            Some(Dim::DimValue(n)) => usize::try_from(*n).ok().filter(|n| *n > 0),
            _ => None,
        };
        s.dim.iter().map(|d| dim(&d.value)).collect()
    });
    Ok(DeclaredInput { name: input.name.clone(), datum, shape })
}
