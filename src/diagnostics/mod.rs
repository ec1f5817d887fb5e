//! Located messages about a text that a user wrote: spans, carets, hints, reports.
//!
//! Every stage from YAML to plan reports through it; none of them prints. It never decides whether something
//! is an error and never writes to a terminal.

mod render;
mod secrets;
mod suggest;
mod visible;

pub(crate) use secrets::{Secrets, mask};
pub use suggest::{nearest, one_of};
pub(crate) use visible::{escaped, is_hidden, visible, visible_line, width};

use std::fmt;
use std::sync::Arc;

/// A range of bytes in one source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The span of `start..end`.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

/// A value and its location in the source text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value at a location.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// Another value at the same location.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// A text with the name under which its errors are reported.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceText {
    /// The path as the user wrote it.
    pub name: String,
    /// The complete text.
    pub text: String,
}

/// One error: what is wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in one line, with the user's words in backticks.
    pub message: String,
    /// Where; `None` for an error of the whole text.
    pub span: Option<Span>,
    /// What to do.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// A message about a part of the text.
    pub fn at(span: Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), span: Some(span), hint: None }
    }

    /// A message about the whole text.
    pub fn whole(message: impl Into<String>) -> Self {
        Self { message: message.into(), span: None, hint: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what to do, if there is a hint.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

/// All errors of one text.
#[derive(Clone, Debug)]
pub struct Report {
    /// The text that the spans point into.
    pub source: Arc<SourceText>,
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// An empty report about a text.
    #[must_use]
    pub fn new(source: Arc<SourceText>) -> Self {
        Self { source, diagnostics: Vec::new() }
    }

    /// Adds one error, without what `${…}` brought into the text.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let (message, hint) = (mask(&diagnostic.message), diagnostic.hint.as_deref().map(mask));
        self.diagnostics.push(Diagnostic { message, hint, ..diagnostic });
    }

    /// Whether there are no errors.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// The errors in text order, without duplicates.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<&Diagnostic> {
        let mut all: Vec<_> = self.diagnostics.iter().collect();
        all.sort_by_key(|d| d.span.unwrap_or_default());
        all.dedup();
        all
    }

    /// The errors in text order as programs take them.
    pub(crate) fn messages(&self) -> Vec<ReportedMessage> {
        let reported = |d: &Diagnostic| ReportedMessage {
            message: d.message.clone(),
            place: d.span.map(|span| render::line_column(&self.source.text, span.start)),
            hint: d.hint.clone(),
        };
        self.diagnostics().into_iter().map(reported).collect()
    }

    /// The value if there are no errors, else the report.
    ///
    /// # Errors
    /// The report itself, if it holds an error or `value` is `None`.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

/// One error of a report, for a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReportedMessage {
    pub(crate) message: String,
    /// Line and column, both from 1; `None` for an error of the whole text.
    pub(crate) place: Option<(usize, usize)>,
    pub(crate) hint: Option<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        render::write_report(self, f)
    }
}

impl std::error::Error for Report {}
