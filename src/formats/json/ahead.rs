//! The common case of an object, and nothing else: fields in the order of the schema, as most writers put them.
//!
//! Separate from the reading of values, which it never changes: it reads fields as long as each is quickly seen to
//! be well formed and of its column's type, and leaves the first other one alone. It knows no faults.

use super::Cursor;
use super::cursor::special;
use crate::formats::column::{Column, Columns, Values};
use crate::formats::number::{Number, Short};
use crate::formats::rfc3339;

/// Reads the fields at the cursor, whose columns are those from `next` on; how many. The cursor is then behind the
/// last value that was read.
pub(super) fn ahead(cursor: &mut Cursor<'_>, columns: &mut Columns, next: usize) -> usize {
    let (room, end) = (cursor.room, cursor.bytes.len());
    let (mut start, mut read) = (cursor.at, 0);
    for (name, column) in columns.from(next) {
        let Some(len) = room.get(start..).and_then(|r| name.starts(r)) else { break };
        let at = space(room, start + len);
        let Some(len) = room.get(at..).and_then(|r| value(r, end.saturating_sub(at), column)) else { break };
        read += 1;
        cursor.at = at + len;
        if room[at + len] != b',' {
            break;
        }
        start = space(room, at + len + 1);
    }
    read
}

/// The place behind the spaces at `at`, if there are any.
#[inline]
fn space(room: &[u8], mut at: usize) -> usize {
    while room.get(at) == Some(&b' ') {
        at += 1;
    }
    at
}

/// Appends the value at the start of `room`; its length, which is less than `end`.
#[inline]
fn value(room: &[u8], end: usize, column: &mut Column) -> Option<usize> {
    match &mut column.values {
        Values::Double(v) => {
            if let Some(short) = Short::scan(room).and_then(|s| closed(s, room, end)) {
                v.push(short.double());
                return Some(short.len);
            }
            let (value, len) = long(room.get(..end)?)?;
            v.push(value);
            Some(len)
        }
        Values::Bigint(v) => {
            let short = closed(Short::scan(room)?, room, end)?;
            v.push(short.integer()?);
            Some(short.len)
        }
        Values::Int(v) => {
            let short = closed(Short::scan(room)?, room, end)?;
            v.push(i32::try_from(short.integer()?).ok()?);
            Some(short.len)
        }
        Values::Timestamp(v) => {
            let short = closed(Short::scan(room)?, room, end)?;
            v.push(short.integer().filter(|at| rfc3339::RANGE.contains(at))?);
            Some(short.len)
        }
        Values::Text(v) => {
            let text = plain(room, end)?;
            v.push(text);
            Some(text.len() + 2)
        }
        _ => None,
    }
}

/// A number that one more byte of the text follows, which does not continue it.
#[inline]
fn closed(short: Short, room: &[u8], end: usize) -> Option<Short> {
    (short.len < end && matches!(room[short.len], b',' | b'}')).then_some(short)
}

/// A double that is not short, and its length.
#[inline(never)]
fn long(text: &[u8]) -> Option<(f64, usize)> {
    let (number, len) = Number::scan(text).ok()?;
    Some((number.double().ok()?, len)).filter(|(_, len)| matches!(text.get(*len), Some(b',' | b'}')))
}

/// The inside of the string at the start of `room`, where it has no escapes and one more byte of the text follows.
#[inline]
fn plain(room: &[u8], end: usize) -> Option<&[u8]> {
    let text = room.strip_prefix(b"\"")?;
    let mut at = 0;
    loop {
        let found = special(u64::from_le_bytes(*text.get(at..)?.first_chunk()?));
        if found != 0 {
            at += (found.trailing_zeros() / 8) as usize;
            break;
        }
        at += 8;
    }
    (text[at] == b'"' && at + 2 < end).then(|| &text[..at])
}
