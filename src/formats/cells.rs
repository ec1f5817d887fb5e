//! Arrays as text: each value as JSON, or as the plain text that CSV and keys contain.
//!
//! JSON, CSV, plain text and keys share it, so that they write the same digits. An array is downcast once
//! per batch; a value then costs one match. Types that expressions produce but no pipeline file can name
//! (small and unsigned integers, other time units, views, dictionaries) are cast to the nearest type that a
//! file can name.

use super::FormatError;
use crate::formats::error::RecordError;
use crate::record::{timestamp, type_name};
use crate::time::rfc3339;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMillisecondType, UInt64Type,
};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, StringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, FieldRef, Schema};
use base64::Engine as _;
use std::sync::Arc;

/// One downcast array, to be written value by value.
pub(super) struct Cells<'a> {
    nulls: Option<&'a NullBuffer>,
    values: CellValues<'a>,
}

enum CellValues<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Int(&'a [i32]),
    Bigint(&'a [i64]),
    Unsigned(&'a [u64]),
    Float(&'a [f32]),
    Double(&'a [f64]),
    Decimal(&'a [i128], i8),
    Date(&'a [i32]),
    Timestamp(&'a [i64]),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    List(&'a [i32], Box<Cells<'a>>),
    Struct(Vec<(Vec<u8>, Cells<'a>)>),
    Map(&'a [i32], &'a StringArray, Box<Cells<'a>>),
}

/// The type that a column is cast to before it is written; `None` if its type has no text.
pub(super) fn text_type(data_type: &DataType) -> Option<DataType> {
    use DataType as T;
    let nested = |f: &FieldRef| text_type(f.data_type()).map(|t| Arc::new(Field::clone(f).with_data_type(t)));
    Some(match data_type {
        T::Null | T::Boolean | T::Int32 | T::Int64 | T::UInt64 | T::Float32 | T::Float64 | T::Date32 => {
            data_type.clone()
        }
        T::Int8 | T::Int16 | T::UInt8 | T::UInt16 => T::Int32,
        T::UInt32 => T::Int64,
        T::Float16 => T::Float32,
        T::Decimal32(p, s) | T::Decimal64(p, s) | T::Decimal128(p, s) if *s >= 0 => T::Decimal128(*p, *s),
        T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Time32(_) | T::Time64(_) | T::Duration(_) | T::Interval(_) => T::Utf8,
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => T::Binary,
        T::Date64 | T::Timestamp(..) => timestamp(),
        T::List(f) | T::LargeList(f) | T::FixedSizeList(f, _) => T::List(nested(f)?),
        T::Struct(fields) => T::Struct(fields.iter().map(nested).collect::<Option<_>>()?),
        T::Map(f, sorted) => match f.data_type() {
            T::Struct(entry) if entry.len() == 2 && *entry[0].data_type() == T::Utf8 => T::Map(nested(f)?, *sorted),
            _ => return None,
        },
        T::Dictionary(_, values) => text_type(values)?,
        _ => return None,
    })
}

/// Checks that each column of a schema can be written.
pub(super) fn check_encodable(schema: &Schema, format: &'static str) -> Result<(), FormatError> {
    let unsupported = schema
        .fields()
        .iter()
        .find(|f| text_type(f.data_type()).is_none_or(|t| !arrow_cast::can_cast_types(f.data_type(), &t)));
    unsupported.map_or(Ok(()), |f| {
        Err(FormatError::Type { column: f.name().clone(), data_type: type_name(f.data_type()), format })
    })
}

/// Casts columns to the types that [`Cells`] writes; most are returned unchanged.
pub(super) fn cast_for_text(columns: &[ArrayRef]) -> Vec<ArrayRef> {
    columns
        .iter()
        .map(|c| match text_type(c.data_type()) {
            Some(t) if t == *c.data_type() => c.clone(),
            Some(t) => {
                arrow_cast::cast(c, &t).unwrap_or_else(|_| arrow_array::new_null_array(&DataType::Null, c.len()))
            }
            None => arrow_array::new_null_array(&DataType::Null, c.len()),
        })
        .collect()
}

impl<'a> Cells<'a> {
    /// Downcasts an array of a type that [`text_type`] returns.
    pub(super) fn new(array: &'a dyn Array) -> Self {
        let values = match array.data_type() {
            DataType::Boolean => CellValues::Boolean(array.as_boolean()),
            DataType::Int32 => CellValues::Int(array.as_primitive::<Int32Type>().values()),
            DataType::Int64 => CellValues::Bigint(array.as_primitive::<Int64Type>().values()),
            DataType::UInt64 => CellValues::Unsigned(array.as_primitive::<UInt64Type>().values()),
            DataType::Float32 => CellValues::Float(array.as_primitive::<Float32Type>().values()),
            DataType::Float64 => CellValues::Double(array.as_primitive::<Float64Type>().values()),
            DataType::Decimal128(_, scale) => {
                CellValues::Decimal(array.as_primitive::<Decimal128Type>().values(), *scale)
            }
            DataType::Date32 => CellValues::Date(array.as_primitive::<Date32Type>().values()),
            DataType::Timestamp(..) => CellValues::Timestamp(array.as_primitive::<TimestampMillisecondType>().values()),
            DataType::Utf8 => CellValues::Text(array.as_string()),
            DataType::Binary => CellValues::Bytes(array.as_binary()),
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                CellValues::List(list.value_offsets(), Box::new(Self::new(list.values())))
            }
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns();
                CellValues::Struct(
                    field_prefixes(fields.iter()).into_iter().zip(columns.iter().map(|c| Self::new(c))).collect(),
                )
            }
            DataType::Map(..) => {
                let map = array.as_map();
                CellValues::Map(map.value_offsets(), map.keys().as_string(), Box::new(Self::new(map.values())))
            }
            _ => CellValues::Null,
        };
        Self { nulls: array.nulls(), values }
    }

    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        matches!(self.values, CellValues::Null) || self.nulls.is_some_and(|n| n.is_null(row))
    }

    /// Whether the value is a string or bytes, which may be empty without being null.
    pub(super) fn is_text(&self, row: usize) -> bool {
        matches!(self.values, CellValues::Text(_) | CellValues::Bytes(_)) && !self.is_null(row)
    }

    /// Appends the value as JSON.
    #[inline]
    pub(super) fn write_json(&self, row: usize, out: &mut Vec<u8>) -> Result<(), RecordError> {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match &self.values {
            CellValues::Double(v) if !v[row].is_finite() => out.extend_from_slice(b"null"),
            CellValues::Float(v) if !v[row].is_finite() => out.extend_from_slice(b"null"),
            CellValues::Text(v) => write_json_string(v.value(row).as_bytes(), out),
            CellValues::Date(_) | CellValues::Timestamp(_) | CellValues::Bytes(_) => {
                out.push(b'"');
                self.write_text(row, out)?;
                out.push(b'"');
            }
            CellValues::List(ends, items) => {
                out.push(b'[');
                for (i, item) in value_range(ends, row).enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    items.write_json(item, out).map_err(|e| e.in_item(i))?;
                }
                out.push(b']');
            }
            CellValues::Struct(fields) => write_object(fields, row, out)?,
            CellValues::Map(ends, keys, values) => {
                out.push(b'{');
                for (i, entry) in value_range(ends, row).enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    write_json_string(keys.value(entry).as_bytes(), out);
                    out.push(b':');
                    values.write_json(entry, out).map_err(|e| e.in_field(keys.value(entry)))?;
                }
                out.push(b'}');
            }
            _ => self.write_text(row, out)?,
        }
        Ok(())
    }

    /// Appends the value without quotes; nested values as JSON; nothing for null, NaN and infinities.
    pub(super) fn write_text(&self, row: usize, out: &mut Vec<u8>) -> Result<(), RecordError> {
        if self.is_null(row) {
            return Ok(());
        }
        match &self.values {
            CellValues::Null => {}
            CellValues::Boolean(v) => out.extend_from_slice(if v.value(row) { b"true" } else { b"false" }),
            CellValues::Int(v) => out.extend_from_slice(itoa::Buffer::new().format(v[row]).as_bytes()),
            CellValues::Bigint(v) => out.extend_from_slice(itoa::Buffer::new().format(v[row]).as_bytes()),
            CellValues::Unsigned(v) => out.extend_from_slice(itoa::Buffer::new().format(v[row]).as_bytes()),
            CellValues::Float(v) if v[row].is_finite() => {
                out.extend_from_slice(zmij::Buffer::new().format_finite(v[row]).as_bytes());
            }
            CellValues::Double(v) if v[row].is_finite() => {
                out.extend_from_slice(zmij::Buffer::new().format_finite(v[row]).as_bytes());
            }
            CellValues::Float(_) | CellValues::Double(_) => {}
            CellValues::Decimal(v, scale) => write_decimal(v[row], *scale, out),
            CellValues::Date(v) => {
                if !rfc3339::write_date(out, v[row]) {
                    return Err(RecordError::new(format!("day {} is outside of the years 0000 to 9999", v[row])));
                }
            }
            CellValues::Timestamp(v) => {
                if !rfc3339::write_timestamp(out, v[row]) {
                    return Err(RecordError::new(format!(
                        "the time {} ms is outside of the years 0000 to 9999",
                        v[row]
                    )));
                }
            }
            CellValues::Text(v) => out.extend_from_slice(v.value(row).as_bytes()),
            CellValues::Bytes(v) => {
                let bytes = v.value(row);
                let start = out.len();
                out.resize(start + bytes.len().div_ceil(3) * 4, 0);
                super::json::BASE64.encode_slice(bytes, &mut out[start..]).expect("base64 needs four bytes for three");
            }
            CellValues::List(..) | CellValues::Struct(_) | CellValues::Map(..) => self.write_json(row, out)?,
        }
        Ok(())
    }
}

fn value_range(ends: &[i32], row: usize) -> std::ops::Range<usize> {
    let end = |i: usize| usize::try_from(ends[i]).unwrap_or(0);
    end(row)..end(row + 1)
}

/// What precedes the value of each field of an object: brace or comma, name, colon.
pub(super) fn field_prefixes<'f>(fields: impl Iterator<Item = &'f FieldRef>) -> Vec<Vec<u8>> {
    fields
        .enumerate()
        .map(|(i, field)| {
            let mut name = vec![if i == 0 { b'{' } else { b',' }];
            write_json_string(field.name().as_bytes(), &mut name);
            name.push(b':');
            name
        })
        .collect()
}

/// Appends an object of fields with their prefixes.
fn write_object(fields: &[(Vec<u8>, Cells<'_>)], row: usize, out: &mut Vec<u8>) -> Result<(), RecordError> {
    if fields.is_empty() {
        out.push(b'{');
    }
    for (prefix, cells) in fields {
        out.extend_from_slice(prefix);
        cells.write_json(row, out).map_err(|e| e.in_field(&name_of_prefix(prefix)))?;
    }
    out.push(b'}');
    Ok(())
}

/// The name within a field prefix, for messages.
fn name_of_prefix(prefix: &[u8]) -> String {
    String::from_utf8_lossy(prefix).trim_start_matches(['{', ',']).trim_end_matches(':').trim_matches('"').to_owned()
}

fn write_decimal(value: i128, scale: i8, out: &mut Vec<u8>) {
    let scale = usize::from(scale.unsigned_abs());
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value.unsigned_abs());
    if value < 0 {
        out.push(b'-');
    }
    let point = digits.len().saturating_sub(scale);
    out.extend_from_slice(if point == 0 { b"0" } else { &digits.as_bytes()[..point] });
    if scale > 0 {
        out.push(b'.');
        out.resize(out.len() + scale.saturating_sub(digits.len()), b'0');
        out.extend_from_slice(&digits.as_bytes()[point..]);
    }
}

/// Appends a JSON string.
pub(super) fn write_json_string(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut start = 0;
    for (at, byte) in text.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[start..at]);
        start = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        }
    }
    out.extend_from_slice(&text[start..]);
    out.push(b'"');
}

/// Encodes row by row into one buffer of `size` bytes. A row with an error is null and a bad row.
pub(super) fn encode_rows(
    rows: usize,
    size: usize,
    mut write: impl FnMut(usize, &mut Vec<u8>) -> Result<(), RecordError>,
) -> super::Encoded {
    let mut values = super::column::ByteValues::default();
    values.bytes.reserve(size);
    let mut nulls = arrow_buffer::NullBufferBuilder::new(rows);
    let mut bad = Vec::new();
    for row in 0..rows {
        let start = values.bytes.len();
        let mut written = write(row, &mut values.bytes);
        if written.is_ok() && i32::try_from(values.bytes.len()).is_err() {
            written = Err(RecordError::new("the encoded records of one batch are larger than 2 GiB"));
        }
        if let Err(error) = &written {
            values.bytes.truncate(start);
            bad.push(crate::record::BadRow { row, error: error.to_string() });
        }
        values.end_value();
        nulls.append(written.is_ok());
    }
    super::Encoded { values: values.finish_binary(nulls.finish()), bad }
}
