//! The inputs of an expression: the columns of its batch and the meta columns of the batch's records.
//!
//! Names, scopes and evaluation share this list, so that a meta column has one name, one type and one value.

use super::types;
use crate::record::{Meta, timestamp};
use arrow_array::builder::{BinaryBuilder, MapBuilder, MapFieldNames, StringBuilder};
use arrow_array::{ArrayRef, BooleanArray, Int32Array, Int64Array, StringArray, TimestampMillisecondArray};
use arrow_schema::{ArrowError, DataType, Field, FieldRef};
use std::sync::Arc;

/// Where an expression reads an input from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputColumn {
    /// The column of the batch at this index.
    Column(usize),
    Meta(MetaColumn),
}

/// A value that every record has beside its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MetaColumn {
    Key,
    Topic,
    Partition,
    Offset,
    Timestamp,
    Headers,
    ValueNull,
}

impl MetaColumn {
    pub(super) const VARIANTS: [Self; 7] =
        [Self::Key, Self::Topic, Self::Partition, Self::Offset, Self::Timestamp, Self::Headers, Self::ValueNull];

    fn name(self) -> &'static str {
        match self {
            Self::Key => "_key",
            Self::Topic => "_topic",
            Self::Partition => "_partition",
            Self::Offset => "_offset",
            Self::Timestamp => "_timestamp",
            Self::Headers => "_headers",
            Self::ValueNull => "_value_null",
        }
    }

    pub(super) fn field(self) -> FieldRef {
        let (data_type, nullable) = match self {
            Self::Key => (DataType::Binary, true),
            Self::Topic => (DataType::Utf8, false),
            Self::Partition => (DataType::Int32, false),
            Self::Offset => (DataType::Int64, false),
            Self::Timestamp => (timestamp(), false),
            Self::Headers => (types::map_of(DataType::Binary), false),
            Self::ValueNull => (DataType::Boolean, false),
        };
        Arc::new(Field::new(self.name(), data_type, nullable))
    }

    /// The values of the column, one per record.
    pub(super) fn array(self, meta: &Meta) -> Result<ArrayRef, ArrowError> {
        let rows = meta.len();
        Ok(match self {
            Self::Key => Arc::new(meta.keys.clone()),
            Self::Topic => Arc::new(StringArray::from_iter_values((0..rows).map(|row| &*meta.origins.row(row).topic))),
            Self::Partition => {
                let partition = |row| i32::try_from(meta.origins.row(row).partition.0).unwrap_or(i32::MAX);
                Arc::new(Int32Array::from_iter_values((0..rows).map(partition)))
            }
            Self::Offset => Arc::new(Int64Array::new(meta.offsets.clone(), None)),
            Self::Timestamp => {
                Arc::new(TimestampMillisecondArray::new(meta.timestamps.clone(), None).with_timezone("UTC"))
            }
            Self::Headers => headers(meta)?,
            Self::ValueNull => Arc::new(BooleanArray::from_iter((0..rows).map(|row| Some(meta.is_value_null(row))))),
        })
    }
}

/// Whether a meta column has this name.
pub(super) fn is_meta(name: &str) -> bool {
    MetaColumn::VARIANTS.iter().any(|m| m.name() == name)
}

fn headers(meta: &Meta) -> Result<ArrayRef, ArrowError> {
    let names = MapFieldNames { entry: "entries".into(), key: "keys".into(), value: "values".into() };
    let mut maps = MapBuilder::new(Some(names), StringBuilder::new(), BinaryBuilder::new());
    for row in 0..meta.len() {
        for (name, value) in meta.headers.iter().flat_map(|h| h.row(row)) {
            maps.keys().append_value(String::from_utf8_lossy(name));
            maps.values().append_option(value);
        }
        maps.append(true)?;
    }
    Ok(Arc::new(maps.finish()))
}
