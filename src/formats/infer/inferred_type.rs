//! The type of a field as samples show it, and the type that a pipeline file declares for it.

use crate::record::{MAX_TYPE_BYTES, MAX_TYPE_DEPTH, timestamp, type_name};
use crate::time::rfc3339;
use arrow_schema::{DataType, Field};
use std::sync::Arc;

/// The type of a field in the samples so far.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum InferredType {
    Unknown,
    Scalar(DataType),
    List(Box<InferredType>),
    Object(Vec<(String, InferredType)>),
}

/// The type of a whole number that a bigint cannot hold.
pub(super) const BIG_INTEGER: DataType = DataType::Decimal128(38, 0);

/// The longest name of a column: YAML refuses longer keys.
const MAX_NAME_BYTES: usize = 250;

/// Two types of one field that no type holds.
pub(super) struct TypeConflict {
    pub(super) field: String,
    pub(super) found: InferredType,
    pub(super) before: InferredType,
}

impl InferredType {
    /// The type in words, with its article.
    pub(super) fn described(&self) -> String {
        match self {
            Self::List(_) => "a list".into(),
            Self::Object(_) => "an object".into(),
            Self::Unknown => "null".into(),
            Self::Scalar(t) => format!("a {}", type_name(t)),
        }
    }
}

/// The type of a string.
pub(super) fn string_type(text: &[u8]) -> DataType {
    if rfc3339::parse_date(text).is_some() {
        DataType::Date32
    } else if rfc3339::parse_time(text).is_some() {
        timestamp()
    } else {
        DataType::Utf8
    }
}

pub(super) fn join_path(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The type of the values of two scalars, if one holds both without a change of their text.
pub(super) fn merge_scalars(before: &DataType, found: &DataType) -> Option<DataType> {
    use DataType as T;
    Some(match (before, found) {
        (a, b) if a == b => a.clone(),
        (T::Int64, &BIG_INTEGER) | (&BIG_INTEGER, T::Int64) => BIG_INTEGER,
        (T::Date32, T::Timestamp(..)) | (T::Timestamp(..), T::Date32) => timestamp(),
        (T::Float64, T::Int64 | &BIG_INTEGER) | (T::Int64 | &BIG_INTEGER, T::Float64) => T::Float64,
        _ => return None,
    })
}

/// The type that holds the values of both.
pub(super) fn merge(
    before: InferredType,
    found: InferredType,
    path: &str,
    notes: &mut dyn FnMut(&str, &DataType),
) -> Result<InferredType, Box<TypeConflict>> {
    use DataType as T;
    Ok(match (before, found) {
        (a, b) if a == b => a,
        (InferredType::Unknown, other) | (other, InferredType::Unknown) => other,
        (InferredType::List(a), InferredType::List(b)) => {
            InferredType::List(Box::new(merge(*a, *b, &format!("{path}[]"), notes)?))
        }
        (InferredType::Object(mut all), InferredType::Object(found)) => {
            for (name, found) in found {
                let path = join_path(path, &name);
                match all.iter_mut().find(|(n, _)| *n == name) {
                    Some((_, merged)) => {
                        let before = std::mem::replace(merged, InferredType::Unknown);
                        *merged = merge(before, found, &path, notes)?;
                    }
                    None => all.push((name, found)),
                }
            }
            InferredType::Object(all)
        }
        (InferredType::Scalar(a), InferredType::Scalar(b)) => match merge_scalars(&a, &b) {
            Some(merged) => InferredType::Scalar(merged),
            None if is_text(&a) && is_text(&b) => {
                if a != T::Utf8 {
                    notes(path, &a);
                }
                InferredType::Scalar(T::Utf8)
            }
            None => {
                let (found, before) = (InferredType::Scalar(b), InferredType::Scalar(a));
                return Err(Box::new(TypeConflict { field: path.to_owned(), found, before }));
            }
        },
        (before, found) => return Err(Box::new(TypeConflict { field: path.to_owned(), found, before })),
    })
}

fn is_text(t: &DataType) -> bool {
    matches!(t, DataType::Utf8 | DataType::Date32 | DataType::Timestamp(..))
}

/// The type that a pipeline file declares for a column, or why it can declare none.
pub(super) fn declarable(
    name: &str,
    inferred: InferredType,
    notes: &mut Vec<String>,
) -> Result<DataType, &'static str> {
    if name.trim().is_empty() {
        return Err("its name is empty");
    }
    if name.len() > MAX_NAME_BYTES {
        return Err("its name is too long");
    }
    if inferred == InferredType::Unknown {
        notes.push(format!("`{name}` is a string: no line has a value"));
    }
    let data_type = data_type(name, inferred, 0, notes)?;
    if type_name(&data_type).len() > MAX_TYPE_BYTES {
        return Err("its type is too long");
    }
    Ok(data_type)
}

/// The type of a value. Fields that cannot be declared are left out, so that decoders ignore them as unknown.
fn data_type(
    path: &str,
    inferred: InferredType,
    depth: usize,
    notes: &mut Vec<String>,
) -> Result<DataType, &'static str> {
    if depth > MAX_TYPE_DEPTH {
        return Err("it nests too deep");
    }
    Ok(match inferred {
        InferredType::Unknown => DataType::Utf8,
        InferredType::Scalar(t) => t,
        InferredType::List(item) => DataType::List(Arc::new(Field::new(
            "item",
            data_type(&format!("{path}[]"), *item, depth + 1, notes)?,
            true,
        ))),
        InferredType::Object(fields) => {
            let mut kept = Vec::new();
            for (name, inferred) in fields {
                let path = join_path(path, &name);
                match data_type(&path, inferred, depth + 1, notes) {
                    Ok(_) if name.is_empty() => notes.push(format!("`{path}` is left out: its name is empty")),
                    Ok(data_type) => kept.push(Field::new(name, data_type, true)),
                    Err(reason) => notes.push(format!("`{path}` is left out: {reason}")),
                }
            }
            if kept.is_empty() {
                return Err("it has no fields");
            }
            DataType::Struct(kept.into())
        }
    })
}
