//! Collects what is wrong with one file, up to a bound.
//!
//! Separate because reading, lowering and validation all add to it, and because drawing a report costs a
//! walk through the text for each finding. It never decides what is wrong.

use crate::diagnostics::{Diagnostic, Report, SourceText, Span};
use std::collections::HashSet;
use std::sync::Arc;

/// Findings that are kept. A person reads no more, and a hostile file could hold a million.
const MOST: usize = 100;

pub(super) struct Faults {
    source: Arc<SourceText>,
    report: Report,
    count: usize,
    hidden: Vec<Span>,
    settled: HashSet<Span>,
}

impl Faults {
    pub(super) fn new(source: Arc<SourceText>) -> Self {
        Self { report: Report::new(source.clone()), source, count: 0, hidden: Vec::new(), settled: HashSet::new() }
    }

    pub(super) fn push(&mut self, fault: Diagnostic) {
        if fault.span.is_some_and(|s| self.settled.contains(&s)) {
            return;
        }
        self.count += 1;
        if self.count <= MOST {
            self.report.push(fault);
        } else if self.count == MOST + 1 {
            self.report.push(Diagnostic::whole(format!("more than {MOST} errors; the others are not shown")));
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Whether a further finding would not be shown: then it needs no words either.
    pub(super) fn is_full(&self) -> bool {
        self.count > MOST
    }

    /// The line of a place, for messages that cite another place.
    pub(super) fn line(&self, at: Span) -> usize {
        if self.is_full() {
            return 0;
        }
        let end = at.start.min(self.source.text.len());
        self.source.text.as_bytes()[..end].iter().filter(|b| **b == b'\n').count() + 1
    }

    /// What the file says at a place, as it was written.
    pub(super) fn written(&self, at: Span) -> &str {
        self.source.text.get(at.start..at.end).unwrap_or_default()
    }

    /// Says no more about a value that could not be had: one mistake is one error.
    pub(super) fn settle(&mut self, place: Span) {
        self.settled.insert(place);
    }

    /// Keeps a place of the file, such as a password, out of every excerpt.
    pub(super) fn hide(&mut self, place: Span) {
        self.hidden.push(place);
    }

    /// Hides what stands after `password:` in a text that is no YAML and so has no fields.
    pub(super) fn hide_passwords(&mut self) {
        let mut line_start = 0;
        for line in self.source.text.split_inclusive('\n') {
            if let Some((before, _)) = line.split_once("password:") {
                self.hidden.push(Span::new(line_start + before.len() + "password:".len(), line_start + line.len()));
            }
            line_start += line.len();
        }
    }

    /// The text for excerpts, in which each byte keeps its place.
    pub(super) fn source(&self) -> Arc<SourceText> {
        if self.hidden.is_empty() {
            return self.source.clone();
        }
        let mut bytes = self.source.text.clone().into_bytes();
        for place in &self.hidden {
            let secret = bytes.get_mut(place.start..place.end).unwrap_or_default();
            secret.iter_mut().filter(|b| !matches!(b, b'\n' | b'\r')).for_each(|b| *b = b'*');
        }
        // Whole texts are hidden, so no character is cut.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Arc::new(SourceText { name: self.source.name.clone(), text })
    }

    /// Whether anything is wrong at a place.
    pub(super) fn within(&self, place: Span) -> bool {
        let inside = |s: Span| s.start >= place.start && s.start < place.end;
        self.report.diagnostics().into_iter().any(|d| d.span.is_some_and(inside))
    }

    pub(super) fn report(mut self) -> Report {
        self.report.source = self.source();
        self.report
    }
}
