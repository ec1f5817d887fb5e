//! What is wrong with a piece of SQL, where in its text, and what to do about it.
//!
//! Separate because DataFusion's errors are made for its own developers: here they become one plain line in
//! the words of a pipeline file. It never guesses a place; whoever knows it says it.

use arrow_schema::ArrowError;
use datafusion_common::DataFusionError;
use std::ops::Range;

/// One thing that is wrong with an SQL text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    /// What is wrong, in one line, with the user's words in backticks.
    pub message: String,
    /// Where, in bytes of the SQL text; `None` for a fault of the whole.
    pub at: Option<Range<usize>>,
    /// What to do.
    pub hint: Option<String>,
    /// The name that is no column.
    pub unknown: Option<String>,
}

impl ExprError {
    /// The name that is no column, where nothing in scope is named like it.
    #[must_use]
    pub fn stranger(&self) -> Option<&str> {
        let like = self.hint.as_deref().is_some_and(|h| h.starts_with(LIKE));
        self.unknown.as_deref().filter(|_| !like)
    }
}

/// How a hint begins that names what was probably meant.
pub(super) const LIKE: &str = "did you mean";

impl ExprError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), at: None, hint: None, unknown: None }
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

/// The fault in one plain line.
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

/// Phrases that DataFusion wraps around the fault itself.
const WRAPPINGS: [&str; 11] = [
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
    while let Some(rest) = WRAPPINGS.iter().find_map(|w| text.strip_prefix(w)) {
        text = rest.trim_start();
    }
    // After the reason DataFusion lists candidate signatures, which say less than the reason.
    for cut in [" No function matches", "\n", ". This issue was likely caused by"] {
        if let Some((head, _)) = text.split_once(cut).filter(|(head, _)| !head.is_empty()) {
            text = head;
        }
    }
    readable_types(text.trim_end().trim_end_matches('.'))
}

/// Arrow's names of types as the pipeline file writes them.
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
    fn wrappings_candidates_and_arrow_names_go() {
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
