//! Arrays as text: each value as JSON writes it, or bare as CSV and keys do.
//!
//! Separate because JSON, CSV, plain text and keys write the same digits. Arrays are looked at once a
//! batch; a value then costs one match. Types that no pipeline file names but expressions give (small and
//! unsigned integers, other time units, views, dictionaries) are cast to the nearest that one does name.

use super::{FormatError, rfc3339};
use crate::formats::fault::Fault;
use crate::record::{timestamp, type_name};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMillisecondType, UInt64Type,
};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, StringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, FieldRef, Schema};
use base64::Engine as _;
use std::sync::Arc;

/// One array, ready to be written value by value.
pub(super) struct Cells<'a> {
    nulls: Option<&'a NullBuffer>,
    kind: Kind<'a>,
}

enum Kind<'a> {
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

/// The type that a column is cast to before it is written, `None` where it has no text.
pub(super) fn written_as(data_type: &DataType) -> Option<DataType> {
    use DataType as T;
    let nested = |f: &FieldRef| written_as(f.data_type()).map(|t| Arc::new(Field::clone(f).with_data_type(t)));
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
        T::Dictionary(_, values) => written_as(values)?,
        _ => return None,
    })
}

/// Whether each column of a schema can be written.
pub(super) fn check(schema: &Schema, format: &'static str) -> Result<(), FormatError> {
    let bad = schema
        .fields()
        .iter()
        .find(|f| written_as(f.data_type()).is_none_or(|t| !arrow_cast::can_cast_types(f.data_type(), &t)));
    bad.map_or(Ok(()), |f| {
        Err(FormatError::Type { column: f.name().clone(), data_type: type_name(f.data_type()), format })
    })
}

/// The columns as types that [`Cells`] writes; most are given back as they are.
pub(super) fn prepare(columns: &[ArrayRef]) -> Vec<ArrayRef> {
    columns
        .iter()
        .map(|c| match written_as(c.data_type()) {
            Some(t) if t == *c.data_type() => c.clone(),
            Some(t) => {
                arrow_cast::cast(c, &t).unwrap_or_else(|_| arrow_array::new_null_array(&DataType::Null, c.len()))
            }
            None => arrow_array::new_null_array(&DataType::Null, c.len()),
        })
        .collect()
}

impl<'a> Cells<'a> {
    /// Looks at an array of a type that [`written_as`] gives.
    pub(super) fn new(array: &'a dyn Array) -> Self {
        let kind = match array.data_type() {
            DataType::Boolean => Kind::Boolean(array.as_boolean()),
            DataType::Int32 => Kind::Int(array.as_primitive::<Int32Type>().values()),
            DataType::Int64 => Kind::Bigint(array.as_primitive::<Int64Type>().values()),
            DataType::UInt64 => Kind::Unsigned(array.as_primitive::<UInt64Type>().values()),
            DataType::Float32 => Kind::Float(array.as_primitive::<Float32Type>().values()),
            DataType::Float64 => Kind::Double(array.as_primitive::<Float64Type>().values()),
            DataType::Decimal128(_, scale) => Kind::Decimal(array.as_primitive::<Decimal128Type>().values(), *scale),
            DataType::Date32 => Kind::Date(array.as_primitive::<Date32Type>().values()),
            DataType::Timestamp(..) => Kind::Timestamp(array.as_primitive::<TimestampMillisecondType>().values()),
            DataType::Utf8 => Kind::Text(array.as_string()),
            DataType::Binary => Kind::Bytes(array.as_binary()),
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                Kind::List(list.value_offsets(), Box::new(Self::new(list.values())))
            }
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns();
                Kind::Struct(names(fields.iter()).into_iter().zip(columns.iter().map(|c| Self::new(c))).collect())
            }
            DataType::Map(..) => {
                let map = array.as_map();
                Kind::Map(map.value_offsets(), map.keys().as_string(), Box::new(Self::new(map.values())))
            }
            _ => Kind::Null,
        };
        Self { nulls: array.nulls(), kind }
    }

    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        matches!(self.kind, Kind::Null) || self.nulls.is_some_and(|n| n.is_null(row))
    }

    /// Whether there is a string or bytes here, which may be empty without being null.
    pub(super) fn is_text(&self, row: usize) -> bool {
        matches!(self.kind, Kind::Text(_) | Kind::Bytes(_)) && !self.is_null(row)
    }

    /// Appends the value as JSON.
    #[inline]
    pub(super) fn json(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match &self.kind {
            Kind::Double(v) if !v[row].is_finite() => out.extend_from_slice(b"null"),
            Kind::Float(v) if !v[row].is_finite() => out.extend_from_slice(b"null"),
            Kind::Text(v) => string(v.value(row).as_bytes(), out),
            Kind::Date(_) | Kind::Timestamp(_) | Kind::Bytes(_) => {
                out.push(b'"');
                self.bare(row, out)?;
                out.push(b'"');
            }
            Kind::List(ends, items) => {
                out.push(b'[');
                for (i, item) in range(ends, row).enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    items.json(item, out).map_err(|f| f.in_item(i))?;
                }
                out.push(b']');
            }
            Kind::Struct(fields) => object(fields, row, out)?,
            Kind::Map(ends, keys, values) => {
                out.push(b'{');
                for (i, entry) in range(ends, row).enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    string(keys.value(entry).as_bytes(), out);
                    out.push(b':');
                    values.json(entry, out).map_err(|f| f.in_field(keys.value(entry)))?;
                }
                out.push(b'}');
            }
            _ => self.bare(row, out)?,
        }
        Ok(())
    }

    /// Appends the value without quotes, nested values as JSON, nothing for null, NaN and infinities.
    pub(super) fn bare(&self, row: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.is_null(row) {
            return Ok(());
        }
        match &self.kind {
            Kind::Null => {}
            Kind::Boolean(v) => out.extend_from_slice(if v.value(row) { b"true" } else { b"false" }),
            Kind::Int(v) => out.extend_from_slice(itoa::Buffer::new().format(v[row]).as_bytes()),
            Kind::Bigint(v) => out.extend_from_slice(itoa::Buffer::new().format(v[row]).as_bytes()),
            Kind::Unsigned(v) => out.extend_from_slice(itoa::Buffer::new().format(v[row]).as_bytes()),
            Kind::Float(v) if v[row].is_finite() => {
                out.extend_from_slice(zmij::Buffer::new().format_finite(v[row]).as_bytes());
            }
            Kind::Double(v) if v[row].is_finite() => {
                out.extend_from_slice(zmij::Buffer::new().format_finite(v[row]).as_bytes());
            }
            Kind::Float(_) | Kind::Double(_) => {}
            Kind::Decimal(v, scale) => decimal(v[row], *scale, out),
            Kind::Date(v) => {
                if !rfc3339::write_date(out, v[row]) {
                    return Err(Fault::new(format!("day {} is outside of the years 0000 to 9999", v[row])));
                }
            }
            Kind::Timestamp(v) => {
                if !rfc3339::write_timestamp(out, v[row]) {
                    return Err(Fault::new(format!("the time {} ms is outside of the years 0000 to 9999", v[row])));
                }
            }
            Kind::Text(v) => out.extend_from_slice(v.value(row).as_bytes()),
            Kind::Bytes(v) => {
                let bytes = v.value(row);
                let start = out.len();
                out.resize(start + bytes.len().div_ceil(3) * 4, 0);
                super::json::BASE64
                    .encode_slice(bytes, &mut out[start..])
                    .expect("base64 takes four bytes for each three");
            }
            Kind::List(..) | Kind::Struct(_) | Kind::Map(..) => self.json(row, out)?,
        }
        Ok(())
    }
}

fn range(ends: &[i32], row: usize) -> std::ops::Range<usize> {
    let end = |i: usize| usize::try_from(ends[i]).unwrap_or(0);
    end(row)..end(row + 1)
}

/// What stands before the value of each field of an object: brace or comma, name, colon.
pub(super) fn names<'f>(fields: impl Iterator<Item = &'f FieldRef>) -> Vec<Vec<u8>> {
    fields
        .enumerate()
        .map(|(i, field)| {
            let mut name = vec![if i == 0 { b'{' } else { b',' }];
            string(field.name().as_bytes(), &mut name);
            name.push(b':');
            name
        })
        .collect()
}

/// Appends an object of fields with their prepared names.
fn object(fields: &[(Vec<u8>, Cells<'_>)], row: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    if fields.is_empty() {
        out.push(b'{');
    }
    for (name, cells) in fields {
        out.extend_from_slice(name);
        cells.json(row, out).map_err(|fault| fault.in_field(&plain(name)))?;
    }
    out.push(b'}');
    Ok(())
}

/// A prepared name as it is shown in messages.
fn plain(name: &[u8]) -> String {
    String::from_utf8_lossy(name).trim_start_matches(['{', ',']).trim_end_matches(':').trim_matches('"').to_owned()
}

fn decimal(value: i128, scale: i8, out: &mut Vec<u8>) {
    let scale = usize::from(scale.unsigned_abs());
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value.unsigned_abs());
    if value < 0 {
        out.push(b'-');
    }
    let whole = digits.len().saturating_sub(scale);
    out.extend_from_slice(if whole == 0 { b"0" } else { &digits.as_bytes()[..whole] });
    if scale > 0 {
        out.push(b'.');
        out.resize(out.len() + scale.saturating_sub(digits.len()), b'0');
        out.extend_from_slice(&digits.as_bytes()[whole..]);
    }
}

/// Appends a JSON string.
pub(super) fn string(text: &[u8], out: &mut Vec<u8>) {
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

/// Encodes row by row into one buffer; a row with a fault becomes null and a bad row.
pub(super) fn encode_rows(
    rows: usize,
    size: usize,
    mut write: impl FnMut(usize, &mut Vec<u8>) -> Result<(), Fault>,
) -> super::Encoded {
    let mut values = super::column::Runs::default();
    values.bytes.reserve(size);
    let mut nulls = arrow_buffer::NullBufferBuilder::new(rows);
    let mut bad = Vec::new();
    for row in 0..rows {
        let start = values.bytes.len();
        let mut written = write(row, &mut values.bytes);
        if written.is_ok() && i32::try_from(values.bytes.len()).is_err() {
            written = Err(Fault::new("the encoded records of one batch are larger than 2 GiB"));
        }
        if let Err(fault) = &written {
            values.bytes.truncate(start);
            bad.push(crate::record::BadRow { row, error: fault.to_string() });
        }
        values.end();
        nulls.append(written.is_ok());
    }
    super::Encoded { values: values.binary(nulls.finish()), bad }
}
