//! The graph of a pipeline: every name resolved, every expression compiled, not yet cut into sub-topologies.

use super::op::{Op, SourcePlan};
use crate::diagnostics::Span;
use arrow_schema::SchemaRef;

/// The number of a node in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// The number of an output of a node; 0 is the main one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(pub usize);

/// A source, or an output of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeRef {
    /// The rows of a source, by its number.
    Source(usize),
    /// An output of a node.
    Node(NodeId, Port),
}

/// One output of a node.
#[derive(Clone, Debug)]
pub struct LogicalOutput {
    /// The name of an extra output.
    pub name: Option<String>,
    /// Its columns.
    pub schema: SchemaRef,
    /// The columns by which the rows are partitioned, if that is known.
    pub key: Option<Vec<String>>,
}

/// One operator.
#[derive(Clone, Debug)]
pub struct LogicalNode {
    /// Its name.
    pub name: String,
    /// The name under which its state is kept, where that is another.
    pub was: Option<String>,
    /// What it does.
    pub op: Op,
    /// Its inputs.
    pub inputs: Vec<NodeRef>,
    /// Its outputs.
    pub outputs: Vec<LogicalOutput>,
    /// The key by which its input must be partitioned, if it keeps state by key.
    pub needs_key: Option<Vec<String>>,
    /// Its span in the file.
    pub span: Span,
}

/// A resolved pipeline.
#[derive(Clone, Debug)]
pub struct Logical {
    /// The sources, with their rows.
    pub sources: Vec<(SourcePlan, LogicalOutput)>,
    /// The steps and sinks, each after its inputs.
    pub nodes: Vec<LogicalNode>,
}

impl Logical {
    /// The output that a reference refers to.
    #[must_use]
    pub fn output(&self, at: NodeRef) -> &LogicalOutput {
        match at {
            NodeRef::Source(i) => &self.sources[i].1,
            NodeRef::Node(node, port) => &self.nodes[node.0].outputs[port.0],
        }
    }
}
