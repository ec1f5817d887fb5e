//! The graph cut into sub-topologies at repartitions. A task runs one sub-topology on one partition;
//! sub-topologies are connected by topics only.

use super::logical::{Logical, LogicalNode, LogicalOutput, NodeId, NodeRef, Port};
use super::op::{Op, RepartitionPlan, RowsId, SourcePlan};
use crate::diagnostics::{Diagnostic, Report};
use crate::expr::{Expr, Functions, Scope};
use crate::spec::{Delivery, ErrorPolicy, Spec, TopicCreation};
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
    /// The sub-topologies, producers before consumers.
    pub subs: Vec<SubTopology>,
    /// The delivery guarantee.
    pub delivery: Delivery,
    /// Maximum time between commits.
    pub commit_every: Duration,
    /// What happens to bad records.
    pub errors: ErrorPolicy,
    /// The bound on the committed state of all tasks of an instance, in bytes.
    pub memory_limit: Option<u64>,
    /// How many more instances keep a copy of the state of each task.
    pub standby: u32,
    /// How its topics are made on Kafka; the default elsewhere.
    pub topics: TopicCreation,
}

impl Physical {
    /// Inserts an operator of the embedding program between a step and what reads its main output. The operator
    /// must emit the columns that it receives, because the steps downstream were compiled for them.
    ///
    /// # Errors
    /// The name, if no step has it or the step has no main output.
    pub fn insert_after(&mut self, step: &str, name: &str, kind: &'static str) -> Result<(), String> {
        let found = self.subs.iter_mut().find_map(|s| {
            let at = s.nodes.iter().position(|n| n.name == step && !n.outputs.is_empty());
            at.map(|at| (s, at))
        });
        let Some((sub, at)) = found else { return Err(step.to_owned()) };
        let before = NodeInput::Node(at, Port(0));
        for node in &mut sub.nodes[at + 1..] {
            for input in &mut node.from {
                *input = match *input {
                    from if from == before => NodeInput::Node(at + 1, Port(0)),
                    NodeInput::Node(n, port) if n > at => NodeInput::Node(n + 1, port),
                    from => from,
                };
            }
        }
        let outputs = vec![OutputPlan { name: None, ..sub.nodes[at].outputs[0].clone() }];
        sub.nodes[at].outputs[0].readers = 1;
        let node = NodePlan { name: name.to_owned(), was: None, op: Op::Custom(kind), from: vec![before], outputs };
        sub.nodes.insert(at + 1, node);
        Ok(())
    }

    /// Lets a step begin without its state: rows on their way to it that an earlier version of the file has sent become
    /// dead letters.
    pub fn start_over(&mut self, step: &str) {
        let topic = format!("{}.{}.by", self.name, self.state_name(step));
        for input in self.subs.iter_mut().flat_map(|s| &mut s.inputs) {
            if let InputPlan::Repartition(r) = input
                && *r.topic == *topic
            {
                r.discards_earlier = true;
            }
        }
    }

    /// Whether a topic is a repartition topic of this pipeline.
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
    /// Its inputs. A task reads the partition with its number of each.
    pub inputs: Vec<InputPlan>,
    /// Its operators, each after its inputs.
    pub nodes: Vec<NodePlan>,
}

/// A topic that tasks read.
#[derive(Clone, Debug)]
pub enum InputPlan {
    /// A source of the file.
    Source(SourcePlan),
    /// Rows that another sub-topology sends by key.
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
    /// The columns of the rows.
    pub schema: SchemaRef,
    /// The sub-topology that writes it.
    pub from: SubId,
    /// Whether all rows go to one partition because the group has no key.
    pub single: bool,
    /// Which rows it holds.
    pub rows: RowsId,
    /// Whether rows of an earlier version of the file become dead letters; otherwise they end the run.
    pub discards_earlier: bool,
}

/// An input of a node, within its sub-topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeInput {
    /// An input of the sub-topology, by its number.
    Input(usize),
    /// An output of an earlier node.
    Node(usize, Port),
}

/// One operator of a sub-topology.
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// Its name.
    pub name: String,
    /// The name under which its state is kept, where that is another.
    pub was: Option<String>,
    /// What it does.
    pub op: Op,
    /// Its inputs.
    pub from: Vec<NodeInput>,
    /// Its outputs.
    pub outputs: Vec<OutputPlan>,
}

/// One output of a node.
#[derive(Clone, Debug)]
pub struct OutputPlan {
    /// The name of an extra output.
    pub name: Option<String>,
    /// Its columns.
    pub schema: SchemaRef,
    /// How many steps read it.
    pub readers: usize,
}

/// Cuts a graph into sub-topologies.
pub(super) fn lower(spec: &Spec, mut logical: Logical) -> Result<Physical, Report> {
    let mut report = Report::new(spec.source.clone());
    let cuts = insert_repartitions(&spec.name, &mut logical);
    let components = components(&logical, &cuts);
    let Some(order) = order(&logical, &cuts, &components, &mut report) else { return Err(report) };
    let graph = CutGraph { logical: &logical, cuts: &cuts, components: &components, order: &order };
    let subs = (0..order.len()).map(|i| graph.sub_topology(i)).collect();
    report.finish(Some(Physical {
        name: spec.name.value.clone(),
        subs,
        delivery: spec.delivery,
        commit_every: spec.commit_every,
        errors: spec.errors,
        memory_limit: spec.state.memory_limit,
        standby: spec.state.standby,
        topics: spec.kafka.as_ref().map(|kafka| kafka.topics.clone()).unwrap_or_default(),
    }))
}

/// A repartition, and the node whose input it replaces.
struct RepartitionCut {
    topic: Arc<str>,
    writer: NodeId,
    reader: NodeId,
    schema: SchemaRef,
    single: bool,
    rows: RowsId,
}

/// Inserts a repartition before each node whose input is not partitioned by the key that it needs.
fn insert_repartitions(pipeline: &str, logical: &mut Logical) -> Vec<RepartitionCut> {
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
        let reading = &logical.nodes[reader];
        let name = format!("{}.by", reading.was.as_ref().unwrap_or(&reading.name));
        let topic: Arc<str> = format!("{pipeline}.{name}").into();
        let rows = RowsId::of(&key, &input.schema);
        let plan = RepartitionPlan { topic: topic.clone(), by: by.collect(), schema: input.schema.clone(), rows };
        let span = logical.nodes[reader].span;
        let writer = NodeId(logical.nodes.len());
        let output = LogicalOutput { name: None, schema: input.schema.clone(), key: Some(key.clone()) };
        let op = Op::Repartition(plan);
        let (inputs, outputs) = (vec![from], vec![output]);
        logical.nodes.push(LogicalNode { name, was: None, op, inputs, outputs, needs_key: None, span });
        logical.nodes[reader].inputs[0] = NodeRef::Node(writer, Port(0));
        cuts.push(RepartitionCut {
            topic,
            writer,
            reader: NodeId(reader),
            schema: input.schema,
            single: key.is_empty(),
            rows,
        });
    }
    cuts
}

/// The component of each source and each node. Two of them share one if they are connected without crossing a cut.
struct Components {
    sources: Vec<usize>,
    nodes: Vec<usize>,
}

fn components(logical: &Logical, cuts: &[RepartitionCut]) -> Components {
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
    Components { sources: roots[..sources].to_vec(), nodes: roots[sources..].to_vec() }
}

/// The components, producers first. Reports one that depends on its own result.
fn order(
    logical: &Logical,
    cuts: &[RepartitionCut],
    components: &Components,
    report: &mut Report,
) -> Option<Vec<usize>> {
    let mut producers: BTreeMap<usize, Vec<usize>> = components.nodes.iter().map(|c| (*c, Vec::new())).collect();
    for cut in cuts {
        let (from, to) = (components.nodes[cut.writer.0], components.nodes[cut.reader.0]);
        producers.entry(to).or_default().push(from);
    }
    let mut order: Vec<usize> = Vec::new();
    while order.len() < producers.len() {
        let next = producers.iter().find(|(c, from)| !order.contains(c) && from.iter().all(|f| order.contains(f)));
        let Some((component, _)) = next else {
            if let Some(cut) = cuts.iter().find(|c| !order.contains(&components.nodes[c.reader.0])) {
                let node = &logical.nodes[cut.reader.0];
                let message = format!("the result of `{}` is combined with rows that it is computed from", node.name);
                let hint = "write it to a topic of its own and read that in a second pipeline";
                report.push(Diagnostic::at(node.span, message).hint(hint));
            }
            return None;
        };
        order.push(*component);
    }
    Some(order)
}

/// A graph with its cuts, and the components in the order of their sub-topologies.
struct CutGraph<'a> {
    logical: &'a Logical,
    cuts: &'a [RepartitionCut],
    components: &'a Components,
    order: &'a [usize],
}

impl CutGraph<'_> {
    fn sub_topology(&self, index: usize) -> SubTopology {
        let component = self.order[index];
        let (inputs, mut resolved) = self.inputs(component);
        let mut nodes: Vec<NodePlan> = Vec::new();
        let mut pending: Vec<usize> =
            (0..self.logical.nodes.len()).filter(|n| self.components.nodes[*n] == component).collect();
        while !pending.is_empty() {
            let is_ready = |n: &usize| self.logical.nodes[*n].inputs.iter().all(|i| resolved.contains_key(i));
            let ready = pending.iter().position(is_ready);
            let n = pending.remove(ready.expect("validation and the order of components leave no cycle"));
            let node = &self.logical.nodes[n];
            for port in (0..node.outputs.len()).map(Port) {
                let output = NodeRef::Node(NodeId(n), port);
                resolved.entry(output).or_insert(NodeInput::Node(nodes.len(), port));
            }
            nodes.push(NodePlan {
                name: node.name.clone(),
                was: node.was.clone(),
                op: node.op.clone(),
                from: node.inputs.iter().map(|i| resolved[i]).collect(),
                outputs: self.outputs(n),
            });
        }
        SubTopology { id: sub_id(index), inputs, nodes }
    }

    /// The inputs of a component, and the output in the graph that each of them stands for.
    fn inputs(&self, component: usize) -> (Vec<InputPlan>, BTreeMap<NodeRef, NodeInput>) {
        let (mut inputs, mut resolved) = (Vec::new(), BTreeMap::new());
        for (s, (source, _)) in self.logical.sources.iter().enumerate() {
            if self.components.sources[s] == component {
                resolved.insert(NodeRef::Source(s), NodeInput::Input(inputs.len()));
                inputs.push(InputPlan::Source(source.clone()));
            }
        }
        for cut in self.cuts.iter().filter(|c| self.components.nodes[c.reader.0] == component) {
            let writer = self.components.nodes[cut.writer.0];
            resolved.insert(NodeRef::Node(cut.writer, Port(0)), NodeInput::Input(inputs.len()));
            inputs.push(InputPlan::Repartition(RepartitionInput {
                name: self.logical.nodes[cut.writer.0].name.clone(),
                topic: cut.topic.clone(),
                schema: cut.schema.clone(),
                from: sub_id(self.order.iter().position(|c| *c == writer).unwrap_or(0)),
                single: cut.single,
                rows: cut.rows,
                discards_earlier: false,
            }));
        }
        (inputs, resolved)
    }

    /// The outputs of a node. That of a repartition has no readers here, because its rows leave through the topic.
    fn outputs(&self, n: usize) -> Vec<OutputPlan> {
        let is_cut = self.cuts.iter().any(|c| c.writer == NodeId(n));
        let readers = |port: usize| {
            let output = NodeRef::Node(NodeId(n), Port(port));
            self.logical.nodes.iter().flat_map(|r| &r.inputs).filter(|i| **i == output).count()
        };
        let outputs = self.logical.nodes[n].outputs.iter().enumerate();
        let plan = |(port, output): (usize, &LogicalOutput)| OutputPlan {
            name: output.name.clone(),
            schema: output.schema.clone(),
            readers: if is_cut { 0 } else { readers(port) },
        };
        outputs.map(plan).collect()
    }
}

fn sub_id(index: usize) -> SubId {
    SubId(u32::try_from(index).unwrap_or(0))
}
