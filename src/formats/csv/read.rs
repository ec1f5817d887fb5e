//! Lines into columns.
//!
//! Separate from splitting: here stands what each type takes. CSV writers are looser with numbers than
//! JSON, so a sign, leading zeros and the spellings of NaN are read; NaN and infinities are null, as in JSON.

use super::split;
use crate::formats::column::{Column, Columns, Values};
use crate::formats::fault::{Fault, quoted};
use crate::formats::number::{Misfit, Number};
use crate::formats::{Decoded, Decoder, FormatError, json, rfc3339};
use crate::record::BadRow;
use arrow_array::{Array, BinaryArray};
use arrow_schema::SchemaRef;
use base64::Engine as _;

/// Lines to rows.
#[derive(Debug)]
pub(in crate::formats) struct CsvDecoder {
    schema: SchemaRef,
    columns: Columns,
    delimiter: u8,
}

impl CsvDecoder {
    pub(in crate::formats) fn new(schema: &SchemaRef, delimiter: u8) -> Result<Self, FormatError> {
        Ok(Self { schema: schema.clone(), columns: Columns::new(schema, "csv")?, delimiter })
    }

    fn record(&mut self, line: &[u8]) -> Result<(), Fault> {
        json::utf8(line)?;
        let columns = &mut self.columns;
        let wanted = columns.list.len();
        let found = split(line, self.delimiter, |index, part| {
            let Some(column) = columns.list.get_mut(index) else { return Ok(()) };
            let Some(value) = part.value() else {
                column.push_null();
                return Ok(());
            };
            scalar(column, &value).map_err(|fault| fault.in_column(columns.name(index), part.start))
        })?;
        if found == wanted {
            return Ok(());
        }
        Err(Fault::new(format!("expected {wanted} values, found {found}")))
    }
}

impl Decoder for CsvDecoder {
    fn decode(&mut self, values: &BinaryArray) -> Decoded {
        let (mut good, mut bad) = (0, Vec::new());
        self.columns.reserve(values.len());
        for row in 0..values.len() {
            let read = if values.is_null(row) {
                Err(Fault::new("the record has no value"))
            } else {
                self.record(values.value(row))
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

/// Appends one value that was written.
fn scalar(column: &mut Column, text: &[u8]) -> Result<(), Fault> {
    match &mut column.values {
        Values::Text(v) => v.push(text),
        Values::Boolean(v) => v.append(match text {
            b"true" => true,
            b"false" => false,
            _ => return Err(expected("`true` or `false`", text)),
        }),
        Values::Double(v) => match float(text)? {
            Some(number) => v.push(number),
            None => {
                column.push_null();
                return Ok(());
            }
        },
        Values::Float(v) => match float::<f32>(text)? {
            Some(number) => v.push(number),
            None => {
                column.push_null();
                return Ok(());
            }
        },
        Values::Bigint(v) => v.push(number(text, "a whole number", |n| n.integer())?),
        Values::Int(v) => v.push(number(text, "a whole number of 32 bits", |n| {
            n.integer().and_then(|v| i32::try_from(v).map_err(|_| Misfit::Range))
        })?),
        Values::Decimal { values, precision, scale } => {
            let (p, s) = (*precision, *scale);
            values.push(number(text, &format!("a decimal({p},{s})"), |n| n.decimal(p, s))?);
        }
        Values::Date(v) => {
            v.push(rfc3339::parse_date(text).ok_or_else(|| expected("a date (YYYY-MM-DD)", text))?);
        }
        Values::Timestamp(v) => v.push(match rfc3339::parse_timestamp(text) {
            Some(at) => at,
            None => number(text, json::TIMESTAMP, json::millis)?,
        }),
        Values::Bytes(v) => {
            json::BASE64.decode_vec(text, &mut v.bytes).map_err(|_| expected("bytes in base64", text))?;
            v.end();
        }
        Values::List { .. } | Values::Struct(_) | Values::Map { .. } => return json::document(text, column),
    }
    Ok(())
}

fn expected(what: &str, found: &[u8]) -> Fault {
    Fault::at(0, format!("expected {what}, found {}", quoted(found)))
}

/// A number without the sign and the zeros that JSON does not allow in front.
fn number<T>(text: &[u8], what: &str, convert: impl Fn(Number<'_>) -> Result<T, Misfit>) -> Result<T, Fault> {
    let convert = |t: &[u8]| Number::exactly(t).map(|n| convert(n).map_err(|m| json::misfit(m, 0, text, what)));
    if let Some(value) = convert(text) {
        return value;
    }
    let (minus, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let zeros = digits.iter().take_while(|b| **b == b'0').count();
    let tail = &digits[zeros.min(digits.iter().take_while(|b| b.is_ascii_digit()).count().saturating_sub(1))..];
    let plain = if minus { [b"-", tail].concat() } else { tail.to_vec() };
    convert(&plain).unwrap_or_else(|| Err(expected(what, text)))
}

trait Float: std::str::FromStr {
    fn finite(&self) -> bool;
}

impl Float for f64 {
    fn finite(&self) -> bool {
        self.is_finite()
    }
}

impl Float for f32 {
    fn finite(&self) -> bool {
        self.is_finite()
    }
}

/// A number, `None` for one that is spelled as NaN or as an infinity.
fn float<T: Float>(text: &[u8]) -> Result<Option<T>, Fault> {
    let parsed = std::str::from_utf8(text).ok().and_then(|t| t.parse::<T>().ok());
    match parsed {
        Some(v) if v.finite() => Ok(Some(v)),
        Some(_) if text.iter().any(u8::is_ascii_digit) => Err(json::misfit(Misfit::Range, 0, text, "a number")),
        Some(_) => Ok(None),
        None => Err(expected("a number", text)),
    }
}
