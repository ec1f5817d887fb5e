//! More sinks in a plan: one for each source and for each output that a step reads, to topics of their own.

use crate::formats::Format;
use crate::plan::{InputPlan, NodeInput, NodePlan, Op, Physical, Port, SinkPlan, SubId};
use arrow_schema::SchemaRef;

/// One of these sinks.
#[derive(Clone, Debug)]
pub(super) struct Tap {
    sub: SubId,
    at: NodeInput,
    /// The name of an extra output.
    pub(super) output: Option<String>,
    pub(super) schema: SchemaRef,
    /// The topic with the rows.
    pub(super) topic: String,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Taps(Vec<Tap>);

impl Taps {
    /// A plan with taps behind its nodes. Outputs that no step reads are left alone: their rows are counted as filtered
    /// or late.
    pub(super) fn add_to(plan: &Physical) -> (Physical, Self) {
        let (mut plan, mut taps) = (plan.clone(), Self::default());
        let name = plan.name.clone();
        for sub in &mut plan.subs {
            let mut found: Vec<(NodeInput, Option<String>, SchemaRef)> = Vec::new();
            for (number, input) in sub.inputs.iter().enumerate() {
                if let InputPlan::Source(source) = input {
                    found.push((NodeInput::Input(number), None, source.schema.clone()));
                }
            }
            for (number, node) in sub.nodes.iter_mut().enumerate() {
                for (port, output) in node.outputs.iter_mut().enumerate().filter(|(_, output)| output.readers > 0) {
                    if !matches!(node.op, Op::Repartition(_)) {
                        output.readers += 1;
                        let at = NodeInput::Node(number, Port(port));
                        found.push((at, output.name.clone(), output.schema.clone()));
                    }
                }
            }
            for (at, output, schema) in found {
                let topic = format!("{name}.preview.{}", taps.0.len());
                let (format, topic_name) = (Format::Json { strict: false }, topic.as_str().into());
                let sink = SinkPlan { topic: topic_name, key: None, format, schema: schema.clone(), partitions: None };
                let node = NodePlan {
                    name: format!("preview:{}", taps.0.len()),
                    was: None,
                    op: Op::Sink(sink),
                    from: vec![at],
                    outputs: Vec::new(),
                };
                sub.nodes.push(node);
                taps.0.push(Tap { sub: sub.id, at, output, schema, topic });
            }
        }
        (plan, taps)
    }

    /// That of an input.
    pub(super) fn of_input(&self, sub: SubId, input: usize) -> impl Iterator<Item = &Tap> {
        self.0.iter().filter(move |tap| tap.sub == sub && tap.at == NodeInput::Input(input))
    }

    /// Those of a node.
    pub(super) fn of_node(&self, sub: SubId, node: usize) -> impl Iterator<Item = &Tap> {
        self.0.iter().filter(move |tap| tap.sub == sub && matches!(tap.at, NodeInput::Node(n, _) if n == node))
    }
}
