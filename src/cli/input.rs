//! Rows of a file or of stdin: JSON lines, or rows of separated values, as the bytes they are.
//!
//! Separate because seeding, scoring and inferring read the same files. It splits rows and never
//! decodes them; a quoted line break does not end a row of separated values.

use super::exit::WrongInput;
use super::shutdown::{Shutdown, Stopped};
use crate::formats::{csv_complete, csv_fields};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Seek as _};
use std::path::{Path, PathBuf};

/// How the rows of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowFormat {
    /// One JSON object a line.
    Json,
    /// Separated values.
    Csv {
        /// Between values.
        delimiter: u8,
    },
}

/// The formats that an option can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum FormatName {
    /// One JSON object a line
    Json,
    /// Separated values, one record a row
    Csv,
}

impl RowFormat {
    /// As the options say, else as the file's extension does, else JSON.
    pub(super) fn of(file: &Path, format: Option<FormatName>, delimiter: Option<u8>, columns: bool) -> Self {
        let extension = file.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        let usual = if extension == "tsv" { b'\t' } else { b',' };
        let csv = match format {
            Some(format) => format == FormatName::Csv,
            None => delimiter.is_some() || columns || matches!(extension.as_str(), "csv" | "tsv"),
        };
        if csv { Self::Csv { delimiter: delimiter.unwrap_or(usual) } } else { Self::Json }
    }
}

/// Reads rows.
pub(super) struct Rows {
    reader: BufReader<Box<dyn Read>>,
    format: RowFormat,
    path: PathBuf,
    line: u64,
    again: Option<File>,
}

impl Rows {
    /// Opens a file, or stdin for `-`; with `shutdown`, waiting for stdin ends with the wish to stop.
    pub(super) fn open(path: &Path, format: RowFormat, shutdown: Option<&Shutdown>) -> anyhow::Result<Self> {
        let mut again = None;
        let source: Box<dyn Read> = match (is_stdin(path), shutdown) {
            (true, Some(shutdown)) => Box::new(shutdown.interruptible(io::stdin())),
            (true, None) => Box::new(io::stdin()),
            (false, _) => {
                let file = File::open(path)
                    .and_then(|f| if f.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(f) });
                let file = file.map_err(|e| WrongInput::new(format!("cannot read `{}`: {e}", path.display())))?;
                again = file.try_clone().ok();
                Box::new(file)
            }
        };
        let reader = BufReader::with_capacity(1 << 20, source);
        Ok(Self { reader, format, path: path.to_owned(), line: 0, again })
    }

    /// What to call the source in messages.
    pub(super) fn name(&self) -> String {
        if is_stdin(&self.path) { "stdin".into() } else { format!("`{}`", self.path.display()) }
    }

    /// The line at which the last row ended, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// How the rows are written.
    pub(super) fn format(&self) -> RowFormat {
        self.format
    }

    /// The next row that is not blank, without its line end; `false` at the end or when asked to stop.
    pub(super) fn next(&mut self, row: &mut Vec<u8>) -> anyhow::Result<bool> {
        row.clear();
        loop {
            match self.reader.read_until(b'\n', row) {
                Ok(0) if row.is_empty() => return Ok(false),
                Ok(0) => {}
                Ok(_) => {
                    self.line += 1;
                    if self.line == 1 && row.starts_with(b"\xef\xbb\xbf") {
                        row.drain(..3);
                    }
                    if self.is_open(row) {
                        continue;
                    }
                }
                Err(e) if Stopped::is_why(&e) => return Ok(false),
                Err(e) => {
                    return Err(anyhow::Error::from(e).context(format!(
                        "cannot read {} after line {}",
                        self.name(),
                        self.line
                    )));
                }
            }
            while row.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
                row.pop();
            }
            if row.iter().all(u8::is_ascii_whitespace) {
                row.clear();
                continue;
            }
            return Ok(true);
        }
    }

    /// The names in the first row, which is the header of separated values; none where there is no row.
    pub(super) fn header(&mut self, delimiter: u8, row: &mut Vec<u8>) -> anyhow::Result<Option<Vec<String>>> {
        if !self.next(row)? {
            return Ok(None);
        }
        let names = csv_fields(row, delimiter)
            .map_err(|e| WrongInput::new(format!("{} does not begin with the names of columns: {e}", self.name())))?;
        Ok(Some(names.into_iter().map(|n| n.trim().to_owned()).collect()))
    }

    /// Whether a row can be had without waiting for a live source.
    pub(super) fn is_ready(&self) -> bool {
        !is_stdin(&self.path) || self.reader.buffer().contains(&b'\n')
    }

    /// Starts over at the first row, where the source can.
    pub(super) fn rewind(&mut self) -> anyhow::Result<bool> {
        let Some(mut file) = self.again.as_ref().and_then(|f| f.try_clone().ok()) else { return Ok(false) };
        file.rewind()?;
        self.reader = BufReader::with_capacity(1 << 20, Box::new(file));
        self.line = 0;
        Ok(true)
    }

    fn is_open(&self, row: &[u8]) -> bool {
        matches!(self.format, RowFormat::Csv { .. }) && !csv_complete(row)
    }
}

/// Whether a path means stdin.
pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn rows(text: &str, format: RowFormat) -> Vec<String> {
        let reader = BufReader::new(Box::new(io::Cursor::new(text.as_bytes().to_vec())) as Box<dyn Read>);
        let mut rows = Rows { reader, format, path: "x".into(), line: 0, again: None };
        let (mut all, mut row) = (Vec::new(), Vec::new());
        while rows.next(&mut row).unwrap() {
            all.push(String::from_utf8(row.clone()).unwrap());
        }
        all
    }

    #[test]
    fn rows_come_without_line_ends_marks_and_blanks() {
        assert_eq!(rows("\u{feff}{\"a\":1}\r\n\n  \n{\"a\":2}", RowFormat::Json), ["{\"a\":1}", "{\"a\":2}"]);
    }

    #[test]
    fn a_quoted_line_break_is_part_of_its_row() {
        let csv = RowFormat::Csv { delimiter: b',' };
        assert_eq!(rows("a,\"b\nc\"\nd,e\n", csv), ["a,\"b\nc\"", "d,e"]);
        assert_eq!(rows("a,\"b\nc", csv), ["a,\"b\nc"]);
        assert_eq!(rows("{\"a\n", RowFormat::Json), ["{\"a"]);
    }

    #[test]
    fn the_format_follows_options_then_extension() {
        let of = |file: &str, format, delimiter| RowFormat::of(Path::new(file), format, delimiter, false);
        assert_eq!(of("a.CSV", None, None), RowFormat::Csv { delimiter: b',' });
        assert_eq!(of("a.tsv", None, None), RowFormat::Csv { delimiter: b'\t' });
        assert_eq!(of("-", None, Some(b';')), RowFormat::Csv { delimiter: b';' });
        assert_eq!(of("a.csv", Some(FormatName::Json), None), RowFormat::Json);
        assert_eq!(of("a.jsonl", None, None), RowFormat::Json);
    }
}
