//! Names to nodes, SQL to compiled expressions: the pass from a file to a [`Logical`] graph.
//!
//! Separate from the cut into tasks because here is where a person's mistakes are found: all of them are
//! reported. A step whose input could not be resolved is skipped, so that one mistake is one message.

mod project;
mod score;
mod sink;
mod source;
mod stateful;

use super::logical::{Logical, LogicalNode, NodeId, NodeRef, Output, Port};
use super::op::Op;
use crate::diagnostics::{Diagnostic, Report, Span};
use crate::expr::{Expr, ExprError, Functions, Predicate, Scope};
use crate::spec::{From, Name, Operator, Spec, Sql, Step, Wrong, WrongStep};
use arrow_schema::SchemaRef;
use std::collections::{BTreeMap, BTreeSet};

/// The result of resolving one step: what it does and what it gives, or `None` where it is wrong.
type Resolved = Option<(Op, Vec<Output>, Option<Vec<String>>)>;

/// Resolves a whole file, or what could be read of it.
pub(super) fn resolve(spec: &Spec, wrong: &Wrong, functions: &Functions) -> Result<Logical, Report> {
    let functions = define(functions, spec);
    let (functions, faults) = functions;
    let report = Report::new(spec.source.clone());
    let mut r = Resolver { functions, report, ends: BTreeMap::new(), unknown: wrong.columns.clone() };
    faults.into_iter().for_each(|d| r.report.push(d));
    let mut logical = Logical { sources: Vec::new(), nodes: Vec::new() };
    for source in &spec.sources {
        if let Some(resolved) = source::resolve(&mut r, source) {
            r.ends.insert((source.name.value.clone(), None), NodeRef::Source(logical.sources.len()));
            logical.sources.push(resolved);
        }
    }
    let mut left: Vec<&Step> = spec.steps.iter().collect();
    let mut wrong: Vec<&WrongStep> = wrong.steps.iter().filter(|s| s.passes).collect();
    // Steps may refer to later ones; each round takes those whose inputs are known.
    let ready = |r: &Resolver, from: &[From]| !from.is_empty() && from.iter().all(|f| r.find(f).is_some());
    loop {
        if let Some(i) = wrong.iter().position(|s| ready(&r, &s.from)) {
            let step = wrong.remove(i);
            r.ends.extend(r.find(&step.from[0]).map(|input| ((step.name.clone(), None), input)));
            continue;
        }
        let Some(i) = left.iter().position(|s| ready(&r, &s.from)) else { break };
        let step = left.remove(i);
        let inputs: Vec<NodeRef> = step.from.iter().filter_map(|f| r.find(f)).collect();
        let resolved = r.step(step, &inputs, &logical);
        let Some((op, outputs, needs_key)) = resolved.or_else(|| r.stand_in(step, logical.output(inputs[0]))) else {
            continue;
        };
        let id = NodeId(logical.nodes.len());
        for (port, output) in outputs.iter().enumerate() {
            r.ends.insert((step.name.value.clone(), output.name.clone()), NodeRef::Node(id, Port(port)));
        }
        let name = step.name.value.clone();
        logical.nodes.push(LogicalNode { name, op, inputs, outputs, needs_key, span: step.span });
    }
    for sink in &spec.sinks {
        let Some(input) = r.find(&sink.from) else { continue };
        let output = logical.output(input).clone();
        if let Some(op) = sink::resolve(&mut r, sink, &output) {
            let name = format!("sink:{}", sink.topic.value);
            let node =
                LogicalNode { name, op, inputs: vec![input], outputs: Vec::new(), needs_key: None, span: sink.span };
            logical.nodes.push(node);
        }
    }
    r.report.finish(Some(logical))
}

fn define(functions: &Functions, spec: &Spec) -> (Functions, Vec<Diagnostic>) {
    let mut functions = functions.clone();
    let mut faults = Vec::new();
    for f in &spec.functions {
        if let Err(e) = functions.define(&f.name, &f.parameters, &f.body.text) {
            faults.push(diagnose(&f.body, e));
        }
    }
    (functions, faults)
}

/// An error inside SQL, placed in the file.
fn diagnose(sql: &Sql, e: ExprError) -> Diagnostic {
    Diagnostic::at(sql.locate(e.at), e.message).maybe_hint(e.hint)
}

struct Resolver {
    functions: Functions,
    report: Report,
    ends: BTreeMap<(String, Option<String>), NodeRef>,
    /// Columns that a wrong step would have made: what reads them is not judged.
    unknown: BTreeSet<String>,
}

impl Resolver {
    fn find(&self, from: &From) -> Option<NodeRef> {
        self.ends.get(&(from.name.clone(), from.output.clone())).copied()
    }

    fn sql_fault(&mut self, sql: &Sql, e: ExprError) {
        if !e.unknown.as_ref().is_some_and(|name| self.unknown.contains(name)) {
            self.report.push(diagnose(sql, e));
        }
    }

    /// What stands in for a wrong step, so that one mistake does not hide those behind it: its columns, as
    /// far as they are known all the same. The report keeps such a plan from ever being used.
    fn stand_in(&mut self, step: &Step, input: &Output) -> Resolved {
        match &step.operator {
            Operator::Filter(_) | Operator::Log(_) | Operator::KeyBy(_) => {}
            Operator::Set(items) => self.unknown.extend(items.iter().map(|(n, _)| n.value.clone())),
            Operator::Score(score) => {
                self.unknown.extend(score.outputs.iter().map(|(n, _)| n.value.clone()));
                self.unknown.insert("prediction".into());
            }
            _ => return None,
        }
        Some((Op::Merge, vec![input.clone()], None))
    }

    fn fault(&mut self, d: Diagnostic) {
        self.report.push(d);
    }

    fn expr(&mut self, sql: &Sql, scope: &Scope) -> Option<Expr> {
        Expr::compile(&sql.text, scope, &self.functions).map_err(|e| self.sql_fault(sql, e)).ok()
    }

    fn predicate(&mut self, sql: &Sql, scope: &Scope) -> Option<Predicate> {
        Predicate::compile(&sql.text, scope, &self.functions).map_err(|e| self.sql_fault(sql, e)).ok()
    }

    /// The index of a column.
    fn column(&mut self, name: &Name, schema: &SchemaRef) -> Option<usize> {
        match crate::expr::resolve(&name.value, schema) {
            Ok(i) => Some(i),
            Err(e) => {
                if !self.unknown.contains(&name.value) {
                    self.fault(Diagnostic::at(name.span, e.message).maybe_hint(e.hint));
                }
                None
            }
        }
    }

    /// Columns by name as expressions, the meta column `_key` included.
    fn columns(&mut self, names: &[Name], schema: &SchemaRef) -> Option<Vec<Expr>> {
        let scope = Scope::new(schema.clone());
        let all: Vec<_> = names.iter().map(|n| self.named(n, schema, &scope)).collect();
        all.into_iter().collect()
    }

    fn named(&mut self, name: &Name, schema: &SchemaRef, scope: &Scope) -> Option<Expr> {
        let resolved = match name.value.as_str() {
            "_key" => name.value.clone(),
            _ => schema.field(self.column(name, schema)?).name().clone(),
        };
        let sql = Sql { text: format!("\"{}\"", resolved.replace('"', "\"\"")), span: name.span, exact: false };
        self.expr(&sql, scope)
    }

    fn step(&mut self, step: &Step, inputs: &[NodeRef], logical: &Logical) -> Resolved {
        let first = logical.output(inputs[0]).clone();
        let (schema, key) = (first.schema.clone(), first.key.clone());
        let scope = Scope::new(schema.clone());
        let same = |op| Some((op, vec![Output { name: None, schema: schema.clone(), key: key.clone() }], None));
        match &step.operator {
            Operator::Filter(sql) => same(Op::Filter(self.predicate(sql, &scope)?)),
            Operator::Log(samples) => {
                let columns: Option<Vec<usize>> = samples.columns.iter().map(|c| self.column(c, &schema)).collect();
                let columns = Some(columns?).filter(|c| !c.is_empty());
                let columns = columns.unwrap_or_else(|| (0..schema.fields().len()).collect());
                same(Op::Log(super::op::LogPlan { every: samples.every.max(1), columns }))
            }
            Operator::Select(items) => {
                project::select(self, items, &first).map(|(p, o)| (Op::Select(p), vec![o], None))
            }
            Operator::Set(items) => project::set(self, items, &first).map(|(p, o)| (Op::Set(p), vec![o], None)),
            Operator::Drop(names) => {
                project::drop(self, names, &first, step.span).map(|(p, o)| (Op::Drop(p), vec![o], None))
            }
            Operator::Rename(pairs) => {
                project::rename(self, pairs, &first).map(|(p, o)| (Op::Rename(p), vec![o], None))
            }
            Operator::Flatten(f) => project::flatten(self, f, &first).map(|(p, o)| (Op::Flatten(p), vec![o], None)),
            Operator::KeyBy(names) => {
                let by = self.columns(names, &schema)?;
                // The rows get a new record key here but stay where they are: only what already was the key
                // is still what they are partitioned by.
                let names: Vec<String> = by.iter().filter_map(|e| e.column().map(str::to_owned)).collect();
                let key = key.filter(|k| *k == names);
                Some((Op::KeyBy(by), vec![Output { name: None, schema, key }], None))
            }
            Operator::Branch { outputs, rest } => {
                let predicates: Vec<_> = outputs.iter().map(|(_, sql)| self.predicate(sql, &scope)).collect();
                let predicates: Option<Vec<_>> = predicates.into_iter().collect();
                let names = outputs.iter().map(|(n, _)| n).chain(rest);
                let outputs =
                    names.map(|n| Output { name: Some(n.value.clone()), schema: schema.clone(), key: key.clone() });
                Some((Op::Branch(predicates?), outputs.collect(), None))
            }
            Operator::Merge(from) => self.merge(from, inputs, logical),
            Operator::Scan(scan) => stateful::scan(self, scan, &first),
            Operator::Window(window) => stateful::window(self, window, &first),
            Operator::Score(score) => score::resolve(self, score, &first).map(|(p, o)| (Op::Score(p), vec![o], None)),
        }
    }

    fn merge(&mut self, from: &[From], inputs: &[NodeRef], logical: &Logical) -> Resolved {
        let first = logical.output(inputs[0]).clone();
        for (f, input) in from.iter().zip(inputs).skip(1) {
            let other = logical.output(*input);
            if let Some(difference) = difference(&first.schema, &other.schema) {
                let message = format!("`{}` and `{}` cannot be merged: {difference}", from[0].name, f.name);
                self.fault(Diagnostic::at(f.span, message).hint("make the columns equal with `select` first"));
                return None;
            }
        }
        let key = first.key.clone().filter(|k| inputs.iter().all(|i| logical.output(*i).key.as_ref() == Some(k)));
        Some((Op::Merge, vec![Output { name: None, schema: first.schema, key }], None))
    }
}

fn difference(a: &SchemaRef, b: &SchemaRef) -> Option<String> {
    let list = |s: &SchemaRef| {
        let columns: Vec<_> =
            s.fields().iter().map(|f| format!("{}: {}", f.name(), crate::record::type_name(f.data_type()))).collect();
        columns.join(", ")
    };
    let same = a.fields().len() == b.fields().len()
        && a.fields().iter().zip(b.fields()).all(|(x, y)| x.name() == y.name() && x.data_type() == y.data_type());
    (!same).then(|| format!("one has the columns {}, the other {}", list(a), list(b)))
}

/// A column name that stands twice.
fn twice(name: &str, span: Span) -> Diagnostic {
    Diagnostic::at(span, format!("column `{name}` stands twice"))
}
