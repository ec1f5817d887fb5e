//! What is wrong with one record, and where in it.
//!
//! A format builds the path of a nested field from the inside out. The error is boxed, so that the success
//! path carries only a pointer.

use std::fmt::{self, Write as _};

/// A message with the path of the field and the byte offset of the error.
#[derive(Debug)]
pub(super) struct RecordError(Box<RecordErrorParts>);

#[derive(Debug)]
struct RecordErrorParts {
    noun: &'static str,
    path: String,
    message: String,
    at: Option<usize>,
}

impl RecordError {
    #[cold]
    pub(super) fn at(at: usize, message: impl Into<String>) -> Self {
        Self(Box::new(RecordErrorParts { noun: "field", path: String::new(), message: message.into(), at: Some(at) }))
    }

    #[cold]
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(Box::new(RecordErrorParts { noun: "field", path: String::new(), message: message.into(), at: None }))
    }

    /// Puts the field `name` before the path.
    #[cold]
    pub(super) fn in_field(mut self, name: &str) -> Self {
        let rest = &self.0.path;
        let dot = if rest.is_empty() || rest.starts_with('[') { "" } else { "." };
        self.0.path = format!("{name}{dot}{rest}");
        self
    }

    /// Puts the index of a list item before the path.
    #[cold]
    pub(super) fn in_item(mut self, item: usize) -> Self {
        let rest = &self.0.path;
        let dot = if rest.is_empty() || rest.starts_with('[') { "" } else { "." };
        self.0.path = format!("[{item}]{dot}{rest}");
        self
    }

    /// Puts the error into a column that begins at this byte of the record.
    #[cold]
    pub(super) fn in_column(mut self, name: &str, start: usize) -> Self {
        self = self.in_field(name);
        self.0.noun = "column";
        self.0.at = Some(start + self.0.at.unwrap_or(0));
        self
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecordErrorParts { noun, path, message, at } = &*self.0;
        if !path.is_empty() {
            write!(f, "{noun} `{path}`: ")?;
        }
        f.write_str(message)?;
        at.map_or(Ok(()), |at| write!(f, " (byte {at})"))
    }
}

/// The user's text, truncated and quoted as in JSON.
pub(super) fn quoted(text: &[u8]) -> String {
    const MAX_QUOTED_CHARS: usize = 40;
    let text = String::from_utf8_lossy(text);
    let mut shown = String::from("\"");
    for c in text.chars().take(MAX_QUOTED_CHARS) {
        match c {
            '"' => shown.push_str("\\\""),
            '\n' => shown.push_str("\\n"),
            c if c.is_control() => {
                let _infallible = write!(shown, "\\u{:04x}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    shown.push_str(if text.chars().nth(MAX_QUOTED_CHARS).is_some() { "…\"" } else { "\"" });
    shown
}
