//! What is wrong with a piece of SQL, where in its text, and what to do about it.
//!
//! DataFusion's errors are written for its own developers; here they become one plain line in the words of
//! a pipeline file. The location is never guessed: the code that knows it adds it.

use arrow_schema::ArrowError;
use datafusion_common::DataFusionError;
use std::ops::Range;

/// One thing that is wrong with an SQL text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// What is wrong, in one line, with the user's words in backticks.
    pub message: String,
    /// The bytes of the SQL text that are wrong; `None` for the whole text.
    pub at: Option<Range<usize>>,
    /// What to do.
    pub hint: Option<String>,
    /// The name that is not a column.
    pub unknown_column: Option<String>,
}

impl ExprError {
    /// The name that is not a column, where no column in scope has a similar name.
    #[must_use]
    pub fn unrelated_column(&self) -> Option<&str> {
        self.unknown_column.as_deref().filter(|_| !self.suggests())
    }

    /// Whether the hint is a similar name.
    #[must_use]
    pub fn suggests(&self) -> bool {
        self.hint.as_deref().is_some_and(|h| h.starts_with(SUGGESTION))
    }
}

/// The first words of a hint that suggests a similar name.
pub(super) const SUGGESTION: &str = "did you mean";

impl ExprError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), at: None, hint: None, unknown_column: None }
    }

    pub(super) fn at(mut self, at: Option<Range<usize>>) -> Self {
        self.at = at;
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }
}

/// The error in one plain line.
pub(super) fn plain(error: &DataFusionError) -> String {
    tidy(&root(error))
}

fn root(error: &DataFusionError) -> String {
    use DataFusionError as E;
    match error {
        E::ArrowError(e, _) => arrow(e),
        E::Plan(s) | E::Execution(s) | E::NotImplemented(s) | E::Internal(s) | E::ResourcesExhausted(s) => s.clone(),
        E::Context(_, e) | E::Diagnostic(_, e) => root(e),
        E::Shared(e) => root(e),
        E::Collection(all) => all.first().map(root).unwrap_or_default(),
        other => other.to_string(),
    }
}

fn arrow(error: &ArrowError) -> String {
    use ArrowError as E;
    match error {
        E::DivideByZero => "division by zero".into(),
        E::CastError(s)
        | E::ArithmeticOverflow(s)
        | E::ComputeError(s)
        | E::InvalidArgumentError(s)
        | E::ParseError(s)
        | E::SchemaError(s)
        | E::NotYetImplemented(s) => s.clone(),
        other => other.to_string(),
    }
}

/// Prefixes that DataFusion puts before the reason.
const PREFIXES: [&str; 11] = [
    "Error during planning: ",
    "Internal error: ",
    "Execution error: ",
    "Arrow error: ",
    "Cast error: ",
    "Compute error: ",
    "Parser error: ",
    "Invalid argument error: ",
    "Optimizer rule 'simplify_expressions' failed",
    "This feature is not implemented: ",
    "Schema error: ",
];

fn tidy(text: &str) -> String {
    let mut text = text.split("\n\nbacktrace:").next().unwrap_or_default().trim();
    // The reason of a function that checks its arguments itself.
    if let Some((_, reason)) = text.split_once("user-defined coercion failed with: ") {
        text = reason;
    }
    while let Some(rest) = PREFIXES.iter().find_map(|w| text.strip_prefix(w)) {
        text = rest.trim_start();
    }
    // DataFusion lists candidate signatures after the reason; they add nothing to it.
    for cut in [" No function matches", "\n", ". This issue was likely caused by"] {
        if let Some((head, _)) = text.split_once(cut).filter(|(head, _)| !head.is_empty()) {
            text = head;
        }
    }
    readable_types(text.trim_end().trim_end_matches('.'))
}

/// Replaces Arrow's type names by those of the pipeline file.
fn readable_types(text: &str) -> String {
    let text = text.replace("Timestamp(ms, \"UTC\")", "timestamp").replace("Timestamp(ms)", "timestamp");
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        out.push_str(match word.as_str() {
            "Utf8" | "Utf8View" | "LargeUtf8" => "string",
            "Int64" => "bigint",
            "Int32" => "int",
            "Float64" => "double",
            "Float32" => "float",
            "Boolean" => "boolean",
            "Binary" | "BinaryView" | "LargeBinary" => "bytes",
            "Date32" => "date",
            other => other,
        });
        word.clear();
        out.push(c);
    }
    out.pop();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_candidates_and_arrow_type_names_are_removed() {
        let raw = DataFusionError::Context(
            "type_coercion".into(),
            Box::new(DataFusionError::Plan(
                "Internal error: Function 'abs' expects Int64 but received Utf8. No function matches 'abs'.\nCandidates"
                    .into(),
            )),
        );
        assert_eq!(plain(&raw), "Function 'abs' expects bigint but received string");
        assert_eq!(readable_types("UInt64 Int64, Timestamp(ms, \"UTC\")"), "UInt64 bigint, timestamp");
    }
}
