//! Builders of columns that can be truncated to an earlier length.
//!
//! Decoders append values in place and never stage a record. A record that turns out bad halfway leaves
//! values in some columns; truncating removes them.

use super::FormatError;
use crate::record::type_name;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int32Array,
    Int64Array, ListArray, MapArray, RecordBatch, RecordBatchOptions, StringArray, StructArray,
    TimestampMillisecondArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, FieldRef, Fields, SchemaRef, TimeUnit};
use hashbrown::HashMap;
use std::mem::take;
use std::sync::Arc;

/// Builds one column. A value that is not null is only appended to `values`.
#[derive(Debug)]
pub(super) struct ColumnBuilder {
    /// The validity of the rows up to the last null; all rows after it are valid.
    nulls: NullBufferBuilder,
    pub(super) values: ColumnValues,
}

/// The values of a column, by the types that a pipeline file can name.
#[derive(Debug)]
pub(super) enum ColumnValues {
    Boolean(BooleanBufferBuilder),
    Int(Vec<i32>),
    Bigint(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Decimal { values: Vec<i128>, precision: u8, scale: i8 },
    Date(Vec<i32>),
    Timestamp(Vec<i64>),
    Text(ByteValues),
    Bytes(ByteValues),
    List { ends: EndOffsets, item: Box<ColumnBuilder>, field: FieldRef },
    Struct(ColumnBuilders),
    Map { ends: EndOffsets, keys: ByteValues, values: Box<ColumnBuilder>, field: FieldRef },
}

/// The ends of variable-length values, after a leading 0.
#[derive(Debug)]
pub(super) struct EndOffsets(Vec<i32>);

impl EndOffsets {
    /// Marks the end of a value. The end fits 32 bits: the offsets of the batch that the bytes or items come
    /// from have 32 bits, and no encoding is shorter than its value.
    pub(super) fn push(&mut self, end: usize) {
        self.0.push(i32::try_from(end).expect("a batch of values is below 2 GiB"));
    }

    #[inline]
    fn len(&self) -> usize {
        self.0.len() - 1
    }

    fn last(&self) -> i32 {
        self.0[self.0.len() - 1]
    }

    fn truncate(&mut self, len: usize) -> usize {
        self.0.truncate(len + 1);
        usize::try_from(self.last()).expect("ends are not negative")
    }

    fn finish(&mut self) -> OffsetBuffer<i32> {
        OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(&mut self.0, vec![0])))
    }
}

impl Default for EndOffsets {
    fn default() -> Self {
        Self(vec![0])
    }
}

/// Variable-length bytes back to back.
#[derive(Debug, Default)]
pub(super) struct ByteValues {
    pub(super) bytes: Vec<u8>,
    ends: EndOffsets,
}

impl ByteValues {
    /// Ends the value whose bytes were appended.
    pub(super) fn end_value(&mut self) {
        self.ends.push(self.bytes.len());
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.end_value();
    }

    fn truncate(&mut self, len: usize) {
        let end = self.ends.truncate(len);
        self.bytes.truncate(end);
    }

    /// Returns the values as a binary array and resets the builder.
    pub(super) fn finish_binary(&mut self, nulls: Option<NullBuffer>) -> BinaryArray {
        BinaryArray::new(self.ends.finish(), Buffer::from_vec(take(&mut self.bytes)), nulls)
    }

    fn finish_text(&mut self, nulls: Option<NullBuffer>) -> StringArray {
        StringArray::try_new(self.ends.finish(), Buffer::from_vec(take(&mut self.bytes)), nulls)
            .expect("a record is checked to be UTF-8 before it is decoded")
    }
}

impl ColumnBuilder {
    /// An empty column; error messages call its field `name`.
    fn new(name: &str, field: &Field, format: &'static str) -> Result<Self, FormatError> {
        if !field.is_nullable() {
            return Err(FormatError::Required { column: name.to_owned(), format });
        }
        let data_type = field.data_type();
        let values = match data_type {
            DataType::Boolean => ColumnValues::Boolean(BooleanBufferBuilder::new(0)),
            DataType::Int32 => ColumnValues::Int(Vec::new()),
            DataType::Int64 => ColumnValues::Bigint(Vec::new()),
            DataType::Float32 => ColumnValues::Float(Vec::new()),
            DataType::Float64 => ColumnValues::Double(Vec::new()),
            DataType::Decimal128(precision, scale) if *scale >= 0 => {
                ColumnValues::Decimal { values: Vec::new(), precision: *precision, scale: *scale }
            }
            DataType::Date32 => ColumnValues::Date(Vec::new()),
            DataType::Timestamp(TimeUnit::Millisecond, Some(zone)) if &**zone == "UTC" => {
                ColumnValues::Timestamp(Vec::new())
            }
            DataType::Utf8 => ColumnValues::Text(ByteValues::default()),
            DataType::Binary => ColumnValues::Bytes(ByteValues::default()),
            DataType::List(field) => {
                let item = Box::new(Self::new(&format!("{name}[]"), field, format)?);
                ColumnValues::List { ends: EndOffsets::default(), item, field: field.clone() }
            }
            DataType::Struct(fields) if !fields.is_empty() => {
                ColumnValues::Struct(ColumnBuilders::nested(name, fields, format)?)
            }
            DataType::Map(field, _) => match field.data_type() {
                DataType::Struct(entry) if entry.len() == 2 && *entry[0].data_type() == DataType::Utf8 => {
                    let values = Box::new(Self::new(&format!("{name}[]"), &entry[1], format)?);
                    ColumnValues::Map {
                        ends: EndOffsets::default(),
                        keys: ByteValues::default(),
                        values,
                        field: field.clone(),
                    }
                }
                _ => return Err(unsupported(name, data_type, format)),
            },
            _ => return Err(unsupported(name, data_type, format)),
        };
        Ok(Self { nulls: NullBufferBuilder::new(0), values })
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        match &self.values {
            ColumnValues::Boolean(v) => v.len(),
            ColumnValues::Int(v) | ColumnValues::Date(v) => v.len(),
            ColumnValues::Bigint(v) | ColumnValues::Timestamp(v) => v.len(),
            ColumnValues::Float(v) => v.len(),
            ColumnValues::Double(v) => v.len(),
            ColumnValues::Decimal { values, .. } => values.len(),
            ColumnValues::Text(v) | ColumnValues::Bytes(v) => v.ends.len(),
            ColumnValues::List { ends, .. } | ColumnValues::Map { ends, .. } => ends.len(),
            // A struct has at least one field; `new` checks that.
            ColumnValues::Struct(columns) => columns.builders[0].len(),
        }
    }

    pub(super) fn push_null(&mut self) {
        self.push_null_at(self.len());
    }

    /// Makes row `row` null if the column has no value for it yet.
    pub(super) fn fill_missing(&mut self, row: usize) {
        if self.len() == row {
            self.push_null_at(row);
        }
    }

    fn push_null_at(&mut self, row: usize) {
        let appended = self.nulls.len();
        if appended < row {
            self.nulls.append_n_non_nulls(row - appended);
        }
        self.nulls.append_null();
        match &mut self.values {
            ColumnValues::Boolean(v) => v.append(false),
            ColumnValues::Int(v) | ColumnValues::Date(v) => v.push(0),
            ColumnValues::Bigint(v) | ColumnValues::Timestamp(v) => v.push(0),
            ColumnValues::Float(v) => v.push(0.0),
            ColumnValues::Double(v) => v.push(0.0),
            ColumnValues::Decimal { values, .. } => values.push(0),
            ColumnValues::Text(v) | ColumnValues::Bytes(v) => v.end_value(),
            ColumnValues::List { ends, .. } | ColumnValues::Map { ends, .. } => ends.0.push(ends.last()),
            ColumnValues::Struct(columns) => columns.builders.iter_mut().for_each(Self::push_null),
        }
    }

    /// Truncates the column and its nested columns to `len` rows.
    pub(super) fn truncate(&mut self, len: usize) {
        match &mut self.values {
            ColumnValues::Boolean(v) => v.truncate(len),
            ColumnValues::Int(v) | ColumnValues::Date(v) => v.truncate(len),
            ColumnValues::Bigint(v) | ColumnValues::Timestamp(v) => v.truncate(len),
            ColumnValues::Float(v) => v.truncate(len),
            ColumnValues::Double(v) => v.truncate(len),
            ColumnValues::Decimal { values, .. } => values.truncate(len),
            ColumnValues::Text(v) | ColumnValues::Bytes(v) => v.truncate(len),
            ColumnValues::List { ends, item, .. } => item.truncate(ends.truncate(len)),
            ColumnValues::Struct(columns) => columns.truncate(len),
            ColumnValues::Map { ends, keys, values, .. } => {
                let end = ends.truncate(len);
                keys.truncate(end);
                values.truncate(end);
            }
        }
        self.nulls.truncate(len);
    }

    fn reserve(&mut self, rows: usize) {
        match &mut self.values {
            ColumnValues::Boolean(v) => v.reserve(rows),
            ColumnValues::Int(v) | ColumnValues::Date(v) => v.reserve(rows),
            ColumnValues::Bigint(v) | ColumnValues::Timestamp(v) => v.reserve(rows),
            ColumnValues::Float(v) => v.reserve(rows),
            ColumnValues::Double(v) => v.reserve(rows),
            ColumnValues::Decimal { values, .. } => values.reserve(rows),
            ColumnValues::Text(v) | ColumnValues::Bytes(v) => v.ends.0.reserve(rows),
            ColumnValues::List { ends, .. } | ColumnValues::Map { ends, .. } => ends.0.reserve(rows),
            ColumnValues::Struct(columns) => columns.reserve(rows),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        self.nulls.append_n_non_nulls(self.len() - self.nulls.len());
        let nulls = self.nulls.finish();
        match &mut self.values {
            ColumnValues::Boolean(v) => Arc::new(BooleanArray::new(v.finish(), nulls)),
            ColumnValues::Int(v) => Arc::new(Int32Array::new(take(v).into(), nulls)),
            ColumnValues::Bigint(v) => Arc::new(Int64Array::new(take(v).into(), nulls)),
            ColumnValues::Float(v) => Arc::new(Float32Array::new(take(v).into(), nulls)),
            ColumnValues::Double(v) => Arc::new(Float64Array::new(take(v).into(), nulls)),
            ColumnValues::Decimal { values, precision, scale } => Arc::new(
                Decimal128Array::new(take(values).into(), nulls)
                    .with_precision_and_scale(*precision, *scale)
                    .expect("each value was checked against the precision"),
            ),
            ColumnValues::Date(v) => Arc::new(Date32Array::new(take(v).into(), nulls)),
            ColumnValues::Timestamp(v) => {
                Arc::new(TimestampMillisecondArray::new(take(v).into(), nulls).with_timezone("UTC"))
            }
            ColumnValues::Text(v) => Arc::new(v.finish_text(nulls)),
            ColumnValues::Bytes(v) => Arc::new(v.finish_binary(nulls)),
            ColumnValues::List { ends, item, field } => {
                Arc::new(ListArray::new(field.clone(), ends.finish(), item.finish(), nulls))
            }
            ColumnValues::Struct(columns) => {
                let arrays = columns.builders.iter_mut().map(Self::finish).collect();
                Arc::new(StructArray::new(columns.fields.clone(), arrays, nulls))
            }
            ColumnValues::Map { ends, keys, values, field } => {
                let DataType::Struct(entry) = field.data_type() else {
                    unreachable!("`new` checks the type of the entries");
                };
                let arrays: Vec<ArrayRef> = vec![Arc::new(keys.finish_text(None)), values.finish()];
                let entries = StructArray::new(entry.clone(), arrays, None);
                Arc::new(MapArray::new(field.clone(), ends.finish(), entries, nulls, false))
            }
        }
    }
}

fn unsupported(name: &str, data_type: &DataType, format: &'static str) -> FormatError {
    FormatError::Type { column: name.to_owned(), data_type: type_name(data_type), format }
}

/// What most writers put before a value: the quoted name and a colon.
#[derive(Debug)]
pub(super) struct QuotedName {
    text: Vec<u8>,
    /// The first 16 bytes of `text`, padded with zeros.
    start: u128,
    /// The bits of `start` that are part of `text`.
    mask: u128,
}

impl QuotedName {
    fn new(name: &str) -> Self {
        let text = format!("\"{name}\":").into_bytes();
        let (mut start, mut mask) = ([0; 16], [0; 16]);
        for (i, byte) in text.iter().take(16).enumerate() {
            (start[i], mask[i]) = (*byte, u8::MAX);
        }
        // A name with escapes has several spellings: this start matches no text.
        if name.bytes().any(|b| b < 0x20 || b == b'"' || b == b'\\') {
            (start, mask) = ([1; 16], [0; 16]);
        }
        Self { text, start: u128::from_le_bytes(start), mask: u128::from_le_bytes(mask) }
    }

    /// The length of the quoted name, if `bytes` start with it and are at least 16 bytes long.
    #[inline]
    pub(super) fn prefix_len(&self, bytes: &[u8]) -> Option<usize> {
        // A comparison of a fixed length is a few instructions; one of any length is a call.
        let starts = u128::from_le_bytes(*bytes.first_chunk()?) & self.mask == self.start
            && (self.text.len() <= 16 || bytes[16..].starts_with(&self.text[16..]));
        starts.then_some(self.text.len())
    }
}

/// The columns of a schema or of a struct, addressed by index or by name.
#[derive(Debug)]
pub(super) struct ColumnBuilders {
    pub(super) builders: Vec<ColumnBuilder>,
    fields: Fields,
    names: Vec<QuotedName>,
    by_name: HashMap<Vec<u8>, usize>,
}

impl ColumnBuilders {
    /// Empty columns of a schema.
    pub(super) fn new(schema: &SchemaRef, format: &'static str) -> Result<Self, FormatError> {
        Self::build("", schema.fields(), format)
    }

    fn nested(path: &str, fields: &Fields, format: &'static str) -> Result<Self, FormatError> {
        Self::build(&format!("{path}."), fields, format)
    }

    fn build(path: &str, fields: &Fields, format: &'static str) -> Result<Self, FormatError> {
        let builders = fields.iter().map(|f| ColumnBuilder::new(&format!("{path}{}", f.name()), f, format));
        let names = fields.iter().map(|f| QuotedName::new(f.name()));
        Ok(Self {
            builders: builders.collect::<Result<_, _>>()?,
            names: names.collect(),
            by_name: fields.iter().enumerate().map(|(i, f)| (f.name().clone().into_bytes(), i)).collect(),
            fields: fields.clone(),
        })
    }

    pub(super) fn name(&self, column: usize) -> &str {
        self.fields[column].name()
    }

    /// The length of the quoted name of `column` and its colon, if `bytes` start with them.
    #[inline]
    pub(super) fn name_len(&self, column: usize, bytes: &[u8]) -> Option<usize> {
        self.names.get(column)?.prefix_len(bytes)
    }

    /// The columns from index `column` on, with their names.
    #[inline]
    pub(super) fn with_names_from(&mut self, column: usize) -> impl Iterator<Item = (&QuotedName, &mut ColumnBuilder)> {
        let column = column.min(self.builders.len());
        self.names[column..].iter().zip(&mut self.builders[column..])
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.builders.iter_mut().for_each(|c| c.truncate(len));
    }

    pub(super) fn reserve(&mut self, rows: usize) {
        self.builders.iter_mut().for_each(|c| c.reserve(rows));
    }

    /// Returns the rows as a batch and resets the builder.
    pub(super) fn finish(&mut self, schema: &SchemaRef, rows: usize) -> RecordBatch {
        let arrays = self.builders.iter_mut().map(ColumnBuilder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(schema.clone(), arrays, &options)
            .expect("the columns have the types of the schema and equal lengths")
    }
}
