//! Single values: names, columns, SQL, durations, sizes, numbers, choices.
//!
//! A message about a text with `${…}` shows the text before substitution.

use super::super::ast::{Assignments, Name, Sql};
use super::super::field_type::EnumValue;
use super::super::node::{Node, NodeValue, Scalar};
use super::super::substitution::Substitution;
use super::Lowering;
use crate::diagnostics::{Diagnostic, Secrets, Span};
use datafusion_sql::sqlparser::keywords::ALL_KEYWORDS;
use std::collections::HashMap;
use std::time::Duration;

/// Kafka's bound on the name of a topic.
pub(in crate::spec) const MAX_NAME_BYTES: usize = 249;
/// A hundred years: arithmetic on event time cannot overflow.
const MAX_DURATION: Duration = Duration::from_secs(100 * 366 * 86_400);

impl Lowering<'_> {
    /// A text that is not empty.
    pub(in crate::spec) fn text<'n>(&mut self, node: &'n Node, expected: &str) -> Option<&'n Scalar> {
        match node.scalar() {
            Some(s) if s.is_null() => self.wrong_kind(node, expected),
            Some(s) if s.text.trim().is_empty() => {
                self.problems.push(Diagnostic::at(node.key_span, format!("expected {expected}, found an empty text")));
                None
            }
            Some(s) => Some(s),
            None => self.wrong_kind(node, expected),
        }
    }

    /// The name of a pipeline, topic, source, step or output.
    pub(in crate::spec) fn name(&mut self, node: &Node, what: &str) -> Option<Name> {
        let scalar = self.text(node, what)?;
        self.check_name(scalar)
    }

    pub(in crate::spec) fn check_name(&mut self, scalar: &Scalar) -> Option<Name> {
        let text = &scalar.text;
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let problem = if text.is_empty() {
            "a name cannot be empty".into()
        } else if let Some(c) = text.chars().find(|c| !allowed(*c)) {
            // The character may be part of a secret.
            match scalar.unexpanded {
                None => format!("`{c}` is not allowed in the name `{}`", scalar.masked()),
                Some(_) => format!("a name with `{}` has a character that is not allowed", scalar.masked()),
            }
        } else if text.len() > MAX_NAME_BYTES {
            format!("the name `{}` is longer than {MAX_NAME_BYTES} characters", scalar.masked())
        } else if text == "." || text == ".." {
            format!("`{}` cannot be a name", scalar.masked())
        } else {
            return Some(self.add_name(scalar));
        };
        self.report(scalar.span, problem, "a name has letters, digits, `.`, `_` and `-`");
        None
    }

    pub(in crate::spec) fn column(&mut self, node: &Node) -> Option<Name> {
        let scalar = self.text(node, "a column")?;
        Some(self.add_name(scalar))
    }

    /// One name or a list of names, each once.
    pub(in crate::spec) fn columns(&mut self, node: &Node, what: &str) -> Option<Vec<Name>> {
        if node.scalar().is_some() {
            let scalar = self.text(node, what)?;
            return Some(vec![self.add_name(scalar)]);
        }
        let items = self.items(node, &format!("{what} or a list of them"))?;
        let empty = items.is_empty();
        let mut first_of: HashMap<&str, Span> = HashMap::new();
        let mut names: Vec<Name> = Vec::new();
        for item in items {
            let Some(scalar) = self.text(item, what) else { continue };
            let name = self.add_name(scalar);
            match first_of.insert(&scalar.text, scalar.span) {
                Some(first) => {
                    let line = self.problems.line(first);
                    let message = format!("`{}` is listed twice; the first is in line {line}", scalar.masked());
                    self.report(scalar.span, message, "remove one of them");
                }
                None => names.push(name),
            }
        }
        if empty {
            self.problems.push(Diagnostic::at(node.key_span, format!("expected {what}, found an empty list")));
            return None;
        }
        Some(names)
    }

    pub(in crate::spec) fn sql(&mut self, node: &Node) -> Option<Sql> {
        // In SQL `null` is a value.
        let null = node.scalar().filter(|s| s.is_null() && !s.is_absent());
        let scalar = null.map_or_else(|| self.text(node, "SQL"), Some)?;
        let substitutions = scalar.substitutions.clone();
        Some(Sql { text: scalar.text.clone(), span: scalar.span, exact: scalar.exact, substitutions })
    }

    /// A map of `NAME: SQL`, in the order of the file.
    pub(in crate::spec) fn assignments(&mut self, node: &Node, expected: &str) -> Option<Assignments> {
        let entries = self.entries(node, expected, "()")?;
        if matches!(&node.value, NodeValue::Map(written) if written.is_empty()) {
            self.problems.push(Diagnostic::at(node.key_span, format!("expected {expected}, found an empty map")));
        }
        let mut all = Vec::new();
        for (key, value) in entries {
            let sql = self.sql(value);
            if key.text.is_empty() {
                self.problems.push(Diagnostic::at(key.span, "expected a name before `:`"));
            } else if let Some(sql) = sql {
                all.push((self.add_name(key), sql));
            }
        }
        Some(all)
    }

    /// A column as SQL, quoted where needed.
    pub(in crate::spec) fn column_sql(&self, scalar: &Scalar) -> Sql {
        let text = &scalar.text;
        if is_word(text) && ALL_KEYWORDS.binary_search(&text.to_ascii_uppercase().as_str()).is_err() {
            let substitutions = scalar.substitutions.clone();
            return Sql { text: text.clone(), span: scalar.span, exact: scalar.exact, substitutions };
        }
        let text = format!("\"{}\"", text.replace('"', "\"\""));
        // Quotes move the values, so the whole name counts as one.
        let whole =
            (!scalar.substitutions.is_empty()).then(|| Substitution { range: 0..text.len(), shown: scalar.masked() });
        Sql { text, span: scalar.span, exact: false, substitutions: whole.into_iter().collect() }
    }

    pub(in crate::spec) fn duration(&mut self, node: &Node) -> Option<Duration> {
        let scalar = self.text(node, "a duration")?;
        let text = scalar.text.trim();
        let shown = scalar.masked();
        let (message, hint) = match humantime::parse_duration(text) {
            Ok(d) if d > MAX_DURATION => {
                (format!("`{shown}` is longer than a hundred years"), "write a shorter one".into())
            }
            Ok(d) if d.subsec_nanos() % 1_000_000 != 0 => {
                (format!("`{shown}` is finer than a millisecond"), "time is counted in whole milliseconds".into())
            }
            Ok(d) => {
                hide_forms(scalar, &[&humantime::format_duration(d), &d.as_millis()]);
                return Some(d);
            }
            Err(_) if scalar.unexpanded.is_none() && text.parse::<f64>().is_ok() => {
                (format!("`{shown}` has no unit"), format!("write `{text}ms`, `{text}s`, `{text}m` or `{text}h`"))
            }
            Err(_) => (
                format!("`{shown}` is not a duration"),
                "write a whole number and a unit, such as `500ms`, `2s`, `10 min` or `1h 30m`".into(),
            ),
        };
        self.report(scalar.span, message, hint);
        None
    }

    /// A duration that is not zero.
    pub(in crate::spec) fn positive(&mut self, node: &Node) -> Option<Duration> {
        let duration = self.duration(node)?;
        if duration.is_zero() {
            self.report(
                node.error_span(),
                format!("expected more than zero, found {}", node.describe()),
                "such as `1m`",
            );
            return None;
        }
        Some(duration)
    }

    /// A number of bytes.
    pub(in crate::spec) fn size(&mut self, node: &Node) -> Option<u64> {
        let scalar = self.text(node, "a size")?;
        let text = scalar.text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = (text[..digits].parse::<u64>(), text[digits..].trim());
        let factor = match unit.to_ascii_lowercase().as_str() {
            "b" => Some(1),
            "kb" => Some(1_000),
            "mb" => Some(1_000_000),
            "gb" => Some(1_000_000_000),
            "kib" => Some(1 << 10),
            "mib" => Some(1 << 20),
            "gib" => Some(1 << 30),
            _ => None,
        };
        let size = number.as_ref().ok().zip(factor).and_then(|(n, f)| n.checked_mul(f)).filter(|n| *n > 0);
        if let Some(size) = size {
            hide_forms(scalar, &[&size]);
        } else {
            let shown = scalar.masked();
            let (message, hint) = if number.is_ok() && unit.is_empty() && scalar.unexpanded.is_none() {
                (format!("`{shown}` has no unit"), format!("write `{text}MiB` or `{text}GiB`"))
            } else {
                (
                    format!("`{shown}` is not a size"),
                    "write a whole number and a unit, such as `512MiB` or `1GiB`".into(),
                )
            };
            self.report(scalar.span, message, hint);
        }
        size
    }

    /// A whole number from 1 to `max`.
    pub(in crate::spec) fn number(&mut self, node: &Node, max: u64) -> Option<u64> {
        let expected = format!("a whole number from 1 to {max}");
        let scalar = self.text(node, &expected)?;
        match scalar.text.parse::<u64>() {
            Ok(n) if (1..=max).contains(&n) => Some(n),
            _ => self.wrong_kind(node, &expected),
        }
    }

    pub(in crate::spec) fn boolean(&mut self, node: &Node) -> Option<bool> {
        match node.scalar().map(|s| s.text.as_str()) {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => self.wrong_kind(node, "`true` or `false`"),
        }
    }

    /// One of the values of a choice.
    pub(in crate::spec) fn choice(&mut self, node: &Node, values: &'static [EnumValue]) -> Option<&'static str> {
        let supported = values.iter().filter(|v| !v.reserved).map(|v| v.name);
        let Some(scalar) = node.scalar().filter(|s| !s.is_absent()) else {
            let all: Vec<_> = supported.map(|n| format!("`{n}`")).collect();
            return self.wrong_kind(node, &format!("one of {}", all.join(", ")));
        };
        match values.iter().find(|v| v.name == scalar.text) {
            Some(v) if v.reserved => {
                self.unsupported(scalar.span, v.name, supported);
                None
            }
            Some(v) => Some(v.name),
            None => {
                // A suggestion would reveal a part of a secret.
                let like = if scalar.unexpanded.is_some() { "" } else { &scalar.text };
                let message = format!("unknown value `{}`", scalar.masked());
                let hint = self.suggest(like, supported);
                self.problems.push(Diagnostic::at(scalar.span, message).maybe_hint(hint));
                None
            }
        }
    }
}

/// Hides the forms in which later messages show a value that came from `${…}`.
fn hide_forms(scalar: &Scalar, forms: &[&dyn std::fmt::Display]) {
    if !scalar.substitutions.is_empty() {
        let (forms, shown): (Vec<String>, _) = (forms.iter().map(ToString::to_string).collect(), scalar.masked());
        Secrets::register(forms.iter().map(|form| (form.as_str(), shown.as_str())));
    }
}

/// Whether a text can be a name in SQL without quotes, keywords aside.
pub(in crate::spec) fn is_word(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !text.starts_with(|c: char| c.is_ascii_digit())
}
