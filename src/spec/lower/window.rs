//! `window:`.
//!
//! Separate because each kind of window adds its own fields here. It knows nothing of event time.

use super::super::ast::{Emit, Window, WindowKind};
use super::super::grammar;
use super::super::node::Node;
use super::Lower;
use std::time::Duration;

impl Lower<'_> {
    pub(super) fn window(&mut self, node: &Node) -> Option<Window> {
        let f = self.open(node, &grammar::WINDOW)?;
        let by = f.get("by").and_then(|n| self.columns(n, "a column")).unwrap_or_default();
        let select = f.get("select").and_then(|n| self.assignments(n, "a map of `COLUMN: SQL`"));
        let grace = f.get("grace").and_then(|n| self.duration(n)).unwrap_or_default();
        if let Some(emit) = f.get("emit") {
            // The end of the window is the only moment of this version, so the word needs only to be right.
            match emit.scalar() {
                Some(_) => _ = self.choice(emit, grammar::EMIT),
                None => self.unsupported(emit.head, "emit: {every: …}", ["emit: final"].into_iter()),
            }
        }
        let close_after = f.get("close_after").and_then(|n| self.positive(n));
        let offset = f.get("offset").map(|n| (n, self.duration(n)));
        let tumbling = f.get("tumbling")?;
        let kind = self.tumbling(tumbling, offset);
        Some(Window { kind: kind?, span: tumbling.place(), by, select: select?, grace, emit: Emit::Final, close_after })
    }

    fn tumbling(&mut self, node: &Node, outer: Option<(&Node, Option<Duration>)>) -> Option<WindowKind> {
        let (size, inner) = if node.scalar().is_some() {
            (self.positive(node), None)
        } else {
            let f = self.open(node, &grammar::TUMBLING)?;
            (f.get("size").and_then(|n| self.positive(n)), f.get("offset").map(|n| (n, self.duration(n))))
        };
        if let (Some((outer, _)), Some(_)) = (outer, inner) {
            self.report(outer.head, "`offset` stands twice, here and in `tumbling`", "remove one of them");
        }
        let (size, offset) = (size?, inner.or(outer));
        if let Some((n, _)) = offset.filter(|(_, offset)| offset.is_some_and(|o| o >= size)) {
            self.report(n.place(), "the offset is not shorter than the window", "write one below the window's size");
        }
        let offset = offset.and_then(|(_, offset)| offset).unwrap_or_default();
        Some(WindowKind::Tumbling { size, offset })
    }
}
