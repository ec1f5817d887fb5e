//! The graph with every name resolved and every expression compiled, not yet cut into tasks.
//!
//! Separate from the physical plan because it is what the file means, whatever runs it.

use super::op::{Op, SourcePlan};
use crate::diagnostics::Span;
use arrow_schema::SchemaRef;

/// The number of a node in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// The number of an output of a node; 0 is the main one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(pub usize);

/// An output of a source or of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeRef {
    /// The rows of a source, by its number.
    Source(usize),
    /// An output of a node.
    Node(NodeId, Port),
}

/// One output of a node.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its name, for extra outputs.
    pub name: Option<String>,
    /// Its columns.
    pub schema: SchemaRef,
    /// The columns by which rows are partitioned, where that is known.
    pub key: Option<Vec<String>>,
}

/// One operator.
#[derive(Clone, Debug)]
pub struct LogicalNode {
    /// Its name.
    pub name: String,
    /// What it does.
    pub op: Op,
    /// What it reads.
    pub inputs: Vec<NodeRef>,
    /// What it gives.
    pub outputs: Vec<Output>,
    /// The key by which its input must be partitioned, where it keeps state by key.
    pub needs_key: Option<Vec<String>>,
    /// Where it stands in the file.
    pub span: Span,
}

/// A resolved pipeline.
#[derive(Clone, Debug)]
pub struct Logical {
    /// The sources, with the columns that their record key repeats.
    pub sources: Vec<(SourcePlan, Output)>,
    /// The steps and sinks, each after what it reads.
    pub nodes: Vec<LogicalNode>,
}

impl Logical {
    /// The output that a reference means.
    #[must_use]
    pub fn output(&self, at: NodeRef) -> &Output {
        match at {
            NodeRef::Source(i) => &self.sources[i].1,
            NodeRef::Node(node, port) => &self.nodes[node.0].outputs[port.0],
        }
    }
}
