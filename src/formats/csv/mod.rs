//! CSV: one line of separated values per record, columns by position or by the names that come with the record.
//!
//! The parser is our own because a record is one value of a log, not a line of a stream, and because `""`
//! (an empty string) differs from an empty value (null), which CSV libraries do not distinguish. Quotes are
//! those of RFC 4180; a quote inside an unquoted value is a plain character.

mod binding;
mod read;
mod write;

pub(super) use read::CsvDecoder;
pub(super) use write::CsvEncoder;

use super::error::RecordError;
use std::borrow::Cow;

/// One value of a line.
pub(super) struct CsvValue<'a> {
    /// The bytes between the delimiters, or between the quotes.
    raw: &'a [u8],
    /// The offset of `raw` in the line.
    start: usize,
    pub(super) quoted: bool,
    /// Whether it contains doubled quotes.
    doubled: bool,
}

impl<'a> CsvValue<'a> {
    /// The unquoted value; `None` for an empty value without quotes.
    pub(super) fn unquoted(&self) -> Option<Cow<'a, [u8]>> {
        if !self.doubled {
            return (self.quoted || !self.raw.is_empty()).then_some(Cow::Borrowed(self.raw));
        }
        let mut unquoted = Vec::with_capacity(self.raw.len());
        let mut quote = false;
        for byte in self.raw {
            quote = *byte == b'"' && !quote;
            if !quote {
                unquoted.push(*byte);
            }
        }
        Some(Cow::Owned(unquoted))
    }
}

/// Calls `each` with every value of a line, which may end in a line break, and returns their number.
pub(super) fn split_line<'a>(
    line: &'a [u8],
    delimiter: u8,
    mut each: impl FnMut(usize, CsvValue<'a>) -> Result<(), RecordError>,
) -> Result<usize, RecordError> {
    let line = line.strip_suffix(b"\n").map_or(line, |l| l.strip_suffix(b"\r").unwrap_or(l));
    let (mut at, mut count) = (0, 0);
    loop {
        let value = value_at(line, at, delimiter)?;
        at = value.start + value.raw.len() + usize::from(value.quoted);
        each(count, value)?;
        count += 1;
        match line.get(at) {
            None => return Ok(count),
            Some(_) => at += 1,
        }
    }
}

/// The value that starts at this offset, up to the delimiter or the end of the line.
fn value_at(line: &[u8], start: usize, delimiter: u8) -> Result<CsvValue<'_>, RecordError> {
    let rest = &line[start..];
    if rest.first() != Some(&b'"') {
        let len = rest.iter().position(|b| *b == delimiter || *b == b'\n').unwrap_or(rest.len());
        if rest.get(len) == Some(&b'\n') && delimiter != b'\n' {
            return Err(RecordError::at(start + len, "a second line in the record"));
        }
        return Ok(CsvValue { raw: &rest[..len], start, quoted: false, doubled: false });
    }
    let (mut at, mut doubled) = (1, false);
    loop {
        at += rest[at..]
            .iter()
            .position(|b| *b == b'"')
            .ok_or_else(|| RecordError::at(start, "a quote without an end"))?;
        match rest.get(at + 1) {
            Some(b'"') => {
                doubled = true;
                at += 2;
            }
            Some(other) if *other != delimiter => {
                return Err(RecordError::at(start + at + 1, "a quoted value goes on after its closing quote"));
            }
            _ => return Ok(CsvValue { raw: &rest[1..at], start: start + 1, quoted: true, doubled }),
        }
    }
}

/// The values of a line as text, such as the names in a header.
///
/// # Errors
/// What is wrong with the line, and the byte offset.
pub fn csv_fields(line: &[u8], delimiter: u8) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    let mut read = || -> Result<(), RecordError> {
        super::json::check_utf8(line)?;
        split_line(line, delimiter, |_, value| {
            fields.push(String::from_utf8_lossy(&value.unquoted().unwrap_or_default()).into_owned());
            Ok(())
        })
        .map(|_| ())
    };
    read().map_err(|e| e.to_string())?;
    Ok(fields)
}

/// Follows the quotes of a record over the lines of a file: a quoted value may continue on the next line.
#[derive(Debug)]
pub struct CsvQuotes {
    delimiter: u8,
    place: QuotePlace,
}

/// Where the text read so far ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum QuotePlace {
    /// At the first byte of a value: only here a quote opens.
    ValueStart,
    Unquoted,
    Quoted,
    /// After a quote in a quoted value: it closes the value unless another quote follows.
    AfterQuote,
    /// A quoted value goes on after its closing quote.
    Broken,
}

/// Whether a record ends with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsvLineEnd {
    /// The record is complete.
    Complete,
    /// The line ends in a quoted value.
    Open,
    /// The quotes are wrong.
    Broken,
}

impl CsvQuotes {
    /// At the start of a record.
    #[must_use]
    pub fn new(delimiter: u8) -> Self {
        Self { delimiter, place: QuotePlace::ValueStart }
    }

    /// Follows the quotes of the next line, which may end in a line break.
    pub fn read_line(&mut self, line: &[u8]) -> CsvLineEnd {
        if self.place == QuotePlace::ValueStart && !line.contains(&b'"') {
            return CsvLineEnd::Complete;
        }
        for byte in line {
            self.place = self.place.after(*byte, self.delimiter);
        }
        match self.place {
            QuotePlace::Quoted => CsvLineEnd::Open,
            QuotePlace::Broken => CsvLineEnd::Broken,
            QuotePlace::ValueStart | QuotePlace::Unquoted | QuotePlace::AfterQuote => CsvLineEnd::Complete,
        }
    }
}

impl QuotePlace {
    fn after(self, byte: u8, delimiter: u8) -> Self {
        match (self, byte) {
            (Self::Broken, _) => Self::Broken,
            (Self::Quoted, b'"') => Self::AfterQuote,
            (Self::ValueStart | Self::AfterQuote, b'"') | (Self::Quoted, _) => Self::Quoted,
            (_, b) if b == delimiter => Self::ValueStart,
            (Self::AfterQuote, b'\r' | b'\n') => Self::AfterQuote,
            (Self::AfterQuote, _) => Self::Broken,
            (Self::ValueStart | Self::Unquoted, _) => Self::Unquoted,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn values(line: &str) -> Vec<Option<String>> {
        let mut all = Vec::new();
        let text = |v: Cow<'_, [u8]>| String::from_utf8(v.into_owned()).unwrap();
        split_line(line.as_bytes(), b',', |_, p| {
            all.push(p.unquoted().map(text));
            Ok(())
        })
        .unwrap();
        all
    }

    #[test]
    fn an_empty_value_is_null_and_empty_quotes_are_an_empty_string() {
        let some = |s: &str| Some(s.to_owned());
        assert_eq!(
            values("a,,\"\",\"b,\"\"c\"\"\n\",x\"y\r\n"),
            [some("a"), None, some(""), some("b,\"c\"\n"), some("x\"y")]
        );
        assert_eq!(values(""), [None]);
        assert_eq!(values("a,"), [some("a"), None]);
        assert_eq!(values("\"\"\"\"\"\""), [some("\"\"")]);
    }

    #[test]
    fn broken_quotes_are_errors() {
        let fault = |line: &str| split_line(line.as_bytes(), b',', |_, _| Ok(())).unwrap_err().to_string();
        assert_eq!(fault("a,\"b"), "a quote without an end (byte 2)");
        assert_eq!(fault("\"b\"c"), "a quoted value goes on after its closing quote (byte 3)");
        assert_eq!(fault("a\nb"), "a second line in the record (byte 1)");
        assert_eq!(csv_fields("\u{feff}a;\"b;\"".as_bytes(), b';').unwrap(), ["a", "b;"]);
    }

    #[test]
    fn a_line_ends_a_record_unless_it_ends_in_a_quoted_value() {
        let end = |lines: &[&str]| {
            let mut quotes = CsvQuotes::new(b',');
            lines.iter().map(|l| quotes.read_line(l.as_bytes())).collect::<Vec<_>>()
        };
        use CsvLineEnd::{Broken, Complete, Open};
        assert_eq!(end(&["a,\"b\n", "\"\"c\n", "\",d\n"]), [Open, Open, Complete]);
        assert_eq!(end(&["a,\"b\"\"\"\r\n"]), [Complete]);
        assert_eq!(end(&["1,5\" pipe\n"]), [Complete]);
        assert_eq!(end(&["\n"]), [Complete]);
        assert_eq!(end(&["\"5\" pipe\n"]), [Broken]);
        assert_eq!(end(&["1,\"5 pipe\n", "2,\"6 pipe\n"]), [Open, Broken]);
    }
}
