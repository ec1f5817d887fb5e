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

/// Reads a pipeline file. Relative paths in it are read against its folder.
///
/// # Errors
/// Where the file cannot be read, or all that is wrong with its text.
pub fn read(path: &Path, environment: &dyn Environment) -> Result<Spec, ReadError> {
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
        return Ok(faults.finish(None)?);
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(parse(Arc::new(SourceText { name, text }), base, environment)?),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let mut faults = Faults::new(Arc::new(SourceText { name, text }));
            let fault = Diagnostic::at(Span::new(at, at + 1), "the file is not UTF-8 from here on");
            faults.push(fault.hint("save it as UTF-8"));
            Ok(faults.finish(None)?)
        }
    }
}

/// Reads the text of a pipeline file. `base` is the folder against which its relative paths are read.
///
/// # Errors
/// All that is wrong with the text.
pub fn parse(source: Arc<SourceText>, base: &Path, environment: &dyn Environment) -> Result<Spec, Report> {
    // Some editors begin UTF-8 files with this mark; columns are counted without it.
    let source = match source.text.strip_prefix('\u{feff}') {
        Some(text) => Arc::new(SourceText { name: source.name.clone(), text: text.to_owned() }),
        None => source,
    };
    let mut faults = Faults::new(source.clone());
    let Some(root) = read::tree(&source, base, environment, &mut faults) else {
        faults.hide_passwords();
        return faults.finish(None);
    };
    let mut lower = lower::Lower::new(&mut faults);
    let spec = lower::pipeline(&mut lower, &root)
        .and_then(|draft| validate::validate(draft, &mut lower, source, base))
        .map(|spec| Spec { source: faults.source(), ..spec });
    faults.finish(spec)
}
