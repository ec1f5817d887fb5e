//! What is wrong with one record, and where in it.
//!
//! Separate because every format builds such messages from the inside out. It is boxed, so that the
//! path that has no fault carries one pointer.

use std::fmt::{self, Write as _};

/// A message with the path of the field and the byte at which it arose.
#[derive(Debug)]
pub(super) struct Fault(Box<Inner>);

#[derive(Debug)]
struct Inner {
    noun: &'static str,
    path: String,
    message: String,
    at: Option<usize>,
}

impl Fault {
    #[cold]
    pub(super) fn at(at: usize, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { noun: "field", path: String::new(), message: message.into(), at: Some(at) }))
    }

    #[cold]
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Inner { noun: "field", path: String::new(), message: message.into(), at: None }))
    }

    /// The fault arose inside the field `name`.
    #[cold]
    pub(super) fn in_field(mut self, name: &str) -> Self {
        let rest = &self.0.path;
        let dot = if rest.is_empty() || rest.starts_with('[') { "" } else { "." };
        self.0.path = format!("{name}{dot}{rest}");
        self
    }

    /// The fault arose inside an item of a list.
    #[cold]
    pub(super) fn in_item(mut self, item: usize) -> Self {
        let rest = &self.0.path;
        let dot = if rest.is_empty() || rest.starts_with('[') { "" } else { "." };
        self.0.path = format!("[{item}]{dot}{rest}");
        self
    }

    /// The fault arose inside a column that begins at this byte of the record.
    #[cold]
    pub(super) fn in_column(mut self, name: &str, start: usize) -> Self {
        self = self.in_field(name);
        self.0.noun = "column";
        self.0.at = Some(start + self.0.at.unwrap_or(0));
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { noun, path, message, at } = &*self.0;
        if !path.is_empty() {
            write!(f, "{noun} `{path}`: ")?;
        }
        f.write_str(message)?;
        at.map_or(Ok(()), |at| write!(f, " (byte {at})"))
    }
}

/// The user's text, cut short where it is long, in the quotes of JSON.
pub(super) fn quoted(text: &[u8]) -> String {
    const SHOWN: usize = 40;
    let text = String::from_utf8_lossy(text);
    let mut shown = String::from("\"");
    for c in text.chars().take(SHOWN) {
        match c {
            '"' => shown.push_str("\\\""),
            '\n' => shown.push_str("\\n"),
            c if c.is_control() => {
                let _infallible = write!(shown, "\\u{:04x}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    shown.push_str(if text.chars().nth(SHOWN).is_some() { "…\"" } else { "\"" });
    shown
}
