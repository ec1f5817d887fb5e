//! The value of `log`.

use super::super::ast::LogSpec;
use super::super::field_type::{FieldType, NAMES, ObjectType, field};
use super::super::lower::Lowering;
use super::super::node::Node;

pub(super) const TYPE: FieldType = FieldType::AnyOf(&[FieldType::Boolean, FieldType::Object(&FIELDS)]);

static FIELDS: ObjectType = ObjectType {
    name: "`log`",
    required: &[],
    fields: &[
        field("every", FieldType::Number, "prints one row in this many; default 1"),
        field("columns", NAMES, "only these columns; default all"),
    ],
};

pub(super) fn lower(l: &mut Lowering<'_>, node: &Node) -> Option<LogSpec> {
    if node.scalar().is_some() {
        return match node.is_null() || l.boolean(node)? {
            true => Some(LogSpec::default()),
            false => l.wrong_kind(node, "`true`, or a map with `every`, `columns`"),
        };
    }
    let f = l.open_object(node, &FIELDS)?;
    let every = f.get("every").and_then(|n| l.number(n, u64::MAX)).unwrap_or(1);
    let columns = f.get("columns").and_then(|n| l.columns(n, "a column")).unwrap_or_default();
    Some(LogSpec { every, columns })
}
