//! The values of `branch`, which has several outputs, and `merge`, which has several inputs.

use super::super::ast::{Assignments, Name, OperatorSpec};
use super::super::lower::Lowering;
use super::super::node::{Node, NodeValue};
use crate::diagnostics::Diagnostic;

pub(super) fn branch(l: &mut Lowering<'_>, node: &Node) -> Option<OperatorSpec> {
    let (mut outputs, mut rest) = (Assignments::new(), None);
    for (key, value) in l.entries(node, "a map of `OUTPUT: SQL`", "()")? {
        if key.text == "else" {
            rest = l.name(value, "the name of the output of the rest");
        } else if let (Some(name), Some(sql)) = (l.check_name(key), l.sql(value)) {
            outputs.push((name, sql));
        }
    }
    if let Some(same) = rest.as_ref().and_then(|r: &Name| outputs.iter().find(|(n, _)| n.value == r.value)) {
        let line = l.problems.line(same.0.span);
        let message = format!("the output `{}` is defined twice; the first is in line {line}", l.display_name(&same.0));
        let at = rest.as_ref().map_or(node.key_span, |r| r.span);
        l.report(at, message, "use another name for the rest");
    }
    if matches!(&node.value, NodeValue::Map(entries) if entries.is_empty()) {
        l.problems.push(Diagnostic::at(node.key_span, "expected a map of `OUTPUT: SQL`, found an empty map"));
    }
    Some(OperatorSpec::Branch { outputs, rest })
}

pub(super) fn branch_outputs(operator: &OperatorSpec) -> Vec<&Name> {
    let OperatorSpec::Branch { outputs, rest } = operator else { return Vec::new() };
    outputs.iter().map(|(name, _)| name).chain(rest).collect()
}

/// The inputs that `merge: [a, b]` lists; none for `merge: true`, whose inputs are in `from`.
pub(super) fn merge_inputs(l: &mut Lowering<'_>, node: &Node) -> Option<Vec<Name>> {
    if node.scalar().is_some() {
        return match l.boolean(node)? {
            true => Some(Vec::new()),
            false => l.wrong_kind(node, "a list of inputs"),
        };
    }
    l.columns(node, "the name of a step or source")
}
