//! A plan for people: as text with its sub-topologies, as DOT or as Mermaid. The same plan always gives the same text.

use super::logical::Port;
use super::op::{Op, sqls};
use super::physical::{InputPlan, NodeInput, NodePlan, Physical, SubTopology};
use crate::record::type_name;
use arrow_schema::SchemaRef;
use std::fmt::Write;

fn columns(schema: &SchemaRef) -> String {
    let all: Vec<_> = schema.fields().iter().map(|f| format!("{}: {}", f.name(), type_name(f.data_type()))).collect();
    all.join(", ")
}

pub(super) fn input_name(sub: &SubTopology, input: NodeInput) -> String {
    match input {
        NodeInput::Input(i) => sub.inputs[i].name().to_owned(),
        NodeInput::Node(n, Port(p)) => match &sub.nodes[n].outputs[p].name {
            Some(output) => format!("{}.{output}", sub.nodes[n].name),
            None => sub.nodes[n].name.clone(),
        },
    }
}

/// The plan as text.
#[must_use]
pub fn text(plan: &Physical) -> String {
    let mut out = String::new();
    let mut line = |s: String| writeln!(out, "{s}").expect("a string takes all writes");
    line(format!("pipeline {}", plan.name));
    for sub in &plan.subs {
        line(format!("sub-topology {}", sub.id.0));
        for input in &sub.inputs {
            let (kind, schema) = match input {
                InputPlan::Source(s) => ("source", &s.schema),
                InputPlan::Repartition(r) => ("repartitioned", &r.schema),
            };
            line(format!("  {kind} {} (topic {})", input.name(), input.topic()));
            line(format!("    columns {}", columns(schema)));
        }
        for node in &sub.nodes {
            let from: Vec<_> = node.from.iter().map(|f| input_name(sub, *f)).collect();
            let summary = node.op.summary();
            let summary = if summary.is_empty() { String::new() } else { format!(": {summary}") };
            line(format!("  {} {} <- {}{summary}", node.op.kind(), node.name, from.join(", ")));
            if node.op.stateful() {
                line(format!("    state in topic {}", plan.state_topic(&node.name)));
            }
            for output in &node.outputs {
                let name = output.name.as_ref().map_or(String::new(), |n| format!(" of output `{n}`"));
                line(format!("    columns{name} {}", columns(&output.schema)));
            }
        }
    }
    out
}

/// The boxes and arrows of a plan, the same for DOT and Mermaid.
struct Drawing {
    /// The identifier and label of each operator, by sub-topology.
    groups: Vec<Vec<(String, String)>>,
    topics: Vec<(String, String)>,
    arrows: Vec<(String, String, Option<String>)>,
}

fn drawing(plan: &Physical) -> Drawing {
    let mut d = Drawing { groups: Vec::new(), topics: Vec::new(), arrows: Vec::new() };
    let mut topic = |name: &str| {
        if let Some((id, _)) = d.topics.iter().find(|(_, n)| n == name) {
            return id.clone();
        }
        let id = format!("t{}", d.topics.len());
        d.topics.push((id.clone(), name.to_owned()));
        id
    };
    for sub in &plan.subs {
        let mut group = Vec::new();
        let id = |n: usize| format!("s{}n{n}", sub.id.0);
        for (n, node) in sub.nodes.iter().enumerate() {
            // A sink is drawn as its topic, not as a box of its own.
            if let Op::Sink(s) = &node.op {
                for input in &node.from {
                    let to = topic(&s.topic);
                    d.arrows.push(arrow(sub, *input, &mut topic, to));
                }
                continue;
            }
            if let Op::Repartition(r) = &node.op {
                let to = topic(&r.topic);
                d.arrows.push((id(n), to, None));
            }
            group.push((id(n), label(node)));
            for input in &node.from {
                d.arrows.push(arrow(sub, *input, &mut topic, id(n)));
            }
        }
        d.groups.push(group);
    }
    d
}

fn label(node: &NodePlan) -> String {
    if let Op::Repartition(r) = &node.op {
        return format!("repartition by {}", sqls(&r.by));
    }
    let (kind, name, summary) = (node.op.kind(), &node.name, node.op.summary());
    if summary.is_empty() { format!("{kind}\\n{name}") } else { format!("{kind} {name}\\n{summary}") }
}

fn arrow(
    sub: &SubTopology,
    input: NodeInput,
    topic: &mut impl FnMut(&str) -> String,
    to: String,
) -> (String, String, Option<String>) {
    match input {
        NodeInput::Input(i) => (topic(sub.inputs[i].topic()), to, None),
        NodeInput::Node(n, Port(p)) => (format!("s{}n{n}", sub.id.0), to, sub.nodes[n].outputs[p].name.clone()),
    }
}

/// The plan as a DOT graph.
#[must_use]
pub fn dot(plan: &Physical) -> String {
    let d = drawing(plan);
    let quote = |s: &str| s.replace('"', "\\\"");
    let mut out = format!("digraph \"{}\" {{\n  rankdir=LR;\n  node [shape=box, style=rounded];\n", quote(&plan.name));
    let mut line = |s: String| writeln!(out, "{s}").expect("a string takes all writes");
    for (id, name) in &d.topics {
        line(format!("  {id} [label=\"{}\", shape=cylinder, style=\"\"];", quote(name)));
    }
    for (i, group) in d.groups.iter().enumerate() {
        line(format!("  subgraph cluster_{i} {{\n    label=\"sub-topology {i}\";"));
        for (id, label) in group {
            line(format!("    {id} [label=\"{}\"];", quote(label)));
        }
        line("  }".into());
    }
    for (from, to, label) in &d.arrows {
        let label = label.as_ref().map_or(String::new(), |l| format!(" [label=\"{}\"]", quote(l)));
        line(format!("  {from} -> {to}{label};"));
    }
    out.push_str("}\n");
    out
}

/// The plan as a Mermaid flowchart.
#[must_use]
pub fn mermaid(plan: &Physical) -> String {
    let d = drawing(plan);
    let quote = |s: &str| s.replace('"', "#quot;").replace("\\n", "<br>");
    let mut out = String::from("flowchart LR\n");
    let mut line = |s: String| writeln!(out, "{s}").expect("a string takes all writes");
    for (id, name) in &d.topics {
        line(format!("  {id}[(\"{}\")]", quote(name)));
    }
    for (i, group) in d.groups.iter().enumerate() {
        line(format!("  subgraph sub{i} [\"sub-topology {i}\"]"));
        for (id, label) in group {
            line(format!("    {id}[\"{}\"]", quote(label)));
        }
        line("  end".into());
    }
    for (from, to, label) in &d.arrows {
        match label {
            Some(label) => line(format!("  {from} -- \"{}\" --> {to}", quote(label))),
            None => line(format!("  {from} --> {to}")),
        }
    }
    out
}
