//! What is wrong with a text that is not YAML, in plain words.
//!
//! Separate because the parser's own words speak of tokens. It only words errors; it finds none.

use crate::diagnostics::{Diagnostic, Span};
use serde_yaml::granit_parser::{ErrorKind, ScanError};

/// Deepest nesting of a pipeline file.
pub(super) const DEPTH: usize = 64;

/// The finding for a text that the parser refused inside the bracket at `open`.
pub(super) fn diagnostic(error: &ScanError, text: &str, open: Option<usize>) -> Diagnostic {
    let at = error.marker().byte_offset().unwrap_or_else(|| byte_of(text, error.marker().index()));
    let (message, hint) = words(error.kind());
    let line = |at: usize| text.as_bytes()[..at.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1;
    let unclosed = matches!(
        error.kind(),
        ErrorKind::ExpectedFlowMappingSeparator
            | ErrorKind::ExpectedFlowSequenceSeparator
            | ErrorKind::UnexpectedEofFlowMapping
            | ErrorKind::UnexpectedEofFlowSequence
            | ErrorKind::UnclosedFlowCollection { .. }
    );
    if let Some(open) = open.filter(|o| unclosed && line(*o) < line(at)) {
        let bracket = &text[open..=open];
        return Diagnostic::at(Span::new(at, at + 1), format!("the `{bracket}` in line {} is not closed", line(open)))
            .hint("add the closing bracket, or the `,` before this");
    }
    Diagnostic::at(Span::new(at, at + 1), message).maybe_hint(hint.map(Into::into))
}

fn byte_of(text: &str, character: usize) -> usize {
    text.char_indices().nth(character).map_or(text.len(), |(i, _)| i)
}

pub(super) fn too_deep(at: Span) -> Diagnostic {
    Diagnostic::at(at, format!("lists and maps nest more than {DEPTH} deep"))
        .hint("no pipeline needs this; look for a `[` or `{` that is not closed")
}

fn words(kind: &ErrorKind) -> (String, Option<&'static str>) {
    let (message, hint) = match kind {
        ErrorKind::RecursionLimitExceeded => {
            return (format!("lists and maps nest more than {DEPTH} deep"), Some("no pipeline needs this"));
        }
        ErrorKind::UnclosedFlowCollection { open } => {
            return (format!("`{open}` is not closed"), Some("add the closing bracket"));
        }
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            return (format!("`{open}` is closed by `{close}`"), Some("close each bracket with its own kind"));
        }
        ErrorKind::UnexpectedCharacter { character } => {
            return (
                format!("a text cannot begin with `{character}`"),
                Some("put the text in quotes: YAML keeps this character for itself"),
            );
        }
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => ("a tab where YAML allows only spaces", "indent with spaces"),
        ErrorKind::MappingValueNotAllowed
        | ErrorKind::InvalidColonPlacement
        | ErrorKind::FlowMappingValueAdjacentCollection => {
            ("`: ` is not allowed here", "put a text that holds `: ` in quotes, such as `\"struct<a: bigint>\"`")
        }
        ErrorKind::MappingKeyNotAllowed => ("a key is not allowed here", "check the indentation of this line"),
        ErrorKind::SimpleKeyExpected
        | ErrorKind::InvalidSimpleKey
        | ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::UnexpectedEofBlockMapping => {
            ("expected `KEY: VALUE`", "check the `:` and the indentation of this line and of the one before")
        }
        ErrorKind::InvalidIndentation
        | ErrorKind::InvalidFlowScalarIndent
        | ErrorKind::InvalidBlockScalarIndent
        | ErrorKind::InvalidQuotedScalarIndent => {
            ("the indentation of this line does not fit", "align it with the lines that belong together with it")
        }
        ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::BlockSequenceEntryNotAllowed
        | ErrorKind::BlockEntryInFlowCollection
        | ErrorKind::InvalidBlockEntryWhitespace
        | ErrorKind::UnexpectedEofBlockSequence => {
            ("expected `- ITEM`", "items of a list stand under each other, each after `- `")
        }
        ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping => {
            ("expected `,` or `}`", "separate the entries with `,` and close the map with `}`")
        }
        ErrorKind::ExpectedFlowSequenceSeparator | ErrorKind::UnexpectedEofFlowSequence => {
            ("expected `,` or `]`", "separate the items with `,` and close the list with `]`")
        }
        ErrorKind::MisplacedFlowCollectionEnd => ("this bracket closes nothing", "remove it or open it before"),
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => {
            ("this quote is not closed", "add the closing quote")
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar => {
            ("text after the closing quote", "inside '…' write a quote as two: ''")
        }
        ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            ("text after the closing quote", "inside \"…\" write a quote as \\\"")
        }
        ErrorKind::UnknownQuotedScalarEscape
        | ErrorKind::InvalidQuotedScalarHexEscape
        | ErrorKind::InvalidUnicodeEscape => {
            ("this escape is unknown", "inside \"…\" write `\\\\` for a backslash, or use '…'")
        }
        ErrorKind::ExpectedNodeContent | ErrorKind::UnexpectedEof => {
            ("expected a value", "put a text that begins with a special character in quotes")
        }
        ErrorKind::CommentInterceptedScalar | ErrorKind::CommentNotSeparated => {
            ("a comment is not allowed here", "put a text that holds `#` in quotes")
        }
        ErrorKind::BomInsideDocument => ("a byte order mark inside the text", "remove it"),
        other => return (format!("this is not valid YAML: {other}"), None),
    };
    (message.into(), Some(hint))
}
