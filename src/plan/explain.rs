//! The plan for people: as text with its sub-topologies, as DOT, as Mermaid.
//!
//! Separate so that plans stay data. The same plan always gives the same text.

use super::logical::Port;
use super::op::{ModelChoice, Op};
use super::physical::{Feed, InputPlan, Physical, SubTopology};
use crate::record::type_name;
use arrow_schema::SchemaRef;
use std::fmt::Write;

fn columns(schema: &SchemaRef) -> String {
    let all: Vec<_> = schema.fields().iter().map(|f| format!("{}: {}", f.name(), type_name(f.data_type()))).collect();
    all.join(", ")
}

/// What an operator does, in a few words.
fn words(op: &Op) -> String {
    match op {
        Op::Filter(p) => p.sql().to_owned(),
        Op::Select(_) | Op::Set(_) | Op::Drop(_) | Op::Rename(_) | Op::Merge | Op::Custom(_) => String::new(),
        Op::Flatten(f) => f.schema.field(f.column).name().clone(),
        Op::KeyBy(by) => sqls(by),
        Op::Branch(predicates) => predicates.iter().map(|p| p.sql()).collect::<Vec<_>>().join(" | "),
        Op::Scan(s) => format!("by [{}]", sqls(&s.by)),
        Op::Window(w) => {
            let size = duration(w.tumbling.size);
            format!("tumbling {size} by [{}], grace {}", sqls(&w.by), duration(w.grace))
        }
        Op::Score(s) => match &s.model {
            ModelChoice::Fixed(data_type) => format!("model `{data_type}`"),
            ModelChoice::By(column) => format!("model by {}", sqls(std::slice::from_ref(column))),
        },
        Op::Log(l) => format!("every {}", l.every),
        Op::Sink(s) => format!("topic {}", s.topic),
        Op::Repartition(r) => format!("topic {} by [{}]", r.topic, sqls(&r.by)),
    }
}

fn duration(millis: i64) -> String {
    humantime::format_duration(std::time::Duration::from_millis(millis.unsigned_abs())).to_string()
}

fn sqls(exprs: &[crate::expr::Expr]) -> String {
    exprs.iter().map(|e| e.column().unwrap_or_else(|| e.sql())).collect::<Vec<_>>().join(", ")
}

fn feed_name(sub: &SubTopology, feed: Feed) -> String {
    match feed {
        Feed::Input(i) => sub.inputs[i].name().to_owned(),
        Feed::Node(n, Port(p)) => match &sub.nodes[n].outputs[p].name {
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
            let from: Vec<_> = node.from.iter().map(|f| feed_name(sub, *f)).collect();
            let words = words(&node.op);
            let words = if words.is_empty() { String::new() } else { format!(": {words}") };
            line(format!("  {} {} <- {}{words}", node.op.kind(), node.name, from.join(", ")));
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

/// Boxes and arrows of a plan, by the names that both drawings use.
struct Drawing {
    /// Identifier and label of each operator, per sub-topology.
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
            let words = words(&node.op);
            let label = match &node.op {
                Op::Sink(s) => {
                    for feed in &node.from {
                        let to = topic(&s.topic);
                        d.arrows.push(arrow(sub, *feed, &mut topic, to));
                    }
                    continue;
                }
                Op::Repartition(r) => {
                    let to = topic(&r.topic);
                    d.arrows.push((id(n), to, None));
                    format!("repartition by {}", sqls(&r.by))
                }
                _ if words.is_empty() => format!("{}\\n{}", node.op.kind(), node.name),
                _ => format!("{} {}\\n{words}", node.op.kind(), node.name),
            };
            group.push((id(n), label));
            for feed in &node.from {
                d.arrows.push(arrow(sub, *feed, &mut topic, id(n)));
            }
        }
        d.groups.push(group);
    }
    d
}

fn arrow(
    sub: &SubTopology,
    feed: Feed,
    topic: &mut impl FnMut(&str) -> String,
    to: String,
) -> (String, String, Option<String>) {
    match feed {
        Feed::Input(i) => (topic(sub.inputs[i].topic()), to, None),
        Feed::Node(n, Port(p)) => (format!("s{}n{n}", sub.id.0), to, sub.nodes[n].outputs[p].name.clone()),
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
