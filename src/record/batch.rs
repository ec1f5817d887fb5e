//! A decoded batch: columns, and the position and times of each row. Operators see records only as this.
//!
//! Invariant: rows are in the order of their records within a round; one record may become several rows.

use super::{Headers, Origins};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_select::concat::concat;
use arrow_select::filter::filter_record_batch;
use arrow_select::interleave::interleave;
use arrow_select::take::{take, take_record_batch};

/// Rows with their positions and times.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The columns that the pipeline names.
    pub columns: RecordBatch,
    /// Position, key, headers and times of each row.
    pub meta: Meta,
}

/// Position, key, headers and times of each row.
#[derive(Clone, Debug)]
pub struct Meta {
    /// The partitions that the rows come from.
    pub origins: Origins,
    /// The position in its round of the record that each row came from; never falls.
    pub order: ScalarBuffer<i64>,
    /// Offset of the record that each row came from; for a window's result, of the record that closed the
    /// window.
    pub offsets: ScalarBuffer<i64>,
    /// Timestamp of the record, milliseconds since the epoch.
    pub timestamps: ScalarBuffer<i64>,
    /// Event time, milliseconds since the epoch.
    pub event_times: ScalarBuffer<i64>,
    /// The watermark when the row was read, which decides whether it is late.
    pub watermarks: ScalarBuffer<i64>,
    /// Record keys, null where there is none.
    pub keys: BinaryArray,
    /// Record headers, absent where no row has one.
    pub headers: Option<Headers>,
    /// Null on the rows whose record has a null value; absent where there are none.
    pub value_nulls: Option<NullBuffer>,
}

impl Meta {
    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    fn slice(&self, start: usize, rows: usize) -> Self {
        Self {
            origins: self.origins.slice(start, rows),
            order: self.order.slice(start, rows),
            offsets: self.offsets.slice(start, rows),
            timestamps: self.timestamps.slice(start, rows),
            event_times: self.event_times.slice(start, rows),
            watermarks: self.watermarks.slice(start, rows),
            keys: self.keys.slice(start, rows),
            headers: self.headers.as_ref().map(|h| Headers::from_encoded(h.encoded().slice(start, rows))),
            value_nulls: self.value_nulls.as_ref().map(|n| n.slice(start, rows)),
        }
    }

    /// The rows with these indexes, in this order.
    #[must_use]
    pub fn take(&self, rows: &UInt32Array) -> Self {
        let pick =
            |b: &ScalarBuffer<i64>| -> ScalarBuffer<i64> { rows.values().iter().map(|i| b[*i as usize]).collect() };
        // A record's times, and its order and offset, are often one shared buffer: it is picked once.
        let or_same = |b: &ScalarBuffer<i64>, like: &ScalarBuffer<i64>, picked: &ScalarBuffer<i64>| {
            if b.inner().ptr_eq(like.inner()) { picked.clone() } else { pick(b) }
        };
        let (offsets, timestamps) = (pick(&self.offsets), pick(&self.timestamps));
        Self {
            origins: self.origins.take(rows.values()),
            order: or_same(&self.order, &self.offsets, &offsets),
            event_times: or_same(&self.event_times, &self.timestamps, &timestamps),
            offsets,
            timestamps,
            watermarks: pick(&self.watermarks),
            keys: take_binary(&self.keys, rows),
            headers: self.headers.as_ref().map(|h| h.take(rows)),
            value_nulls: self
                .value_nulls
                .as_ref()
                .map(|n| rows.values().iter().map(|i| n.is_valid(*i as usize)).collect()),
        }
    }

    /// Whether the record of a row has a null value.
    #[must_use]
    pub fn is_value_null(&self, row: usize) -> bool {
        self.value_nulls.as_ref().is_some_and(|n| n.is_null(row))
    }
}

impl Batch {
    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.num_rows()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows where `mask` is true; null counts as false.
    #[must_use]
    pub fn filter(&self, mask: &BooleanArray) -> Self {
        let kept = mask.true_count();
        if kept == mask.len() {
            return self.clone();
        }
        let rows: UInt32Array = (0u32..).zip(mask.iter()).filter(|(_, m)| *m == Some(true)).map(|(i, _)| i).collect();
        Self {
            columns: filter_record_batch(&self.columns, mask).expect("the mask is as long as the batch"),
            meta: self.meta.take(&rows),
        }
    }

    /// The rows with these indexes, in this order.
    #[must_use]
    pub fn take(&self, rows: &UInt32Array) -> Self {
        Self {
            columns: take_record_batch(&self.columns, rows).expect("rows are within the batch"),
            meta: self.meta.take(rows),
        }
    }

    /// The rows with these batch and row indexes, in this order. All batches have the same columns.
    #[must_use]
    pub fn interleave(batches: &[&Self], rows: &[(usize, usize)]) -> Self {
        let columns = (0..batches[0].columns.num_columns()).map(|column| {
            let of: Vec<&dyn Array> = batches.iter().map(|b| b.columns.column(column).as_ref()).collect();
            interleave(&of, rows).expect("rows are within their batches, which have the same columns")
        });
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let columns = RecordBatch::try_new_with_options(batches[0].columns.schema(), columns.collect(), &options)
            .expect("merged batches have the same columns, as the plan has checked");
        let numbers = |f: fn(&Meta) -> &ScalarBuffer<i64>| rows.iter().map(|(b, r)| f(&batches[*b].meta)[*r]).collect();
        let binary = |of: Vec<BinaryArray>| {
            let of: Vec<&dyn Array> = of.iter().map(|a| a as &dyn Array).collect();
            let picked = interleave(&of, rows).expect("rows are within their batches");
            arrow_array::cast::AsArray::as_binary::<i32>(&picked).clone()
        };
        let meta = Meta {
            origins: Origins::interleave(&batches.iter().map(|b| &b.meta.origins).collect::<Vec<_>>(), rows),
            order: numbers(|m| &m.order),
            offsets: numbers(|m| &m.offsets),
            timestamps: numbers(|m| &m.timestamps),
            event_times: numbers(|m| &m.event_times),
            watermarks: numbers(|m| &m.watermarks),
            keys: binary(batches.iter().map(|b| b.meta.keys.clone()).collect()),
            headers: encoded_headers(batches.iter().copied()).map(|h| Headers::from_encoded(binary(h))),
            value_nulls: has_value_nulls(batches.iter().copied())
                .then(|| rows.iter().map(|(b, r)| !batches[*b].meta.is_value_null(*r)).collect()),
        };
        Self { columns, meta }
    }

    /// The rows `start..start + rows`, without copying.
    #[must_use]
    pub fn slice(&self, start: usize, rows: usize) -> Self {
        if (start, rows) == (0, self.len()) {
            return self.clone();
        }
        Self { columns: self.columns.slice(start, rows), meta: self.meta.slice(start, rows) }
    }

    /// The same rows with other columns.
    #[must_use]
    pub fn with_columns(&self, columns: RecordBatch) -> Self {
        Self { columns, meta: self.meta.clone() }
    }
}

fn has_value_nulls<'a>(mut batches: impl Iterator<Item = &'a Batch>) -> bool {
    batches.any(|b| b.meta.value_nulls.is_some())
}

/// The encoded headers of several batches; `None` where no batch has any.
fn encoded_headers<'a>(batches: impl Iterator<Item = &'a Batch> + Clone) -> Option<Vec<BinaryArray>> {
    batches.clone().any(|b| b.meta.headers.is_some()).then(|| {
        let of =
            |b: &Batch| b.meta.headers.as_ref().map_or_else(|| BinaryArray::new_null(b.len()), |h| h.encoded().clone());
        batches.map(of).collect()
    })
}

/// The rows with these indexes, in this order.
pub(super) fn take_binary(column: &BinaryArray, rows: &UInt32Array) -> BinaryArray {
    if column.null_count() == column.len() {
        return BinaryArray::new_null(rows.len());
    }
    let taken: ArrayRef = take(column, rows, None).expect("rows are within the batch");
    arrow_array::cast::AsArray::as_binary::<i32>(&taken).clone()
}

/// Joins columns in their order.
pub(crate) fn concat_binary(columns: impl Iterator<Item = BinaryArray>) -> BinaryArray {
    let columns: Vec<BinaryArray> = columns.collect();
    let all: Vec<&dyn Array> = columns.iter().map(|c| c as &dyn Array).collect();
    let joined = concat(&all).expect("a batch is far below 2 GiB");
    arrow_array::cast::AsArray::as_binary::<i32>(&joined).clone()
}
