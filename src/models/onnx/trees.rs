//! Tree ensembles of ONNX: those that are refused, and those that are rewritten before the evaluator reads them.
//!
//! The evaluator (tract 0.23.9) derives the class from the transformed scores, in which large scores become equal;
//! with two classes it does so before the scores of both are complete. So the transformation and the second score
//! move from the node into nodes behind it. A rewritten model gives the outputs of onnxruntime.

use super::node::{attribute, bad_node};
use crate::models::ModelError;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto};

const TWO_CLASSES: &str = "has fewer than three classes in a form for which this version would give wrong labels; it \
                           supports two classes whose leaves all add to class 0, either weights of at least 0 \
                           without a transformation or weights of both signs with LOGISTIC";

/// Refuses an ensemble that neither the evaluator nor [`rewrite`] gets right.
pub(super) fn check(node: &NodeProto) -> Result<(), ModelError> {
    let precise = |a: &&AttributeProto| a.name.ends_with("_as_tensor") && a.name != "nodes_hitrates_as_tensor";
    if let Some(a) = node.attribute.iter().find(precise) {
        let reason = format!(
            "has the attribute `{}`, which this version cannot evaluate; export the model in single precision",
            a.name
        );
        return Err(bad_node(node, reason));
    }
    let classes = classes(node);
    let values = attribute(node, "base_values").map_or(0, |a| a.floats.len());
    if classes <= 2 {
        return if has_single_score(node, classes, values) { Ok(()) } else { Err(bad_node(node, TWO_CLASSES)) };
    }
    if values == 0 || values == classes {
        return Ok(());
    }
    let reason = format!("has {values} `base_values` for {classes} classes; it must have none or one per class");
    Err(bad_node(node, reason))
}

fn classes(node: &NodeProto) -> usize {
    let strings = attribute(node, "classlabels_strings").map_or(0, |a| a.strings.len());
    attribute(node, "classlabels_int64s").map_or(0, |a| a.ints.len()).max(strings)
}

fn transformation(node: &NodeProto) -> &[u8] {
    attribute(node, "post_transform").map_or(&b"NONE"[..], |a| a.s.as_slice())
}

/// Whether the one score of two classes is that of the second: the form that converters write. The label is the
/// second class if the score is over 0, or over 0.5 where no weight is negative.
fn has_single_score(node: &NodeProto, classes: usize, base_values: usize) -> bool {
    let is_first = attribute(node, "class_ids").is_some_and(|a| a.ints.iter().all(|id| *id == 0));
    let transformed = match transformation(node) {
        b"NONE" => has_positive_weights(node),
        b"LOGISTIC" => !has_positive_weights(node),
        _ => false,
    };
    classes == 2 && base_values <= 1 && is_first && transformed
}

fn has_positive_weights(node: &NodeProto) -> bool {
    attribute(node, "class_weights").is_some_and(|a| a.floats.iter().all(|w| *w >= 0.0))
}

/// Rewrites the ensembles of a graph that [`check`] has accepted.
pub(super) fn rewrite(graph: &mut GraphProto) {
    let mut nodes = Vec::with_capacity(graph.node.len());
    for mut node in std::mem::take(&mut graph.node) {
        for attribute in &mut node.attribute {
            attribute.g.iter_mut().chain(&mut attribute.graphs).for_each(rewrite);
        }
        if node.op_type == "TreeEnsembleClassifier" {
            rewrite_node(node, &mut nodes, &mut graph.initializer);
        } else {
            nodes.push(node);
        }
    }
    graph.node = nodes;
}

fn rewrite_node(mut trees: NodeProto, nodes: &mut Vec<NodeProto>, constants: &mut Vec<TensorProto>) {
    let has_two_classes = classes(&trees) == 2;
    let transform = match transformation(&trees) {
        b"LOGISTIC" => Some("Sigmoid"),
        b"SOFTMAX" => Some("Softmax"),
        _ => None,
    };
    if !has_two_classes && transform.is_none() {
        nodes.push(trees);
        return;
    }
    let label = trees.output.first().cloned().unwrap_or_default();
    let scores = trees.output.get(1).filter(|name| !name.is_empty()).cloned();
    let scores = scores.unwrap_or_else(|| format!("{label}:scores"));
    let sums = format!("{scores}:sums");
    if has_two_classes {
        second_of_two(&mut trees);
    }
    trees.attribute.retain(|a| a.name != "post_transform");
    trees.output = vec![label, sums.clone()];
    nodes.push(trees);
    if has_two_classes {
        nodes.extend(both_scores(&sums, transform, &scores));
        constants.extend([column_index(&scores), one(&scores)]);
    } else if let Some(transform) = transform {
        nodes.push(node(transform, &[&sums], &scores));
    }
}

/// The nodes that compute the score of the second class, and one minus it for the first.
fn both_scores(sums: &str, transform: Option<&str>, scores: &str) -> Vec<NodeProto> {
    let name = |part: &str| format!("{scores}:{part}");
    let sum = if transform.is_some() { name("sum") } else { name("second") };
    let mut nodes = vec![node("Gather", &[sums, &name("column")], &sum)];
    nodes.extend(transform.map(|transform| node(transform, &[&sum], &name("second"))));
    nodes.push(node("Sub", &[&name("one"), &name("second")], &name("first")));
    nodes.push(node("Concat", &[&name("first"), &name("second")], scores));
    nodes
}

fn column_index(scores: &str) -> TensorProto {
    let name = format!("{scores}:column");
    let data_type = DataType::Int64.into();
    TensorProto { name, dims: vec![1], data_type, int64_data: vec![1], ..TensorProto::default() }
}

fn one(scores: &str) -> TensorProto {
    let name = format!("{scores}:one");
    let data_type = DataType::Float.into();
    TensorProto { name, dims: vec![1, 1], data_type, float_data: vec![1.0], ..TensorProto::default() }
}

/// Moves the one score to the second class and gives the first class the threshold as its score.
fn second_of_two(trees: &mut NodeProto) {
    let threshold = if transformation(trees) == b"LOGISTIC" { 0.0 } else { 0.5 };
    let base = attribute(trees, "base_values").and_then(|a| a.floats.first()).copied().unwrap_or_default();
    trees.attribute.retain(|a| a.name != "base_values");
    trees.attribute.push(AttributeProto {
        name: "base_values".into(),
        r#type: AttributeType::Floats.into(),
        floats: vec![threshold, base],
        ..AttributeProto::default()
    });
    for attribute in trees.attribute.iter_mut().filter(|a| a.name == "class_ids") {
        attribute.ints.fill(1);
    }
}

/// A node; those that have an axis work along the columns.
fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    let axis =
        AttributeProto { name: "axis".into(), r#type: AttributeType::Int.into(), i: 1, ..AttributeProto::default() };
    NodeProto {
        name: output.to_owned(),
        op_type: operator.to_owned(),
        input: inputs.iter().map(ToString::to_string).collect(),
        output: vec![output.to_owned()],
        attribute: if matches!(operator, "Sigmoid" | "Sub") { vec![] } else { vec![axis] },
        ..NodeProto::default()
    }
}
