//! CSV: one line of separated values a record, columns by position.
//!
//! Separate from a CSV library because a record is one value of a log, not a line of a stream, and because
//! `""` (an empty string) must be told from nothing (null), which the parsers at hand do not. Quotes
//! as in RFC 4180; a quote inside an unquoted value is a plain character.

mod read;
mod write;

pub(super) use read::CsvDecoder;
pub(super) use write::CsvEncoder;

use super::fault::Fault;
use std::borrow::Cow;

/// One value of a line.
pub(super) struct Part<'a> {
    /// What stands between the delimiters, or between the quotes.
    raw: &'a [u8],
    /// The byte of the line at which it begins.
    start: usize,
    quoted: bool,
    /// Whether quotes in it are doubled.
    doubled: bool,
}

impl<'a> Part<'a> {
    /// The value, `None` where nothing was written.
    pub(super) fn value(&self) -> Option<Cow<'a, [u8]>> {
        if !self.doubled {
            return (self.quoted || !self.raw.is_empty()).then_some(Cow::Borrowed(self.raw));
        }
        let mut value = Vec::with_capacity(self.raw.len());
        let mut quote = false;
        for byte in self.raw {
            quote = *byte == b'"' && !quote;
            if !quote {
                value.push(*byte);
            }
        }
        Some(Cow::Owned(value))
    }
}

/// The values of one line, which may end in a line break.
fn split<'a>(
    line: &'a [u8],
    delimiter: u8,
    mut each: impl FnMut(usize, Part<'a>) -> Result<(), Fault>,
) -> Result<usize, Fault> {
    let line = line.strip_suffix(b"\n").map_or(line, |l| l.strip_suffix(b"\r").unwrap_or(l));
    let (mut at, mut count) = (0, 0);
    loop {
        let part = part(line, at, delimiter)?;
        at = part.start + part.raw.len() + usize::from(part.quoted);
        each(count, part)?;
        count += 1;
        match line.get(at) {
            None => return Ok(count),
            Some(_) => at += 1,
        }
    }
}

/// The value that begins at a byte; after it comes the delimiter or the end.
fn part(line: &[u8], start: usize, delimiter: u8) -> Result<Part<'_>, Fault> {
    let rest = &line[start..];
    if rest.first() != Some(&b'"') {
        let len = rest.iter().position(|b| *b == delimiter || *b == b'\n').unwrap_or(rest.len());
        if rest.get(len) == Some(&b'\n') && delimiter != b'\n' {
            return Err(Fault::at(start + len, "a second line in the record"));
        }
        return Ok(Part { raw: &rest[..len], start, quoted: false, doubled: false });
    }
    let (mut at, mut doubled) = (1, false);
    loop {
        at += rest[at..].iter().position(|b| *b == b'"').ok_or_else(|| Fault::at(start, "a quote without an end"))?;
        match rest.get(at + 1) {
            Some(b'"') => {
                doubled = true;
                at += 2;
            }
            Some(other) if *other != delimiter => {
                return Err(Fault::at(start + at + 1, "a quoted value goes on after its closing quote"));
            }
            _ => return Ok(Part { raw: &rest[1..at], start: start + 1, quoted: true, doubled }),
        }
    }
}

/// The values of a line as text, such as a header's names.
///
/// # Errors
/// What is wrong with the line, and at which byte.
pub fn csv_fields(line: &[u8], delimiter: u8) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    let mut read = || -> Result<(), Fault> {
        super::json::utf8(line)?;
        split(line, delimiter, |_, part| {
            fields.push(String::from_utf8_lossy(&part.value().unwrap_or_default()).into_owned());
            Ok(())
        })
        .map(|_| ())
    };
    read().map_err(|fault| fault.to_string())?;
    Ok(fields)
}

/// Whether a line of a file is a whole record: a quoted value may go on over the line's end.
#[must_use]
pub fn csv_complete(line: &[u8]) -> bool {
    line.iter().filter(|b| **b == b'"').count() % 2 == 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn values(line: &str) -> Vec<Option<String>> {
        let mut all = Vec::new();
        let text = |v: Cow<'_, [u8]>| String::from_utf8(v.into_owned()).unwrap();
        split(line.as_bytes(), b',', |_, p| {
            all.push(p.value().map(text));
            Ok(())
        })
        .unwrap();
        all
    }

    #[test]
    fn nothing_is_null_and_quotes_are_an_empty_string() {
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
    fn broken_quotes_are_faults() {
        let fault = |line: &str| split(line.as_bytes(), b',', |_, _| Ok(())).unwrap_err().to_string();
        assert_eq!(fault("a,\"b"), "a quote without an end (byte 2)");
        assert_eq!(fault("\"b\"c"), "a quoted value goes on after its closing quote (byte 3)");
        assert_eq!(fault("a\nb"), "a second line in the record (byte 1)");
        assert!(!csv_complete(b"a,\"b\n") && csv_complete(b"a,\"b\"\n"));
        assert_eq!(csv_fields("\u{feff}a;\"b;\"".as_bytes(), b';').unwrap(), ["a", "b;"]);
    }
}
