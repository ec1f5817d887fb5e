//! Text to a YAML tree with places: anchors, merge keys, `${…}`, and bounds that no file can exceed.
//!
//! Separate from the meaning of the fields. It builds with a stack of its own, so that no nesting of the
//! file is nesting of calls; it never lets an alias multiply memory.

use super::env::{Environment, Expander};
use super::faults::Faults;
use super::node::{Entry, Node, Scalar, Value};
use super::syntax::{self, DEPTH};
use crate::diagnostics::{Diagnostic, SourceText, Span};
use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, Span as Place, options};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;

/// Largest pipeline file, in bytes.
pub(super) const LARGEST: usize = 1 << 20;
/// Most values of a pipeline file, aliases counted as often as they are used.
pub(super) const NODES: usize = 50_000;

/// The tree of a text; `None` where a finding says why there is none.
pub(super) fn tree(
    source: &SourceText,
    base: &Path,
    environment: &dyn Environment,
    faults: &mut Faults,
) -> Option<Rc<Node>> {
    let text = source.text.as_str();
    if text.len() > LARGEST {
        faults.push(too_large());
        return None;
    }
    let options = options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        flow_nesting_limit: DEPTH,
        block_nesting_limit: DEPTH,
    };
    let mut builder = Builder {
        text,
        expander: Expander::new(base, environment),
        faults,
        stack: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        documents: 0,
        root: None,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let outcome = match event {
            Ok((event, place)) => builder.event(event, span(place)),
            Err(error) => Err(syntax::diagnostic(&error, text, builder.bracket())),
        };
        if let Err(fault) = outcome {
            builder.faults.push(fault);
            return None;
        }
    }
    let root = builder.root.take();
    if root.as_ref().is_none_or(|n| n.is_null()) {
        let hint = "a pipeline begins with `name: NAME`; `fastdata init` writes an example";
        faults.push(Diagnostic::whole("the file is empty").hint(hint));
        return None;
    }
    root
}

pub(super) fn too_large() -> Diagnostic {
    Diagnostic::whole(format!("the file is larger than {} MiB", LARGEST >> 20))
        .hint("a pipeline file holds no data; is this the right file?")
}

fn span(place: Place) -> Span {
    let at = |m: serde_yaml::granit_parser::Marker| m.byte_offset().unwrap_or_default();
    Span::new(at(place.start), at(place.end))
}

struct Builder<'a> {
    text: &'a str,
    expander: Expander<'a>,
    faults: &'a mut Faults,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Rc<Node>>,
    nodes: usize,
    documents: usize,
    root: Option<Rc<Node>>,
}

/// A list or map whose end has not come yet.
struct Frame {
    span: Span,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>, Key),
}

enum Key {
    None,
    Some(Scalar),
    /// Not a text: its value is read and forgotten.
    Wrong,
}

impl Builder<'_> {
    /// Where the innermost `[` or `{` stands that is still open.
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
                self.place(Node { span: at, head: at, value: Value::Scalar(scalar), size: 1, height: 0 }, anchor)?;
            }
            Event::SequenceStart(_, anchor, _) => self.open(Content::List(Vec::new()), anchor, at)?,
            Event::MappingStart(_, anchor, _) => self.open(Content::Map(Vec::new(), Key::None), anchor, at)?,
            Event::SequenceEnd | Event::MappingEnd => self.close(at)?,
            Event::Alias(id) => match self.anchors.get(&id) {
                Some(node) => {
                    let node = node.clone();
                    self.attach(node, at)?;
                }
                None => return Err(Diagnostic::at(at, "this alias stands inside its own anchor")),
            },
            Event::UnresolvedAlias(name) => {
                return Err(Diagnostic::at(at, format!("no anchor `&{name}` stands before this alias"))
                    .hint("put a text that begins with `*` in quotes"));
            }
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, content: Content, anchor: usize, at: Span) -> Result<(), Diagnostic> {
        if self.stack.len() >= DEPTH {
            return Err(syntax::too_deep(at));
        }
        self.stack.push(Frame { span: at, anchor, content });
        Ok(())
    }

    fn close(&mut self, at: Span) -> Result<(), Diagnostic> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let (value, children): (Value, Vec<Rc<Node>>) = match frame.content {
            Content::List(items) => (Value::List(items.clone()), items),
            Content::Map(entries, _) => {
                let merged = merge(entries, self.faults);
                let entries = self.unique(merged);
                let children = entries.iter().map(|e| e.value.clone()).collect();
                (Value::Map(entries), children)
            }
        };
        let size = children.iter().fold(1_usize, |n, c| n.saturating_add(c.size));
        let height = children.iter().map(|c| c.height + 1).max().unwrap_or(0);
        // A block ends where its last value ends, not where the next line begins.
        let end = match self.text.as_bytes().get(at.end.wrapping_sub(1)) {
            Some(b']' | b'}') if at.end > at.start => at.end,
            _ => children.last().map_or(frame.span.end, |c| c.span.end.max(frame.span.start)),
        };
        let span = Span::new(frame.span.start, end.max(frame.span.start));
        self.place(Node { span, head: span, value, size, height }, frame.anchor)
    }

    /// Puts a new node where it belongs.
    fn place(&mut self, mut node: Node, anchor: usize) -> Result<(), Diagnostic> {
        self.count(1, node.span)?;
        if let Some(Frame { content: Content::Map(_, Key::Some(key)), .. }) = self.stack.last() {
            node.head = key.span;
        }
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.hang(node);
        Ok(())
    }

    /// Puts a node that stands elsewhere too where its alias stands.
    fn attach(&mut self, node: Rc<Node>, at: Span) -> Result<(), Diagnostic> {
        self.count(node.size, at)?;
        if self.stack.len() + node.height >= DEPTH {
            return Err(syntax::too_deep(at));
        }
        self.hang(node);
        Ok(())
    }

    fn count(&mut self, more: usize, at: Span) -> Result<(), Diagnostic> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > NODES {
            let message = format!("the file holds more than {NODES} values, aliases counted as often as they stand");
            return Err(Diagnostic::at(at, message).hint("no pipeline needs this; is this the right file?"));
        }
        Ok(())
    }

    fn hang(&mut self, node: Rc<Node>) {
        match self.stack.last_mut().map(|f| &mut f.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map(entries, key)) => match std::mem::replace(key, Key::None) {
                Key::Some(key) => entries.push(Entry { key, value: node }),
                Key::Wrong => {}
                Key::None => {
                    *key = match &node.value {
                        Value::Scalar(s) => Key::Some(s.clone()),
                        _ => {
                            self.faults.push(
                                Diagnostic::at(node.span, "a key must be a text")
                                    .hint("put a text that begins with `{` or `[` in quotes"),
                            );
                            Key::Wrong
                        }
                    }
                }
            },
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, at: Span) -> Scalar {
        let written = self.text.get(at.start..at.end).unwrap_or_default();
        let plain = style == ScalarStyle::Plain;
        // A block's last line break is no part of what it says.
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
        let (raw, text) = match self.expander.expand(text) {
            Ok(None) => (None, text.to_owned()),
            Ok(Some(value)) => (Some(text.to_owned()), value),
            Err(refusal) => {
                let place =
                    inside.map_or(at, |s| Span::new(s.start + refusal.within.start, s.start + refusal.within.end));
                self.faults.push(Diagnostic::at(place, refusal.message).hint(refusal.hint));
                self.faults.settle(inside.unwrap_or(at));
                (Some(text.to_owned()), text.to_owned())
            }
        };
        Scalar { exact: inside.is_some() && raw.is_none(), span: inside.unwrap_or(at), plain, text, raw }
    }

    /// The entries, each key once; a key that stands twice is a finding.
    fn unique(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut first: HashMap<String, Span> = HashMap::with_capacity(entries.len());
        let mut kept = Vec::with_capacity(entries.len());
        for entry in entries {
            match first.get(&entry.key.text) {
                Some(earlier) => {
                    let line = self.faults.line(*earlier);
                    let message = format!("`{}` stands twice; the first is in line {line}", entry.key.shown());
                    self.faults.push(Diagnostic::at(entry.key.span, message).hint("remove one of them"));
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

/// The entries with those of `<<` added, unless the map has the key itself.
fn merge(entries: Vec<Entry>, faults: &mut Faults) -> Vec<Entry> {
    let is_merge = |e: &Entry| e.key.plain && e.key.text == "<<";
    if !entries.iter().any(is_merge) {
        return entries;
    }
    let (merges, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_merge);
    let mut known: HashSet<String> = own.iter().map(|e| e.key.text.clone()).collect();
    for merge in merges {
        let sources = match &merge.value.value {
            Value::List(items) => items.clone(),
            _ => vec![merge.value.clone()],
        };
        for source in sources {
            match &source.value {
                Value::Map(from) => own.extend(from.iter().filter(|e| known.insert(e.key.text.clone())).cloned()),
                _ => {
                    let message = format!("`<<` takes a map or a list of maps, found {}", source.found());
                    faults.push(Diagnostic::at(merge.key.span, message).hint("write `<<: *ANCHOR`"));
                }
            }
        }
    }
    own
}
