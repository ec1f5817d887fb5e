//! The value of `window`.

use super::super::ast::{Emit, WindowKind, WindowSpec};
use super::super::field_type::{
    ASSIGNMENTS, EnumValue, FieldType, NAMES, ObjectType, field, reserved, reserved_value, value,
};
use super::super::lower::Lowering;
use super::super::node::Node;
use std::time::Duration;

pub(super) static FIELDS: ObjectType = ObjectType {
    name: "`window`",
    required: &["tumbling", "select"],
    fields: &[
        field(
            "tumbling",
            FieldType::AnyOf(&[FieldType::Duration, FieldType::Object(&TUMBLING)]),
            "windows of this size, side by side",
        ),
        field("offset", FieldType::Duration, "moves the starts of the windows from the epoch"),
        field("by", NAMES, "group columns; default one group"),
        field("select", ASSIGNMENTS, "result columns: SQL over aggregates"),
        field("grace", FieldType::Duration, "a window stays open this long after its end; default `0s`"),
        field("emit", FieldType::Choice(EMIT), "when results leave"),
        field("close_after", FieldType::Duration, "closes on the wall clock when no newer record comes"),
        reserved("hopping"),
        reserved("session"),
        reserved("sliding"),
        reserved("last"),
        reserved("combine"),
        reserved("changes"),
    ],
};

static TUMBLING: ObjectType = ObjectType {
    name: "`tumbling`",
    required: &["size"],
    fields: &[
        field("size", FieldType::Duration, "the length of each window"),
        field("offset", FieldType::Duration, "moves the starts of the windows from the epoch"),
    ],
};

static EMIT: &[EnumValue] =
    &[value("final", "once, when the window closes"), reserved_value("updates"), reserved_value("every")];

pub(super) fn lower(l: &mut Lowering<'_>, node: &Node) -> Option<WindowSpec> {
    let f = l.open_object(node, &FIELDS)?;
    let by = f.get("by").and_then(|n| l.columns(n, "a column")).unwrap_or_default();
    let select = f.get("select").and_then(|n| l.assignments(n, "a map of `COLUMN: SQL`"));
    let grace = f.get("grace").and_then(|n| l.duration(n)).unwrap_or_default();
    if let Some(emit) = f.get("emit") {
        // `final` is the only value that this version supports, so it is checked and not kept.
        match emit.scalar() {
            Some(_) => _ = l.choice(emit, EMIT),
            None => l.unsupported(emit.key_span, "emit: {every: …}", ["emit: final"].into_iter()),
        }
    }
    let close_after = f.get("close_after").and_then(|n| l.positive(n));
    let offset = f.get("offset").map(|n| (n, l.duration(n)));
    let node = f.get("tumbling")?;
    let kind = tumbling(l, node, offset);
    Some(WindowSpec {
        kind: kind?,
        span: node.error_span(),
        by,
        select: select?,
        grace,
        emit: Emit::Final,
        close_after,
    })
}

fn tumbling(l: &mut Lowering<'_>, node: &Node, outer: Option<(&Node, Option<Duration>)>) -> Option<WindowKind> {
    let (size, inner) = if node.scalar().is_some() {
        (l.positive(node), None)
    } else {
        let f = l.open_object(node, &TUMBLING)?;
        (f.get("size").and_then(|n| l.positive(n)), f.get("offset").map(|n| (n, l.duration(n))))
    };
    if let (Some((outer, _)), Some(_)) = (outer, inner) {
        l.report(outer.key_span, "`offset` is given twice, here and in `tumbling`", "remove one of them");
    }
    let (size, offset) = (size?, inner.or(outer));
    if let Some((n, _)) = offset.filter(|(_, offset)| offset.is_some_and(|o| o >= size)) {
        l.report(n.error_span(), "the offset is not shorter than the window", "write one below the window's size");
    }
    let offset = offset.and_then(|(_, offset)| offset).unwrap_or_default();
    Some(WindowKind::Tumbling { size, offset })
}
