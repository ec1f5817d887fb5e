//! The tokens of one JSON text.
//!
//! The cursor allocates only for errors and for names with escapes. Callers must check that the text is
//! UTF-8.

use crate::formats::error::{RecordError, quoted};
use crate::formats::number::Number;
use std::borrow::Cow;

/// Nesting depth of a record; a deeper one is a bad row.
const MAX_DEPTH: usize = 128;

/// A position in a JSON text.
#[derive(Debug)]
pub(in crate::formats) struct JsonCursor<'a> {
    pub(in crate::formats) bytes: &'a [u8],
    /// The text and the bytes after it in memory, which may be loaded but have no meaning.
    pub(in crate::formats) buffer: &'a [u8],
    pub(in crate::formats) at: usize,
    /// Whether unknown fields are errors.
    pub(in crate::formats) strict: bool,
}

/// The content of a string, between the quotes.
pub(in crate::formats) struct JsonString<'a> {
    pub(in crate::formats) raw: &'a [u8],
    pub(in crate::formats) at: usize,
    /// Whether `raw` contains escapes.
    pub(in crate::formats) escaped: bool,
}

/// The lowest bit of each byte.
const LOW_BITS: u64 = u64::MAX / 255;
const HIGH_BITS: u64 = LOW_BITS * 0x80;

/// Finds quotes, backslashes and control bytes in eight bytes. The lowest bit that is set is in the first such
/// byte; 0 means that there is none.
#[inline]
pub(in crate::formats) fn find_special(word: u64) -> u64 {
    let quote = word ^ (LOW_BITS * b'"' as u64);
    let backslash = word ^ (LOW_BITS * b'\\' as u64);
    ((quote.wrapping_sub(LOW_BITS) & !quote)
        | (backslash.wrapping_sub(LOW_BITS) & !backslash)
        | (word.wrapping_sub(LOW_BITS * 0x20) & !word))
        & HIGH_BITS
}

impl<'a> JsonCursor<'a> {
    pub(in crate::formats) fn new(bytes: &'a [u8], strict: bool) -> Self {
        Self { bytes, buffer: bytes, at: 0, strict }
    }

    /// A cursor at the start of the text in the first `len` bytes of `buffer`.
    pub(in crate::formats) fn with_buffer(buffer: &'a [u8], len: usize, strict: bool) -> Self {
        Self { bytes: &buffer[..len], buffer, at: 0, strict }
    }

    /// The byte at the cursor; at the end 0, which no valid JSON text contains.
    #[inline]
    pub(in crate::formats) fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    /// Skips white space and returns the byte after it.
    #[inline]
    pub(in crate::formats) fn peek_token(&mut self) -> u8 {
        loop {
            match self.peek() {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                other => return other,
            }
        }
    }

    #[inline]
    pub(in crate::formats) fn literal(&mut self, word: &'static [u8]) -> Result<(), RecordError> {
        if self.bytes[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.unexpected("a value"))
    }

    /// Reads the number at the cursor.
    #[inline]
    pub(in crate::formats) fn number(&mut self) -> Result<Number<'a>, RecordError> {
        match Number::scan(&self.bytes[self.at..]) {
            Ok((number, len)) => {
                self.at += len;
                Ok(number)
            }
            Err(skip) => Err(self.missing_digit(skip)),
        }
    }

    /// The error of a number that lacks a digit `skip` bytes after its start.
    #[cold]
    pub(in crate::formats) fn missing_digit(&mut self, skip: usize) -> RecordError {
        self.at += skip;
        self.unexpected("a digit")
    }

    /// Reads the string at the cursor, which is at the opening quote.
    #[inline]
    pub(in crate::formats) fn string(&mut self) -> Result<JsonString<'a>, RecordError> {
        let start = self.at + 1;
        let mut at = start;
        let mut escaped = false;
        loop {
            while let Some(chunk) = self.bytes.get(at..at + 8) {
                let special = find_special(u64::from_le_bytes(chunk.try_into().expect("eight bytes")));
                if special != 0 {
                    at += (special.trailing_zeros() / 8) as usize;
                    break;
                }
                at += 8;
            }
            match self.bytes.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(JsonString { raw: &self.bytes[start..at], at: start, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    let len = match self.bytes.get(at + 1) {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
                        Some(b'u') if hex(self.bytes.get(at + 2..at + 6)).is_some() => 6,
                        _ => return Err(RecordError::at(at, "a wrong escape in a string")),
                    };
                    at += len;
                }
                Some(control) if *control < 0x20 => {
                    return Err(RecordError::at(at, "a control character in a string, which JSON wants escaped"));
                }
                Some(_) => at += 1,
                None => return Err(RecordError::at(start - 1, "a string without an end")),
            }
        }
    }

    /// Skips one value of any type.
    pub(in crate::formats) fn skip_value(&mut self, depth: usize) -> Result<(), RecordError> {
        match self.peek_token() {
            b'"' => self.string().map(|_| ()),
            b'-' | b'0'..=b'9' => self.number().map(|_| ()),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            b'[' => {
                self.check_depth(depth)?;
                self.for_each_item(b']', |c| c.skip_value(depth + 1))
            }
            b'{' => {
                self.check_depth(depth)?;
                self.for_each_item(b'}', |c| {
                    c.name_string()?;
                    c.colon()?;
                    c.skip_value(depth + 1)
                })
            }
            _ => Err(self.unexpected("a value")),
        }
    }

    pub(in crate::formats) fn check_depth(&self, depth: usize) -> Result<(), RecordError> {
        if depth < MAX_DEPTH {
            return Ok(());
        }
        Err(RecordError::at(self.at, format!("nested more than {MAX_DEPTH} deep")))
    }

    /// Calls `item` for each item between the bracket at the cursor and the bracket `end`.
    pub(in crate::formats) fn for_each_item(
        &mut self,
        end: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), RecordError>,
    ) -> Result<(), RecordError> {
        let mut any = false;
        while self.next_item(end, any)? {
            any = true;
            item(self)?;
        }
        Ok(())
    }

    /// Moves to the next item: past the opening bracket or, if there were `any` items, past a comma. At the
    /// bracket `end` it moves past that and returns false.
    #[inline]
    pub(in crate::formats) fn next_item(&mut self, end: u8, any: bool) -> Result<bool, RecordError> {
        if any {
            match self.peek_token() {
                b',' => {
                    self.at += 1;
                    self.peek_token();
                    return Ok(true);
                }
                other if other == end => {}
                _ => return Err(self.unexpected(if end == b']' { "`,` or `]`" } else { "`,` or `}`" })),
            }
        } else {
            self.at += 1;
            if self.peek_token() != end {
                return Ok(true);
            }
        }
        self.at += 1;
        Ok(false)
    }

    fn name_string(&mut self) -> Result<JsonString<'a>, RecordError> {
        if self.peek_token() != b'"' {
            return Err(self.unexpected("a field name in quotes"));
        }
        self.string()
    }

    /// Reads a field's name and the colon after it.
    pub(in crate::formats) fn name(&mut self) -> Result<Cow<'a, [u8]>, RecordError> {
        let text = self.name_string()?;
        self.colon()?;
        if !text.escaped {
            return Ok(Cow::Borrowed(text.raw));
        }
        let mut name = Vec::new();
        text.append_to(&mut name)?;
        Ok(Cow::Owned(name))
    }

    #[inline]
    pub(in crate::formats) fn colon(&mut self) -> Result<(), RecordError> {
        if self.peek_token() != b':' {
            return Err(self.unexpected("`:` after the field name"));
        }
        self.at += 1;
        Ok(())
    }

    /// The error that names what was expected and the token that was found. It must not call a function that
    /// itself fails with this error.
    #[cold]
    pub(in crate::formats) fn unexpected(&mut self, expected: &str) -> RecordError {
        let at = self.at;
        let found = match self.peek_token() {
            b'"' => {
                self.string().map_or_else(|_| "a string without an end".into(), |t| format!("string {}", quoted(t.raw)))
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
        RecordError::at(at, format!("expected {expected}, found {found}"))
    }
}

impl JsonString<'_> {
    /// Appends the unescaped content. Escapes were checked before, except that surrogates come in pairs.
    #[inline]
    pub(in crate::formats) fn append_to(&self, out: &mut Vec<u8>) -> Result<(), RecordError> {
        if !self.escaped {
            out.extend_from_slice(self.raw);
            return Ok(());
        }
        self.unescape(out)
    }

    fn unescape(&self, out: &mut Vec<u8>) -> Result<(), RecordError> {
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
                b'u' => unicode_escape(&self.raw[at..])
                    .ok_or_else(|| RecordError::at(self.at + at, "an unpaired surrogate in a string"))?,
                other => (char::from(other), 2),
            };
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            at += len;
        }
        out.extend_from_slice(&self.raw[at..]);
        Ok(())
    }
}

/// The character of `\uXXXX` or of a surrogate pair, and the length of the escape.
fn unicode_escape(escape: &[u8]) -> Option<(char, usize)> {
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
