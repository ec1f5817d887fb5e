//! The pipeline file: from YAML text to a syntax tree with spans.
//!
//! It needs the file alone and opens no backplane. It reports all problems of a file at once.

mod ast;
mod credential_keys;
mod credentials;
mod cycle;
mod draft;
mod env;
mod field_type;
mod former_names;
mod grammar;
mod kafka;
mod lower;
mod node;
pub(crate) mod operators;
mod positions;
mod problems;
mod read;
mod schema;
mod substitution;
mod syntax;
#[cfg(test)]
mod tests;
mod topics;
mod validate;

pub use ast::*;
pub use env::{Environment, ProcessEnvironment};
pub use kafka::{Kafka, KeptFor, Sasl, Secret, Security, Tls, TopicCreation};
pub use positions::{Positions, TopicBounds};
pub use schema::json_schema;
pub use substitution::Substitution;
pub use topics::MODELS_TOPIC;

use crate::diagnostics::{Diagnostic, Report, SourceText, Span};
use problems::Problems;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a pipeline file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system cannot read the file.
    #[error("cannot read the pipeline file `{}`: {}", path.display(), reason(error))]
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// The text has problems.
    #[error(transparent)]
    Report(#[from] Report),
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file; `fastdata init` writes an example".into(),
        io::ErrorKind::IsADirectory => "it is a folder; name the YAML file in it".into(),
        io::ErrorKind::PermissionDenied => "you may not read it; check its permissions".into(),
        _ => error.to_string(),
    }
}

/// What could be read of a file, and all problems with it. A file with problems is good enough to be checked
/// further, so that all mistakes are reported together, and for nothing else.
#[derive(Debug)]
pub struct PartialSpec {
    /// What could be read: the whole file if the report is empty.
    pub spec: Option<Spec>,
    /// The problems.
    pub report: Report,
    /// What could not be read.
    pub unreadable: Unreadable,
}

/// What could not be read of a file: references to it are not reported as wrong.
#[derive(Debug, Default)]
pub struct Unreadable {
    /// Columns that may exist.
    pub columns: BTreeSet<String>,
    /// Steps that exist.
    pub steps: Vec<UnreadableStep>,
}

/// A step that could not be read.
#[derive(Debug)]
pub struct UnreadableStep {
    /// Its name.
    pub name: String,
    /// Its inputs.
    pub from: Vec<InputRef>,
    /// Whether its output has the columns of its input.
    pub passes_columns: bool,
}

impl PartialSpec {
    fn empty(problems: Problems) -> Self {
        Self { spec: None, report: problems.into_report(), unreadable: Unreadable::default() }
    }

    /// The spec of a file without problems.
    ///
    /// # Errors
    /// All problems.
    pub fn finish(self) -> Result<Spec, Report> {
        self.report.finish(self.spec)
    }
}

/// Reads a pipeline file. Relative paths in it are read against its folder.
///
/// # Errors
/// The file cannot be read, or its text has problems.
pub fn read(path: &Path, environment: &dyn Environment) -> Result<Spec, ReadError> {
    Ok(read_partial(path, environment)?.finish()?)
}

/// Reads as much of a pipeline file as can be read.
///
/// # Errors
/// The file cannot be read.
pub fn read_partial(path: &Path, environment: &dyn Environment) -> Result<PartialSpec, ReadError> {
    let io = |error| ReadError::Io { path: path.to_owned(), error };
    let file = std::fs::File::open(path).map_err(io)?;
    let base = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    read_text(file, path.display().to_string(), base, environment).map_err(io)
}

/// Reads as much of a pipeline as can be read from a stream. Messages call it by this name; relative paths in it are
/// read against the current folder.
///
/// # Errors
/// The stream cannot be read.
pub fn read_stream(name: &str, stream: impl Read, environment: &dyn Environment) -> Result<PartialSpec, ReadError> {
    read_text(stream, name.to_owned(), Path::new("."), environment)
        .map_err(|error| ReadError::Io { path: name.into(), error })
}

fn read_text(stream: impl Read, name: String, base: &Path, environment: &dyn Environment) -> io::Result<PartialSpec> {
    let mut bytes = Vec::new();
    // One byte more than the bound shows that a file exceeds it.
    stream.take(read::MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > read::MAX_FILE_BYTES {
        let mut problems = Problems::new(Arc::new(SourceText { name, text: String::new() }));
        problems.push(read::too_large());
        return Ok(PartialSpec::empty(problems));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(parse_partial(Arc::new(SourceText { name, text }), base, environment)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let mut problems = Problems::new(Arc::new(SourceText { name, text }));
            let diagnostic = Diagnostic::at(Span::new(at, at + 1), "the file is not UTF-8 from here on");
            problems.push(diagnostic.hint("save it as UTF-8"));
            Ok(PartialSpec::empty(problems))
        }
    }
}

/// Reads the text of a pipeline file. `base` is the folder against which its relative paths are read.
///
/// # Errors
/// All problems with the text.
pub fn parse(source: Arc<SourceText>, base: &Path, environment: &dyn Environment) -> Result<Spec, Report> {
    parse_partial(source, base, environment).finish()
}

fn parse_partial(source: Arc<SourceText>, base: &Path, environment: &dyn Environment) -> PartialSpec {
    // Some editors begin UTF-8 files with a byte order mark; it is no column.
    let source = match source.text.strip_prefix('\u{feff}') {
        Some(text) => Arc::new(SourceText { name: source.name.clone(), text: text.to_owned() }),
        None => source,
    };
    let mut problems = Problems::new(source.clone());
    let Some(root) = read::parse_tree(&source, base, environment, &mut problems) else {
        problems.redact_passwords();
        return PartialSpec::empty(problems);
    };
    credentials::redact(&root, &mut problems);
    let mut lower = lower::Lowering::new(&mut problems);
    let Some(draft) = lower::pipeline(&mut lower, &root) else { return PartialSpec::empty(problems) };
    let (spec, unreadable) = validate::validate(draft, &mut lower, source, base);
    let spec = Some(Spec { source: problems.redacted_source(), ..spec });
    PartialSpec { spec, report: problems.into_report(), unreadable }
}
