//! The value of `scan`.

use super::super::ast::ScanSpec;
use super::super::field_type::{ASSIGNMENTS, NAMES, ObjectType, field};
use super::super::lower::Lowering;
use super::super::node::Node;
use std::collections::HashSet;

pub(super) static FIELDS: ObjectType = ObjectType {
    name: "`scan`",
    required: &["init", "next"],
    fields: &[
        field("by", NAMES, "the key of the fold; default one fold a partition"),
        field("init", ASSIGNMENTS, "the state columns before the first row: constant SQL"),
        field("next", ASSIGNMENTS, "the state columns after each row: SQL over the row and the state"),
    ],
};

pub(super) fn lower(l: &mut Lowering<'_>, node: &Node) -> Option<ScanSpec> {
    let f = l.open_object(node, &FIELDS)?;
    let by = f.get("by").map(|n| l.columns(n, "a column"));
    let init = f.get("init").and_then(|n| l.assignments(n, "a map of `COLUMN: SQL`"));
    let next = f.get("next").and_then(|n| l.assignments(n, "a map of `COLUMN: SQL`"));
    let (init, next) = (init?, next?);
    for (these, those, other) in [(&init, &next, "next"), (&next, &init, "init")] {
        let known: HashSet<&str> = those.iter().map(|(n, _)| n.as_str()).collect();
        for (name, _) in these.iter().filter(|(n, _)| !known.contains(n.as_str())) {
            let message = format!("`{}` has no value in `{other}`", l.display_name(name));
            l.report(name.span, message, "`init` and `next` name the same columns");
        }
    }
    Some(ScanSpec { by: by.unwrap_or(Some(Vec::new()))?, init, next })
}
