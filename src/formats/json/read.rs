//! JSON values into columns, as the schema directs.
//!
//! Separate from the tokens: here stands which token each type takes and what the message says else.
//! A name is first compared with the one after the last field found, so that records that all have their
//! fields in one order cost no look-up.

use super::Cursor;
use super::ahead::ahead;
use crate::formats::column::{Column, Columns, Values};
use crate::formats::fault::{Fault, quoted};
use crate::formats::number::{Misfit, Number};
use crate::formats::{Decoded, Decoder, FormatError, rfc3339};
use crate::record::BadRow;
use arrow_array::{Array, BinaryArray};
use arrow_schema::SchemaRef;
use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, general_purpose};
use hashbrown::HashMap;
use std::borrow::Cow;

/// Base64 with or without its padding.
pub(in crate::formats) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    general_purpose::PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Objects to rows.
#[derive(Debug)]
pub(in crate::formats) struct JsonDecoder {
    schema: SchemaRef,
    columns: Columns,
    strict: bool,
}

impl JsonDecoder {
    pub(in crate::formats) fn new(schema: &SchemaRef, strict: bool) -> Result<Self, FormatError> {
        Ok(Self { schema: schema.clone(), columns: Columns::new(schema, "json")?, strict })
    }
}

impl Decoder for JsonDecoder {
    fn decode(&mut self, values: &BinaryArray) -> Decoded {
        let (data, ends) = (values.value_data(), values.value_offsets());
        let place = |i: usize| usize::try_from(ends[i]).unwrap_or(0);
        // One check of all bytes at once; a record is then text where it begins and ends between characters.
        let all = &data[place(0)..place(values.len())];
        let ascii = all.is_ascii();
        let text = if ascii { None } else { std::str::from_utf8(all).ok() };
        let within = |i: usize| ascii || text.is_some_and(|t| t.is_char_boundary(place(i) - place(0)));
        let (mut good, mut bad) = (0, Vec::new());
        self.columns.reserve(values.len());
        for row in 0..values.len() {
            let read = if values.is_null(row) {
                Err(Fault::new("the record has no value"))
            } else {
                let bytes = &data[place(row)..place(row + 1)];
                let valid = if within(row) && within(row + 1) { Ok(()) } else { utf8(bytes) };
                let cursor = Cursor::within(&data[place(row)..], bytes.len(), self.strict);
                valid.and_then(|()| record(cursor, &mut self.columns, good))
            };
            match read {
                Ok(()) => good += 1,
                Err(fault) => {
                    self.columns.truncate(good);
                    bad.push(BadRow { row, error: fault.to_string() });
                }
            }
        }
        Decoded { columns: self.columns.finish(&self.schema, good), bad }
    }
}

/// Whether a record is text.
pub(in crate::formats) fn utf8(bytes: &[u8]) -> Result<(), Fault> {
    std::str::from_utf8(bytes).map(|_| ()).map_err(|e| Fault::at(e.valid_up_to(), "not valid UTF-8"))
}

fn record(mut cursor: Cursor<'_>, columns: &mut Columns, row: usize) -> Result<(), Fault> {
    if cursor.next() != b'{' {
        return Err(cursor.unexpected("an object"));
    }
    object(&mut cursor, columns, row, 0)?;
    end(&mut cursor)
}

fn end(cursor: &mut Cursor<'_>) -> Result<(), Fault> {
    cursor.next();
    if cursor.at < cursor.bytes.len() { Err(cursor.unexpected("the end of the record")) } else { Ok(()) }
}

/// A whole text that is one value, such as a list in a CSV column.
pub(in crate::formats) fn document(bytes: &[u8], column: &mut Column) -> Result<(), Fault> {
    let mut cursor = Cursor::new(bytes, false);
    value(&mut cursor, column, 0)?;
    end(&mut cursor)
}

/// The object at the cursor becomes row `row` of the columns.
fn object(cursor: &mut Cursor<'_>, columns: &mut Columns, row: usize, depth: usize) -> Result<(), Fault> {
    cursor.deeper(depth)?;
    let (mut found, mut next, mut any) = (0, 0, false);
    while cursor.item(b'}', any)? {
        any = true;
        let read = ahead(cursor, columns, next);
        if read > 0 {
            (found, next) = (found + read, next + read);
            continue;
        }
        let Some(index) = field(cursor, columns, next, depth)? else { continue };
        // Fields that only ever moved forward cannot have come before.
        let column = &mut columns.list[index];
        if index < next && column.len() > row {
            column.truncate(row);
            found -= 1;
        }
        value(cursor, column, depth + 1).map_err(|fault| fault.in_field(columns.name(index)))?;
        found += 1;
        next = next.max(index + 1);
    }
    if found < columns.list.len() {
        columns.list.iter_mut().for_each(|c| c.fill(row));
    }
    Ok(())
}

/// Steps over a field's name, to its value, and says which column is named; over the value too where none is.
fn field(cursor: &mut Cursor<'_>, columns: &Columns, next: usize, depth: usize) -> Result<Option<usize>, Fault> {
    let start = cursor.at;
    if let Some(len) = columns.starts(next, &cursor.room[start..]).filter(|len| start + len <= cursor.bytes.len()) {
        cursor.at += len;
        return Ok(Some(next));
    }
    let name = cursor.name()?;
    match columns.find(&name) {
        Some(index) => Ok(Some(index)),
        None if cursor.strict => Err(Fault::at(start, format!("unknown field {}", quoted(&name)))),
        None => cursor.skip(depth + 1).map(|()| None),
    }
}

/// The fault of a number that the type cannot hold.
pub(in crate::formats) fn misfit(misfit: Misfit, at: usize, text: &[u8], data_type: &str) -> Fault {
    let shown = String::from_utf8_lossy(text);
    let shown = if shown.len() > 48 { format!("{}…", &shown[..48]) } else { shown.into_owned() };
    Fault::at(
        at,
        match misfit {
            Misfit::Fraction => {
                format!("expected {data_type}, found number {shown}, which has more digits behind the point")
            }
            Misfit::Range => format!("expected {data_type}, found number {shown}, which is out of its range"),
        },
    )
}

/// The number at the cursor as `T`.
#[inline]
fn number<'a, T>(
    cursor: &mut Cursor<'a>,
    expected: &str,
    convert: impl FnOnce(Number<'a>) -> Result<T, Misfit>,
) -> Result<T, Fault> {
    let start = cursor.at;
    match Number::scan(&cursor.bytes[start..]) {
        Ok((number, len)) => {
            cursor.at += len;
            convert(number).map_err(|m| misfit(m, start, &cursor.bytes[start..cursor.at], expected))
        }
        // Not even its first byte is one of a number.
        Err(0) => Err(cursor.unexpected(expected)),
        Err(skip) => Err(cursor.digit(skip)),
    }
}

/// The string at the cursor.
fn string<'a>(cursor: &mut Cursor<'a>, expected: &str) -> Result<Cow<'a, [u8]>, Fault> {
    if cursor.peek() != b'"' {
        return Err(cursor.unexpected(expected));
    }
    let text = cursor.text()?;
    if !text.escaped {
        return Ok(Cow::Borrowed(text.raw));
    }
    let mut owned = Vec::new();
    text.append(&mut owned)?;
    Ok(Cow::Owned(owned))
}

fn found_string(at: usize, expected: &str, text: &[u8]) -> Fault {
    Fault::at(at, format!("expected {expected}, found string {}", quoted(text)))
}

pub(in crate::formats) const TIMESTAMP: &str = "a timestamp (RFC 3339 or epoch milliseconds)";

pub(in crate::formats) fn millis(number: Number<'_>) -> Result<i64, Misfit> {
    number.integer().and_then(|v| if rfc3339::RANGE.contains(&v) { Ok(v) } else { Err(Misfit::Range) })
}

/// The value at the cursor becomes the next row of the column.
fn value(cursor: &mut Cursor<'_>, column: &mut Column, depth: usize) -> Result<(), Fault> {
    let first = cursor.next();
    if first == b'n' {
        cursor.literal(b"null")?;
        column.push_null();
        return Ok(());
    }
    let at = cursor.at;
    match &mut column.values {
        Values::Double(v) => v.push(number(cursor, "a number", |n| n.double())?),
        Values::Float(v) => v.push(number(cursor, "a number", |n| n.float())?),
        Values::Bigint(v) => v.push(number(cursor, "a whole number", |n| n.integer())?),
        Values::Int(v) => v.push(number(cursor, "a whole number of 32 bits", |n| {
            n.integer().and_then(|v| i32::try_from(v).map_err(|_| Misfit::Range))
        })?),
        Values::Text(v) => {
            if first != b'"' {
                return Err(cursor.unexpected("a string"));
            }
            cursor.text()?.append(&mut v.bytes)?;
            v.end();
        }
        Values::Boolean(v) => match first {
            b't' => {
                cursor.literal(b"true")?;
                v.append(true);
            }
            b'f' => {
                cursor.literal(b"false")?;
                v.append(false);
            }
            _ => return Err(cursor.unexpected("`true` or `false`")),
        },
        Values::Timestamp(v) if first == b'"' => {
            let text = string(cursor, TIMESTAMP)?;
            v.push(rfc3339::parse_timestamp(&text).ok_or_else(|| found_string(at, TIMESTAMP, &text))?);
        }
        Values::Timestamp(v) => v.push(number(cursor, TIMESTAMP, millis)?),
        Values::Date(v) => {
            let text = string(cursor, "a date (YYYY-MM-DD)")?;
            v.push(rfc3339::parse_date(&text).ok_or_else(|| found_string(at, "a date (YYYY-MM-DD)", &text))?);
        }
        Values::Bytes(v) => {
            let text = string(cursor, "bytes as a base64 string")?;
            let decoded = BASE64.decode_vec(&*text, &mut v.bytes);
            decoded.map_err(|_| found_string(at, "bytes as a base64 string", &text))?;
            v.end();
        }
        // Writers that must keep digits often send decimals as strings.
        Values::Decimal { values, precision, scale } => {
            let (p, s) = (*precision, *scale);
            let expected = || format!("a decimal({p},{s})");
            values.push(if first == b'"' {
                let text = string(cursor, "a number")?;
                let number = Number::exactly(&text).ok_or_else(|| found_string(at, &expected(), &text))?;
                number.decimal(p, s).map_err(|m| misfit(m, at, &text, &expected()))?
            } else if matches!(first, b'-' | b'0'..=b'9') {
                let number = cursor.number()?;
                number.decimal(p, s).map_err(|m| misfit(m, at, &cursor.bytes[at..cursor.at], &expected()))?
            } else {
                return Err(cursor.unexpected("a number"));
            });
        }
        Values::List { ends, item, .. } => {
            if first != b'[' {
                return Err(cursor.unexpected("a list"));
            }
            cursor.deeper(depth)?;
            let start = item.len();
            cursor.items(b']', |c| {
                let index = item.len() - start;
                value(c, item, depth + 1).map_err(|fault| fault.in_item(index))
            })?;
            ends.push(item.len());
        }
        Values::Struct(columns) => {
            if first != b'{' {
                return Err(cursor.unexpected("an object"));
            }
            let row = columns.list[0].len();
            object(cursor, columns, row, depth)?;
        }
        Values::Map { ends, keys, values, .. } => {
            if first != b'{' {
                return Err(cursor.unexpected("an object"));
            }
            for (key, at) in entries(cursor, depth)? {
                let after = std::mem::replace(&mut cursor.at, at);
                value(cursor, values, depth + 1).map_err(|fault| fault.in_field(&String::from_utf8_lossy(&key)))?;
                cursor.at = after;
                keys.push(&key);
            }
            ends.push(values.len());
        }
    }
    Ok(())
}

/// The keys of an object and where the value of each begins; of a key that stands twice the last value.
fn entries<'a>(cursor: &mut Cursor<'a>, depth: usize) -> Result<Vec<(Cow<'a, [u8]>, usize)>, Fault> {
    cursor.deeper(depth)?;
    let mut entries: Vec<(Cow<'a, [u8]>, usize)> = Vec::new();
    let mut places: HashMap<Cow<'a, [u8]>, usize> = HashMap::new();
    cursor.items(b'}', |cursor| {
        let key = cursor.name()?;
        let at = cursor.at;
        match places.get(&key) {
            Some(place) => entries[*place].1 = at,
            None => {
                places.insert(key.clone(), entries.len());
                entries.push((key, at));
            }
        }
        cursor.skip(depth + 1)
    })?;
    Ok(entries)
}
