//! Schemas from samples.
//!
//! Separate from the decoders, which never guess. What is inferred here decodes every sample it was
//! inferred from; where no type can, that is an error with the field and both records.

use super::csv::csv_fields;
use super::rfc3339;
use crate::record::{timestamp, type_name};
use arrow_schema::{DataType, Field, Fields, Schema};
use serde_json::Value;
use std::sync::Arc;

/// Why no schema could be inferred.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InferError {
    /// A sample is not what the format says.
    #[error("sample {sample}: {error}")]
    Sample {
        /// The sample's number, from 1.
        sample: usize,
        /// What is wrong with it.
        error: String,
    },
    /// No type fits two samples.
    #[error("sample {sample}: field `{field}` is {found} here and {before} before, and no type holds both")]
    Conflict {
        /// The sample's number, from 1.
        sample: usize,
        /// The field, with the path to it.
        field: String,
        /// Its type in this sample.
        found: String,
        /// Its type until then.
        before: String,
    },
    /// There was nothing to infer from.
    #[error("there are no samples with fields")]
    Empty,
}

/// What is known of a field.
#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Unknown,
    Of(DataType),
    List(Box<Shape>),
    Object(Vec<(String, Shape)>),
}

/// A whole number of more digits than a bigint has.
const HUGE: DataType = DataType::Decimal128(38, 0);

/// A schema that reads each of the JSON objects.
///
/// # Errors
/// Where a sample is not a JSON object, or a field has types that no type holds.
pub fn infer_json<'a>(samples: impl IntoIterator<Item = &'a [u8]>) -> Result<Schema, InferError> {
    let mut all = Shape::Object(Vec::new());
    for (i, sample) in samples.into_iter().enumerate() {
        let wrong = |error: String| InferError::Sample { sample: i + 1, error };
        let value: Value = serde_json::from_slice(sample).map_err(|e| wrong(e.to_string()))?;
        if !value.is_object() {
            return Err(wrong("expected a JSON object".into()));
        }
        all = shape(&value, "").and_then(|found| merge(all, found, "")).map_err(|c| c.at(i + 1))?;
    }
    let Shape::Object(fields) = all else { return Err(InferError::Empty) };
    let fields = columns(fields);
    if fields.is_empty() { Err(InferError::Empty) } else { Ok(Schema::new(fields)) }
}

/// A schema that reads each of the lines, with the names of the header.
///
/// # Errors
/// Where a line cannot be split, or has more or fewer values than the header.
pub fn infer_csv<'a>(
    header: &[u8],
    rows: impl IntoIterator<Item = &'a [u8]>,
    delimiter: u8,
) -> Result<Schema, InferError> {
    let wrong = |sample: usize| move |error: String| InferError::Sample { sample, error };
    let names = csv_fields(header, delimiter).map_err(wrong(0))?;
    let mut shapes = vec![Shape::Unknown; names.len()];
    for (i, row) in rows.into_iter().enumerate() {
        let values = csv_fields(row, delimiter).map_err(wrong(i + 1))?;
        if values.len() != names.len() {
            let error = format!("expected {} values, found {}", names.len(), values.len());
            return Err(wrong(i + 1)(error));
        }
        for (all, value) in shapes.iter_mut().zip(&values) {
            let before = std::mem::replace(all, Shape::Unknown);
            *all = merge(before, bare(value), "").unwrap_or(Shape::Of(DataType::Utf8));
        }
    }
    let fields: Vec<_> = names.into_iter().zip(shapes).map(|(n, s)| Field::new(n, known(s), true)).collect();
    if fields.is_empty() { Err(InferError::Empty) } else { Ok(Schema::new(fields)) }
}

fn columns(fields: Vec<(String, Shape)>) -> Fields {
    // An object that never had a field cannot be a struct; leaving it out reads it as an unknown field.
    let some = fields.into_iter().filter(|(_, s)| *s != Shape::Object(Vec::new()));
    some.map(|(name, shape)| Field::new(name, known(shape), true)).collect()
}

fn known(shape: Shape) -> DataType {
    match shape {
        Shape::Unknown => DataType::Utf8,
        Shape::Of(t) => t,
        Shape::List(item) => DataType::List(Arc::new(Field::new("item", known(*item), true))),
        Shape::Object(fields) => DataType::Struct(columns(fields)),
    }
}

fn shape(value: &Value, path: &str) -> Result<Shape, Box<Conflict>> {
    Ok(Shape::Of(match value {
        Value::Null => return Ok(Shape::Unknown),
        Value::Bool(_) => DataType::Boolean,
        Value::Number(n) if n.is_i64() => DataType::Int64,
        Value::Number(n) if n.is_u64() => HUGE,
        Value::Number(_) => DataType::Float64,
        Value::String(s) => text(s),
        Value::Array(items) => {
            let path = format!("{path}[]");
            let all = items.iter().try_fold(Shape::Unknown, |all, item| merge(all, shape(item, &path)?, &path))?;
            return Ok(Shape::List(Box::new(all)));
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(n, v)| shape(v, &join(path, n)).map(|s| (n.clone(), s)));
            return Ok(Shape::Object(fields.collect::<Result<_, _>>()?));
        }
    }))
}

fn text(text: &str) -> DataType {
    if rfc3339::parse_timestamp(text.as_bytes()).is_some() {
        timestamp()
    } else if rfc3339::parse_date(text.as_bytes()).is_some() {
        DataType::Date32
    } else {
        DataType::Utf8
    }
}

/// The type of a CSV value; digits with a leading zero are a code, not a number.
fn bare(value: &str) -> Shape {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let code = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    Shape::Of(match value {
        "" => return Shape::Unknown,
        "true" | "false" => DataType::Boolean,
        _ if code => DataType::Utf8,
        _ if value.parse::<i64>().is_ok() => DataType::Int64,
        _ if digits.bytes().all(|b| b.is_ascii_digit()) && digits.len() <= 38 && !digits.is_empty() => HUGE,
        _ if value.parse::<f64>().is_ok_and(f64::is_finite) => DataType::Float64,
        _ => text(value),
    })
}

/// Two shapes of one field that no type holds.
struct Conflict {
    field: String,
    found: Shape,
    before: Shape,
}

impl Conflict {
    fn at(self, sample: usize) -> InferError {
        let name = |s: Shape| match s {
            Shape::List(_) => "a list".into(),
            Shape::Object(_) => "an object".into(),
            other => format!("a {}", type_name(&known(other))),
        };
        InferError::Conflict { sample, field: self.field, found: name(self.found), before: name(self.before) }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// What holds both.
fn merge(before: Shape, found: Shape, path: &str) -> Result<Shape, Box<Conflict>> {
    use DataType as T;
    Ok(match (before, found) {
        (a, b) if a == b => a,
        (Shape::Unknown, known) | (known, Shape::Unknown) => known,
        (Shape::List(a), Shape::List(b)) => Shape::List(Box::new(merge(*a, *b, &format!("{path}[]"))?)),
        (Shape::Object(mut all), Shape::Object(found)) => {
            for (name, shape) in found {
                let path = join(path, &name);
                match all.iter_mut().find(|(n, _)| *n == name) {
                    Some((_, known)) => {
                        let before = std::mem::replace(known, Shape::Unknown);
                        *known = merge(before, shape, &path)?;
                    }
                    None => all.push((name, shape)),
                }
            }
            Shape::Object(all)
        }
        (Shape::Of(T::Int64), Shape::Of(HUGE)) | (Shape::Of(HUGE), Shape::Of(T::Int64)) => Shape::Of(HUGE),
        (Shape::Of(T::Float64), Shape::Of(T::Int64 | HUGE)) | (Shape::Of(T::Int64 | HUGE), Shape::Of(T::Float64)) => {
            Shape::Of(T::Float64)
        }
        (Shape::Of(T::Utf8 | T::Date32 | T::Timestamp(..)), Shape::Of(T::Utf8 | T::Date32 | T::Timestamp(..))) => {
            Shape::Of(T::Utf8)
        }
        (before, found) => return Err(Box::new(Conflict { field: path.to_owned(), found, before })),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn written(schema: &Schema) -> Vec<String> {
        schema.fields().iter().map(|f| format!("{}: {}", f.name(), type_name(f.data_type()))).collect()
    }

    #[test]
    fn fields_of_all_samples_with_the_type_that_holds_them() {
        let samples: [&[u8]; 3] = [
            br#"{"id":1,"at":"2026-01-02T03:04:05Z","n":null,"e":{},"t":[]}"#,
            br#"{"id":2.5,"at":"2026-01-02T03:04:05+01:00","p":{"a":1},"t":["x"]}"#,
            br#"{"n":true,"d":"2026-01-02","p":{"b":18446744073709551615}}"#,
        ];
        let schema = infer_json(samples).unwrap();
        assert_eq!(
            written(&schema),
            [
                "id: double",
                "at: timestamp",
                "n: boolean",
                "t: list<string>",
                "p: struct<a: bigint, b: decimal(38,0)>",
                "d: date"
            ]
        );
    }

    #[test]
    fn a_conflict_names_the_field_and_both_types() {
        let samples: [&[u8]; 2] = [br#"{"p":{"a":1}}"#, br#"{"p":{"a":"x"}}"#];
        let error = infer_json(samples).unwrap_err().to_string();
        assert_eq!(error, "sample 2: field `p.a` is a string here and a bigint before, and no type holds both");
        let mixed = infer_json([&br#"{"a":[1,"x"]}"#[..]]).unwrap_err().to_string();
        assert_eq!(mixed, "sample 1: field `a[]` is a string here and a bigint before, and no type holds both");
        assert!(infer_json([&b"[1]"[..]]).unwrap_err().to_string().contains("expected a JSON object"));
        assert_eq!(infer_json([]), Err(InferError::Empty));
    }

    #[test]
    fn csv_columns_take_their_names_from_the_header() {
        let rows: [&[u8]; 2] = [b"1,007,,true,x", b"2.5,12,2026-01-02,false,3"];
        let schema = infer_csv(b"a,zip,day,ok,mixed", rows, b',').unwrap();
        assert_eq!(written(&schema), ["a: double", "zip: string", "day: date", "ok: boolean", "mixed: string"]);
        assert!(infer_csv(b"a,b", [&b"1"[..]], b',').unwrap_err().to_string().contains("expected 2 values, found 1"));
    }
}
