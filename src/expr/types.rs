//! The types that a pipeline file can name, and how DataFusion's other types become them.
//!
//! Schemas of results hold only these types. A conversion never loses digits silently: a value that does
//! not fit is an error of its row.

use crate::record::timestamp;
use arrow_array::{Array, ArrayRef};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, TimeUnit};
use std::sync::Arc;

const STRICT: CastOptions<'static> =
    CastOptions { safe: false, format_options: arrow_cast::display::FormatOptions::new() };

/// The pipeline type that `from` becomes, if there is one.
pub(super) fn pipeline_type(from: &DataType) -> Option<DataType> {
    use DataType as T;
    Some(match from {
        T::Boolean => T::Boolean,
        T::Int8 | T::Int16 | T::Int32 => T::Int32,
        T::Int64 | T::UInt8 | T::UInt16 | T::UInt32 | T::UInt64 | T::Duration(_) => T::Int64,
        T::Float16 | T::Float32 => T::Float32,
        T::Float64 => T::Float64,
        T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Time32(_) | T::Time64(_) => T::Utf8,
        T::Binary | T::LargeBinary | T::BinaryView | T::FixedSizeBinary(_) => T::Binary,
        T::Date32 | T::Date64 => T::Date32,
        T::Timestamp(..) => timestamp(),
        T::Decimal32(p, s) | T::Decimal64(p, s) | T::Decimal128(p, s) | T::Decimal256(p, s) => decimal(*p, *s)?,
        T::Dictionary(_, value) => pipeline_type(value)?,
        T::RunEndEncoded(_, value) => pipeline_type(value.data_type())?,
        T::List(item) | T::LargeList(item) | T::FixedSizeList(item, _) | T::ListView(item) | T::LargeListView(item) => {
            T::List(Arc::new(Field::new("item", pipeline_type(item.data_type())?, true)))
        }
        T::Struct(fields) => T::Struct(
            fields
                .iter()
                .map(|f| Some(Arc::new(Field::new(f.name(), pipeline_type(f.data_type())?, true))))
                .collect::<Option<Fields>>()?,
        ),
        T::Map(entries, _) => match entries.data_type() {
            T::Struct(kv) if kv.len() == 2 && pipeline_type(kv[0].data_type())? == T::Utf8 => {
                map_of(pipeline_type(kv[1].data_type())?)
            }
            _ => return None,
        },
        T::Null | T::Interval(_) | T::Union(..) => return None,
    })
}

fn decimal(precision: u8, scale: i8) -> Option<DataType> {
    let (precision, scale) =
        if scale < 0 { (precision.saturating_add(scale.unsigned_abs()), 0) } else { (precision, scale) };
    (scale <= 38).then(|| DataType::Decimal128(precision.min(38), scale))
}

/// `map<string, T>` as [`crate::record::parse_type`] builds it.
pub(super) fn map_of(value: DataType) -> DataType {
    let entry = Fields::from(vec![Field::new("keys", DataType::Utf8, false), Field::new("values", value, true)]);
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entry), false)), false)
}

/// Casts to a pipeline type; a value that does not fit is an error.
pub(super) fn convert(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    let from = array.data_type();
    if from == to {
        return Ok(array.clone());
    }
    match from {
        // A duration is a number of milliseconds in a pipeline.
        DataType::Duration(unit) if *unit != TimeUnit::Millisecond => {
            let millis = cast_with_options(array, &DataType::Duration(TimeUnit::Millisecond), &STRICT)?;
            cast_with_options(&millis, to, &STRICT)
        }
        _ => cast_with_options(array, to, &STRICT),
    }
}

/// A field of a result.
pub(super) fn field(name: &str, data_type: &DataType, nullable: bool) -> FieldRef {
    Arc::new(Field::new(name, data_type.clone(), nullable))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow_array::{Array, DurationNanosecondArray, Int64Array, StringViewArray, UInt64Array};

    #[test]
    fn pipeline_types_are_unchanged_and_other_types_are_mapped() {
        let t = |name: &str| crate::record::parse_type(name).unwrap();
        for name in ["boolean", "int", "bigint", "float", "double", "string", "bytes", "date", "timestamp"] {
            assert_eq!(pipeline_type(&t(name)), Some(t(name)), "{name}");
        }
        for name in ["decimal(10,2)", "list<struct<a: bigint>>", "map<string, list<double>>"] {
            assert_eq!(pipeline_type(&t(name)), Some(t(name)), "{name}");
        }
        let views = DataType::LargeList(Arc::new(Field::new("x", DataType::Utf8View, false)));
        assert_eq!(pipeline_type(&views), Some(t("list<string>")));
        assert_eq!(pipeline_type(&DataType::Decimal256(76, 4)), Some(DataType::Decimal128(38, 4)));
        assert_eq!(pipeline_type(&DataType::Timestamp(TimeUnit::Nanosecond, None)), Some(timestamp()));
        assert_eq!(pipeline_type(&DataType::Null), None);
    }

    #[test]
    fn values_convert_and_what_does_not_fit_is_an_error() {
        let views: ArrayRef = Arc::new(StringViewArray::from(vec!["a"]));
        assert_eq!(convert(&views, &DataType::Utf8).unwrap().data_type(), &DataType::Utf8);
        let nanos: ArrayRef = Arc::new(DurationNanosecondArray::from(vec![5_000_000]));
        let millis = convert(&nanos, &DataType::Int64).unwrap();
        assert_eq!(millis.as_any().downcast_ref::<Int64Array>().unwrap().value(0), 5);
        let big: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        assert!(convert(&big, &DataType::Int64).is_err());
    }
}
