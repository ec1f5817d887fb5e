//! `sink:` and `sinks:`. It resolves no reference.

use super::super::ast::{InputRef, Name, SinkSpec};
use super::super::draft::DraftSink;
use super::super::grammar;
use super::super::node::Node;
use super::{Fields, Lowering};
use crate::diagnostics::Spanned;
use crate::formats::Format;

const MAX_SINK_PARTITIONS: u64 = 100_000;

impl Lowering<'_> {
    pub(super) fn sinks(&mut self, f: &Fields<'_>) -> Vec<DraftSink> {
        let mut all = Vec::new();
        if let Some(node) = f.get("sink") {
            all.extend(self.sink(node));
        }
        if let Some(node) = f.get("sinks") {
            for item in self.items(node, "a list of sinks").unwrap_or_default() {
                all.extend(self.sink(item));
            }
        }
        if let (Some(_), Some(second)) = (f.entry("sink"), f.entry("sinks")) {
            self.report(second.key.span, "`sink` and `sinks` together", "put all sinks under `sinks`");
        }
        all
    }

    fn sink(&mut self, node: &Node) -> Option<DraftSink> {
        let from = InputRef { name: String::new(), output: None, span: node.key_span };
        if node.scalar().is_some_and(|s| !s.is_absent()) {
            let topic = self.name(node, "a topic").unwrap_or_else(|| Name::new(String::new(), node.key_span));
            let format = Spanned::new(Format::Json { strict: false }, node.key_span);
            let sink = SinkSpec { from, topic, key: None, format, partitions: None, span: node.error_span() };
            return Some(DraftSink { from: None, sink });
        }
        let f = self.open_object(node, &grammar::SINK)?;
        let reference = f.get("from").and_then(|n| self.reference(n));
        let topic = f.get("topic").and_then(|n| self.name(n, "a topic"));
        let key = f.get("key").and_then(|n| self.column(n));
        let format = self.format(&f, None);
        let partitions = f.get("partitions").and_then(|n| self.number(n, MAX_SINK_PARTITIONS));
        let partitions = partitions.and_then(|n| u32::try_from(n).ok());
        let span = f.all().next().map_or(f.key_span, |(_, e)| e.key.span);
        let topic = topic.unwrap_or_else(|| Name::new(String::new(), f.key_span));
        Some(DraftSink { from: reference, sink: SinkSpec { from, topic, key, format, partitions, span } })
    }

    pub(super) fn reference(&mut self, node: &Node) -> Option<Name> {
        let scalar = self.text(node, "the name of a step or source")?;
        Some(self.add_name(scalar))
    }
}
