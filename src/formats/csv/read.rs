//! CSV lines into columns.
//!
//! This file decides which text each type accepts. CSV writers are less strict with numbers than JSON, so a
//! plus sign, leading zeros and the spellings of NaN are accepted. NaN and infinities are null, as in JSON.

use super::binding::ColumnBinding;
use super::split_line;
use crate::formats::column::{ColumnBuilder, ColumnBuilders, ColumnValues};
use crate::formats::error::{RecordError, quoted};
use crate::formats::number::{Number, NumberError};
use crate::formats::{COLUMNS_HEADER, Decoded, Decoder, FormatError, epoch, json};
use crate::record::{BadRow, Headers};
use crate::time::rfc3339;
use arrow_array::{Array, BinaryArray};
use arrow_schema::SchemaRef;
use base64::Engine as _;

/// Lines to rows.
#[derive(Debug)]
pub(in crate::formats) struct CsvDecoder {
    schema: SchemaRef,
    columns: ColumnBuilders,
    delimiter: u8,
    nulls: Vec<Vec<u8>>,
    binding: ColumnBinding,
}

impl CsvDecoder {
    pub(in crate::formats) fn new(schema: &SchemaRef, delimiter: u8, nulls: &[String]) -> Result<Self, FormatError> {
        Ok(Self {
            schema: schema.clone(),
            columns: ColumnBuilders::new(schema, "csv")?,
            delimiter,
            nulls: nulls.iter().map(|n| n.clone().into_bytes()).collect(),
            binding: ColumnBinding::by_position(schema.fields().len()),
        })
    }

    fn record(&mut self, line: &[u8]) -> Result<(), RecordError> {
        json::check_utf8(line)?;
        let column_of = self.binding.columns()?;
        let (columns, nulls) = (&mut self.columns, &self.nulls);
        let found = split_line(line, self.delimiter, |index, csv| {
            let Some(index) = column_of.get(index).copied().flatten() else { return Ok(()) };
            let column = &mut columns.builders[index];
            match csv.unquoted() {
                Some(value) if csv.quoted || !nulls.iter().any(|n| **n == *value) => {
                    push_value(column, &value).map_err(|e| e.in_column(columns.name(index), csv.start))
                }
                _ => {
                    column.push_null();
                    Ok(())
                }
            }
        })?;
        if found == column_of.len() {
            return Ok(());
        }
        Err(RecordError::new(format!("expected {} values, found {found}", column_of.len())))
    }

    /// Binds the columns as the headers of a record say.
    fn bind(&mut self, headers: Option<&Headers>, row: usize) {
        let mut named = headers.iter().flat_map(|h| h.row(row)).filter(|(name, _)| *name == COLUMNS_HEADER.as_bytes());
        let names = named.next().and_then(|(_, names)| names);
        if !self.binding.is_of(names) {
            self.binding = match names {
                Some(names) => ColumnBinding::by_name(&self.schema, names),
                None => ColumnBinding::by_position(self.schema.fields().len()),
            };
        }
    }
}

impl Decoder for CsvDecoder {
    fn decode(&mut self, values: &BinaryArray) -> Decoded {
        self.decode_records(values, None)
    }

    fn decode_records(&mut self, values: &BinaryArray, headers: Option<&Headers>) -> Decoded {
        let (mut good, mut bad) = (0, Vec::new());
        self.columns.reserve(values.len());
        for row in 0..values.len() {
            self.bind(headers, row);
            let read = if values.is_null(row) {
                Err(RecordError::new("the record has no value"))
            } else {
                self.record(values.value(row))
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

/// Appends one value that is not empty.
fn push_value(column: &mut ColumnBuilder, text: &[u8]) -> Result<(), RecordError> {
    match &mut column.values {
        ColumnValues::Text(v) => v.push(text),
        ColumnValues::Boolean(v) => v.append(match text {
            b"true" => true,
            b"false" => false,
            _ => return Err(unexpected("`true` or `false`", text)),
        }),
        ColumnValues::Double(v) => match parse_float(text)? {
            Some(number) => v.push(number),
            None => {
                column.push_null();
                return Ok(());
            }
        },
        ColumnValues::Float(v) => match parse_float::<f32>(text)? {
            Some(number) => v.push(number),
            None => {
                column.push_null();
                return Ok(());
            }
        },
        ColumnValues::Bigint(v) => v.push(convert_number(text, "a whole number", |n| n.integer())?),
        ColumnValues::Int(v) => v.push(convert_number(text, "a whole number of 32 bits", |n| {
            n.integer().and_then(|v| i32::try_from(v).map_err(|_| NumberError::OutOfRange))
        })?),
        ColumnValues::Decimal { values, precision, scale } => {
            let (p, s) = (*precision, *scale);
            values.push(convert_number(text, &format!("a decimal({p},{s})"), |n| n.decimal(p, s))?);
        }
        ColumnValues::Date(v) => {
            v.push(rfc3339::parse_day(text).ok_or_else(|| unexpected("a date (YYYY-MM-DD)", text))?);
        }
        ColumnValues::Timestamp(v) => v.push(match rfc3339::parse_time(text) {
            Some(at) => at,
            None => convert_number(text, json::TIMESTAMP, epoch::millis)?,
        }),
        ColumnValues::Bytes(v) => {
            json::BASE64.decode_vec(text, &mut v.bytes).map_err(|_| unexpected("bytes in base64", text))?;
            v.end_value();
        }
        ColumnValues::List { .. } | ColumnValues::Struct(_) | ColumnValues::Map { .. } => {
            return json::read_document(text, column);
        }
    }
    Ok(())
}

fn unexpected(what: &str, found: &[u8]) -> RecordError {
    RecordError::at(0, format!("expected {what}, found {}", quoted(found)))
}

/// Converts a number after removing the plus sign and the leading zeros that JSON does not allow.
fn convert_number<T>(
    text: &[u8],
    what: &str,
    convert: impl Fn(Number<'_>) -> Result<T, NumberError>,
) -> Result<T, RecordError> {
    let convert = |t: &[u8]| Number::parse(t).map(|n| convert(n).map_err(|e| json::number_error(e, 0, text, what)));
    if let Some(value) = convert(text) {
        return value;
    }
    let (minus, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] if rest.first().is_some_and(u8::is_ascii_digit) => (false, rest),
        _ => (false, text),
    };
    let zeros = digits.iter().take_while(|b| **b == b'0').count();
    let tail = &digits[zeros.min(digits.iter().take_while(|b| b.is_ascii_digit()).count().saturating_sub(1))..];
    let plain = if minus { [b"-", tail].concat() } else { tail.to_vec() };
    convert(&plain).unwrap_or_else(|| Err(unexpected(what, text)))
}

trait FloatValue: std::str::FromStr {
    fn is_finite_value(&self) -> bool;
}

impl FloatValue for f64 {
    fn is_finite_value(&self) -> bool {
        self.is_finite()
    }
}

impl FloatValue for f32 {
    fn is_finite_value(&self) -> bool {
        self.is_finite()
    }
}

/// A number; `None` for NaN and the infinities.
fn parse_float<T: FloatValue>(text: &[u8]) -> Result<Option<T>, RecordError> {
    let parsed = std::str::from_utf8(text).ok().and_then(|t| t.parse::<T>().ok());
    match parsed {
        Some(v) if v.is_finite_value() => Ok(Some(v)),
        Some(_) if text.iter().any(u8::is_ascii_digit) => {
            Err(json::number_error(NumberError::OutOfRange, 0, text, "a number"))
        }
        Some(_) => Ok(None),
        None => Err(unexpected("a number", text)),
    }
}
