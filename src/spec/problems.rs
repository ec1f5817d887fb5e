//! Collects the problems of one file, up to a bound, and keeps secrets out of excerpts.

use super::credential_keys;
use crate::diagnostics::{Diagnostic, Report, SourceText, Span};
use std::collections::HashSet;
use std::sync::Arc;

/// A person reads no more, and a hostile file could have a million problems.
const MAX_REPORTED: usize = 100;

pub(super) struct Problems {
    source: Arc<SourceText>,
    report: Report,
    count: usize,
    redacted: Vec<Span>,
    suppressed: HashSet<Span>,
}

impl Problems {
    pub(super) fn new(source: Arc<SourceText>) -> Self {
        Self { report: Report::new(source.clone()), source, count: 0, redacted: Vec::new(), suppressed: HashSet::new() }
    }

    pub(super) fn push(&mut self, problem: Diagnostic) {
        if problem.span.is_some_and(|s| self.suppressed.contains(&s)) {
            return;
        }
        self.count += 1;
        if self.count <= MAX_REPORTED {
            self.report.push(problem);
        } else if self.count == MAX_REPORTED + 1 {
            self.report.push(Diagnostic::whole(format!("more than {MAX_REPORTED} errors; the others are not shown")));
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Whether a further problem would not be shown, so that its message need not be computed.
    pub(super) fn is_full(&self) -> bool {
        self.count > MAX_REPORTED
    }

    /// The line of a span, for messages that cite another span.
    pub(super) fn line(&self, at: Span) -> usize {
        if self.is_full() {
            return 0;
        }
        let end = at.start.min(self.source.text.len());
        self.source.text.as_bytes()[..end].iter().filter(|b| **b == b'\n').count() + 1
    }

    /// The text of the file at a span.
    pub(super) fn source_text(&self, at: Span) -> &str {
        self.source.text.get(at.start..at.end).unwrap_or_default()
    }

    /// Drops further problems at this span: one mistake is one error.
    pub(super) fn suppress(&mut self, span: Span) {
        self.suppressed.insert(span);
    }

    /// Keeps a span of the file, such as a password, out of every excerpt.
    pub(super) fn redact(&mut self, span: Span) {
        self.redacted.push(span);
    }

    /// Redacts what follows keys such as `password:` in a text that is not YAML and so has no fields.
    pub(super) fn redact_passwords(&mut self) {
        self.redacted.extend(credential_keys::in_text(&self.source.text));
    }

    /// The text for excerpts. Every byte keeps its position.
    pub(super) fn redacted_source(&self) -> Arc<SourceText> {
        if self.redacted.is_empty() {
            return self.source.clone();
        }
        let mut bytes = self.source.text.clone().into_bytes();
        for span in &self.redacted {
            let secret = bytes.get_mut(span.start..span.end).unwrap_or_default();
            secret.iter_mut().filter(|b| !matches!(b, b'\n' | b'\r')).for_each(|b| *b = b'*');
        }
        // Whole scalars are redacted, so no character is split.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Arc::new(SourceText { name: self.source.name.clone(), text })
    }

    /// Whether a problem begins within a span.
    pub(super) fn any_in(&self, span: Span) -> bool {
        let inside = |s: Span| s.start >= span.start && s.start < span.end;
        self.report.diagnostics().into_iter().any(|d| d.span.is_some_and(inside))
    }

    pub(super) fn into_report(mut self) -> Report {
        self.report.source = self.redacted_source();
        self.report
    }
}
