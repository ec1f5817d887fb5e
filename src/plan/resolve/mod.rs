//! From a spec to a [`Logical`] graph: names to nodes, SQL to compiled expressions.
//!
//! It reports all mistakes of a file. A step whose input could not be resolved is skipped, so that one mistake
//! is one message.

mod project;
mod score;
mod sink;
mod source;
mod stateful;

use super::logical::{Logical, LogicalNode, LogicalOutput, NodeId, NodeRef, Port};
use super::op::Op;
use crate::diagnostics::{Diagnostic, Report, Span};
use crate::expr::{Expr, ExprError, Functions, Predicate, Scope};
use crate::spec::operators::OutputColumns;
use crate::spec::{InputRef, Name, OperatorSpec, Spec, Sql, StepSpec, Unreadable, UnreadableStep};
use arrow_schema::SchemaRef;
use std::collections::{BTreeMap, BTreeSet};

/// A resolved step: its operator, its outputs and the key that it needs; `None` if it is wrong.
type Resolved = Option<(Op, Vec<LogicalOutput>, Option<Vec<String>>)>;

/// Resolves a spec, or what could be read of it.
pub(super) fn resolve(spec: &Spec, unreadable: &Unreadable, functions: &Functions) -> Result<Logical, Report> {
    let (functions, problems) = define(functions, spec);
    let report = Report::new(spec.source.clone());
    let mut r = Resolver { functions, report, outputs: BTreeMap::new(), undetermined: unreadable.columns.clone() };
    problems.into_iter().for_each(|d| r.report.push(d));
    let mut logical = Logical { sources: Vec::new(), nodes: Vec::new() };
    for source in &spec.sources {
        if let Some(resolved) = source::resolve(&mut r, source) {
            r.outputs.insert((source.name.value.clone(), None), NodeRef::Source(logical.sources.len()));
            logical.sources.push(resolved);
        }
    }
    r.steps(spec, unreadable, &mut logical);
    for sink in &spec.sinks {
        let Some(input) = r.find(&sink.from) else { continue };
        let output = logical.output(input).clone();
        if let Some(op) = sink::resolve(&mut r, sink, &output) {
            let (name, inputs) = (format!("sink:{}", sink.topic.value), vec![input]);
            let node =
                LogicalNode { name, was: None, op, inputs, outputs: Vec::new(), needs_key: None, span: sink.span };
            logical.nodes.push(node);
        }
    }
    r.report.finish(Some(logical))
}

fn define(functions: &Functions, spec: &Spec) -> (Functions, Vec<Diagnostic>) {
    let mut functions = functions.clone();
    let mut problems = Vec::new();
    for f in &spec.functions {
        if let Err(e) = functions.define(&f.name, &f.parameters, &f.body.text) {
            problems.push(diagnose(&f.body, e));
        }
    }
    (functions, problems)
}

/// An error inside SQL, with its span in the file.
fn diagnose(sql: &Sql, e: ExprError) -> Diagnostic {
    // A similar name would tell what the value is.
    let told = sql.is_substituted(e.at.as_ref()) && e.suggests();
    let hint = e.hint.filter(|_| !told).map(|hint| sql.hide(&hint));
    Diagnostic::at(sql.locate(e.at), sql.hide(&e.message)).maybe_hint(hint)
}

struct Resolver {
    functions: Functions,
    report: Report,
    /// Sources and outputs of steps by their names in the file.
    outputs: BTreeMap<(String, Option<String>), NodeRef>,
    /// Columns that could not be determined because of a mistake that is reported: reading them is not another one.
    undetermined: BTreeSet<String>,
}

impl Resolver {
    fn find(&self, from: &InputRef) -> Option<NodeRef> {
        self.outputs.get(&(from.name.clone(), from.output.clone())).copied()
    }

    /// Resolves the steps. A step may read a later one, so each iteration takes a step whose inputs are resolved.
    fn steps(&mut self, spec: &Spec, unreadable: &Unreadable, logical: &mut Logical) {
        let mut pending: Vec<&StepSpec> = spec.steps.iter().collect();
        let mut passing: Vec<&UnreadableStep> = unreadable.steps.iter().filter(|s| s.passes_columns).collect();
        let ready = |r: &Self, from: &[InputRef]| !from.is_empty() && from.iter().all(|f| r.find(f).is_some());
        loop {
            if let Some(i) = passing.iter().position(|s| ready(self, &s.from)) {
                let step = passing.remove(i);
                self.outputs.extend(self.find(&step.from[0]).map(|input| ((step.name.clone(), None), input)));
                continue;
            }
            let Some(i) = pending.iter().position(|s| ready(self, &s.from)) else { break };
            let step = pending.remove(i);
            let inputs: Vec<NodeRef> = step.from.iter().filter_map(|f| self.find(f)).collect();
            let resolved = self.step(step, &inputs, logical);
            let resolved = resolved.or_else(|| self.placeholder(step, logical.output(inputs[0])));
            let Some((op, outputs, needs_key)) = resolved else { continue };
            let (id, name) = (NodeId(logical.nodes.len()), step.name.value.clone());
            for (port, output) in outputs.iter().enumerate() {
                self.outputs.insert((name.clone(), output.name.clone()), NodeRef::Node(id, Port(port)));
            }
            let was = step.was.as_ref().map(|was| was.value.clone());
            logical.nodes.push(LogicalNode { name, was, op, inputs, outputs, needs_key, span: step.span });
        }
    }

    fn sql_problem(&mut self, sql: &Sql, e: ExprError) {
        if !e.unknown_column.as_ref().is_some_and(|name| self.undetermined.contains(name)) {
            self.report.push(diagnose(sql, e));
        }
    }

    /// Replaces a wrong step by one with its columns, if its operator determines them, so that the steps
    /// downstream are checked too. The report prevents such a plan from being used.
    fn placeholder(&mut self, step: &StepSpec, input: &LogicalOutput) -> Resolved {
        match step.operator.descriptor().columns {
            OutputColumns::Kept => {}
            OutputColumns::Added(names) => {
                self.undetermined.extend(names(&step.operator).into_iter().map(str::to_owned));
            }
            OutputColumns::Resolved => return None,
        }
        Some((Op::Merge, vec![input.clone()], None))
    }

    fn problem(&mut self, d: Diagnostic) {
        self.report.push(d);
    }

    fn expr(&mut self, sql: &Sql, scope: &Scope) -> Option<Expr> {
        Expr::compile(&sql.text, scope, &self.functions).map_err(|e| self.sql_problem(sql, e)).ok()
    }

    fn predicate(&mut self, sql: &Sql, scope: &Scope) -> Option<Predicate> {
        Predicate::compile(&sql.text, scope, &self.functions).map_err(|e| self.sql_problem(sql, e)).ok()
    }

    /// The index of a column.
    fn column(&mut self, name: &Name, schema: &SchemaRef) -> Option<usize> {
        match crate::expr::resolve(&name.value, schema) {
            Ok(i) => Some(i),
            Err(e) => {
                if !self.undetermined.contains(&name.value) {
                    self.problem(Diagnostic::at(name.span, e.message).maybe_hint(e.hint));
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
        let sql = Sql {
            text: format!("\"{}\"", resolved.replace('"', "\"\"")),
            span: name.span,
            exact: false,
            substitutions: Vec::new(),
        };
        self.expr(&sql, scope)
    }

    fn step(&mut self, step: &StepSpec, inputs: &[NodeRef], logical: &Logical) -> Resolved {
        let first = logical.output(inputs[0]).clone();
        let (schema, key) = (first.schema.clone(), first.key.clone());
        let scope = Scope::new(schema.clone());
        let same = |op| Some((op, vec![LogicalOutput { name: None, schema: schema.clone(), key: key.clone() }], None));
        match &step.operator {
            OperatorSpec::Filter(sql) => same(Op::Filter(self.predicate(sql, &scope)?)),
            OperatorSpec::Log(samples) => {
                let columns: Option<Vec<usize>> = samples.columns.iter().map(|c| self.column(c, &schema)).collect();
                let columns = Some(columns?).filter(|c| !c.is_empty());
                let columns = columns.unwrap_or_else(|| (0..schema.fields().len()).collect());
                same(Op::Log(super::op::LogPlan { every: samples.every.max(1), columns }))
            }
            OperatorSpec::Select(items) => {
                project::select(self, items, &first).map(|(p, o)| (Op::Select(p), vec![o], None))
            }
            OperatorSpec::Set(items) => project::set(self, items, &first).map(|(p, o)| (Op::Set(p), vec![o], None)),
            OperatorSpec::Drop(names) => {
                project::drop(self, names, &first, step.span).map(|(p, o)| (Op::Drop(p), vec![o], None))
            }
            OperatorSpec::Rename(pairs) => {
                project::rename(self, pairs, &first).map(|(p, o)| (Op::Rename(p), vec![o], None))
            }
            OperatorSpec::Flatten(f) => project::flatten(self, f, &first).map(|(p, o)| (Op::Flatten(p), vec![o], None)),
            OperatorSpec::KeyBy(names) => {
                let by = self.columns(names, &schema)?;
                // The rows get a new record key but stay in their partition: they are partitioned by the new key
                // only if it is the old one.
                let names: Vec<String> = by.iter().filter_map(|e| e.column().map(str::to_owned)).collect();
                let key = key.filter(|k| *k == names);
                Some((Op::KeyBy(by), vec![LogicalOutput { name: None, schema, key }], None))
            }
            OperatorSpec::Branch { outputs, rest } => {
                let predicates: Vec<_> = outputs.iter().map(|(_, sql)| self.predicate(sql, &scope)).collect();
                let predicates: Option<Vec<_>> = predicates.into_iter().collect();
                let names = outputs.iter().map(|(n, _)| n).chain(rest);
                let outputs = names.map(|n| LogicalOutput {
                    name: Some(n.value.clone()),
                    schema: schema.clone(),
                    key: key.clone(),
                });
                Some((Op::Branch(predicates?), outputs.collect(), None))
            }
            OperatorSpec::Merge => self.merge(&step.from, inputs, logical),
            OperatorSpec::Scan(scan) => stateful::scan(self, scan, &first),
            OperatorSpec::Window(window) => stateful::window(self, window, &first),
            OperatorSpec::Score(score) => {
                score::resolve(self, score, &first).map(|(p, o)| (Op::Score(p), vec![o], None))
            }
        }
    }

    fn merge(&mut self, from: &[InputRef], inputs: &[NodeRef], logical: &Logical) -> Resolved {
        let first = logical.output(inputs[0]).clone();
        for (f, input) in from.iter().zip(inputs).skip(1) {
            let other = logical.output(*input);
            if let Some(difference) = difference(&first.schema, &other.schema) {
                let message = format!("`{}` and `{}` cannot be merged: {difference}", from[0].name, f.name);
                self.problem(Diagnostic::at(f.span, message).hint("make the columns equal with `select` first"));
                return None;
            }
        }
        let key = first.key.clone().filter(|k| inputs.iter().all(|i| logical.output(*i).key.as_ref() == Some(k)));
        Some((Op::Merge, vec![LogicalOutput { name: None, schema: first.schema, key }], None))
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

fn duplicate_column(name: &str, span: Span) -> Diagnostic {
    Diagnostic::at(span, format!("column `{name}` is defined twice"))
}
