//! Messages for a text that is not YAML. Those of the parser speak of tokens, these of what the user wrote.

use crate::diagnostics::{Diagnostic, Span};
use serde_yaml::granit_parser::{ErrorKind, ScanError};

/// Bound on the nesting of lists and maps.
pub(super) const MAX_NESTING: usize = 64;

/// The problem of a text that the parser refused; `open` is the position of the innermost open bracket.
pub(super) fn diagnostic(error: &ScanError, text: &str, open: Option<usize>) -> Diagnostic {
    let at = error.marker().byte_offset().unwrap_or_else(|| byte_of(text, error.marker().index()));
    let (message, hint) = describe(error.kind());
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
    Diagnostic::at(at, format!("lists and maps nest more than {MAX_NESTING} deep"))
        .hint("no pipeline needs this; look for a `[` or `{` that is not closed")
}

/// A message and a hint for an error of the parser.
fn describe(kind: &ErrorKind) -> (String, Option<&'static str>) {
    match kind {
        ErrorKind::RecursionLimitExceeded => {
            (format!("lists and maps nest more than {MAX_NESTING} deep"), Some("no pipeline needs this"))
        }
        ErrorKind::UnclosedFlowCollection { open } => {
            (format!("`{open}` is not closed"), Some("add the closing bracket"))
        }
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            (format!("`{open}` is closed by `{close}`"), Some("close each bracket with its own kind"))
        }
        ErrorKind::UnexpectedCharacter { character } => (
            format!("a text cannot begin with `{character}`"),
            Some("put the text in quotes: YAML reserves this character"),
        ),
        other => match describe_block(other).or_else(|| describe_flow(other)).or_else(|| describe_scalar(other)) {
            Some((message, hint)) => (message.into(), Some(hint)),
            None => (format!("this is not valid YAML: {other}"), None),
        },
    }
}

/// Errors of indentation, block maps and block lists.
fn describe_block(kind: &ErrorKind) -> Option<(&'static str, &'static str)> {
    Some(match kind {
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
            ("expected `- ITEM`", "write the items of a list below each other, each after `- `")
        }
        _ => return None,
    })
}

/// Errors inside `{…}` and `[…]`.
fn describe_flow(kind: &ErrorKind) -> Option<(&'static str, &'static str)> {
    Some(match kind {
        ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofImplicitFlowMapping => {
            ("expected `,` or `}`", "separate the entries with `,` and close the map with `}`")
        }
        ErrorKind::ExpectedFlowSequenceSeparator | ErrorKind::UnexpectedEofFlowSequence => {
            ("expected `,` or `]`", "separate the items with `,` and close the list with `]`")
        }
        ErrorKind::MisplacedFlowCollectionEnd => ("this bracket closes nothing", "remove it or open it before"),
        _ => return None,
    })
}

/// Errors inside texts and comments.
fn describe_scalar(kind: &ErrorKind) -> Option<(&'static str, &'static str)> {
    Some(match kind {
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
        _ => return None,
    })
}
