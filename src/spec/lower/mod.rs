//! YAML tree to syntax tree: opening maps by the grammar, and the values that all fields share.
//!
//! Separate from the fields' own files so that each rule about unknown fields, missing fields and wrong
//! kinds of values stands once. Every function reports what is wrong itself and gives `None` then; none resolves
//! a reference or gives up at the first mistake.

mod pipeline;
mod score;
mod sink;
mod source;
mod step;
mod value;
mod window;

pub(super) use pipeline::pipeline;

use super::ast::{Delivery, ErrorPolicy, Function, Name, Operator, Sink, Source, StateOptions};
use super::faults::Faults;
use super::kafka::Kafka;
use super::node::{Entry, Node, Scalar, Value};
use super::shape::{Field, Object};
use crate::diagnostics::{Diagnostic, Span, nearest, one_of};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// A file as far as it could be read, with its references still as texts.
pub(super) struct Draft {
    pub(super) name: Option<Name>,
    pub(super) sources: Vec<Source>,
    pub(super) steps: Vec<DraftStep>,
    pub(super) sinks: Vec<DraftSink>,
    /// Whether the file says where to write, even if wrongly.
    pub(super) sinks_written: bool,
    pub(super) delivery: Delivery,
    pub(super) commit_every: Duration,
    pub(super) errors: ErrorPolicy,
    pub(super) state: StateOptions,
    pub(super) functions: Vec<Function>,
    pub(super) kafka: Option<Kafka>,
}

pub(super) struct DraftStep {
    pub(super) name: Name,
    /// As written; empty: the default.
    pub(super) from: Vec<Name>,
    /// `None` where it is wrong.
    pub(super) operator: Option<Operator>,
    pub(super) kind: &'static str,
    pub(super) span: Span,
}

pub(super) struct DraftSink {
    pub(super) from: Option<Name>,
    pub(super) sink: Sink,
}

/// What lowering holds on to: where to report, and which texts must not be shown.
pub(super) struct Lower<'a> {
    pub(super) faults: &'a mut Faults,
    /// What messages show of texts with `${…}`, by where they begin.
    masks: HashMap<usize, String>,
    /// Columns whose type could not be read.
    pub(super) columns: BTreeSet<String>,
}

/// The fields of a map that the grammar knows.
pub(super) struct Fields<'n> {
    pub(super) head: Span,
    object: &'static Object,
    found: Vec<(&'static Field, &'n Entry)>,
    /// No field of it was unknown or refused, so that what is missing is really missing.
    pub(super) clean: bool,
}

impl<'n> Fields<'n> {
    pub(super) fn get(&self, name: &str) -> Option<&'n Node> {
        self.entry(name).map(|e| &*e.value)
    }

    pub(super) fn entry(&self, name: &str) -> Option<&'n Entry> {
        debug_assert!(self.object.field(name).is_some(), "{} has no field {name}", self.object.name);
        self.found.iter().find(|(f, _)| f.name == name).map(|(_, e)| *e)
    }

    /// The fields in the order of the file.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, &'n Entry)> {
        self.found.iter().map(|(f, e)| (f.name, *e))
    }
}

impl<'a> Lower<'a> {
    pub(super) fn new(faults: &'a mut Faults) -> Self {
        Self { faults, masks: HashMap::new(), columns: BTreeSet::new() }
    }

    pub(super) fn report(&mut self, at: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.faults.push(Diagnostic::at(at, message).hint(hint));
    }

    /// A name as messages may show it.
    pub(super) fn shown<'s>(&'s self, name: &'s Name) -> &'s str {
        self.masks.get(&name.span.start).unwrap_or(&name.value)
    }

    /// A text as a name, remembering what may be shown of it.
    pub(super) fn spanned(&mut self, s: &Scalar) -> Name {
        if s.raw.is_some() {
            self.masks.insert(s.span.start, s.shown());
        }
        Name::new(s.text.clone(), s.span)
    }

    /// Reports a value of the wrong kind.
    pub(super) fn wrong<T>(&mut self, node: &Node, expected: &str) -> Option<T> {
        let message = format!("expected {expected}, found {}", node.found());
        self.faults.push(Diagnostic::at(node.place(), message));
        None
    }

    /// Refuses what the language knows and this version does not.
    pub(super) fn unsupported(&mut self, at: Span, what: &str, instead: impl Iterator<Item = &'static str>) {
        let instead: Vec<_> = instead.map(|n| format!("`{n}`")).collect();
        self.report(
            at,
            format!("`{what}` is not supported by this version of fastdata"),
            format!("supported here: {}", instead.join(", ")),
        );
    }

    /// Opens a map by its grammar: refuses what it does not know, and says what is missing.
    pub(super) fn open<'n>(&mut self, node: &'n Node, object: &'static Object) -> Option<Fields<'n>> {
        let Value::Map(entries) = &node.value else {
            let names: Vec<_> = object.names().take(4).map(|n| format!("`{n}`")).collect();
            return self.wrong(node, &format!("a map with {}", names.join(", ")));
        };
        let mut fields = Fields { head: node.head, object, found: Vec::new(), clean: true };
        let (mut meant, mut refused) = (Vec::new(), false);
        for entry in entries {
            match object.field(&entry.key.text) {
                Some(f) if f.is_later() => {
                    fields.clean = false;
                    refused = true;
                    self.unsupported(entry.key.span, f.name, object.names());
                }
                Some(f) => fields.found.push((f, entry)),
                None => {
                    fields.clean = false;
                    let hint = match entry.key.raw {
                        Some(_) => self.suggest("", object.names()),
                        None => {
                            meant.extend(self.near(&entry.key.text, object.names()));
                            self.suggest(&entry.key.text, object.names())
                        }
                    };
                    let message = format!("unknown field `{}` in {}", entry.key.shown(), object.name);
                    self.faults.push(Diagnostic::at(entry.key.span, message).maybe_hint(hint));
                }
            }
        }
        for name in object.required {
            // A typo is one mistake, not a missing field as well; so is the use of a field to come.
            if fields.found.iter().all(|(f, _)| f.name != *name) && !refused && !meant.contains(name) {
                let doc = object.field(name).map_or("", |f| f.doc);
                self.report(node.head, format!("{} has no `{name}`", object.name), format!("add `{name}`: {doc}"));
            }
        }
        Some(fields)
    }

    /// The entries of a map with free names, without what a comma cut. `brackets` are those inside which
    /// a comma belongs to a value.
    pub(super) fn entries<'n>(
        &mut self,
        node: &'n Node,
        expected: &str,
        brackets: &str,
    ) -> Option<Vec<(&'n Scalar, &'n Node)>> {
        let Value::Map(entries) = &node.value else { return self.wrong(node, expected) };
        let mut kept: Vec<(&Scalar, &Node)> = Vec::new();
        let mut cut = Cut::default();
        for Entry { key, value } in entries {
            let piece = key.plain && value.scalar().is_some_and(Scalar::is_absent);
            if let Some((first, span)) = cut.next(piece.then_some(key), value.scalar(), kept.len(), brackets) {
                kept.truncate(first);
                self.comma(span);
            } else {
                kept.push((key, value));
            }
        }
        Some(kept)
    }

    /// The items of a list, without what a comma cut.
    pub(super) fn items<'n>(&mut self, node: &'n Node, expected: &str) -> Option<Vec<&'n Node>> {
        let Value::List(items) = &node.value else { return self.wrong(node, expected) };
        let mut kept: Vec<&Node> = Vec::new();
        let mut cut = Cut::default();
        for item in items {
            let scalar = item.scalar();
            if let Some((first, span)) = cut.next(scalar.filter(|s| s.plain), scalar, kept.len(), "()") {
                kept.truncate(first);
                self.comma(span);
            } else {
                kept.push(item);
            }
        }
        Some(kept)
    }

    fn comma(&mut self, whole: Span) {
        let written = self.faults.written(whole).to_owned();
        self.report(
            whole,
            format!("`{written}` is cut in two at its comma"),
            format!("inside `{{…}}` and `[…]` put it in quotes: `\"{written}\"`"),
        );
    }
}

/// Longest word that is compared with others, and most words that are named: hints cost time.
const WORD: usize = 64;
const WORDS: usize = 1_000;
const LISTED: usize = 24;

impl Lower<'_> {
    fn near<'s>(&self, word: &str, known: impl Iterator<Item = &'s str>) -> Option<&'s str> {
        if word.len() > WORD || self.faults.is_full() { None } else { nearest(word, known.take(WORDS)) }
    }

    /// A hint that names what is most like a word or, of few, all.
    pub(super) fn suggest<'s>(&self, word: &str, known: impl Iterator<Item = &'s str> + Clone) -> Option<String> {
        match self.near(word, known.clone()) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None if known.clone().nth(LISTED).is_none() => one_of("", known),
            None => None,
        }
    }
}

/// Finds texts such as `decimal(10,2)` that YAML cuts at their comma inside `{…}` and `[…]`.
#[derive(Default)]
struct Cut {
    /// Index of the first piece, where it begins, and the brackets still open.
    open: Option<(usize, usize, i64)>,
}

impl Cut {
    /// Takes the next piece: `piece` where it could go on a text, `value` where it could begin one.
    /// Gives the first piece's index and the place of the whole where this piece closes its brackets.
    fn next(
        &mut self,
        piece: Option<&Scalar>,
        value: Option<&Scalar>,
        index: usize,
        brackets: &str,
    ) -> Option<(usize, Span)> {
        if let (Some((first, start, open)), Some(piece)) = (self.open, piece) {
            let left = open + depth(&piece.text, brackets);
            self.open = (left > 0).then_some((first, start, left));
            return (left <= 0).then_some((first, Span::new(start, piece.span.end)));
        }
        self.open = value
            .filter(|v| v.plain)
            .map(|v| (index, v.span.start, depth(&v.text, brackets)))
            .filter(|(_, _, depth)| *depth > 0);
        None
    }
}

/// How many brackets a text leaves open; negative: closes without having opened them.
pub(super) fn depth(text: &str, brackets: &str) -> i64 {
    text.chars().fold(0, |n, c| match brackets.find(c) {
        Some(i) if i % 2 == 0 => n + 1,
        Some(_) => n - 1,
        None => n,
    })
}
