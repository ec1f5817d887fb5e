//! Formats a report: `error:`, `file:line:col`, the source line, a caret, a hint.
//!
//! Excerpts are not masked: they show the file, which says `${TOKEN}`. It never adds colour: the printer of the command
//! line does.

use super::{Report, Span, visible_line, width};
use std::fmt;

/// How many characters of a source line are shown.
const MAX_LINE_CHARS: usize = 160;

pub(super) fn write_report(report: &Report, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (i, d) in report.diagnostics().into_iter().enumerate() {
        if i > 0 {
            writeln!(f)?;
        }
        writeln!(f, "error: {}", d.message)?;
        match d.span {
            Some(span) => write_excerpt(&report.source.name, &report.source.text, span, f)?,
            None => writeln!(f, "  --> {}", report.source.name)?,
        }
        if let Some(hint) = &d.hint {
            writeln!(f, "hint: {hint}")?;
        }
    }
    Ok(())
}

/// The line and column of a byte offset, both from 1; columns count characters.
pub(super) fn line_column(text: &str, at: usize) -> (usize, usize) {
    let at = char_start(text, at.min(text.len()));
    let line_start = text[..at].rfind('\n').map_or(0, |i| i + 1);
    let line = text[..at].bytes().filter(|b| *b == b'\n').count() + 1;
    (line, text[line_start..at].chars().count() + 1)
}

/// The start of the character that contains the byte `at`.
fn char_start(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn write_excerpt(name: &str, text: &str, span: Span, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let start = char_start(text, span.start.min(text.len()));
    let (line, column) = line_column(text, start);
    writeln!(f, "  --> {name}:{line}:{column}")?;
    let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
    let rest = &text[line_start..];
    let full = rest.split('\n').next().unwrap_or_default().trim_end();
    // A long line is cut around the caret, so that a file of one long line stays readable.
    let skip = (column - 1).saturating_sub(MAX_LINE_CHARS / 2);
    let shown: String = full.chars().skip(skip).take(MAX_LINE_CHARS).collect();
    let end = char_start(text, span.end.clamp(start, text.len())).min(line_start + full.len()).max(start);
    let before: String = text[line_start..start].chars().skip(skip).collect();
    let marked: String = text[start..end].chars().take(MAX_LINE_CHARS / 2).collect();
    let (shown, before, marked) = (one_line(&shown), one_line(&before), one_line(&marked));
    let gutter = line.to_string();
    let pad = " ".repeat(gutter.len());
    writeln!(f, "{pad} |")?;
    writeln!(f, "{gutter} | {shown}")?;
    writeln!(f, "{pad} | {}{}", " ".repeat(width(&before)), "^".repeat(width(&marked).max(1)))
}

/// A part of a line as it is shown: a tab or a control character takes one column, so that carets can be counted.
fn one_line(part: &str) -> String {
    visible_line(&part.replace('\t', " "))
}

#[cfg(test)]
mod tests {
    use super::super::{Diagnostic, Report, SourceText, Span};
    use std::sync::Arc;

    #[test]
    fn a_message_shows_line_column_caret_and_hint() {
        let source = SourceText { name: "p.yaml".into(), text: "name: é\nstpes: []\n".into() };
        let mut report = Report::new(Arc::new(source));
        report.push(Diagnostic::at(Span::new(9, 14), "unknown field `stpes`").hint("did you mean `steps`?"));
        assert_eq!(
            report.to_string(),
            "error: unknown field `stpes`\n  --> p.yaml:2:1\n  |\n2 | stpes: []\n  | ^^^^^\nhint: did you mean `steps`?\n"
        );
    }

    #[test]
    fn carets_stand_below_the_mistake_whatever_is_before_it() {
        let caret = |before: &str, marked: &str| {
            let (text, start) = (format!("{before}{marked} z"), before.len());
            let mut report = Report::new(Arc::new(SourceText { name: "p".into(), text }));
            report.push(Diagnostic::at(Span::new(start, start + marked.len()), "no"));
            let text = report.to_string();
            text.lines().last().and_then(|l| l.strip_prefix("  | ")).unwrap_or_default().to_owned()
        };
        assert_eq!(caret("a: ", "bc"), "   ^^");
        assert_eq!(caret("日本: ", "bc"), "      ^^");
        assert_eq!(caret("e\u{301}: ", "bc"), "   ^^");
        assert_eq!(caret("\t\u{1b}: ", "日本"), "    ^^^^");
    }

    #[test]
    fn a_span_past_the_end_points_at_the_end() {
        let source = SourceText { name: "p".into(), text: "a: é".into() };
        let mut report = Report::new(Arc::new(source));
        report.push(Diagnostic::at(Span::new(90, 95), "cut off"));
        assert_eq!(report.to_string(), "error: cut off\n  --> p:1:5\n  |\n1 | a: é\n  |     ^\n");
    }
}
