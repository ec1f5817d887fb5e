//! Infers schemas from samples.
//!
//! Decoders never guess; this file does. An inferred schema decodes every sample that it was inferred from.
//! If no type can hold a field of two samples, that is an error that names the field and both types.

use super::csv::csv_fields;
use crate::record::{timestamp, type_name};
use crate::time::rfc3339;
use arrow_schema::{DataType, Field, Fields, Schema};
use serde_json::Value;
use std::sync::Arc;

/// Why no schema can be inferred.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InferError {
    /// A sample is not valid in its format.
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
        /// The path of the field.
        field: String,
        /// Its type in this sample.
        found: String,
        /// Its type in the samples before.
        before: String,
    },
    /// The samples have no fields.
    #[error("there are no samples with fields")]
    Empty,
}

/// The type of a field in the samples so far.
#[derive(Clone, Debug, PartialEq)]
enum InferredType {
    Unknown,
    Scalar(DataType),
    List(Box<InferredType>),
    Object(Vec<(String, InferredType)>),
}

/// The type of a whole number that a bigint cannot hold.
const BIG_INTEGER: DataType = DataType::Decimal128(38, 0);

/// A schema that decodes each of the JSON objects.
///
/// # Errors
/// If a sample is not a JSON object, or no type holds all values of a field.
pub fn infer_json<'a>(samples: impl IntoIterator<Item = &'a [u8]>) -> Result<Schema, InferError> {
    let mut all = InferredType::Object(Vec::new());
    for (i, sample) in samples.into_iter().enumerate() {
        let wrong = |error: String| InferError::Sample { sample: i + 1, error };
        let value: Value = serde_json::from_slice(sample).map_err(|e| wrong(e.to_string()))?;
        if !value.is_object() {
            return Err(wrong("expected a JSON object".into()));
        }
        all = json_type(&value, "").and_then(|found| merge(all, found, "")).map_err(|c| c.at(i + 1))?;
    }
    let InferredType::Object(fields) = all else { return Err(InferError::Empty) };
    let fields = struct_fields(fields);
    if fields.is_empty() { Err(InferError::Empty) } else { Ok(Schema::new(fields)) }
}

/// A schema that decodes each of the lines, with the names of the header.
///
/// # Errors
/// If a line cannot be split, or has more or fewer values than the header.
pub fn infer_csv<'a>(
    header: &[u8],
    rows: impl IntoIterator<Item = &'a [u8]>,
    delimiter: u8,
) -> Result<Schema, InferError> {
    let wrong = |sample: usize| move |error: String| InferError::Sample { sample, error };
    let names = csv_fields(header, delimiter).map_err(wrong(0))?;
    let mut types = vec![InferredType::Unknown; names.len()];
    for (i, row) in rows.into_iter().enumerate() {
        let values = csv_fields(row, delimiter).map_err(wrong(i + 1))?;
        if values.len() != names.len() {
            let error = format!("expected {} values, found {}", names.len(), values.len());
            return Err(wrong(i + 1)(error));
        }
        for (all, value) in types.iter_mut().zip(&values) {
            let before = std::mem::replace(all, InferredType::Unknown);
            *all = merge(before, csv_type(value), "").unwrap_or(InferredType::Scalar(DataType::Utf8));
        }
    }
    let fields: Vec<_> = names.into_iter().zip(types).map(|(n, s)| Field::new(n, data_type(s), true)).collect();
    if fields.is_empty() { Err(InferError::Empty) } else { Ok(Schema::new(fields)) }
}

fn struct_fields(fields: Vec<(String, InferredType)>) -> Fields {
    // An object without fields cannot be a struct. It is left out, so that decoders ignore it as unknown.
    let non_empty = fields.into_iter().filter(|(_, s)| *s != InferredType::Object(Vec::new()));
    non_empty.map(|(name, inferred)| Field::new(name, data_type(inferred), true)).collect()
}

fn data_type(inferred: InferredType) -> DataType {
    match inferred {
        InferredType::Unknown => DataType::Utf8,
        InferredType::Scalar(t) => t,
        InferredType::List(item) => DataType::List(Arc::new(Field::new("item", data_type(*item), true))),
        InferredType::Object(fields) => DataType::Struct(struct_fields(fields)),
    }
}

fn json_type(value: &Value, path: &str) -> Result<InferredType, Box<TypeConflict>> {
    Ok(InferredType::Scalar(match value {
        Value::Null => return Ok(InferredType::Unknown),
        Value::Bool(_) => DataType::Boolean,
        Value::Number(n) if n.is_i64() => DataType::Int64,
        Value::Number(n) if n.is_u64() => BIG_INTEGER,
        Value::Number(_) => DataType::Float64,
        Value::String(s) => string_type(s),
        Value::Array(items) => {
            let path = format!("{path}[]");
            let all =
                items.iter().try_fold(InferredType::Unknown, |all, item| merge(all, json_type(item, &path)?, &path))?;
            return Ok(InferredType::List(Box::new(all)));
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(n, v)| json_type(v, &join_path(path, n)).map(|s| (n.clone(), s)));
            return Ok(InferredType::Object(fields.collect::<Result<_, _>>()?));
        }
    }))
}

fn string_type(text: &str) -> DataType {
    if rfc3339::parse_timestamp(text.as_bytes()).is_some() {
        timestamp()
    } else if rfc3339::parse_date(text.as_bytes()).is_some() {
        DataType::Date32
    } else {
        DataType::Utf8
    }
}

/// The type of a CSV value. Digits with a leading zero are a code, not a number.
fn csv_type(value: &str) -> InferredType {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let code = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    InferredType::Scalar(match value {
        "" => return InferredType::Unknown,
        "true" | "false" => DataType::Boolean,
        _ if code => DataType::Utf8,
        _ if value.parse::<i64>().is_ok() => DataType::Int64,
        _ if digits.bytes().all(|b| b.is_ascii_digit()) && digits.len() <= 38 && !digits.is_empty() => BIG_INTEGER,
        _ if value.parse::<f64>().is_ok_and(f64::is_finite) => DataType::Float64,
        _ => string_type(value),
    })
}

/// Two types of one field that no type holds.
struct TypeConflict {
    field: String,
    found: InferredType,
    before: InferredType,
}

impl TypeConflict {
    fn at(self, sample: usize) -> InferError {
        let name = |s: InferredType| match s {
            InferredType::List(_) => "a list".into(),
            InferredType::Object(_) => "an object".into(),
            other => format!("a {}", type_name(&data_type(other))),
        };
        InferError::Conflict { sample, field: self.field, found: name(self.found), before: name(self.before) }
    }
}

fn join_path(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The type that holds the values of both.
fn merge(before: InferredType, found: InferredType, path: &str) -> Result<InferredType, Box<TypeConflict>> {
    use DataType as T;
    Ok(match (before, found) {
        (a, b) if a == b => a,
        (InferredType::Unknown, other) | (other, InferredType::Unknown) => other,
        (InferredType::List(a), InferredType::List(b)) => {
            InferredType::List(Box::new(merge(*a, *b, &format!("{path}[]"))?))
        }
        (InferredType::Object(mut all), InferredType::Object(found)) => {
            for (name, found) in found {
                let path = join_path(path, &name);
                match all.iter_mut().find(|(n, _)| *n == name) {
                    Some((_, merged)) => {
                        let before = std::mem::replace(merged, InferredType::Unknown);
                        *merged = merge(before, found, &path)?;
                    }
                    None => all.push((name, found)),
                }
            }
            InferredType::Object(all)
        }
        (InferredType::Scalar(T::Int64), InferredType::Scalar(BIG_INTEGER))
        | (InferredType::Scalar(BIG_INTEGER), InferredType::Scalar(T::Int64)) => InferredType::Scalar(BIG_INTEGER),
        (InferredType::Scalar(T::Float64), InferredType::Scalar(T::Int64 | BIG_INTEGER))
        | (InferredType::Scalar(T::Int64 | BIG_INTEGER), InferredType::Scalar(T::Float64)) => {
            InferredType::Scalar(T::Float64)
        }
        (
            InferredType::Scalar(T::Utf8 | T::Date32 | T::Timestamp(..)),
            InferredType::Scalar(T::Utf8 | T::Date32 | T::Timestamp(..)),
        ) => InferredType::Scalar(T::Utf8),
        (before, found) => return Err(Box::new(TypeConflict { field: path.to_owned(), found, before })),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn columns(schema: &Schema) -> Vec<String> {
        schema.fields().iter().map(|f| format!("{}: {}", f.name(), type_name(f.data_type()))).collect()
    }

    #[test]
    fn a_schema_has_the_fields_of_all_samples() {
        let samples: [&[u8]; 3] = [
            br#"{"id":1,"at":"2026-01-02T03:04:05Z","n":null,"e":{},"t":[]}"#,
            br#"{"id":2.5,"at":"2026-01-02T03:04:05+01:00","p":{"a":1},"t":["x"]}"#,
            br#"{"n":true,"d":"2026-01-02","p":{"b":18446744073709551615}}"#,
        ];
        let schema = infer_json(samples).unwrap();
        assert_eq!(
            columns(&schema),
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
        assert_eq!(columns(&schema), ["a: double", "zip: string", "day: date", "ok: boolean", "mixed: string"]);
        assert!(infer_csv(b"a,b", [&b"1"[..]], b',').unwrap_err().to_string().contains("expected 2 values, found 1"));
    }
}
