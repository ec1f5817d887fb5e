//! `steps:`: one operator each.
//!
//! Separate from the operators with maps of their own (`window`, `score`). It resolves no reference.

use super::super::ast::{Assignments, Flatten, From, LogSamples, Name, Operator, Scan};
use super::super::grammar;
use super::super::node::{Node, Value};
use super::{DraftStep, Lower};
use crate::diagnostics::{Diagnostic, Span};
use std::collections::HashSet;

impl Lower<'_> {
    pub(super) fn steps(&mut self, node: &Node) -> Vec<DraftStep> {
        let Value::List(items) = &node.value else {
            self.wrong::<()>(node, "a list of steps");
            return Vec::new();
        };
        items.iter().enumerate().filter_map(|(i, item)| self.step(item, i + 1)).collect()
    }

    fn step(&mut self, node: &Node, number: usize) -> Option<DraftStep> {
        if node.scalar().is_some_and(|s| s.text == "log") {
            let name = Name::new(format!("log-{number}"), node.span);
            let operator = Some(Operator::Log(LogSamples { every: 1, columns: Vec::new() }));
            return Some(DraftStep { name, from: Vec::new(), operator, kind: "log", span: node.span });
        }
        let f = self.open(node, &grammar::STEP)?;
        let written = f.get("name").map(|n| self.name(n, "a name").unwrap_or_else(|| Name::new(String::new(), f.head)));
        let from = match f.get("from") {
            Some(n) => self.columns(n, "the name of a step or source").unwrap_or_default(),
            None => Vec::new(),
        };
        let mut operators = f.all().filter(|(name, _)| !matches!(*name, "name" | "from"));
        let first = operators.next();
        if let (Some((one, _)), Some((other, entry))) = (first, operators.next()) {
            let message = format!("a step has one operator, this one has `{one}` and `{other}`");
            self.report(entry.key.span, message, format!("make `{other}` a step of its own"));
        }
        let at = f.all().next().map_or(node.span, |(_, e)| e.key.span);
        let (kind, span, operator) = match first {
            Some((kind, entry)) => (kind, entry.key.span, self.operator(kind, &entry.value)),
            None => {
                if f.clean {
                    let operators: Vec<_> = grammar::STEP.names().filter(|n| !matches!(*n, "name" | "from")).collect();
                    let hint = format!("add one of `{}`", operators.join("`, `"));
                    self.report(at, "this step has no operator", hint);
                }
                ("step", at, None)
            }
        };
        let from = self.inputs(kind, operator.as_ref(), from, f.entry("from").map(|e| e.key.span));
        let name = written.unwrap_or_else(|| Name::new(format!("{kind}-{number}"), span));
        Some(DraftStep { name, from, operator, kind, span })
    }

    /// What a step reads: only `merge` reads several, from its own list or from `from`.
    fn inputs(&mut self, kind: &str, operator: Option<&Operator>, from: Vec<Name>, at: Option<Span>) -> Vec<Name> {
        let Some(Operator::Merge(listed)) = operator else {
            if let (Some(second), true) = (from.get(1), kind != "step" && kind != "merge") {
                self.report(
                    second.span,
                    format!("`{kind}` reads one input"),
                    "join several with a `merge` step before",
                );
                return Vec::new();
            }
            return from;
        };
        let listed: Vec<_> = listed.iter().map(|l| Name::new(l.name.clone(), l.span)).collect();
        match (listed.is_empty(), at) {
            (false, Some(at)) => {
                self.report(at, "a `merge` step names its inputs twice", "remove `from`");
                listed
            }
            (false, None) => listed,
            (true, _) => from,
        }
    }

    fn operator(&mut self, kind: &str, node: &Node) -> Option<Operator> {
        Some(match kind {
            "filter" => Operator::Filter(self.sql(node)?),
            "select" => Operator::Select(self.select(node)?),
            "set" => Operator::Set(self.assignments(node, "a map of `COLUMN: SQL`")?),
            "drop" => Operator::Drop(self.columns(node, "a column")?),
            "rename" => Operator::Rename(self.rename(node)?),
            "flatten" => Operator::Flatten(self.flatten(node)?),
            "key_by" => Operator::KeyBy(self.columns(node, "a column")?),
            "branch" => self.branch(node)?,
            "merge" => self.merge(node)?,
            "scan" => Operator::Scan(self.scan(node)?),
            "window" => Operator::Window(self.window(node)?),
            "score" => Operator::Score(self.score(node)?),
            "log" => Operator::Log(self.log(node)?),
            _ => return None,
        })
    }

    fn select(&mut self, node: &Node) -> Option<Assignments> {
        let Value::List(_) = node.value else {
            return self.assignments(node, "a map of `COLUMN: SQL` or a list of columns");
        };
        self.columns(node, "a column")?;
        let items = self.items(node, "a list of columns")?;
        let scalars = items.into_iter().filter_map(Node::scalar);
        Some(scalars.map(|s| (Name::new(s.text.clone(), s.span), self.column_sql(s))).collect())
    }

    fn rename(&mut self, node: &Node) -> Option<Vec<(Name, Name)>> {
        let mut all = Vec::new();
        for (key, value) in self.entries(node, "a map of `OLD: NEW`", "")? {
            if let Some(new) = self.column(value) {
                all.push((self.spanned(key), new));
            }
        }
        Some(all)
    }

    fn flatten(&mut self, node: &Node) -> Option<Flatten> {
        if node.scalar().is_some() {
            return Some(Flatten { column: self.column(node)?, r#as: None });
        }
        let f = self.open(node, &grammar::FLATTEN)?;
        let r#as = f.get("as").and_then(|n| self.column(n));
        Some(Flatten { column: f.get("column").and_then(|n| self.column(n))?, r#as })
    }

    fn branch(&mut self, node: &Node) -> Option<Operator> {
        let (mut outputs, mut rest) = (Assignments::new(), None);
        for (key, value) in self.entries(node, "a map of `OUTPUT: SQL`", "()")? {
            if key.text == "else" {
                rest = self.name(value, "the name of the output of the rest");
            } else if let (Some(name), Some(sql)) = (self.check_name(key), self.sql(value)) {
                outputs.push((name, sql));
            }
        }
        if let Some(same) = rest.as_ref().and_then(|r: &Name| outputs.iter().find(|(n, _)| n.value == r.value)) {
            let line = self.faults.line(same.0.span);
            let message = format!("the output `{}` stands twice; the first is in line {line}", self.shown(&same.0));
            let at = rest.as_ref().map_or(node.head, |r| r.span);
            self.report(at, message, "give the rest a name of its own");
        }
        if matches!(&node.value, Value::Map(entries) if entries.is_empty()) {
            self.faults.push(Diagnostic::at(node.head, "expected a map of `OUTPUT: SQL`, found an empty map"));
        }
        Some(Operator::Branch { outputs, rest })
    }

    fn merge(&mut self, node: &Node) -> Option<Operator> {
        if node.scalar().is_some() {
            return match self.switch(node)? {
                true => Some(Operator::Merge(Vec::new())),
                false => self.wrong(node, "a list of inputs"),
            };
        }
        let names = self.columns(node, "the name of a step or source")?;
        let inputs = names.into_iter().map(|n| From { name: n.value, output: None, span: n.span });
        Some(Operator::Merge(inputs.collect()))
    }

    fn scan(&mut self, node: &Node) -> Option<Scan> {
        let f = self.open(node, &grammar::SCAN)?;
        let by = f.get("by").map(|n| self.columns(n, "a column"));
        let init = f.get("init").and_then(|n| self.assignments(n, "a map of `COLUMN: SQL`"));
        let next = f.get("next").and_then(|n| self.assignments(n, "a map of `COLUMN: SQL`"));
        let (init, next) = (init?, next?);
        for (these, those, other) in [(&init, &next, "next"), (&next, &init, "init")] {
            let known: HashSet<&str> = those.iter().map(|(n, _)| n.as_str()).collect();
            for (name, _) in these.iter().filter(|(n, _)| !known.contains(n.as_str())) {
                let message = format!("`{}` has no value in `{other}`", self.shown(name));
                self.report(name.span, message, "`init` and `next` name the same columns");
            }
        }
        Some(Scan { by: by.unwrap_or(Some(Vec::new()))?, init, next })
    }

    fn log(&mut self, node: &Node) -> Option<LogSamples> {
        if node.scalar().is_some() {
            return match node.is_null() || self.switch(node)? {
                true => Some(LogSamples { every: 1, columns: Vec::new() }),
                false => self.wrong(node, "`true`, or a map with `every`, `columns`"),
            };
        }
        let f = self.open(node, &grammar::LOG)?;
        let every = f.get("every").and_then(|n| self.number(n, u64::MAX)).unwrap_or(1);
        let columns = f.get("columns").and_then(|n| self.columns(n, "a column")).unwrap_or_default();
        Some(LogSamples { every, columns })
    }
}
