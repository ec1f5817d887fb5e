//! From the YAML tree to the syntax tree: opening maps by the grammar, and the values that all fields share.
//!
//! A lowering function reports every problem itself and returns `None` if it has no value. It goes on after
//! the first problem, and it resolves no reference.

mod pipeline;
mod sink;
mod source;
mod step;
mod topic_creation;
mod value;

pub(super) use pipeline::pipeline;
pub(super) use value::{MAX_NAME_BYTES, is_word};

use super::ast::Name;
use super::field_type::{FieldDef, ObjectType};
use super::node::{Entry, Node, NodeValue, Scalar};
use super::problems::Problems;
use crate::diagnostics::{Diagnostic, Span, nearest, one_of};
use std::collections::{BTreeSet, HashMap};

/// The context of lowering: where problems go, and which texts messages must not show.
pub(super) struct Lowering<'a> {
    pub(super) problems: &'a mut Problems,
    /// What messages show for names with `${…}`, by the start of their span.
    masks: HashMap<usize, String>,
    /// Columns whose type could not be read.
    pub(super) untyped_columns: BTreeSet<String>,
}

/// The fields of a map, without those that the grammar does not have.
pub(super) struct Fields<'n> {
    pub(super) key_span: Span,
    object: &'static ObjectType,
    found: Vec<(&'static FieldDef, &'n Entry)>,
    /// Whether no field was unknown or unsupported, so that what is missing is really missing.
    pub(super) complete: bool,
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

impl<'a> Lowering<'a> {
    pub(super) fn new(problems: &'a mut Problems) -> Self {
        Self { problems, masks: HashMap::new(), untyped_columns: BTreeSet::new() }
    }

    pub(super) fn report(&mut self, at: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Diagnostic::at(at, message).hint(hint));
    }

    /// A name for messages: without the value of a `${…}` in it.
    pub(super) fn display_name<'s>(&'s self, name: &'s Name) -> &'s str {
        self.masks.get(&name.span.start).unwrap_or(&name.value)
    }

    /// A text as a name; records what messages show for it.
    pub(super) fn add_name(&mut self, s: &Scalar) -> Name {
        if s.unexpanded.is_some() {
            self.masks.insert(s.span.start, s.masked());
        }
        Name::new(s.text.clone(), s.span)
    }

    /// Reports a value of the wrong kind.
    pub(super) fn wrong_kind<T>(&mut self, node: &Node, expected: &str) -> Option<T> {
        let message = format!("expected {expected}, found {}", node.describe());
        self.problems.push(Diagnostic::at(node.error_span(), message));
        None
    }

    /// Refuses a part of the language that this version does not support.
    pub(super) fn unsupported(&mut self, at: Span, what: &str, instead: impl Iterator<Item = &'static str>) {
        let instead: Vec<_> = instead.map(|n| format!("`{n}`")).collect();
        self.report(
            at,
            format!("`{what}` is not supported by this version of fastdata"),
            format!("supported here: {}", instead.join(", ")),
        );
    }

    /// Opens a map by its grammar: reports unknown, unsupported and missing fields.
    pub(super) fn open_object<'n>(&mut self, node: &'n Node, object: &'static ObjectType) -> Option<Fields<'n>> {
        let NodeValue::Map(entries) = &node.value else {
            let names: Vec<_> = object.names().take(4).map(|n| format!("`{n}`")).collect();
            return self.wrong_kind(node, &format!("a map with {}", names.join(", ")));
        };
        let mut fields = Fields { key_span: node.key_span, object, found: Vec::new(), complete: true };
        let (mut meant, mut unsupported) = (Vec::new(), false);
        for entry in entries {
            match object.field(&entry.key.text) {
                Some(f) if f.is_reserved() => {
                    fields.complete = false;
                    unsupported = true;
                    self.unsupported(entry.key.span, f.name, object.names());
                }
                Some(f) => fields.found.push((f, entry)),
                None => {
                    fields.complete = false;
                    let hint = match entry.key.unexpanded {
                        Some(_) => self.suggest("", object.names()),
                        None => {
                            meant.extend(self.near(&entry.key.text, object.names()));
                            self.suggest(&entry.key.text, object.names())
                        }
                    };
                    let message = format!("unknown field `{}` in {}", entry.key.masked(), object.name);
                    self.problems.push(Diagnostic::at(entry.key.span, message).maybe_hint(hint));
                }
            }
        }
        for name in object.required {
            // A misspelt or unsupported field is one mistake, not a missing field as well.
            if fields.found.iter().all(|(f, _)| f.name != *name) && !unsupported && !meant.contains(name) {
                let doc = object.field(name).map_or("", |f| f.doc);
                self.report(node.key_span, format!("{} has no `{name}`", object.name), format!("add `{name}`: {doc}"));
            }
        }
        Some(fields)
    }

    /// The entries of a map with any names. A text that YAML splits at a comma inside `brackets` is reported
    /// and left out.
    pub(super) fn entries<'n>(
        &mut self,
        node: &'n Node,
        expected: &str,
        brackets: &str,
    ) -> Option<Vec<(&'n Scalar, &'n Node)>> {
        let NodeValue::Map(entries) = &node.value else { return self.wrong_kind(node, expected) };
        let mut kept: Vec<(&Scalar, &Node)> = Vec::new();
        let mut split = CommaSplit::default();
        for Entry { key, value } in entries {
            let piece = key.plain && value.scalar().is_some_and(Scalar::is_absent);
            if let Some((first, span)) = split.next(piece.then_some(key), value.scalar(), kept.len(), brackets) {
                kept.truncate(first);
                self.report_split_at_comma(span);
            } else {
                kept.push((key, value));
            }
        }
        Some(kept)
    }

    /// The items of a list. A text that YAML splits at a comma inside `()` is reported and left out.
    pub(super) fn items<'n>(&mut self, node: &'n Node, expected: &str) -> Option<Vec<&'n Node>> {
        let NodeValue::List(items) = &node.value else { return self.wrong_kind(node, expected) };
        let mut kept: Vec<&Node> = Vec::new();
        let mut split = CommaSplit::default();
        for item in items {
            let scalar = item.scalar();
            if let Some((first, span)) = split.next(scalar.filter(|s| s.plain), scalar, kept.len(), "()") {
                kept.truncate(first);
                self.report_split_at_comma(span);
            } else {
                kept.push(item);
            }
        }
        Some(kept)
    }

    fn report_split_at_comma(&mut self, whole: Span) {
        let text = self.problems.source_text(whole).to_owned();
        self.report(
            whole,
            format!("YAML splits `{text}` at its comma"),
            format!("inside `{{…}}` and `[…]` put it in quotes: `\"{text}\"`"),
        );
    }
}

// Bounds on what a hint may cost.
const MAX_SUGGEST_BYTES: usize = 64;
const MAX_SUGGEST_CANDIDATES: usize = 1_000;
const MAX_LISTED_NAMES: usize = 24;

impl Lowering<'_> {
    fn near<'s>(&self, word: &str, known: impl Iterator<Item = &'s str>) -> Option<&'s str> {
        if word.len() > MAX_SUGGEST_BYTES || self.problems.is_full() {
            None
        } else {
            nearest(word, known.take(MAX_SUGGEST_CANDIDATES))
        }
    }

    /// A hint: the name that is most like a word or, if there are few, all names.
    pub(super) fn suggest<'s>(&self, word: &str, known: impl Iterator<Item = &'s str> + Clone) -> Option<String> {
        match self.near(word, known.clone()) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None if known.clone().nth(MAX_LISTED_NAMES).is_none() => one_of("", known),
            None => None,
        }
    }
}

/// Finds texts such as `decimal(10,2)` that YAML splits at their comma inside `{…}` and `[…]`.
#[derive(Default)]
struct CommaSplit {
    /// Index of the first piece, where it begins, and the number of open brackets.
    open: Option<(usize, usize, i64)>,
}

impl CommaSplit {
    /// Takes the next piece: `piece` if it could continue a text, `value` if it could begin one. Returns the
    /// index of the first piece and the span of the whole text if this piece closes its brackets.
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

/// How many brackets a text leaves open; negative if it closes more than it opens.
pub(super) fn depth(text: &str, brackets: &str) -> i64 {
    text.chars().fold(0, |n, c| match brackets.find(c) {
        Some(i) if i % 2 == 0 => n + 1,
        Some(_) => n - 1,
        None => n,
    })
}
