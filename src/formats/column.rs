//! Columns under construction that can be cut back to an earlier length.
//!
//! Separate from the formats, which only append. A record that turns out bad halfway leaves values in
//! some columns; cutting back removes them, so decoders write in place and never stage a record.

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

/// One column. A value that is there is only appended to the values.
#[derive(Debug)]
pub(super) struct Column {
    /// Whether each row is there, up to the last null; all behind it are.
    nulls: NullBufferBuilder,
    pub(super) values: Values,
}

/// The values of a column by the type that a pipeline file names.
#[derive(Debug)]
pub(super) enum Values {
    Boolean(BooleanBufferBuilder),
    Int(Vec<i32>),
    Bigint(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Decimal { values: Vec<i128>, precision: u8, scale: i8 },
    Date(Vec<i32>),
    Timestamp(Vec<i64>),
    Text(Runs),
    Bytes(Runs),
    List { ends: Ends, item: Box<Column>, field: FieldRef },
    Struct(Columns),
    Map { ends: Ends, keys: Runs, values: Box<Column>, field: FieldRef },
}

/// The ends of variable-length values, after a leading 0.
#[derive(Debug)]
pub(super) struct Ends(Vec<i32>);

impl Ends {
    /// Marks the end of a value. The bytes or items come from one batch of values, whose own offsets are
    /// 32 bits, and no form is shorter than what it stands for; so the end fits.
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

impl Default for Ends {
    fn default() -> Self {
        Self(vec![0])
    }
}

/// Variable-length bytes back to back.
#[derive(Debug, Default)]
pub(super) struct Runs {
    pub(super) bytes: Vec<u8>,
    ends: Ends,
}

impl Runs {
    /// Ends the value whose bytes have been appended.
    pub(super) fn end(&mut self) {
        self.ends.push(self.bytes.len());
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.end();
    }

    fn truncate(&mut self, len: usize) {
        let end = self.ends.truncate(len);
        self.bytes.truncate(end);
    }

    /// The values as a binary array; empty again.
    pub(super) fn binary(&mut self, nulls: Option<NullBuffer>) -> BinaryArray {
        BinaryArray::new(self.ends.finish(), Buffer::from_vec(take(&mut self.bytes)), nulls)
    }

    fn text(&mut self, nulls: Option<NullBuffer>) -> StringArray {
        StringArray::try_new(self.ends.finish(), Buffer::from_vec(take(&mut self.bytes)), nulls)
            .expect("a record is checked to be UTF-8 before it is read")
    }
}

impl Column {
    /// An empty column for a field that the messages call `name`.
    fn new(name: &str, field: &Field, format: &'static str) -> Result<Self, FormatError> {
        if !field.is_nullable() {
            return Err(FormatError::Required { column: name.to_owned(), format });
        }
        let data_type = field.data_type();
        let values = match data_type {
            DataType::Boolean => Values::Boolean(BooleanBufferBuilder::new(0)),
            DataType::Int32 => Values::Int(Vec::new()),
            DataType::Int64 => Values::Bigint(Vec::new()),
            DataType::Float32 => Values::Float(Vec::new()),
            DataType::Float64 => Values::Double(Vec::new()),
            DataType::Decimal128(precision, scale) if *scale >= 0 => {
                Values::Decimal { values: Vec::new(), precision: *precision, scale: *scale }
            }
            DataType::Date32 => Values::Date(Vec::new()),
            DataType::Timestamp(TimeUnit::Millisecond, Some(zone)) if &**zone == "UTC" => Values::Timestamp(Vec::new()),
            DataType::Utf8 => Values::Text(Runs::default()),
            DataType::Binary => Values::Bytes(Runs::default()),
            DataType::List(field) => {
                let item = Box::new(Self::new(&format!("{name}[]"), field, format)?);
                Values::List { ends: Ends::default(), item, field: field.clone() }
            }
            DataType::Struct(fields) if !fields.is_empty() => Values::Struct(Columns::nested(name, fields, format)?),
            DataType::Map(field, _) => match field.data_type() {
                DataType::Struct(entry) if entry.len() == 2 && *entry[0].data_type() == DataType::Utf8 => {
                    let values = Box::new(Self::new(&format!("{name}[]"), &entry[1], format)?);
                    Values::Map { ends: Ends::default(), keys: Runs::default(), values, field: field.clone() }
                }
                _ => return Err(unsupported(name, data_type, format)),
            },
            _ => return Err(unsupported(name, data_type, format)),
        };
        Ok(Self { nulls: NullBufferBuilder::new(0), values })
    }

    /// How many rows.
    #[inline]
    pub(super) fn len(&self) -> usize {
        match &self.values {
            Values::Boolean(v) => v.len(),
            Values::Int(v) | Values::Date(v) => v.len(),
            Values::Bigint(v) | Values::Timestamp(v) => v.len(),
            Values::Float(v) => v.len(),
            Values::Double(v) => v.len(),
            Values::Decimal { values, .. } => values.len(),
            Values::Text(v) | Values::Bytes(v) => v.ends.len(),
            Values::List { ends, .. } | Values::Map { ends, .. } => ends.len(),
            // There is at least one, as was checked when the column was made.
            Values::Struct(columns) => columns.list[0].len(),
        }
    }

    pub(super) fn push_null(&mut self) {
        self.null_at(self.len());
    }

    /// Makes row `row` null where it is the next.
    pub(super) fn fill(&mut self, row: usize) {
        if self.len() == row {
            self.null_at(row);
        }
    }

    fn null_at(&mut self, row: usize) {
        let before = self.nulls.len();
        if before < row {
            self.nulls.append_n_non_nulls(row - before);
        }
        self.nulls.append_null();
        match &mut self.values {
            Values::Boolean(v) => v.append(false),
            Values::Int(v) | Values::Date(v) => v.push(0),
            Values::Bigint(v) | Values::Timestamp(v) => v.push(0),
            Values::Float(v) => v.push(0.0),
            Values::Double(v) => v.push(0.0),
            Values::Decimal { values, .. } => values.push(0),
            Values::Text(v) | Values::Bytes(v) => v.end(),
            Values::List { ends, .. } | Values::Map { ends, .. } => ends.0.push(ends.last()),
            Values::Struct(columns) => columns.list.iter_mut().for_each(Self::push_null),
        }
    }

    /// Cuts back to `len` rows, also what nested columns hold beyond them.
    pub(super) fn truncate(&mut self, len: usize) {
        match &mut self.values {
            Values::Boolean(v) => v.truncate(len),
            Values::Int(v) | Values::Date(v) => v.truncate(len),
            Values::Bigint(v) | Values::Timestamp(v) => v.truncate(len),
            Values::Float(v) => v.truncate(len),
            Values::Double(v) => v.truncate(len),
            Values::Decimal { values, .. } => values.truncate(len),
            Values::Text(v) | Values::Bytes(v) => v.truncate(len),
            Values::List { ends, item, .. } => item.truncate(ends.truncate(len)),
            Values::Struct(columns) => columns.truncate(len),
            Values::Map { ends, keys, values, .. } => {
                let end = ends.truncate(len);
                keys.truncate(end);
                values.truncate(end);
            }
        }
        self.nulls.truncate(len);
    }

    fn reserve(&mut self, rows: usize) {
        match &mut self.values {
            Values::Boolean(v) => v.reserve(rows),
            Values::Int(v) | Values::Date(v) => v.reserve(rows),
            Values::Bigint(v) | Values::Timestamp(v) => v.reserve(rows),
            Values::Float(v) => v.reserve(rows),
            Values::Double(v) => v.reserve(rows),
            Values::Decimal { values, .. } => values.reserve(rows),
            Values::Text(v) | Values::Bytes(v) => v.ends.0.reserve(rows),
            Values::List { ends, .. } | Values::Map { ends, .. } => ends.0.reserve(rows),
            Values::Struct(columns) => columns.reserve(rows),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        self.nulls.append_n_non_nulls(self.len() - self.nulls.len());
        let nulls = self.nulls.finish();
        match &mut self.values {
            Values::Boolean(v) => Arc::new(BooleanArray::new(v.finish(), nulls)),
            Values::Int(v) => Arc::new(Int32Array::new(take(v).into(), nulls)),
            Values::Bigint(v) => Arc::new(Int64Array::new(take(v).into(), nulls)),
            Values::Float(v) => Arc::new(Float32Array::new(take(v).into(), nulls)),
            Values::Double(v) => Arc::new(Float64Array::new(take(v).into(), nulls)),
            Values::Decimal { values, precision, scale } => Arc::new(
                Decimal128Array::new(take(values).into(), nulls)
                    .with_precision_and_scale(*precision, *scale)
                    .expect("each value was checked against the precision"),
            ),
            Values::Date(v) => Arc::new(Date32Array::new(take(v).into(), nulls)),
            Values::Timestamp(v) => {
                Arc::new(TimestampMillisecondArray::new(take(v).into(), nulls).with_timezone("UTC"))
            }
            Values::Text(v) => Arc::new(v.text(nulls)),
            Values::Bytes(v) => Arc::new(v.binary(nulls)),
            Values::List { ends, item, field } => {
                Arc::new(ListArray::new(field.clone(), ends.finish(), item.finish(), nulls))
            }
            Values::Struct(columns) => {
                let arrays = columns.list.iter_mut().map(Self::finish).collect();
                Arc::new(StructArray::new(columns.fields.clone(), arrays, nulls))
            }
            Values::Map { ends, keys, values, field } => {
                let DataType::Struct(entry) = field.data_type() else {
                    unreachable!("checked when the column was made");
                };
                let arrays: Vec<ArrayRef> = vec![Arc::new(keys.text(None)), values.finish()];
                let entries = StructArray::new(entry.clone(), arrays, None);
                Arc::new(MapArray::new(field.clone(), ends.finish(), entries, nulls, false))
            }
        }
    }
}

fn unsupported(name: &str, data_type: &DataType, format: &'static str) -> FormatError {
    FormatError::Type { column: name.to_owned(), data_type: type_name(data_type), format }
}

/// What most writers put before a value: the name in quotes and a colon.
#[derive(Debug)]
pub(super) struct Written {
    text: Vec<u8>,
    /// Its first bytes, zeros where it is shorter, and which of them count.
    start: u128,
    mask: u128,
}

impl Written {
    fn new(name: &str) -> Self {
        let text = format!("\"{name}\":").into_bytes();
        let (mut start, mut mask) = ([0; 16], [0; 16]);
        for (i, byte) in text.iter().take(16).enumerate() {
            (start[i], mask[i]) = (*byte, u8::MAX);
        }
        // A name with escapes is written in several ways: no text starts like this.
        if name.bytes().any(|b| b < 0x20 || b == b'"' || b == b'\\') {
            (start, mask) = ([1; 16], [0; 16]);
        }
        Self { text, start: u128::from_le_bytes(start), mask: u128::from_le_bytes(mask) }
    }

    /// Its length, where `bytes` start with it and are at least 16.
    #[inline]
    pub(super) fn starts(&self, bytes: &[u8]) -> Option<usize> {
        // A comparison of a fixed length is a few instructions; one of any length, a call.
        let starts = u128::from_le_bytes(*bytes.first_chunk()?) & self.mask == self.start
            && (self.text.len() <= 16 || bytes[16..].starts_with(&self.text[16..]));
        starts.then_some(self.text.len())
    }
}

/// Columns side by side, found by position or by name.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) list: Vec<Column>,
    fields: Fields,
    written: Vec<Written>,
    by_name: HashMap<Vec<u8>, usize>,
}

impl Columns {
    /// Empty columns of a schema.
    pub(super) fn new(schema: &SchemaRef, format: &'static str) -> Result<Self, FormatError> {
        Self::of("", schema.fields(), format)
    }

    fn nested(path: &str, fields: &Fields, format: &'static str) -> Result<Self, FormatError> {
        Self::of(&format!("{path}."), fields, format)
    }

    fn of(path: &str, fields: &Fields, format: &'static str) -> Result<Self, FormatError> {
        let list = fields.iter().map(|f| Column::new(&format!("{path}{}", f.name()), f, format));
        let written = fields.iter().map(|f| Written::new(f.name()));
        Ok(Self {
            list: list.collect::<Result<_, _>>()?,
            written: written.collect(),
            by_name: fields.iter().enumerate().map(|(i, f)| (f.name().clone().into_bytes(), i)).collect(),
            fields: fields.clone(),
        })
    }

    pub(super) fn name(&self, column: usize) -> &str {
        self.fields[column].name()
    }

    /// The length of the name of `column` with its quotes and a colon, where `bytes` start with all of them.
    #[inline]
    pub(super) fn starts(&self, column: usize, bytes: &[u8]) -> Option<usize> {
        self.written.get(column)?.starts(bytes)
    }

    /// The columns from `column` on, with their names.
    #[inline]
    pub(super) fn from(&mut self, column: usize) -> impl Iterator<Item = (&Written, &mut Column)> {
        let column = column.min(self.list.len());
        self.written[column..].iter().zip(&mut self.list[column..])
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.list.iter_mut().for_each(|c| c.truncate(len));
    }

    pub(super) fn reserve(&mut self, rows: usize) {
        self.list.iter_mut().for_each(|c| c.reserve(rows));
    }

    /// The rows so far as a batch; the columns are empty again.
    pub(super) fn finish(&mut self, schema: &SchemaRef, rows: usize) -> RecordBatch {
        let arrays = self.list.iter_mut().map(Column::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(schema.clone(), arrays, &options)
            .expect("the columns were made from the schema and filled to one length")
    }
}
