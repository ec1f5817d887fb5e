//! `steps:`, one operator each. It resolves no reference.

use super::super::ast::{LogSpec, Name, OperatorSpec};
use super::super::draft::DraftStep;
use super::super::grammar::{self, STEP_OWN};
use super::super::node::{Node, NodeValue};
use super::super::operators::{Descriptor, InputCount, LOG, OPERATORS, RESERVED};
use super::{Fields, Lowering};
use crate::diagnostics::Span;

impl Lowering<'_> {
    pub(super) fn steps(&mut self, node: &Node) -> Vec<DraftStep> {
        let NodeValue::List(items) = &node.value else {
            self.wrong_kind::<()>(node, "a list of steps");
            return Vec::new();
        };
        items.iter().enumerate().filter_map(|(i, item)| self.step(item, i + 1)).collect()
    }

    fn step(&mut self, node: &Node, number: usize) -> Option<DraftStep> {
        if node.scalar().is_some_and(|s| s.text == LOG.keyword()) {
            let name = Name::new(format!("{}-{number}", LOG.keyword()), node.span);
            let operator = Some(OperatorSpec::Log(LogSpec::default()));
            let descriptor = Some(&LOG);
            return Some(DraftStep {
                name,
                from: Vec::new(),
                was: None,
                operator,
                descriptor,
                unsupported: false,
                span: node.span,
            });
        }
        let f = self.open_object(node, &grammar::STEP)?;
        let name =
            f.get("name").map(|n| self.name(n, "a name").unwrap_or_else(|| Name::new(String::new(), f.key_span)));
        let from = match f.get("from") {
            Some(n) => self.columns(n, "the name of a step or source").unwrap_or_default(),
            None => Vec::new(),
        };
        let was = f.get("was").and_then(|n| self.name(n, "the earlier name of the step"));
        let at = f.all().next().map_or(node.span, |(_, e)| e.key.span);
        let name_of_none = Name::new(String::new(), at);
        let unsupported = has_unsupported_operator(node);
        let mut draft =
            DraftStep { name: name_of_none, from, was, operator: None, descriptor: None, unsupported, span: at };
        if let Some((descriptor, key, value)) = self.operator_key(&f, at) {
            draft.descriptor = Some(descriptor);
            draft.span = key;
            draft.operator = (descriptor.lower)(self, value);
            let from_key = f.entry("from").map(|e| e.key.span);
            if self.inputs(&mut draft, descriptor, value, from_key).is_none() {
                draft.operator = None;
            }
        }
        draft.name = name.unwrap_or_else(|| Name::new(format!("{}-{number}", draft.keyword()), draft.span));
        Some(draft)
    }

    /// The operator of a step, the span of its key, and the value of the key.
    fn operator_key<'n>(&mut self, f: &Fields<'n>, at: Span) -> Option<(&'static Descriptor, Span, &'n Node)> {
        let mut keys = f.all().filter(|(name, _)| STEP_OWN.iter().all(|own| own.name != *name));
        let first = keys.next();
        if let (Some((one, _)), Some((other, entry))) = (first, keys.next()) {
            let message = format!("a step has one operator, this one has `{one}` and `{other}`");
            self.report(entry.key.span, message, format!("make `{other}` a step of its own"));
        }
        let Some((keyword, entry)) = first else {
            if f.complete {
                let keywords: Vec<_> = OPERATORS.iter().map(|d| d.keyword()).collect();
                let hint = format!("add one of `{}`", keywords.join("`, `"));
                self.report(at, "this step has no operator", hint);
            }
            return None;
        };
        Descriptor::find(keyword).map(|d| (d, entry.key.span, &*entry.value))
    }

    /// Checks the number of inputs, and adds those that the value of the operator's key lists. `None` if
    /// that list is wrong.
    fn inputs(
        &mut self,
        draft: &mut DraftStep,
        descriptor: &Descriptor,
        value: &Node,
        from_key: Option<Span>,
    ) -> Option<()> {
        match descriptor.inputs {
            InputCount::One => {
                if let Some(second) = draft.from.get(1) {
                    let message = format!("`{}` reads one input", descriptor.keyword());
                    self.report(second.span, message, "join several with a `merge` step before");
                    draft.from.clear();
                }
            }
            InputCount::Several(listed) => {
                let listed = listed(self, value)?;
                if let (false, Some(at)) = (listed.is_empty(), from_key) {
                    let message = format!("a `{}` step names its inputs twice", descriptor.keyword());
                    self.report(at, message, "remove `from`");
                }
                if !listed.is_empty() {
                    draft.from = listed;
                }
            }
        }
        Some(())
    }
}

fn has_unsupported_operator(step: &Node) -> bool {
    let NodeValue::Map(entries) = &step.value else { return false };
    entries.iter().any(|e| RESERVED.iter().any(|field| field.name == e.key.text))
}
