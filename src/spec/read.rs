//! From text to a YAML tree with spans: anchors, merge keys, `${…}`, and bounds on what a file may cost.
//!
//! The tree is built on an explicit stack, so that deep nesting cannot overflow the stack of the thread.

use super::credentials;
use super::env::{Environment, Expander, Expansion};
use super::grammar;
use super::node::{Entry, Node, NodeValue, Scalar};
use super::problems::Problems;
use super::substitution;
use super::syntax::{self, MAX_NESTING};
use crate::diagnostics::{Diagnostic, SourceText, Span};
use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, Span as ParserSpan, options};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;

pub(super) const MAX_FILE_BYTES: usize = 1 << 20;
/// Bound on the values of a file, an alias counted each time that it is used.
pub(super) const MAX_NODES: usize = 50_000;

/// The tree of a text; `None` if a problem prevents it.
pub(super) fn parse_tree(
    source: &SourceText,
    base: &Path,
    environment: &dyn Environment,
    problems: &mut Problems,
) -> Option<Rc<Node>> {
    let text = source.text.as_str();
    if text.len() > MAX_FILE_BYTES {
        problems.push(too_large());
        return None;
    }
    let options = options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_NESTING,
        block_nesting_limit: MAX_NESTING,
    };
    let mut builder = Builder {
        text,
        expander: Expander::new(base, environment),
        problems,
        stack: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        documents: 0,
        root: None,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let outcome = match event {
            Ok((event, at)) => builder.event(event, span(at)),
            Err(error) => Err(syntax::diagnostic(&error, text, builder.bracket())),
        };
        if let Err(diagnostic) = outcome {
            builder.problems.push(diagnostic);
            return None;
        }
    }
    let root = builder.root.take();
    if root.as_ref().is_none_or(|n| n.is_null()) {
        let hint = "a pipeline begins with `name: NAME`; `fastdata init` writes an example";
        problems.push(Diagnostic::whole("the file is empty").hint(hint));
        return None;
    }
    root
}

pub(super) fn too_large() -> Diagnostic {
    Diagnostic::whole(format!("the file is larger than {} MiB", MAX_FILE_BYTES >> 20))
        .hint("a pipeline file holds no data; is this the right file?")
}

fn span(parsed: ParserSpan) -> Span {
    let at = |m: serde_yaml::granit_parser::Marker| m.byte_offset().unwrap_or_default();
    Span::new(at(parsed.start), at(parsed.end))
}

struct Builder<'a> {
    text: &'a str,
    expander: Expander<'a>,
    problems: &'a mut Problems,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Rc<Node>>,
    nodes: usize,
    documents: usize,
    root: Option<Rc<Node>>,
}

/// A list or map that is still open.
struct Frame {
    span: Span,
    anchor: usize,
    content: FrameContent,
}

enum FrameContent {
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>, PendingKey),
}

enum PendingKey {
    Absent,
    Text(Scalar),
    /// Not a text: its value is dropped.
    Invalid,
}

impl Builder<'_> {
    /// The position of the innermost open `[` or `{`.
    fn bracket(&self) -> Option<usize> {
        let start = self.stack.last()?.span.start;
        matches!(self.text.as_bytes().get(start), Some(b'[' | b'{')).then_some(start)
    }

    fn event(&mut self, event: Event<'_>, at: Span) -> Result<(), Diagnostic> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Diagnostic::at(at, "a second document begins here")
                        .hint("a file holds one pipeline: put the other into a file of its own"));
                }
            }
            Event::Scalar(text, style, anchor, _) => {
                let scalar = self.scalar(&text, style, at);
                self.add_node(
                    Node { span: at, key_span: at, value: NodeValue::Scalar(scalar), size: 1, height: 0 },
                    anchor,
                )?;
            }
            Event::SequenceStart(_, anchor, _) => self.open(FrameContent::List(Vec::new()), anchor, at)?,
            Event::MappingStart(_, anchor, _) => {
                self.open(FrameContent::Map(Vec::new(), PendingKey::Absent), anchor, at)?
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(at)?,
            Event::Alias(id) => match self.anchors.get(&id) {
                Some(node) => {
                    let node = node.clone();
                    self.add_alias(node, at)?;
                }
                None => return Err(Diagnostic::at(at, "this alias is inside its own anchor")),
            },
            Event::UnresolvedAlias(_) => {
                // Its name may be a password that begins with `*`.
                return Err(Diagnostic::at(at, "no anchor of this name comes before this alias")
                    .hint("put a text that begins with `*` in quotes"));
            }
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, content: FrameContent, anchor: usize, at: Span) -> Result<(), Diagnostic> {
        if self.stack.len() >= MAX_NESTING {
            return Err(syntax::too_deep(at));
        }
        self.stack.push(Frame { span: at, anchor, content });
        Ok(())
    }

    fn close(&mut self, at: Span) -> Result<(), Diagnostic> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let (value, children): (NodeValue, Vec<Rc<Node>>) = match frame.content {
            FrameContent::List(items) => (NodeValue::List(items.clone()), items),
            FrameContent::Map(entries, _) => {
                let merged = merge(entries, self.problems);
                let entries = self.unique(merged);
                let children = entries.iter().map(|e| e.value.clone()).collect();
                (NodeValue::Map(entries), children)
            }
        };
        let size = children.iter().fold(1_usize, |n, c| n.saturating_add(c.size));
        let height = children.iter().map(|c| c.height + 1).max().unwrap_or(0);
        // The parser ends a block where the next line begins; it ends with its last value.
        let end = match self.text.as_bytes().get(at.end.wrapping_sub(1)) {
            Some(b']' | b'}') if at.end > at.start => at.end,
            _ => children.last().map_or(frame.span.end, |c| c.span.end.max(frame.span.start)),
        };
        let span = Span::new(frame.span.start, end.max(frame.span.start));
        self.add_node(Node { span, key_span: span, value, size, height }, frame.anchor)
    }

    /// Adds a new node to the open list or map.
    fn add_node(&mut self, mut node: Node, anchor: usize) -> Result<(), Diagnostic> {
        self.count(1, node.span)?;
        if let Some(Frame { content: FrameContent::Map(_, PendingKey::Text(key)), .. }) = self.stack.last() {
            node.key_span = key.span;
        }
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.append(node);
        Ok(())
    }

    /// Adds the node of an anchor for an alias.
    fn add_alias(&mut self, node: Rc<Node>, at: Span) -> Result<(), Diagnostic> {
        self.count(node.size, at)?;
        if self.stack.len() + node.height >= MAX_NESTING {
            return Err(syntax::too_deep(at));
        }
        self.append(node);
        Ok(())
    }

    fn count(&mut self, more: usize, at: Span) -> Result<(), Diagnostic> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > MAX_NODES {
            let message = format!("the file holds more than {MAX_NODES} values, each use of an alias counted");
            return Err(Diagnostic::at(at, message).hint("no pipeline needs this; is this the right file?"));
        }
        Ok(())
    }

    fn append(&mut self, node: Rc<Node>) {
        match self.stack.last_mut().map(|f| &mut f.content) {
            None => self.root = Some(node),
            Some(FrameContent::List(items)) => items.push(node),
            Some(FrameContent::Map(entries, key)) => match std::mem::replace(key, PendingKey::Absent) {
                PendingKey::Text(key) => entries.push(Entry { key, value: node }),
                PendingKey::Invalid => {}
                PendingKey::Absent => {
                    *key = match &node.value {
                        NodeValue::Scalar(s) => PendingKey::Text(s.clone()),
                        _ => {
                            self.problems.push(
                                Diagnostic::at(node.span, "a key must be a text")
                                    .hint("put a text that begins with `{` or `[` in quotes"),
                            );
                            PendingKey::Invalid
                        }
                    }
                }
            },
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, at: Span) -> Scalar {
        let written = self.text.get(at.start..at.end).unwrap_or_default();
        let plain = style == ScalarStyle::Plain;
        // The last line break of a block is not part of its text.
        let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let text = if block { text.trim_end_matches('\n') } else { text };
        let start = match style {
            ScalarStyle::Plain => written.starts_with(text).then_some(0),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                let inner = written.get(1..written.len().saturating_sub(1));
                (inner == Some(text)).then_some(1)
            }
            _ => written.find(text),
        };
        let inside = start.map(|i| Span::new(at.start + i, at.start + i + text.len()));
        let (unexpanded, Expansion { text, substitutions }) = match self.expander.expand(text) {
            Ok(None) => (None, Expansion { text: text.to_owned(), ..Expansion::default() }),
            Ok(Some(value)) => (Some(text.to_owned()), value),
            Err(error) => {
                let place = inside.map_or(at, |s| Span::new(s.start + error.within.start, s.start + error.within.end));
                self.problems.push(Diagnostic::at(place, error.message).hint(error.hint));
                self.problems.suppress(inside.unwrap_or(at));
                (Some(text.to_owned()), Expansion { text: text.to_owned(), ..Expansion::default() })
            }
        };
        let written = unexpanded.as_deref().unwrap_or_default();
        substitution::register(&text, &substitutions, written, grammar::is_language);
        let exact = inside.is_some() && unexpanded.is_none();
        Scalar { exact, span: inside.unwrap_or(at), plain, text, unexpanded, substitutions }
    }

    /// The entries without duplicate keys, which are reported.
    fn unique(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut first: HashMap<String, Span> = HashMap::with_capacity(entries.len());
        let mut kept = Vec::with_capacity(entries.len());
        for entry in entries {
            match first.get(&entry.key.text) {
                Some(earlier) => {
                    let line = self.problems.line(*earlier);
                    let message = format!("`{}` is defined twice; the first is in line {line}", entry.key.masked());
                    self.problems.push(Diagnostic::at(entry.key.span, message).hint("remove one of them"));
                    credentials::redact_entry(&entry, self.problems);
                }
                None => {
                    first.insert(entry.key.text.clone(), entry.key.span);
                    kept.push(entry);
                }
            }
        }
        kept
    }
}

/// The entries with those of `<<` added whose keys the map does not have itself.
fn merge(entries: Vec<Entry>, problems: &mut Problems) -> Vec<Entry> {
    let is_merge = |e: &Entry| e.key.plain && e.key.text == "<<";
    if !entries.iter().any(is_merge) {
        return entries;
    }
    let (merges, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_merge);
    let mut known: HashSet<String> = own.iter().map(|e| e.key.text.clone()).collect();
    for merge in merges {
        let sources = match &merge.value.value {
            NodeValue::List(items) => items.clone(),
            _ => vec![merge.value.clone()],
        };
        for source in sources {
            match &source.value {
                NodeValue::Map(from) => own.extend(from.iter().filter(|e| known.insert(e.key.text.clone())).cloned()),
                _ => {
                    let message = format!("`<<` takes a map or a list of maps, found {}", source.describe());
                    problems.push(Diagnostic::at(merge.key.span, message).hint("write `<<: *ANCHOR`"));
                }
            }
        }
    }
    own
}
