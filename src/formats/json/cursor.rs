//! Tokens of one JSON text, and stepping over values that no column wants.
//!
//! Separate from the reading of columns, which only asks what comes next. It never allocates except for
//! a fault or for a name with escapes. The text must be UTF-8: callers check that first.

use super::DEPTH;
use crate::formats::fault::{Fault, quoted};
use crate::formats::number::Number;
use std::borrow::Cow;

/// A place in a JSON text.
#[derive(Debug)]
pub(in crate::formats) struct Cursor<'a> {
    pub(super) bytes: &'a [u8],
    /// The text and whatever stands behind it, which may be looked at but means nothing.
    pub(super) room: &'a [u8],
    pub(super) at: usize,
    /// Whether unknown fields are faults.
    pub(super) strict: bool,
}

/// The inside of a string, between the quotes.
pub(super) struct Text<'a> {
    pub(super) raw: &'a [u8],
    pub(super) at: usize,
    pub(super) escaped: bool,
}

const ONES: u64 = u64::MAX / 255;
const HIGHS: u64 = ONES * 0x80;

/// Non-zero, with its lowest bit in the first such byte, where a quote, a backslash or a control byte is.
#[inline]
pub(super) fn special(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let slash = word ^ (ONES * b'\\' as u64);
    ((quote.wrapping_sub(ONES) & !quote)
        | (slash.wrapping_sub(ONES) & !slash)
        | (word.wrapping_sub(ONES * 0x20) & !word))
        & HIGHS
}

impl<'a> Cursor<'a> {
    pub(in crate::formats) fn new(bytes: &'a [u8], strict: bool) -> Self {
        Self { bytes, room: bytes, at: 0, strict }
    }

    /// At the start of the text that the first `len` bytes of `room` are.
    pub(super) fn within(room: &'a [u8], len: usize, strict: bool) -> Self {
        Self { bytes: &room[..len], room, at: 0, strict }
    }

    /// The byte here; 0 at the end, which no JSON text holds outside of an escape.
    #[inline]
    pub(super) fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    /// Steps over white space and says what comes then.
    #[inline]
    pub(super) fn next(&mut self) -> u8 {
        loop {
            match self.peek() {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                other => return other,
            }
        }
    }

    #[inline]
    pub(super) fn literal(&mut self, word: &'static [u8]) -> Result<(), Fault> {
        if self.bytes[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.unexpected("a value"))
    }

    /// The number here.
    #[inline]
    pub(super) fn number(&mut self) -> Result<Number<'a>, Fault> {
        match Number::scan(&self.bytes[self.at..]) {
            Ok((number, len)) => {
                self.at += len;
                Ok(number)
            }
            Err(skip) => Err(self.digit(skip)),
        }
    }

    /// The fault of a number that lacks a digit so many bytes behind its start.
    #[cold]
    pub(super) fn digit(&mut self, skip: usize) -> Fault {
        self.at += skip;
        self.unexpected("a digit")
    }

    /// The string here, whose opening quote has been seen.
    #[inline]
    pub(super) fn text(&mut self) -> Result<Text<'a>, Fault> {
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            while let Some(chunk) = self.bytes.get(at..at + 8) {
                let found = special(u64::from_le_bytes(chunk.try_into().expect("eight bytes")));
                if found != 0 {
                    at += (found.trailing_zeros() / 8) as usize;
                    break;
                }
                at += 8;
            }
            match self.bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(Text { raw: &self.bytes[start..at], at: start, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    let len = match self.bytes.get(at + 1) {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                        Some(b'u') if hex(self.bytes.get(at + 2..at + 6)).is_some() => 6,
                        _ => return Err(Fault::at(at, "a wrong escape in a string")),
                    };
                    at += len;
                }
                Some(control) if *control < 0x20 => {
                    return Err(Fault::at(at, "a control character in a string, which JSON wants escaped"));
                }
                Some(_) => at += 1,
                None => return Err(Fault::at(start - 1, "a string without an end")),
            }
        }
    }

    /// Steps over one value of any kind.
    pub(super) fn skip(&mut self, depth: usize) -> Result<(), Fault> {
        match self.next() {
            b'"' => self.text().map(|_| ()),
            b'-' | b'0'..=b'9' => self.number().map(|_| ()),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            b'[' => {
                self.deeper(depth)?;
                self.items(b']', |c| c.skip(depth + 1))
            }
            b'{' => {
                self.deeper(depth)?;
                self.items(b'}', |c| {
                    c.quoted_name()?;
                    c.colon()?;
                    c.skip(depth + 1)
                })
            }
            _ => Err(self.unexpected("a value")),
        }
    }

    pub(super) fn deeper(&self, depth: usize) -> Result<(), Fault> {
        if depth < DEPTH {
            return Ok(());
        }
        Err(Fault::at(self.at, format!("nested more than {DEPTH} deep")))
    }

    /// What stands between a bracket here and its `end`, with a comma between each two.
    pub(super) fn items(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        let mut any = false;
        while self.item(end, any)? {
            any = true;
            item(self)?;
        }
        Ok(())
    }

    /// Steps to the next item before `end`, over the bracket or, where there were `any`, over a comma; false, and
    /// over the end, where there is none.
    #[inline]
    pub(super) fn item(&mut self, end: u8, any: bool) -> Result<bool, Fault> {
        if any {
            match self.next() {
                b',' => {
                    self.at += 1;
                    self.next();
                    return Ok(true);
                }
                other if other == end => {}
                _ => return Err(self.unexpected(if end == b']' { "`,` or `]`" } else { "`,` or `}`" })),
            }
        } else {
            self.at += 1;
            if self.next() != end {
                return Ok(true);
            }
        }
        self.at += 1;
        Ok(false)
    }

    fn quoted_name(&mut self) -> Result<Text<'a>, Fault> {
        if self.next() != b'"' {
            return Err(self.unexpected("a field name in quotes"));
        }
        self.text()
    }

    /// A field's name and the colon after it.
    pub(super) fn name(&mut self) -> Result<Cow<'a, [u8]>, Fault> {
        let text = self.quoted_name()?;
        self.colon()?;
        if !text.escaped {
            return Ok(Cow::Borrowed(text.raw));
        }
        let mut name = Vec::new();
        text.append(&mut name)?;
        Ok(Cow::Owned(name))
    }

    #[inline]
    pub(super) fn colon(&mut self) -> Result<(), Fault> {
        if self.next() != b':' {
            return Err(self.unexpected("`:` after the field name"));
        }
        self.at += 1;
        Ok(())
    }

    /// A fault here: something else was expected. Says what was found, a whole token where there is one.
    /// It may use nothing that itself fails by way of this function.
    #[cold]
    pub(super) fn unexpected(&mut self, expected: &str) -> Fault {
        let at = self.at;
        let found = match self.next() {
            b'"' => {
                self.text().map_or_else(|_| "a string without an end".into(), |t| format!("string {}", quoted(t.raw)))
            }
            b'-' | b'0'..=b'9' => match Number::scan(&self.bytes[self.at..]) {
                Ok((_, len)) => {
                    format!("number {}", String::from_utf8_lossy(&self.bytes[self.at..self.at + len]))
                }
                Err(_) => "an incomplete number".into(),
            },
            b'[' => "a list".into(),
            b'{' => "an object".into(),
            0 if self.at >= self.bytes.len() => "the end".into(),
            _ => {
                let rest = String::from_utf8_lossy(&self.bytes[self.at..]);
                let letters = rest.chars().take_while(|c| c.is_ascii_alphabetic()).count();
                format!("`{}`", rest.chars().take(letters.clamp(1, 20)).collect::<String>().escape_debug())
            }
        };
        Fault::at(at, format!("expected {expected}, found {found}"))
    }
}

impl Text<'_> {
    /// Appends what the string stands for. Its escapes have been checked, but not that surrogates pair up.
    #[inline]
    pub(super) fn append(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        if !self.escaped {
            out.extend_from_slice(self.raw);
            return Ok(());
        }
        self.unescape(out)
    }

    fn unescape(&self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut at = 0;
        while let Some(plain) = self.raw[at..].iter().position(|b| *b == b'\\') {
            out.extend_from_slice(&self.raw[at..at + plain]);
            at += plain;
            let (c, len) = match self.raw[at + 1] {
                b'b' => ('\u{8}', 2),
                b'f' => ('\u{c}', 2),
                b'n' => ('\n', 2),
                b'r' => ('\r', 2),
                b't' => ('\t', 2),
                b'u' => surrogates(&self.raw[at..])
                    .ok_or_else(|| Fault::at(self.at + at, "an unpaired surrogate in a string"))?,
                other => (char::from(other), 2),
            };
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            at += len;
        }
        out.extend_from_slice(&self.raw[at..]);
        Ok(())
    }
}

/// The character of `\uXXXX` or of a pair of them, and how long that is.
fn surrogates(escape: &[u8]) -> Option<(char, usize)> {
    let high = hex(escape.get(2..6))?;
    if let Some(c) = char::from_u32(high) {
        return Some((c, 6));
    }
    let second = escape.get(6..12).filter(|e| e.starts_with(b"\\u"))?;
    let low = hex(second.get(2..6))?;
    if !(0xD800..0xDC00).contains(&high) || !(0xDC00..0xE000).contains(&low) {
        return None;
    }
    char::from_u32(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00)).map(|c| (c, 12))
}

fn hex(digits: Option<&[u8]>) -> Option<u32> {
    digits?.iter().try_fold(0, |v, b| char::from(*b).to_digit(16).map(|d| v * 16 + d))
}
