//! JSON values into columns, as the schema directs.
//!
//! This file decides which tokens each type accepts and how an error describes any other. A field name is
//! first compared with the column after the last field, so that records with fields in schema order need no
//! lookup.

use super::cursor::JsonCursor;
use super::fast_path::read_ordered_fields;
use crate::formats::column::{ByteValues, ColumnBuilder, ColumnBuilders, ColumnValues};
use crate::formats::error::{RecordError, quoted};
use crate::formats::number::{Number, NumberError};
use crate::formats::{Decoded, Decoder, FormatError, epoch};
use crate::record::BadRow;
use crate::time::rfc3339;
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
    columns: ColumnBuilders,
    strict: bool,
}

impl JsonDecoder {
    pub(in crate::formats) fn new(schema: &SchemaRef, strict: bool) -> Result<Self, FormatError> {
        Ok(Self { schema: schema.clone(), columns: ColumnBuilders::new(schema, "json")?, strict })
    }
}

impl Decoder for JsonDecoder {
    fn decode(&mut self, values: &BinaryArray) -> Decoded {
        let (data, ends) = (values.value_data(), values.value_offsets());
        let offset = |i: usize| usize::try_from(ends[i]).unwrap_or(0);
        // One check of all bytes: a record is then UTF-8 if it starts and ends at a character boundary.
        let all = &data[offset(0)..offset(values.len())];
        let ascii = all.is_ascii();
        let text = if ascii { None } else { std::str::from_utf8(all).ok() };
        let boundary = |i: usize| ascii || text.is_some_and(|t| t.is_char_boundary(offset(i) - offset(0)));
        let (mut good, mut bad) = (0, Vec::new());
        self.columns.reserve(values.len());
        for row in 0..values.len() {
            let read = if values.is_null(row) {
                Err(RecordError::new("the record has no value"))
            } else {
                let bytes = &data[offset(row)..offset(row + 1)];
                let valid = if boundary(row) && boundary(row + 1) { Ok(()) } else { check_utf8(bytes) };
                let cursor = JsonCursor::with_buffer(&data[offset(row)..], bytes.len(), self.strict);
                valid.and_then(|()| read_record(cursor, &mut self.columns, good))
            };
            match read {
                Ok(()) => good += 1,
                Err(error) => {
                    self.columns.truncate(good);
                    bad.push(BadRow { row, error: error.to_string() });
                }
            }
        }
        Decoded { columns: self.columns.finish(&self.schema, good), bad }
    }
}

/// Checks that a record is UTF-8.
pub(in crate::formats) fn check_utf8(bytes: &[u8]) -> Result<(), RecordError> {
    std::str::from_utf8(bytes).map(|_| ()).map_err(|e| RecordError::at(e.valid_up_to(), "not valid UTF-8"))
}

fn read_record(mut cursor: JsonCursor<'_>, columns: &mut ColumnBuilders, row: usize) -> Result<(), RecordError> {
    if cursor.peek_token() != b'{' {
        return Err(cursor.unexpected("an object"));
    }
    read_object(&mut cursor, columns, row, 0)?;
    expect_end(&mut cursor)
}

fn expect_end(cursor: &mut JsonCursor<'_>) -> Result<(), RecordError> {
    cursor.peek_token();
    if cursor.at < cursor.bytes.len() { Err(cursor.unexpected("the end of the record")) } else { Ok(()) }
}

/// Reads a text that is one value, such as a list in a CSV column.
pub(in crate::formats) fn read_document(bytes: &[u8], column: &mut ColumnBuilder) -> Result<(), RecordError> {
    let mut cursor = JsonCursor::new(bytes, false);
    read_value(&mut cursor, column, 0)?;
    expect_end(&mut cursor)
}

/// Reads the object at the cursor into row `row` of the columns.
fn read_object(
    cursor: &mut JsonCursor<'_>,
    columns: &mut ColumnBuilders,
    row: usize,
    depth: usize,
) -> Result<(), RecordError> {
    cursor.check_depth(depth)?;
    let (mut found, mut next, mut any) = (0, 0, false);
    while cursor.next_item(b'}', any)? {
        any = true;
        let read = read_ordered_fields(cursor, columns, next);
        if read > 0 {
            (found, next) = (found + read, next + read);
            continue;
        }
        let Some(index) = read_field_name(cursor, columns, next, depth)? else { continue };
        // A column at or after `next` has no value of this row yet; an earlier one is a duplicate field.
        let column = &mut columns.builders[index];
        if index < next && column.len() > row {
            column.truncate(row);
            found -= 1;
        }
        read_value(cursor, column, depth + 1).map_err(|e| e.in_field(columns.name(index)))?;
        found += 1;
        next = next.max(index + 1);
    }
    if found < columns.builders.len() {
        columns.builders.iter_mut().for_each(|c| c.fill_missing(row));
    }
    Ok(())
}

/// Reads a field's name up to its value and returns its column. Skips the value too if there is no such column.
fn read_field_name(
    cursor: &mut JsonCursor<'_>,
    columns: &ColumnBuilders,
    next: usize,
    depth: usize,
) -> Result<Option<usize>, RecordError> {
    let start = cursor.at;
    if let Some(len) = columns.name_len(next, &cursor.buffer[start..]).filter(|len| start + len <= cursor.bytes.len()) {
        cursor.at += len;
        return Ok(Some(next));
    }
    let name = cursor.name()?;
    match columns.find(&name) {
        Some(index) => Ok(Some(index)),
        None if cursor.strict => Err(RecordError::at(start, format!("unknown field {}", quoted(&name)))),
        None => cursor.skip_value(depth + 1).map(|()| None),
    }
}

/// The error of a number that the type cannot hold.
pub(in crate::formats) fn number_error(error: NumberError, at: usize, text: &[u8], data_type: &str) -> RecordError {
    const MAX_SHOWN_BYTES: usize = 48;
    let shown = String::from_utf8_lossy(text);
    let shown =
        if shown.len() > MAX_SHOWN_BYTES { format!("{}…", &shown[..MAX_SHOWN_BYTES]) } else { shown.into_owned() };
    RecordError::at(
        at,
        match error {
            NumberError::Fraction => {
                format!("expected {data_type}, found number {shown}, which has more digits behind the point")
            }
            NumberError::OutOfRange => format!("expected {data_type}, found number {shown}, which is out of its range"),
        },
    )
}

/// The number at the cursor as `T`.
#[inline]
fn read_number<'a, T>(
    cursor: &mut JsonCursor<'a>,
    expected: &str,
    convert: impl FnOnce(Number<'a>) -> Result<T, NumberError>,
) -> Result<T, RecordError> {
    let start = cursor.at;
    match Number::scan(&cursor.bytes[start..]) {
        Ok((number, len)) => {
            cursor.at += len;
            convert(number).map_err(|e| number_error(e, start, &cursor.bytes[start..cursor.at], expected))
        }
        // Not even the first byte belongs to a number.
        Err(0) => Err(cursor.unexpected(expected)),
        Err(skip) => Err(cursor.missing_digit(skip)),
    }
}

fn read_string<'a>(cursor: &mut JsonCursor<'a>, expected: &str) -> Result<Cow<'a, [u8]>, RecordError> {
    if cursor.peek() != b'"' {
        return Err(cursor.unexpected(expected));
    }
    let text = cursor.string()?;
    if !text.escaped {
        return Ok(Cow::Borrowed(text.raw));
    }
    let mut owned = Vec::new();
    text.append_to(&mut owned)?;
    Ok(Cow::Owned(owned))
}

fn unexpected_string(at: usize, expected: &str, text: &[u8]) -> RecordError {
    RecordError::at(at, format!("expected {expected}, found string {}", quoted(text)))
}

/// The description of a timestamp in error messages.
pub(in crate::formats) const TIMESTAMP: &str =
    "a timestamp (such as 2026-01-31T12:00:00Z, or epoch seconds or milliseconds)";

/// Appends the value at the cursor to the column.
fn read_value(cursor: &mut JsonCursor<'_>, column: &mut ColumnBuilder, depth: usize) -> Result<(), RecordError> {
    let first = cursor.peek_token();
    if first == b'n' {
        cursor.literal(b"null")?;
        column.push_null();
        return Ok(());
    }
    match &mut column.values {
        ColumnValues::Double(v) => v.push(read_number(cursor, "a number", |n| n.double())?),
        ColumnValues::Float(v) => v.push(read_number(cursor, "a number", |n| n.float())?),
        ColumnValues::Bigint(v) => v.push(read_number(cursor, "a whole number", |n| n.integer())?),
        ColumnValues::Int(v) => v.push(read_number(cursor, "a whole number of 32 bits", |n| {
            n.integer().and_then(|v| i32::try_from(v).map_err(|_| NumberError::OutOfRange))
        })?),
        ColumnValues::Text(v) => {
            if first != b'"' {
                return Err(cursor.unexpected("a string"));
            }
            cursor.string()?.append_to(&mut v.bytes)?;
            v.end_value();
        }
        ColumnValues::Boolean(v) => v.append(read_boolean(cursor, first)?),
        ColumnValues::Timestamp(v) if first == b'"' => {
            v.push(read_text(cursor, TIMESTAMP, rfc3339::parse_time)?);
        }
        ColumnValues::Timestamp(v) => v.push(read_number(cursor, TIMESTAMP, epoch::millis)?),
        ColumnValues::Date(v) => v.push(read_text(cursor, "a date (YYYY-MM-DD)", rfc3339::parse_day)?),
        ColumnValues::Bytes(v) => {
            read_text(cursor, "bytes as a base64 string", |text| BASE64.decode_vec(text, &mut v.bytes).ok())?;
            v.end_value();
        }
        ColumnValues::Decimal { values, precision, scale } => {
            values.push(read_decimal(cursor, first, *precision, *scale)?);
        }
        ColumnValues::List { ends, item, .. } => {
            if first != b'[' {
                return Err(cursor.unexpected("a list"));
            }
            read_items(cursor, item, depth)?;
            ends.push(item.len());
        }
        ColumnValues::Struct(_) | ColumnValues::Map { .. } if first != b'{' => {
            return Err(cursor.unexpected("an object"));
        }
        ColumnValues::Struct(columns) => {
            let row = columns.builders[0].len();
            read_object(cursor, columns, row, depth)?;
        }
        ColumnValues::Map { ends, keys, values, .. } => {
            read_entries(cursor, keys, values, depth)?;
            ends.push(values.len());
        }
    }
    Ok(())
}

fn read_boolean(cursor: &mut JsonCursor<'_>, first: u8) -> Result<bool, RecordError> {
    match first {
        b't' => cursor.literal(b"true").map(|()| true),
        b'f' => cursor.literal(b"false").map(|()| false),
        _ => Err(cursor.unexpected("`true` or `false`")),
    }
}

/// The string at the cursor as `T`.
fn read_text<T>(
    cursor: &mut JsonCursor<'_>,
    expected: &str,
    parse: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<T, RecordError> {
    let at = cursor.at;
    let text = read_string(cursor, expected)?;
    parse(&text).ok_or_else(|| unexpected_string(at, expected, &text))
}

/// A decimal as a number or, as writers that must keep all digits often send it, as a string.
fn read_decimal(cursor: &mut JsonCursor<'_>, first: u8, precision: u8, scale: i8) -> Result<i128, RecordError> {
    let at = cursor.at;
    let expected = || format!("a decimal({precision},{scale})");
    if first == b'"' {
        let text = read_string(cursor, "a number")?;
        let number = Number::parse(&text).ok_or_else(|| unexpected_string(at, &expected(), &text))?;
        number.decimal(precision, scale).map_err(|e| number_error(e, at, &text, &expected()))
    } else if matches!(first, b'-' | b'0'..=b'9') {
        let number = cursor.number()?;
        let text = &cursor.bytes[at..cursor.at];
        number.decimal(precision, scale).map_err(|e| number_error(e, at, text, &expected()))
    } else {
        Err(cursor.unexpected("a number"))
    }
}

fn read_items(cursor: &mut JsonCursor<'_>, item: &mut ColumnBuilder, depth: usize) -> Result<(), RecordError> {
    cursor.check_depth(depth)?;
    let start = item.len();
    cursor.for_each_item(b']', |c| {
        let index = item.len() - start;
        read_value(c, item, depth + 1).map_err(|e| e.in_item(index))
    })
}

fn read_entries(
    cursor: &mut JsonCursor<'_>,
    keys: &mut ByteValues,
    values: &mut ColumnBuilder,
    depth: usize,
) -> Result<(), RecordError> {
    for LocatedEntry { key, value_at } in locate_entries(cursor, depth)? {
        let end = std::mem::replace(&mut cursor.at, value_at);
        read_value(cursor, values, depth + 1).map_err(|e| e.in_field(&String::from_utf8_lossy(&key)))?;
        cursor.at = end;
        keys.push(&key);
    }
    Ok(())
}

/// The key of an object's entry and the position of its value.
struct LocatedEntry<'a> {
    key: Cow<'a, [u8]>,
    value_at: usize,
}

/// Finds the entries of an object. Duplicate keys: the last value wins.
fn locate_entries<'a>(cursor: &mut JsonCursor<'a>, depth: usize) -> Result<Vec<LocatedEntry<'a>>, RecordError> {
    cursor.check_depth(depth)?;
    let mut entries: Vec<LocatedEntry<'a>> = Vec::new();
    let mut indices: HashMap<Cow<'a, [u8]>, usize> = HashMap::new();
    cursor.for_each_item(b'}', |cursor| {
        let key = cursor.name()?;
        let value_at = cursor.at;
        match indices.get(&key) {
            Some(index) => entries[*index].value_at = value_at,
            None => {
                indices.insert(key.clone(), entries.len());
                entries.push(LocatedEntry { key, value_at });
            }
        }
        cursor.skip_value(depth + 1)
    })?;
    Ok(entries)
}
