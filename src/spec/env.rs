//! `${VAR}`, `${VAR:-default}`, `${VAR:?message}`, `${file:PATH}` and the escape `$${`.
//!
//! [`Environment`] is all that a pipeline file sees of the process. No message shows a substituted value.

use super::substitution::Substitution;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bound on all substitutions of a file together.
const MAX_SUBSTITUTED_BYTES: usize = 1 << 20;
/// How deep defaults may nest further `${…}`.
const MAX_DEFAULT_NESTING: usize = 8;

/// What a pipeline file can see of the process that reads it.
pub trait Environment {
    /// The value of an environment variable.
    fn var(&self, name: &str) -> Option<String>;
    /// The text of a file.
    ///
    /// # Errors
    /// The file cannot be read or is not UTF-8.
    fn file(&self, path: &Path) -> io::Result<String>;
}

/// The environment of this process and its file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        let mut text = String::new();
        // One byte more than the bound shows that a file exceeds it.
        std::fs::File::open(path)?.take(MAX_SUBSTITUTED_BYTES as u64 + 1).read_to_string(&mut text)?;
        Ok(text)
    }
}

/// A problem with one `${…}`, and its range in the text.
pub(super) struct SubstitutionError {
    pub(super) within: Range<usize>,
    pub(super) message: String,
    pub(super) hint: String,
}

/// A text with every `${…}` replaced.
#[derive(Debug, Default)]
pub(super) struct Expansion {
    pub(super) text: String,
    /// What came from outside the file; not defaults, which stand in it.
    pub(super) substitutions: Vec<Substitution>,
}

pub(super) struct Expander<'a> {
    base: PathBuf,
    environment: &'a dyn Environment,
    remaining_bytes: usize,
}

impl<'a> Expander<'a> {
    pub(super) fn new(base: &Path, environment: &'a dyn Environment) -> Self {
        Self { base: base.to_owned(), environment, remaining_bytes: MAX_SUBSTITUTED_BYTES }
    }

    /// The text with every `${…}` replaced; `None` if it has none.
    pub(super) fn expand(&mut self, text: &str) -> Result<Option<Expansion>, SubstitutionError> {
        if !text.contains("${") {
            return Ok(None);
        }
        self.replace(text, 0).map(Some)
    }

    fn replace(&mut self, text: &str, depth: usize) -> Result<Expansion, SubstitutionError> {
        let Expansion { text: mut out, mut substitutions } = Expansion::default();
        let mut at = 0;
        while let Some(found) = text[at..].find("${").map(|i| at + i) {
            if text[..found].ends_with('$') && found > at {
                out.push_str(&text[at..found - 1]);
                out.push_str("${");
                at = found + 2;
                continue;
            }
            out.push_str(&text[at..found]);
            let end = closing(text, found).ok_or_else(|| SubstitutionError {
                within: found..found + 2,
                message: "`${` without `}`".into(),
                hint: "close it, or write `$${` for the two characters themselves".into(),
            })?;
            let value = self.value(&text[found + 2..end - 1], depth).map_err(|(message, hint)| SubstitutionError {
                within: found..end,
                message,
                hint,
            })?;
            let within = found..end;
            self.remaining_bytes =
                self.remaining_bytes.checked_sub(value.text.len()).ok_or_else(|| SubstitutionError {
                    within,
                    message: format!("`${{…}}` brings in more than {} MiB", MAX_SUBSTITUTED_BYTES >> 20),
                    hint: "a pipeline file takes settings and passwords from outside, no data".into(),
                })?;
            substitutions.extend(value.substitutions.into_iter().map(|inner| Substitution {
                range: inner.range.start + out.len()..inner.range.end + out.len(),
                ..inner
            }));
            out.push_str(&value.text);
            at = end;
        }
        out.push_str(&text[at..]);
        Ok(Expansion { text: out, substitutions })
    }

    fn value(&mut self, inner: &str, depth: usize) -> Result<Expansion, (String, String)> {
        let from_outside = |text: &str| Expansion {
            text: text.to_owned(),
            substitutions: vec![Substitution { range: 0..text.len(), shown: format!("${{{inner}}}") }],
        };
        if let Some(path) = inner.strip_prefix("file:") {
            let path = self.base.join(path.trim());
            let text = self.environment.file(&path).map_err(|e| {
                let hint = "the path is relative to the folder of the pipeline file".to_owned();
                (format!("cannot read the file `{}`: {e}", path.display()), hint)
            })?;
            let text = text.strip_suffix('\n').unwrap_or(&text);
            return Ok(from_outside(text.strip_suffix('\r').unwrap_or(text)));
        }
        let split = inner.find(":-").into_iter().chain(inner.find(":?")).min().unwrap_or(inner.len());
        let (name, rest) = inner.split_at(split);
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(word) || name.starts_with(|c: char| c.is_ascii_digit()) {
            let hint = "write `${VAR}`, `${VAR:-default}`, `${VAR:?message}` or `${file:PATH}`".to_owned();
            return Err((format!("`{name}` is not the name of a variable"), hint));
        }
        // As in a shell, `:-` and `:?` treat an empty value as unset.
        match self.environment.var(name).filter(|v| rest.is_empty() || !v.is_empty()) {
            Some(value) => Ok(from_outside(&value)),
            None => match (rest.strip_prefix(":-"), rest.strip_prefix(":?")) {
                (Some(_), _) if depth == MAX_DEFAULT_NESTING => {
                    Err((format!("defaults nest more than {MAX_DEFAULT_NESTING} deep"), "name a plain default".into()))
                }
                (Some(default), _) => self.replace(default, depth + 1).map_err(|r| (r.message, r.hint)),
                (_, Some(message)) if !message.is_empty() => {
                    Err((format!("the variable `{name}` is not set: {message}"), format!("set `{name}`")))
                }
                _ => Err((
                    format!("the variable `{name}` is not set"),
                    format!("set it, or give a default: `${{{name}:-…}}`"),
                )),
            },
        }
    }
}

/// The position after the `}` that closes the `${` at `start`.
fn closing(text: &str, start: usize) -> Option<usize> {
    let mut open = 0_usize;
    let bytes = text.as_bytes();
    let mut i = start;
    while i < bytes.len() {
        match bytes[i] {
            b'$' if bytes.get(i + 1) == Some(&b'{') => {
                open += 1;
                i += 1;
            }
            b'}' => {
                open -= 1;
                if open == 0 {
                    return Some(i + 1);
                }
            }
            _ => {}
        }
        i += 1;
    }
    None
}
