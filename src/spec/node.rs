//! YAML as a tree in which every key and value has its span in the file. It does not depend on the grammar.

use super::substitution::Substitution;
use crate::diagnostics::Span;
use std::rc::Rc;

/// Bound on the text of the user that a message repeats.
const MAX_MASKED_CHARS: usize = 60;

/// A value. Aliases share their node, so they do not multiply memory.
#[derive(Debug)]
pub(super) struct Node {
    /// Its span.
    pub(super) span: Span,
    /// The span of its key, if it has one, else its own: messages about the value as a whole point here.
    pub(super) key_span: Span,
    pub(super) value: NodeValue,
    /// The number of nodes in it, an alias counted each time that it is used.
    pub(super) size: usize,
    /// The number of levels below it.
    pub(super) height: usize,
}

#[derive(Debug)]
pub(super) enum NodeValue {
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
    /// The text after escapes and `${…}`.
    pub(super) text: String,
    /// The text before substitution, if it had a `${…}`: the only form that a message may show.
    pub(super) unexpanded: Option<String>,
    /// What `${…}` brought into the text from outside the file.
    pub(super) substitutions: Vec<Substitution>,
    /// Whether it is neither quoted nor a block.
    pub(super) plain: bool,
    /// Its span; without quotes if it is exact.
    pub(super) span: Span,
    /// Whether byte `i` of the text is byte `span.start + i` of the file.
    pub(super) exact: bool,
}

impl Scalar {
    /// Whether YAML reads it as null.
    pub(super) fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// Whether the value is missing.
    pub(super) fn is_absent(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~")
    }

    /// The text for messages: before substitution, so that no secret is shown.
    pub(super) fn masked(&self) -> String {
        let text = self.unexpanded.as_ref().unwrap_or(&self.text);
        let line = text.lines().next().unwrap_or_default();
        let cut: String = line.chars().take(MAX_MASKED_CHARS).collect();
        if cut.len() < text.trim_end().len() { format!("{cut}…") } else { cut }
    }
}

impl Node {
    /// What it is, for messages about a wrong kind of value.
    pub(super) fn describe(&self) -> String {
        match &self.value {
            NodeValue::Scalar(s) if s.is_null() => "nothing".into(),
            NodeValue::Scalar(s) => format!("`{}`", s.masked()),
            NodeValue::List(_) => "a list".into(),
            NodeValue::Map(_) => "a map".into(),
        }
    }

    /// What a message about a wrong kind of value points at: a text itself, else the key.
    pub(super) fn error_span(&self) -> Span {
        match &self.value {
            NodeValue::Scalar(s) if !s.is_null() => s.span,
            _ => self.key_span,
        }
    }

    pub(super) fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            NodeValue::Scalar(s) => Some(s),
            _ => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        self.scalar().is_some_and(Scalar::is_null)
    }
}
