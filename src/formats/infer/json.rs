//! The types of JSON objects.

use super::inferred_type::{BIG_INTEGER, InferredType, join_path, merge, string_type};
use super::{InferError, Inferred, Sample, SkippedSamples, finish};
use crate::formats::error::RecordError;
use crate::formats::json::{JsonCursor, check_utf8};
use crate::formats::number::Number;
use crate::record::type_name;
use arrow_schema::DataType;

/// The most digits of a decimal.
const MAX_DECIMAL_DIGITS: usize = 38;

/// A schema that decodes each of the JSON objects.
///
/// # Errors
/// If no sample is a JSON object, or no type holds all values of a field.
pub fn infer_json<'a>(samples: impl IntoIterator<Item = Sample<'a>>) -> Result<Inferred, InferError> {
    let mut all = InferredType::Object(Vec::new());
    let (mut skipped, mut notes) = (SkippedSamples::default(), Vec::new());
    for (line, sample) in samples {
        let found = match object(sample) {
            Ok(found) => found,
            Err(error) => {
                skipped.add(line, error);
                continue;
            }
        };
        let mut note = |path: &str, before: &DataType| {
            notes.push(format!("`{path}` is a string: line {line} has no {}, as the lines before", type_name(before)));
        };
        all = merge(all, found, "", &mut note).map_err(|c| {
            let (found, before) = (c.found.described(), c.before.described());
            InferError::Conflict { line, field: c.field, found, before }
        })?;
    }
    let fields = if let InferredType::Object(fields) = all { fields } else { Vec::new() };
    finish(fields, skipped, Vec::new(), notes)
}

fn object(sample: &[u8]) -> Result<InferredType, RecordError> {
    check_utf8(sample)?;
    let mut cursor = JsonCursor::new(sample, false);
    if cursor.peek_token() != b'{' {
        return Err(cursor.unexpected("an object"));
    }
    let found = value(&mut cursor, "", 0)?;
    cursor.peek_token();
    if cursor.at < sample.len() { Err(cursor.unexpected("the end of the record")) } else { Ok(found) }
}

fn value(cursor: &mut JsonCursor<'_>, path: &str, depth: usize) -> Result<InferredType, RecordError> {
    Ok(InferredType::Scalar(match cursor.peek_token() {
        b'n' => return cursor.literal(b"null").map(|()| InferredType::Unknown),
        b't' => cursor.literal(b"true").map(|()| DataType::Boolean)?,
        b'f' => cursor.literal(b"false").map(|()| DataType::Boolean)?,
        b'"' => {
            let mut text = Vec::new();
            cursor.string()?.append_to(&mut text)?;
            string_type(&text)
        }
        b'-' | b'0'..=b'9' => {
            let start = cursor.at;
            let number = cursor.number()?;
            number_type(&number, &cursor.bytes[start..cursor.at])
                .ok_or_else(|| RecordError::at(start, "a number that no type holds").in_field(path))?
        }
        b'[' => {
            cursor.check_depth(depth)?;
            let (path, mut all) = (format!("{path}[]"), InferredType::Unknown);
            cursor.for_each_item(b']', |c| {
                let (at, item) = (c.at, value(c, &path, depth + 1)?);
                all = joined(std::mem::replace(&mut all, InferredType::Unknown), item, &path, at)?;
                Ok(())
            })?;
            return Ok(InferredType::List(Box::new(all)));
        }
        b'{' => {
            cursor.check_depth(depth)?;
            let mut fields: Vec<(String, InferredType)> = Vec::new();
            cursor.for_each_item(b'}', |c| {
                let name = String::from_utf8_lossy(&c.name()?).into_owned();
                let path = join_path(path, &name);
                let (at, found) = (c.at, value(c, &path, depth + 1)?);
                match fields.iter_mut().find(|(n, _)| *n == name) {
                    // A decoder reads each of the two.
                    Some((_, before)) => {
                        *before = joined(std::mem::replace(before, InferredType::Unknown), found, &path, at)?;
                    }
                    None => fields.push((name, found)),
                }
                Ok(())
            })?;
            return Ok(InferredType::Object(fields));
        }
        _ => return Err(cursor.unexpected("a value")),
    }))
}

/// The type of two values within one record.
fn joined(before: InferredType, found: InferredType, path: &str, at: usize) -> Result<InferredType, RecordError> {
    merge(before, found, path, &mut |_, _| {}).map_err(|c| {
        let (found, before) = (c.found.described(), c.before.described());
        RecordError::at(at, format!("`{}` is {found} here and {before} before, and no type holds both", c.field))
    })
}

fn number_type(number: &Number<'_>, text: &[u8]) -> Option<DataType> {
    let whole = !text.iter().any(|b| matches!(b, b'.' | b'e' | b'E'));
    let digits = text.iter().filter(|b| b.is_ascii_digit()).count();
    if whole && number.integer().is_ok() {
        Some(DataType::Int64)
    } else if whole && digits <= MAX_DECIMAL_DIGITS {
        Some(BIG_INTEGER)
    } else {
        number.double().ok().map(|_| DataType::Float64)
    }
}
