//! What the state of each step of a plan means, and what its rows have passed before.
//!
//! A definition is the text of the file: an edit that changes nothing but its form (spaces, the names of results)
//! keeps state, one that may change a value does not.

use super::logical::Port;
use super::op::{Op, SourcePlan};
use super::physical::{InputPlan, NodeInput, NodePlan, Physical, SubTopology};
use crate::expr::digest;
use crate::metrics::{STATE_VERSION, StateRecord};
use std::collections::BTreeMap;

impl Physical {
    /// The state of each step that has one, by the name under which it is kept.
    #[must_use]
    pub fn states(&self) -> BTreeMap<String, StateRecord> {
        let nodes = self.subs.iter().flat_map(|sub| (0..sub.nodes.len()).map(move |n| (sub, n)));
        let stateful = nodes.filter_map(|(sub, n)| {
            let node = &sub.nodes[n];
            let record = StateRecord {
                version: STATE_VERSION,
                identity: node.op.identity()?,
                before: self.before(sub, n),
                step: node.was.is_some().then(|| node.name.clone()),
                left_at: None,
            };
            Some((node.state_name().to_owned(), record))
        });
        stateful.collect()
    }

    /// Digests of the definitions of everything before a node.
    fn before(&self, sub: &SubTopology, node: usize) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut open: Vec<(&SubTopology, NodeInput)> = sub.nodes[node].from.iter().map(|from| (sub, *from)).collect();
        while let Some((sub, input)) = open.pop() {
            let node = match input {
                NodeInput::Node(n, _) => Some((sub, &sub.nodes[n])),
                NodeInput::Input(i) => match &sub.inputs[i] {
                    InputPlan::Source(source) => {
                        found.insert(format!("source {}", source.name), digest(&source_definition(source)));
                        None
                    }
                    InputPlan::Repartition(r) => {
                        let sender = self.subs.iter().find(|s| s.id == r.from);
                        sender.and_then(|s| Some((s, s.nodes.iter().find(|n| n.name == r.name)?)))
                    }
                },
            };
            let Some((sub, node)) = node else { continue };
            // Whether rows travel through a topic says nothing about them.
            let is_new = matches!(node.op, Op::Repartition(_))
                || found.insert(node.state_name().to_owned(), digest(&node_definition(sub, node))).is_none();
            if is_new {
                open.extend(node.from.iter().map(|from| (sub, *from)));
            }
        }
        found
    }
}

fn source_definition(source: &SourcePlan) -> String {
    let SourcePlan { name: _, topic, format, schema, event_time, watermark, tombstones } = source;
    let time = event_time.as_ref().map(|e| e.definition());
    format!("{topic} {format:?} {:?} {time:?} {watermark:?} {tombstones:?}", schema.fields())
}

fn node_definition(sub: &SubTopology, node: &NodePlan) -> String {
    let from: Vec<String> = node.from.iter().map(|input| input_name(sub, *input)).collect();
    format!("{} of {}: {}", node.op.kind(), from.join(", "), node.op.definition())
}

/// The name of an input by which a definition refers to it. A step that is renamed with `was:` keeps its first name here,
/// so that the steps behind it mean the same.
fn input_name(sub: &SubTopology, input: NodeInput) -> String {
    match input {
        NodeInput::Input(_) => super::explain::input_name(sub, input),
        NodeInput::Node(n, Port(p)) => match &sub.nodes[n].outputs[p].name {
            Some(output) => format!("{}.{output}", sub.nodes[n].state_name()),
            None => sub.nodes[n].state_name().to_owned(),
        },
    }
}
