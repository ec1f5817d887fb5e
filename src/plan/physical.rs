//! The graph cut into sub-topologies at repartitions: what one task runs.
//!
//! Separate from the logical plan because tasks, internal topics and state follow from the cut. A task is
//! a sub-topology on one partition; sub-topologies meet only through topics.

use super::logical::{Logical, LogicalNode, NodeId, NodeRef, Output, Port};
use super::op::{Op, RepartitionPlan, SourcePlan};
use crate::diagnostics::{Diagnostic, Report};
use crate::expr::{Expr, Functions, Scope};
use crate::spec::{Delivery, ErrorPolicy, Spec};
use arrow_schema::SchemaRef;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The number of a sub-topology; producers come before consumers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubId(pub u32);

/// A pipeline ready to run.
#[derive(Clone, Debug)]
pub struct Physical {
    /// Application id.
    pub name: String,
    /// The parts, producers before consumers.
    pub subs: Vec<SubTopology>,
    /// What a reader may see after a fault.
    pub delivery: Delivery,
    /// Longest time between commits.
    pub commit_every: Duration,
    /// What happens to records that cannot be handled.
    pub errors: ErrorPolicy,
    /// Bound on queues, windows and models together.
    pub memory_limit: Option<u64>,
    /// Further instances that keep a copy of the state of each task.
    pub standby: u32,
}

impl Physical {
    /// Where records go that cannot be handled.
    #[must_use]
    pub fn dead_topic(&self) -> String {
        format!("{}.dead", self.name)
    }

    /// The compacted topic that holds the state of a step.
    #[must_use]
    pub fn state_topic(&self, step: &str) -> String {
        format!("{}.{step}.state", self.name)
    }

    /// Puts an operator of the embedding program behind the main output of a step; what read the step reads
    /// the new one from now on. It gives the columns that it is given: what stands behind was compiled for them.
    ///
    /// # Errors
    /// The name, where there is no such step or it has no main output.
    pub fn insert_after(&mut self, step: &str, name: &str, kind: &'static str) -> Result<(), String> {
        let found = self.subs.iter_mut().find_map(|s| {
            let at = s.nodes.iter().position(|n| n.name == step && !n.outputs.is_empty());
            at.map(|at| (s, at))
        });
        let Some((sub, at)) = found else { return Err(step.to_owned()) };
        let before = Feed::Node(at, Port(0));
        for node in &mut sub.nodes[at + 1..] {
            for feed in &mut node.from {
                *feed = match *feed {
                    f if f == before => Feed::Node(at + 1, Port(0)),
                    Feed::Node(n, port) if n > at => Feed::Node(n + 1, port),
                    other => other,
                };
            }
        }
        let outputs = vec![OutputPlan { name: None, ..sub.nodes[at].outputs[0].clone() }];
        sub.nodes[at].outputs[0].readers = 1;
        let node = NodePlan { name: name.to_owned(), op: Op::Custom(kind), from: vec![before], outputs };
        sub.nodes.insert(at + 1, node);
        Ok(())
    }

    /// Whether a topic is one that this pipeline keeps for itself.
    #[must_use]
    pub fn is_repartition(&self, topic: &str) -> bool {
        self.subs.iter().flat_map(|s| &s.inputs).any(|i| matches!(i, InputPlan::Repartition(r) if *r.topic == *topic))
    }
}

/// A connected part of the graph.
#[derive(Clone, Debug)]
pub struct SubTopology {
    /// Its number.
    pub id: SubId,
    /// What it reads; partitions with the same number meet in one task.
    pub inputs: Vec<InputPlan>,
    /// Its operators, each after what it reads.
    pub nodes: Vec<NodePlan>,
}

/// A topic that tasks read.
#[derive(Clone, Debug)]
pub enum InputPlan {
    /// A source of the file.
    Source(SourcePlan),
    /// Records that another sub-topology sent here by key.
    Repartition(RepartitionInput),
}

impl InputPlan {
    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &Arc<str> {
        match self {
            Self::Source(s) => &s.topic,
            Self::Repartition(r) => &r.topic,
        }
    }

    /// The name in statistics.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Source(s) => &s.name,
            Self::Repartition(r) => &r.name,
        }
    }
}

/// The reading end of a repartition.
#[derive(Clone, Debug)]
pub struct RepartitionInput {
    /// `STEP.by`.
    pub name: String,
    /// The internal topic.
    pub topic: Arc<str>,
    /// The columns that travel.
    pub schema: SchemaRef,
    /// Who writes it.
    pub from: SubId,
    /// All rows meet in one partition, as the group has no key.
    pub single: bool,
}

/// Where a node's rows come from, within its sub-topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    /// An input, by its number.
    Input(usize),
    /// An output of an earlier node.
    Node(usize, Port),
}

/// One operator of a sub-topology.
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// Its name.
    pub name: String,
    /// What it does.
    pub op: Op,
    /// What it reads.
    pub from: Vec<Feed>,
    /// What it gives.
    pub outputs: Vec<OutputPlan>,
}

/// One output of a node.
#[derive(Clone, Debug)]
pub struct OutputPlan {
    /// Its name, for extra outputs.
    pub name: Option<String>,
    /// Its columns.
    pub schema: SchemaRef,
    /// How many steps read it.
    pub readers: usize,
}

/// Cuts the graph.
pub(super) fn lower(spec: &Spec, mut logical: Logical) -> Result<Physical, Report> {
    let mut report = Report::new(spec.source.clone());
    let cuts = insert_repartitions(&spec.name, &mut logical);
    let parts = components(&logical, &cuts);
    let Some(order) = order(&logical, &cuts, &parts, &mut report) else { return Err(report) };
    let subs = order.iter().enumerate().map(|(i, part)| build(i, *part, &order, &logical, &cuts, &parts)).collect();
    report.finish(Some(Physical {
        name: spec.name.value.clone(),
        subs,
        delivery: spec.delivery,
        commit_every: spec.commit_every,
        errors: spec.errors,
        memory_limit: spec.state.memory_limit,
        standby: spec.state.standby,
    }))
}

/// A repartition node and the node whose input it feeds.
struct Cut {
    writer: NodeId,
    reader: NodeId,
    schema: SchemaRef,
    single: bool,
}

/// Puts a repartition before each node whose input is not partitioned by the key that it needs.
fn insert_repartitions(pipeline: &str, logical: &mut Logical) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for reader in 0..logical.nodes.len() {
        let Some(key) = logical.nodes[reader].needs_key.clone() else { continue };
        let from = logical.nodes[reader].inputs[0];
        let input = logical.output(from).clone();
        if !key.is_empty() && input.key.as_ref() == Some(&key) {
            continue;
        }
        let scope = Scope::new(input.schema.clone());
        let by = key.iter().map(|c| {
            let quoted = format!("\"{}\"", c.replace('"', "\"\""));
            Expr::compile(&quoted, &scope, &Functions::new())
                .expect("the step that needs the key has resolved its columns")
        });
        let name = format!("{}.by", logical.nodes[reader].name);
        let topic: Arc<str> = format!("{pipeline}.{name}").into();
        let plan = RepartitionPlan { topic, by: by.collect(), schema: input.schema.clone() };
        let span = logical.nodes[reader].span;
        let writer = NodeId(logical.nodes.len());
        let output = Output { name: None, schema: input.schema.clone(), key: Some(key.clone()) };
        let op = Op::Repartition(plan);
        logical.nodes.push(LogicalNode { name, op, inputs: vec![from], outputs: vec![output], needs_key: None, span });
        logical.nodes[reader].inputs[0] = NodeRef::Node(writer, Port(0));
        cuts.push(Cut { writer, reader: NodeId(reader), schema: input.schema, single: key.is_empty() });
    }
    cuts
}

/// The part that each source and each node belongs to: connected without crossing a cut.
struct Parts {
    sources: Vec<usize>,
    nodes: Vec<usize>,
}

fn components(logical: &Logical, cuts: &[Cut]) -> Parts {
    let sources = logical.sources.len();
    let mut group: Vec<usize> = (0..sources + logical.nodes.len()).collect();
    fn root(group: &[usize], mut i: usize) -> usize {
        while group[i] != i {
            i = group[i];
        }
        i
    }
    for (n, node) in logical.nodes.iter().enumerate() {
        for input in &node.inputs {
            let other = match input {
                NodeRef::Source(s) => *s,
                NodeRef::Node(w, _) if cuts.iter().any(|c| c.writer == *w) => continue,
                NodeRef::Node(w, _) => sources + w.0,
            };
            let (a, b) = (root(&group, other), root(&group, sources + n));
            group[a.max(b)] = a.min(b);
        }
    }
    let roots: Vec<usize> = (0..group.len()).map(|i| root(&group, i)).collect();
    Parts { sources: roots[..sources].to_vec(), nodes: roots[sources..].to_vec() }
}

/// The parts, producers first; a part that would feed itself is reported.
fn order(logical: &Logical, cuts: &[Cut], parts: &Parts, report: &mut Report) -> Option<Vec<usize>> {
    let mut waits: BTreeMap<usize, Vec<usize>> = parts.nodes.iter().map(|p| (*p, Vec::new())).collect();
    for cut in cuts {
        let (from, to) = (parts.nodes[cut.writer.0], parts.nodes[cut.reader.0]);
        waits.entry(to).or_default().push(from);
    }
    let mut order: Vec<usize> = Vec::new();
    while order.len() < waits.len() {
        let next = waits.iter().find(|(p, on)| !order.contains(p) && on.iter().all(|o| order.contains(o)));
        let Some((part, _)) = next else {
            let stuck = cuts.iter().find(|c| !order.contains(&parts.nodes[c.reader.0]));
            if let Some(cut) = stuck {
                let node = &logical.nodes[cut.reader.0];
                let message = format!("the result of `{}` meets rows that it is computed from", node.name);
                let hint = "write it to a topic of its own and read that in a second pipeline";
                report.push(Diagnostic::at(node.span, message).hint(hint));
            }
            return None;
        };
        order.push(*part);
    }
    Some(order)
}

fn build(index: usize, part: usize, order: &[usize], logical: &Logical, cuts: &[Cut], parts: &Parts) -> SubTopology {
    let number = |p: usize| SubId(u32::try_from(order.iter().position(|o| *o == p).unwrap_or(0)).unwrap_or(0));
    let mut inputs = Vec::new();
    let mut feeds: BTreeMap<NodeRef, Feed> = BTreeMap::new();
    for (s, (source, _)) in logical.sources.iter().enumerate().filter(|(s, _)| parts.sources[*s] == part) {
        feeds.insert(NodeRef::Source(s), Feed::Input(inputs.len()));
        inputs.push(InputPlan::Source(source.clone()));
    }
    for cut in cuts.iter().filter(|c| parts.nodes[c.reader.0] == part) {
        let writer = &logical.nodes[cut.writer.0];
        let Op::Repartition(plan) = &writer.op else { continue };
        feeds.insert(NodeRef::Node(cut.writer, Port(0)), Feed::Input(inputs.len()));
        inputs.push(InputPlan::Repartition(RepartitionInput {
            name: writer.name.clone(),
            topic: plan.topic.clone(),
            schema: cut.schema.clone(),
            from: number(parts.nodes[cut.writer.0]),
            single: cut.single,
        }));
    }
    let mut nodes: Vec<NodePlan> = Vec::new();
    let mut left: Vec<usize> = (0..logical.nodes.len()).filter(|n| parts.nodes[*n] == part).collect();
    while !left.is_empty() {
        let ready = left.iter().position(|n| logical.nodes[*n].inputs.iter().all(|i| feeds.contains_key(i)));
        let n = left.remove(ready.expect("the graph has no cycle: the spec and the order of parts were checked"));
        let node = &logical.nodes[n];
        for port in 0..node.outputs.len() {
            let at = NodeRef::Node(NodeId(n), Port(port));
            feeds.entry(at).or_insert(Feed::Node(nodes.len(), Port(port)));
        }
        let readers = |at: NodeRef| logical.nodes.iter().flat_map(|r| &r.inputs).filter(|i| **i == at).count();
        let outputs = node.outputs.iter().enumerate().map(|(p, o)| OutputPlan {
            name: o.name.clone(),
            schema: o.schema.clone(),
            readers: if matches!(node.op, Op::Repartition(_)) { 0 } else { readers(NodeRef::Node(NodeId(n), Port(p))) },
        });
        nodes.push(NodePlan {
            name: node.name.clone(),
            op: node.op.clone(),
            from: node.inputs.iter().map(|i| feeds[i]).collect(),
            outputs: outputs.collect(),
        });
    }
    SubTopology { id: SubId(u32::try_from(index).unwrap_or(0)), inputs, nodes }
}
