//! Reads the rows of a file or of stdin as bytes: JSON lines or separated values.
//!
//! It splits rows and does not decode them. A line break in quotes does not end a row of separated values. A quote
//! that nothing closes costs its own line only: the lines after it are rows.

use super::exit::UserError;
use super::shutdown::{BlockedCheck, Interrupted, Shutdown};
use crate::formats::{CsvLineEnd, CsvQuotes, Format, csv_fields};
use crate::log::LogError;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Seek as _};
use std::path::{Path, PathBuf};

const BUFFER_BYTES: usize = 1 << 20;

/// A quote that is still open after so many bytes is a mistake. Few logs take larger records.
const MAX_QUOTED_BYTES: usize = 1 << 20;

/// A file or stdin, row by row.
pub(super) struct RowReader {
    reader: BufReader<Box<dyn Read>>,
    format: Format,
    path: PathBuf,
    line: u64,
    /// Lines that were read and given back, and how many of these bytes are read again.
    returned: (Vec<u8>, usize),
    /// A second handle of a file, to start over.
    rewindable: Option<File>,
}

impl RowReader {
    /// Opens a file, or stdin for `-`. With `shutdown`, an interrupt or a failed check ends a read of stdin that waits.
    pub(super) fn open(
        path: &Path,
        format: Format,
        shutdown: Option<(&Shutdown, BlockedCheck)>,
    ) -> anyhow::Result<Self> {
        let mut rewindable = None;
        let source: Box<dyn Read> = match (is_stdin(path), shutdown) {
            (true, Some((shutdown, check))) => Box::new(shutdown.interruptible(io::stdin()).checking(check)),
            (true, None) => Box::new(io::stdin()),
            (false, _) => {
                let file = File::open(path)
                    .and_then(|f| if f.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(f) });
                let file = file.map_err(|e| UserError::new(format!("cannot read `{}`: {e}", path.display())))?;
                rewindable = file.try_clone().ok();
                Box::new(file)
            }
        };
        let reader = BufReader::with_capacity(BUFFER_BYTES, source);
        Ok(Self { reader, format, path: path.to_owned(), line: 0, returned: (Vec::new(), 0), rewindable })
    }

    /// The name of the source in messages.
    pub(super) fn name(&self) -> String {
        if is_stdin(&self.path) { "stdin".into() } else { format!("`{}`", self.path.display()) }
    }

    /// The number of the line that ended the last row, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    pub(super) fn format(&self) -> &Format {
        &self.format
    }

    /// The delimiter of separated values; `None` for other formats.
    pub(super) fn delimiter(&self) -> Option<u8> {
        match self.format {
            Format::Csv { delimiter, .. } => Some(delimiter),
            Format::Json { .. } | Format::Text | Format::Bytes => None,
        }
    }

    /// Reads the next row that is not blank, without its line end; `false` at the end or after an interrupt.
    pub(super) fn next(&mut self, row: &mut Vec<u8>) -> anyhow::Result<bool> {
        loop {
            row.clear();
            match self.read_row(row) {
                Ok(()) if row.is_empty() => return Ok(false),
                Ok(()) => {}
                Err(e) if Interrupted::is_cause_of(&e) => return Ok(false),
                Err(e) => return Err(self.error(e)),
            }
            while row.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
                row.pop();
            }
            if !row.iter().all(u8::is_ascii_whitespace) {
                return Ok(true);
            }
        }
    }

    /// Reads the lines of one row; none at the end.
    fn read_row(&mut self, row: &mut Vec<u8>) -> io::Result<()> {
        self.read_line(row)?;
        if self.line == 1 && row.starts_with(b"\xef\xbb\xbf") {
            row.drain(..3);
        }
        let Some(delimiter) = self.delimiter() else { return Ok(()) };
        let mut quotes = CsvQuotes::new(delimiter);
        let (mut end, first) = (quotes.read_line(row), row.len());
        let mut lines = 1;
        while end == CsvLineEnd::Open && row.len() - first < MAX_QUOTED_BYTES {
            let start = row.len();
            if self.read_line(row)? == 0 {
                break;
            }
            lines += 1;
            end = quotes.read_line(&row[start..]);
        }
        if end != CsvLineEnd::Complete {
            self.return_lines(&row[first..], lines - 1);
            row.truncate(first);
        }
        Ok(())
    }

    /// Appends the next line and returns its length, 0 at the end.
    fn read_line(&mut self, row: &mut Vec<u8>) -> io::Result<usize> {
        let (returned, at) = &mut self.returned;
        let len = match returned[*at..].iter().position(|b| *b == b'\n').map(|end| end + 1) {
            Some(len) => {
                row.extend_from_slice(&returned[*at..*at + len]);
                *at += len;
                len
            }
            // The last of the returned lines may have no end yet.
            None => {
                let rest = returned.len() - *at;
                row.extend_from_slice(&returned[*at..]);
                self.returned = (Vec::new(), 0);
                rest + self.reader.read_until(b'\n', row)?
            }
        };
        self.line += u64::from(len > 0);
        Ok(len)
    }

    /// Gives lines back, to be read again.
    fn return_lines(&mut self, text: &[u8], lines: u64) {
        if text.is_empty() {
            return;
        }
        let (returned, at) = std::mem::take(&mut self.returned);
        self.returned = ([text, &returned[at..]].concat(), 0);
        self.line -= lines;
    }

    fn error(&self, error: io::Error) -> anyhow::Error {
        match error.downcast::<LogError>() {
            // A failed check has nothing to do with the input.
            Ok(failed) => failed.into(),
            Err(e) => anyhow::Error::from(e).context(format!("cannot read {} after line {}", self.name(), self.line)),
        }
    }

    /// The column names in the first row; `None` if there is no row.
    pub(super) fn header(&mut self, delimiter: u8, row: &mut Vec<u8>) -> anyhow::Result<Option<Vec<String>>> {
        if !self.next(row)? {
            return Ok(None);
        }
        let names = csv_fields(row, delimiter)
            .map_err(|e| UserError::new(format!("{} does not start with column names: {e}", self.name())))?;
        Ok(Some(names.into_iter().map(|n| n.trim().to_owned()).collect()))
    }

    /// Whether the next row is available without waiting for stdin.
    pub(super) fn is_ready(&self) -> bool {
        !is_stdin(&self.path) || !self.returned.0.is_empty() || self.reader.buffer().contains(&b'\n')
    }

    /// Starts over at the first row; `false` if the source cannot.
    pub(super) fn rewind(&mut self) -> anyhow::Result<bool> {
        let Some(mut file) = self.rewindable.as_ref().and_then(|f| f.try_clone().ok()) else { return Ok(false) };
        file.rewind()?;
        self.reader = BufReader::with_capacity(BUFFER_BYTES, Box::new(file));
        (self.line, self.returned) = (0, (Vec::new(), 0));
        Ok(true)
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

    const JSON: Format = Format::Json { strict: false };

    fn rows(text: &str, format: Format) -> Vec<String> {
        let reader = BufReader::new(Box::new(io::Cursor::new(text.as_bytes().to_vec())) as Box<dyn Read>);
        let mut rows =
            RowReader { reader, format, path: "x".into(), line: 0, returned: (Vec::new(), 0), rewindable: None };
        let (mut found, mut row) = (Vec::new(), Vec::new());
        while rows.next(&mut row).unwrap() {
            found.push(String::from_utf8(row.clone()).unwrap());
        }
        found
    }

    #[test]
    fn line_ends_byte_order_marks_and_blank_rows_are_removed() {
        assert_eq!(rows("\u{feff}{\"a\":1}\r\n\n  \n{\"a\":2}", JSON), ["{\"a\":1}", "{\"a\":2}"]);
    }

    proptest::proptest! {
        #[test]
        fn the_rows_of_a_writer_come_back(
            written in proptest::collection::vec(proptest::collection::vec("[ab\",\n\r]{0,5}", 1..4), 0..8),
        ) {
            let quoted = |v: &String| match v.contains(['"', ',', '\n', '\r']) || v.is_empty() {
                true => format!("\"{}\"", v.replace('"', "\"\"")),
                false => v.clone(),
            };
            let lines: Vec<String> = written.iter().map(|r| r.iter().map(quoted).collect::<Vec<_>>().join(",")).collect();
            proptest::prop_assert_eq!(rows(&lines.join("\r\n"), Format::csv(b',')), lines);
        }
    }

    #[test]
    fn a_quoted_line_break_is_part_of_its_row() {
        let csv = || Format::csv(b',');
        assert_eq!(rows("a,\"b\nc\"\nd,e\n", csv()), ["a,\"b\nc\"", "d,e"]);
        assert_eq!(rows("{\"a\n", JSON), ["{\"a"]);
    }

    #[test]
    fn a_quote_that_nothing_closes_costs_its_own_line_only() {
        let csv = || Format::csv(b',');
        assert_eq!(rows("1,5\" pipe\n2,x\n", csv()), ["1,5\" pipe", "2,x"]);
        assert_eq!(rows("1,\"5 pipe\n2,x\n3,y", csv()), ["1,\"5 pipe", "2,x", "3,y"]);
        assert_eq!(rows("1,\"a\n2,\"b\n\n3,\"c\nd\"\n", csv()), ["1,\"a", "2,\"b", "3,\"c\nd\""]);
        let long = format!("1,\"a\n{}", "2,x\n".repeat(MAX_QUOTED_BYTES / 2));
        assert_eq!(rows(&long, csv()).len(), 1 + MAX_QUOTED_BYTES / 2);
    }
}
