//! The common case of an object: fields in schema order, each with a well-formed value of its column's type.
//!
//! It reads such fields until the first one that is different, and leaves that one to the general reader. So
//! it reports no errors and never changes what a record means.

use super::cursor::{JsonCursor, find_special};
use crate::formats::column::{ColumnBuilder, ColumnBuilders, ColumnValues};
use crate::formats::epoch::millis_of_integer;
use crate::formats::number::{Number, ShortNumber};

/// Reads the fields at the cursor into the columns from `next` on and returns how many it read. The cursor is
/// left after the last value that was read.
pub(super) fn read_ordered_fields(cursor: &mut JsonCursor<'_>, columns: &mut ColumnBuilders, next: usize) -> usize {
    let (buffer, end) = (cursor.buffer, cursor.bytes.len());
    let (mut start, mut read) = (cursor.at, 0);
    for (name, column) in columns.with_names_from(next) {
        let Some(len) = buffer.get(start..).and_then(|b| name.prefix_len(b)) else { break };
        let at = skip_spaces(buffer, start + len);
        let Some(len) = buffer.get(at..).and_then(|b| read_value(b, end.saturating_sub(at), column)) else { break };
        read += 1;
        cursor.at = at + len;
        if buffer[at + len] != b',' {
            break;
        }
        start = skip_spaces(buffer, at + len + 1);
    }
    read
}

#[inline]
fn skip_spaces(buffer: &[u8], mut at: usize) -> usize {
    while buffer.get(at) == Some(&b' ') {
        at += 1;
    }
    at
}

/// Appends the value at the start of `buffer` and returns its length, which is less than `end`.
#[inline]
fn read_value(buffer: &[u8], end: usize, column: &mut ColumnBuilder) -> Option<usize> {
    match &mut column.values {
        ColumnValues::Double(v) => {
            if let Some(short) = ShortNumber::scan(buffer).and_then(|s| delimited(s, buffer, end)) {
                v.push(short.double());
                return Some(short.len);
            }
            let (value, len) = long_double(buffer.get(..end)?)?;
            v.push(value);
            Some(len)
        }
        ColumnValues::Bigint(v) => {
            let short = delimited(ShortNumber::scan(buffer)?, buffer, end)?;
            v.push(short.integer()?);
            Some(short.len)
        }
        ColumnValues::Int(v) => {
            let short = delimited(ShortNumber::scan(buffer)?, buffer, end)?;
            v.push(i32::try_from(short.integer()?).ok()?);
            Some(short.len)
        }
        ColumnValues::Timestamp(v) => {
            let short = delimited(ShortNumber::scan(buffer)?, buffer, end)?;
            v.push(short.integer().and_then(millis_of_integer)?);
            Some(short.len)
        }
        ColumnValues::Text(v) => {
            let text = unescaped_string(buffer, end)?;
            v.push(text);
            Some(text.len() + 2)
        }
        _ => None,
    }
}

/// The number, if a comma or a brace within the record ends it.
#[inline]
fn delimited(short: ShortNumber, buffer: &[u8], end: usize) -> Option<ShortNumber> {
    (short.len < end && matches!(buffer[short.len], b',' | b'}')).then_some(short)
}

/// A double that is not a [`ShortNumber`], and its length.
#[inline(never)]
fn long_double(text: &[u8]) -> Option<(f64, usize)> {
    let (number, len) = Number::scan(text).ok()?;
    Some((number.double().ok()?, len)).filter(|(_, len)| matches!(text.get(*len), Some(b',' | b'}')))
}

/// The content of the string at the start of `buffer`, if it has no escapes and does not end the record.
#[inline]
fn unescaped_string(buffer: &[u8], end: usize) -> Option<&[u8]> {
    let text = buffer.strip_prefix(b"\"")?;
    let mut at = 0;
    loop {
        let special = find_special(u64::from_le_bytes(*text.get(at..)?.first_chunk()?));
        if special != 0 {
            at += (special.trailing_zeros() / 8) as usize;
            break;
        }
        at += 8;
    }
    (text[at] == b'"' && at + 2 < end).then(|| &text[..at])
}
