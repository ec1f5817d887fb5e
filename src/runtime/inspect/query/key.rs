//! Parses a key as a user writes it into the columns that a step groups by.
//!
//! The types of the columns decide the value, so that a key gives the same bytes as the records do, however it is
//! written. Nothing is read here.

use crate::formats::Format;
use crate::record::type_name;
use arrow_array::{ArrayRef, BinaryArray};
use arrow_schema::{DataType, Field, FieldRef, Schema};
use serde_json::Value;
use std::sync::Arc;

/// The columns of a key, with one row. A key of one column is written as it is, of several as a JSON array.
pub(super) fn columns(text: &str, fields: &[FieldRef]) -> Result<Vec<ArrayRef>, String> {
    if let [only] = fields
        && parsed_type(only.data_type()) == DataType::Binary
    {
        let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![text.as_bytes()]));
        return Ok(vec![cast(&bytes, only)?]);
    }
    let values = match fields {
        [only] => vec![single_value(text, only)?],
        several => several_values(text, several.len())?,
    };
    let schema = fields.iter().map(|f| Field::new(f.name(), parsed_type(f.data_type()), true));
    let schema = Arc::new(Schema::new(schema.collect::<Vec<_>>()));
    let named = fields.iter().zip(values).map(|(f, v)| (f.name().clone(), v)).collect();
    let object = Value::Object(named).to_string();
    let mut decoder = Format::Json { strict: false }.decoder(&schema).map_err(|e| e.to_string())?;
    let decoded = decoder.decode(&BinaryArray::from(vec![object.as_bytes()]));
    match decoded.bad.first() {
        Some(bad) => Err(bad.error.clone()),
        None => decoded.columns.columns().iter().zip(fields).map(|(array, field)| cast(array, field)).collect(),
    }
}

/// The value of a key of one column.
fn single_value(text: &str, field: &Field) -> Result<Value, String> {
    let plain = || serde_json::from_str::<Value>(text).ok().filter(|v| !v.is_string());
    let value = match parsed_type(field.data_type()) {
        DataType::Utf8 => Some(text.into()),
        DataType::Date32 | DataType::Timestamp(..) => plain().or_else(|| Some(text.into())),
        _ => plain(),
    };
    value.ok_or_else(|| format!("`{}` is of the type {}", field.name(), type_name(field.data_type())))
}

/// The values of a key of several columns.
fn several_values(text: &str, count: usize) -> Result<Vec<Value>, String> {
    match serde_json::from_str::<Vec<Value>>(text) {
        Ok(values) if values.len() == count => Ok(values),
        Ok(values) => Err(format!("it has {} values", values.len())),
        Err(_) => Err("it is no JSON array".to_owned()),
    }
}

/// The type to parse before the cast to the column's type: expressions give types that no pipeline file names.
fn parsed_type(data_type: &DataType) -> DataType {
    use DataType as T;
    match data_type {
        T::Int8 | T::Int16 | T::Int32 | T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 => T::Int64,
        T::Float16 | T::Float32 => T::Float64,
        T::LargeUtf8 | T::Utf8View => T::Utf8,
        T::LargeBinary | T::BinaryView => T::Binary,
        other => other.clone(),
    }
}

fn cast(array: &ArrayRef, field: &Field) -> Result<ArrayRef, String> {
    // A value that does not fit its type must not become a null.
    let options = arrow_cast::CastOptions { safe: false, ..arrow_cast::CastOptions::default() };
    arrow_cast::cast_with_options(array, field.data_type(), &options).map_err(|e| e.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::record::timestamp;

    fn field(name: &str, data_type: DataType) -> FieldRef {
        Arc::new(Field::new(name, data_type, true))
    }

    /// The record key of a text.
    fn key(text: &str, fields: &[FieldRef]) -> Result<String, String> {
        let keys = crate::formats::keys(&columns(text, fields)?);
        Ok(String::from_utf8(keys.value(0).to_vec()).unwrap())
    }

    #[test]
    fn every_way_to_write_a_key_gives_the_key_of_the_records() {
        let (kind, n) = (field("kind", DataType::Utf8), field("n", DataType::Int64));
        assert_eq!(key("5", std::slice::from_ref(&kind)).unwrap(), "5");
        assert_eq!(key("r\"ed", std::slice::from_ref(&kind)).unwrap(), "r\"ed");
        assert_eq!(key("5", &[field("share", DataType::Float64)]).unwrap(), "5.0");
        assert_eq!(key("-7", &[field("n", DataType::Int32)]).unwrap(), "-7");
        assert_eq!(key("1.5", &[field("d", DataType::Decimal128(6, 2))]).unwrap(), "1.50");
        for time in ["1970-01-01T01:00:01+01:00", "1000"] {
            assert_eq!(key(time, &[field("t", timestamp())]).unwrap(), "1970-01-01T00:00:01.000Z");
        }
        assert_eq!(key("x\u{e9}", &[field("b", DataType::Binary)]).unwrap(), "x\u{e9}");
        assert_eq!(key(r#" [ "r\u0065d", 3 ]"#, &[kind.clone(), n.clone()]).unwrap(), r#"["red",3]"#);
        assert_eq!(key("[null,null]", &[kind, n]).unwrap(), "[null,null]");
    }

    #[test]
    fn a_text_that_is_no_key_of_the_columns_is_refused() {
        let (kind, n) = (field("kind", DataType::Utf8), field("n", DataType::Int64));
        assert_eq!(key("red", std::slice::from_ref(&n)).unwrap_err(), "`n` is of the type bigint");
        assert_eq!(key("red", &[kind.clone(), n.clone()]).unwrap_err(), "it is no JSON array");
        assert_eq!(key(r#"["red"]"#, &[kind.clone(), n.clone()]).unwrap_err(), "it has 1 values");
        assert!(key(r#"["red","x"]"#, &[kind, n]).unwrap_err().contains('n'));
        assert!(key("3000000000", &[field("n", DataType::Int32)]).is_err());
        assert!(key("soon", &[field("t", timestamp())]).is_err());
    }
}
