//! YAML as a tree in which every key and value knows its bytes in the file.
//!
//! Separate from parsing, which builds it, and from lowering, which gives it meaning. It knows no field.

use crate::diagnostics::Span;
use std::rc::Rc;

/// Longest text of the user that a message repeats.
const SHOWN: usize = 60;

/// A value. Aliases share their node, so a small file stays small however often it repeats itself.
#[derive(Debug)]
pub(super) struct Node {
    /// The whole value.
    pub(super) span: Span,
    /// What a message about the whole value points at: its key, where it has one.
    pub(super) head: Span,
    pub(super) value: Value,
    /// Nodes in it, aliases counted as often as they are used.
    pub(super) size: usize,
    /// Levels below it.
    pub(super) height: usize,
}

#[derive(Debug)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Scalar,
    pub(super) value: Rc<Node>,
}

/// A text.
#[derive(Clone, Debug, Default)]
pub(super) struct Scalar {
    /// After escapes and `${…}`.
    pub(super) text: String,
    /// As it was before `${…}`, where there was one: the only form that a message may show.
    pub(super) raw: Option<String>,
    /// Neither quoted nor a block.
    pub(super) plain: bool,
    /// Where it stands; of an exact one without its quotes.
    pub(super) span: Span,
    /// Byte `i` of the text is byte `span.start + i` of the file.
    pub(super) exact: bool,
}

impl Scalar {
    /// Whether YAML reads it as no value.
    pub(super) fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// Whether nothing at all was written.
    pub(super) fn is_absent(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~")
    }

    /// The text for a message: as written, so that no secret is shown.
    pub(super) fn shown(&self) -> String {
        let text = self.raw.as_ref().unwrap_or(&self.text);
        let line = text.lines().next().unwrap_or_default();
        let cut: String = line.chars().take(SHOWN).collect();
        if cut.len() < text.trim_end().len() { format!("{cut}…") } else { cut }
    }
}

impl Node {
    /// What stands here, for messages about a wrong kind of value.
    pub(super) fn found(&self) -> String {
        match &self.value {
            Value::Scalar(s) if s.is_null() => "nothing".into(),
            Value::Scalar(s) => format!("`{}`", s.shown()),
            Value::List(_) => "a list".into(),
            Value::Map(_) => "a map".into(),
        }
    }

    /// Where a message about a wrong kind of value points: at a text itself, else at the key.
    pub(super) fn place(&self) -> Span {
        match &self.value {
            Value::Scalar(s) if !s.is_null() => s.span,
            _ => self.head,
        }
    }

    pub(super) fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(s) => Some(s),
            _ => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        self.scalar().is_some_and(Scalar::is_null)
    }
}
