//! The pipeline file: YAML text to a syntax tree in which every value knows its place.
//!
//! Separate from planning: it needs no schema of anything outside the file and opens no backplane.
//! It reports all that is wrong at once.

mod ast;
mod env;
mod faults;
mod grammar;
mod kafka;
mod lower;
mod node;
mod read;
mod schema;
mod shape;
mod syntax;
#[cfg(test)]
mod tests;
mod validate;

pub use ast::*;
pub use env::{Environment, ProcessEnvironment};
pub use kafka::{Kafka, Sasl, Secret, Security, Tls};
pub use schema::json_schema;

use crate::diagnostics::{Diagnostic, Report, SourceText, Span};
use faults::Faults;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a pipeline file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file itself could not be read.
    #[error("cannot read the pipeline file `{}`: {}", path.display(), reason(error))]
    Io {
        /// The path as it was given.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Its text is wrong.
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

/// A file as far as it could be read, and all that is wrong with it. What could be read is good enough to
/// look for mistakes of meaning beside those of form, and for nothing else.
#[derive(Debug)]
pub struct Reading {
    /// The file; the whole of it where the report is empty.
    pub spec: Option<Spec>,
    /// What is wrong.
    pub report: Report,
    /// What could not be read.
    pub wrong: Wrong,
}

/// What could not be read, as far as others depend on it.
#[derive(Debug, Default)]
pub struct Wrong {
    /// Columns that may be there.
    pub columns: BTreeSet<String>,
    /// Steps that are there.
    pub steps: Vec<WrongStep>,
}

/// A step that could not be read.
#[derive(Debug)]
pub struct WrongStep {
    /// Its name.
    pub name: String,
    /// Its inputs.
    pub from: Vec<From>,
    /// Whether what reads it will find the columns of its input, beside others.
    pub passes: bool,
}

impl Reading {
    fn nothing(faults: Faults) -> Self {
        Self { spec: None, report: faults.report(), wrong: Wrong::default() }
    }

    /// The file where nothing is wrong.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn finish(self) -> Result<Spec, Report> {
        self.report.finish(self.spec)
    }
}

/// Reads a pipeline file. Relative paths in it are read against its folder.
///
/// # Errors
/// Where the file cannot be read, or all that is wrong with its text.
pub fn read(path: &Path, environment: &dyn Environment) -> Result<Spec, ReadError> {
    Ok(examine(path, environment)?.finish()?)
}

/// Reads a pipeline file as far as it goes.
///
/// # Errors
/// Where the file cannot be read.
pub fn examine(path: &Path, environment: &dyn Environment) -> Result<Reading, ReadError> {
    let io = |error| ReadError::Io { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(io)?;
    // One byte more than is allowed, so that too large a file is seen to be too large.
    file.take(read::LARGEST as u64 + 1).read_to_end(&mut bytes).map_err(io)?;
    let name = path.display().to_string();
    let base = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if bytes.len() > read::LARGEST {
        let mut faults = Faults::new(Arc::new(SourceText { name, text: String::new() }));
        faults.push(read::too_large());
        return Ok(Reading::nothing(faults));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(examine_text(Arc::new(SourceText { name, text }), base, environment)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let mut faults = Faults::new(Arc::new(SourceText { name, text }));
            let fault = Diagnostic::at(Span::new(at, at + 1), "the file is not UTF-8 from here on");
            faults.push(fault.hint("save it as UTF-8"));
            Ok(Reading::nothing(faults))
        }
    }
}

/// Reads the text of a pipeline file. `base` is the folder against which its relative paths are read.
///
/// # Errors
/// All that is wrong with the text.
pub fn parse(source: Arc<SourceText>, base: &Path, environment: &dyn Environment) -> Result<Spec, Report> {
    examine_text(source, base, environment).finish()
}

fn examine_text(source: Arc<SourceText>, base: &Path, environment: &dyn Environment) -> Reading {
    // Some editors begin UTF-8 files with this mark; columns are counted without it.
    let source = match source.text.strip_prefix('\u{feff}') {
        Some(text) => Arc::new(SourceText { name: source.name.clone(), text: text.to_owned() }),
        None => source,
    };
    let mut faults = Faults::new(source.clone());
    let Some(root) = read::tree(&source, base, environment, &mut faults) else {
        faults.hide_passwords();
        return Reading::nothing(faults);
    };
    let mut lower = lower::Lower::new(&mut faults);
    let Some(draft) = lower::pipeline(&mut lower, &root) else { return Reading::nothing(faults) };
    let (spec, wrong) = validate::validate(draft, &mut lower, source, base);
    let spec = Some(Spec { source: faults.source(), ..spec });
    Reading { spec, report: faults.report(), wrong }
}
