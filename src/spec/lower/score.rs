//! `score:`.
//!
//! Separate because it is the operator with the most fields. It knows no model.

use super::super::ast::{ModelRef, Name, Score, Sql, WhenMissing};
use super::super::grammar;
use super::super::node::{Node, Value};
use super::Lower;
use super::value::is_word;
use crate::diagnostics::Diagnostic;

impl Lower<'_> {
    pub(super) fn score(&mut self, node: &Node) -> Option<Score> {
        let f = self.open(node, &grammar::SCORE)?;
        let model = f.get("model").and_then(|n| self.model(n));
        let inputs = f.get("inputs").and_then(|n| self.model_inputs(n));
        let outputs = f.get("outputs").map(|n| self.assignments(n, "a map of `COLUMN: SQL`"));
        let when_missing = match f.get("when_missing").and_then(|n| self.choice(n, grammar::WHEN_MISSING)) {
            Some("drop") => WhenMissing::Drop,
            Some("dead_letter") => WhenMissing::DeadLetter,
            Some("null") => WhenMissing::Null,
            _ => WhenMissing::Wait,
        };
        let nulls_as_nan = f.get("nulls").and_then(|n| self.choice(n, grammar::NULLS)).is_some();
        let outputs = outputs.unwrap_or(Some(Vec::new()));
        Some(Score { model: model?, inputs: inputs?, outputs: outputs?, when_missing, nulls_as_nan })
    }

    fn model(&mut self, node: &Node) -> Option<ModelRef> {
        if node.scalar().is_some() {
            let scalar = self.text(node, "the name of a model, or a map with `by`")?;
            return Some(ModelRef::Fixed(self.spanned(scalar)));
        }
        let f = self.open(node, &grammar::MODEL)?;
        f.get("by").and_then(|n| self.column(n)).map(ModelRef::By)
    }

    fn model_inputs(&mut self, node: &Node) -> Option<Vec<(Option<Name>, Sql)>> {
        let expected = "a list of columns or SQL, or a map of `MODEL FIELD: SQL`";
        if let Value::Map(_) = node.value {
            let all = self.assignments(node, expected)?;
            return Some(all.into_iter().map(|(name, sql)| (Some(name), sql)).collect());
        }
        let items = self.items(node, expected)?;
        if matches!(&node.value, Value::List(written) if written.is_empty()) {
            self.faults.push(Diagnostic::at(node.head, format!("expected {expected}, found an empty list")));
        }
        let mut all = Vec::new();
        for item in items {
            let Some(sql) = self.sql(item) else { continue };
            let column = item.scalar().filter(|s| is_word(&s.text) && !s.is_null());
            all.push((None, column.map_or(sql, |s| self.column_sql(s))));
        }
        Some(all)
    }
}
