//! The format of a repartition topic: rows with the position and times of their source records, and the watermarks of
//! the sending tasks.
//!
//! Each row is one record, so that the backplane partitions them. The value holds position and times, then the row,
//! in `arrow-row` form.

use crate::plan::RowsId;
use crate::record::{Batch, Meta, Origins, Records, TopicPartition};
use crate::runtime::Fault;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{DataType, SchemaRef};
use std::ops::Range;
use std::sync::Arc;

/// The kind of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime) enum PartKind {
    Row = 0,
    Watermark = 1,
    Idle = 2,
    /// A row whose record has a null value.
    NullValueRow = 3,
}

/// The bits of the first column that hold the kind.
const KIND_BITS: u32 = 8;
const KIND_MASK: i32 = (1 << KIND_BITS) - 1;

/// Columns before those of the pipeline: kind, sender, topic, partition, offset, timestamp, event time, watermark.
const POSITION_COLUMNS: [DataType; 8] = [
    DataType::Int32,
    DataType::Int32,
    DataType::Utf8,
    DataType::Int32,
    DataType::Int64,
    DataType::Int64,
    DataType::Int64,
    DataType::Int64,
];

/// Which version of the file has sent a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordVersion {
    /// This one.
    Own,
    /// An earlier one, with other columns or another key.
    EarlierRow,
    /// An earlier one. The next watermark of its sender makes it superfluous.
    EarlierWatermark,
}

/// Decoded records of the topic, in their order.
#[derive(Debug)]
pub(crate) enum RepartitionPart {
    /// Rows, each of its own sender and origin.
    Rows {
        /// The sending task's partition, row by row.
        senders: ScalarBuffer<i32>,
        /// The index of the record of each row.
        records: Range<usize>,
        /// The rows.
        batch: Box<Batch>,
    },
    /// The watermark of a sender.
    Watermark {
        /// The sending task's partition.
        sender: i32,
        /// The index of the record.
        record: usize,
        /// The watermark and idleness.
        message: WatermarkMessage,
    },
}

/// The progress of a sending task in event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WatermarkMessage {
    /// The watermark of the task.
    pub watermark: i64,
    /// Whether all its inputs are idle.
    pub idle: bool,
}

/// Encodes and decodes the records.
#[derive(Debug)]
pub(crate) struct RepartitionCodec {
    rows: RowConverter,
    schema: SchemaRef,
    id: RowsId,
}

impl RepartitionCodec {
    /// A codec for rows of these columns.
    ///
    /// # Errors
    /// A column has a type without a row form.
    pub(crate) fn new(schema: SchemaRef, id: RowsId) -> Result<Self, Fault> {
        let types = POSITION_COLUMNS.into_iter().chain(schema.fields().iter().map(|f| f.data_type().clone()));
        let rows = RowConverter::new(types.map(SortField::new).collect()).map_err(Fault::internal)?;
        Ok(Self { rows, schema, id })
    }

    pub(in crate::runtime) fn encode(
        &self,
        kind: PartKind,
        sender: i32,
        meta: &Meta,
        columns: &[ArrayRef],
    ) -> Result<BinaryArray, Fault> {
        let n = meta.len();
        let partition = |row| i32::try_from(meta.origins.row(row).partition.0).map_err(Fault::internal);
        let partitions = (0..n).map(partition).collect::<Result<Vec<i32>, Fault>>()?;
        let number = |b: &ScalarBuffer<i64>| Arc::new(Int64Array::new(b.clone(), None)) as ArrayRef;
        let mut all: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from_iter_values((0..n).map(|row| {
                let is_null = kind == PartKind::Row && meta.is_value_null(row);
                self.first_column(if is_null { PartKind::NullValueRow } else { kind })
            }))),
            Arc::new(Int32Array::from_value(sender, n)),
            Arc::new(StringArray::from_iter_values((0..n).map(|row| &*meta.origins.row(row).topic))),
            Arc::new(Int32Array::from(partitions)),
            number(&meta.offsets),
            number(&meta.timestamps),
            number(&meta.event_times),
            number(&meta.watermarks),
        ];
        all.extend(columns.iter().cloned());
        self.rows.convert_columns(&all).and_then(arrow_row::Rows::try_into_binary).map_err(Fault::internal)
    }

    /// The kind of a record, and in the bits above it which rows it belongs to.
    fn first_column(&self, kind: PartKind) -> i32 {
        kind as i32 | self.id.0.cast_signed() << KIND_BITS
    }

    /// Which version of the file has sent a record, without decoding it: the first column says so.
    #[must_use]
    pub(crate) fn version(&self, value: &[u8]) -> RecordVersion {
        const ROWS: [i32; 2] = [PartKind::Row as i32, PartKind::NullValueRow as i32];
        match number(value, 1) {
            Some(first) if first >> KIND_BITS == self.id.0.cast_signed() => RecordVersion::Own,
            Some(first) if !ROWS.contains(&(first & KIND_MASK)) => RecordVersion::EarlierWatermark,
            Some(_) | None => RecordVersion::EarlierRow,
        }
    }

    /// No rows, with the columns of these.
    pub(crate) fn no_rows(&self, like: &Records) -> Result<Batch, Fault> {
        let columns = self.rows.convert_rows(std::iter::empty()).map_err(Fault::internal)?;
        self.rows_of(&columns, like.slice(0, 0))
    }

    /// The sender of a record, without decoding it: it is the second column, at a fixed offset.
    #[must_use]
    pub(crate) fn sender(value: &[u8]) -> Option<i32> {
        number(value, 6)
    }

    /// Decodes batches of records, each in its order. All are decoded at once: with many senders each sends little.
    ///
    /// # Errors
    /// The topic holds a record that no repartition of this pipeline wrote.
    pub(crate) fn decode(&self, batches: &[&Records]) -> Result<Vec<Vec<RepartitionPart>>, Fault> {
        if batches.iter().any(|records| records.values.null_count() > 0) {
            return Err(Fault::Fatal(
                "an internal topic holds a record without a value: something else writes it".into(),
            ));
        }
        let parser = self.rows.parser();
        let values = batches.iter().flat_map(|records| (0..records.len()).map(|i| records.values.value(i)));
        let columns = self.rows.convert_rows(values.map(|value| parser.parse(value))).map_err(Fault::internal)?;
        let mut first = 0;
        let parts = batches.iter().map(|records| {
            let own = first..first + records.len();
            first = own.end;
            self.parts(records, &columns, own)
        });
        parts.collect()
    }

    /// The parts of one batch, whose rows are a range of the decoded columns.
    fn parts(&self, records: &Records, columns: &[ArrayRef], own: Range<usize>) -> Result<Vec<RepartitionPart>, Fault> {
        let (kinds, senders) = (columns[0].as_primitive::<Int32Type>(), columns[1].as_primitive::<Int32Type>());
        let is_row = |i: usize| {
            kinds.value(i) == self.first_column(PartKind::Row)
                || kinds.value(i) == self.first_column(PartKind::NullValueRow)
        };
        let mut parts = Vec::new();
        let mut start = own.start;
        while start < own.end {
            let record = start - own.start;
            if !is_row(start) {
                let kind = kinds.value(start);
                let message = WatermarkMessage {
                    watermark: columns[7].as_primitive::<Int64Type>().value(start),
                    idle: kind == self.first_column(PartKind::Idle),
                };
                parts.push(RepartitionPart::Watermark { sender: senders.value(start), record, message });
                start += 1;
                continue;
            }
            let run = (start..own.end).take_while(|i| is_row(*i)).count();
            let of_run: Vec<ArrayRef> = columns.iter().map(|c| c.slice(start, run)).collect();
            let batch = self.rows_of(&of_run, records.slice(record, run))?;
            let senders = senders.slice(start, run).values().clone();
            parts.push(RepartitionPart::Rows { senders, records: record..record + run, batch: Box::new(batch) });
            start += run;
        }
        Ok(parts)
    }

    fn value_nulls(&self, kinds: &Int32Array) -> Option<NullBuffer> {
        let is_null = |kind: &i32| *kind == self.first_column(PartKind::NullValueRow);
        kinds.values().iter().any(is_null).then(|| kinds.values().iter().map(|kind| !is_null(kind)).collect())
    }

    /// The rows of decoded columns, with the keys and headers of their records.
    fn rows_of(&self, columns: &[ArrayRef], records: Records) -> Result<Batch, Fault> {
        let number = |i: usize| columns[i].as_primitive::<Int64Type>().values().clone();
        let rows = columns[0].len();
        let meta = Meta {
            origins: origins(columns[2].as_string(), columns[3].as_primitive())?,
            order: (0i64..).take(rows).collect(),
            offsets: number(4),
            timestamps: number(5),
            event_times: number(6),
            watermarks: number(7),
            keys: records.keys,
            headers: records.headers,
            value_nulls: self.value_nulls(columns[0].as_primitive()),
        };
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let own = columns[POSITION_COLUMNS.len()..].to_vec();
        let columns = RecordBatch::try_new_with_options(self.schema.clone(), own, &options);
        Ok(Batch { columns: columns.map_err(Fault::internal)?, meta })
    }
}

/// A number in the row form of a record.
fn number(value: &[u8], at: usize) -> Option<i32> {
    let bytes = value.get(at..at + 4)?.try_into().ok()?;
    // The row form of a number inverts the sign bit, so that rows sort as bytes.
    Some(i32::from_be_bytes(bytes) ^ i32::MIN)
}

/// The origins of rows. Consecutive rows mostly share one.
fn origins(topics: &StringArray, partitions: &Int32Array) -> Result<Origins, Fault> {
    let mut all: Vec<Arc<TopicPartition>> = Vec::new();
    let mut rows: Vec<u32> = Vec::with_capacity(topics.len());
    let mut last = 0;
    for row in 0..topics.len() {
        let partition = u32::try_from(partitions.value(row)).map_err(Fault::internal)?;
        let same = |at: &Arc<TopicPartition>| at.partition.0 == partition && *at.topic == *topics.value(row);
        if !all.get(last).is_some_and(same) {
            last = all.iter().position(same).unwrap_or_else(|| {
                all.push(Arc::new(TopicPartition::new(topics.value(row), partition)));
                all.len() - 1
            });
        }
        rows.push(u32::try_from(last).map_err(Fault::internal)?);
    }
    Ok(Origins::several(all, rows))
}
