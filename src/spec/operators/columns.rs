//! The values of `select`, `rename` and `flatten`, and the columns that `set` adds.

use super::super::ast::{Assignments, FlattenSpec, Name, OperatorSpec};
use super::super::field_type::{FieldType, ObjectType, field};
use super::super::lower::Lowering;
use super::super::node::{Node, NodeValue};

pub(super) const FLATTEN_TYPE: FieldType = FieldType::AnyOf(&[FieldType::Text, FieldType::Object(&FLATTEN_FIELDS)]);

static FLATTEN_FIELDS: ObjectType = ObjectType {
    name: "`flatten`",
    required: &["column"],
    fields: &[
        field("column", FieldType::Text, "the list column"),
        field("as", FieldType::Text, "the name of the element's column; default the list column's"),
    ],
};

pub(super) fn select(l: &mut Lowering<'_>, node: &Node) -> Option<Assignments> {
    let NodeValue::List(_) = node.value else {
        return l.assignments(node, "a map of `COLUMN: SQL` or a list of columns");
    };
    l.columns(node, "a column")?;
    let items = l.items(node, "a list of columns")?;
    let scalars = items.into_iter().filter_map(Node::scalar);
    Some(scalars.map(|s| (Name::new(s.text.clone(), s.span), l.column_sql(s))).collect())
}

pub(super) fn rename(l: &mut Lowering<'_>, node: &Node) -> Option<Vec<(Name, Name)>> {
    let mut all = Vec::new();
    for (key, value) in l.entries(node, "a map of `OLD: NEW`", "")? {
        if let Some(new) = l.column(value) {
            all.push((l.add_name(key), new));
        }
    }
    Some(all)
}

pub(super) fn flatten(l: &mut Lowering<'_>, node: &Node) -> Option<FlattenSpec> {
    if node.scalar().is_some() {
        return Some(FlattenSpec { column: l.column(node)?, r#as: None });
    }
    let f = l.open_object(node, &FLATTEN_FIELDS)?;
    let r#as = f.get("as").and_then(|n| l.column(n));
    Some(FlattenSpec { column: f.get("column").and_then(|n| l.column(n))?, r#as })
}

pub(super) fn set_columns(operator: &OperatorSpec) -> Vec<&str> {
    let OperatorSpec::Set(items) = operator else { return Vec::new() };
    items.iter().map(|(name, _)| name.as_str()).collect()
}
