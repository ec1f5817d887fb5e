//! A decoded batch: columns, and for each row where it came from and when it happened.
//!
//! Separate from raw records because operators only ever see this. All rows of a batch come from one
//! partition, in rising order of offset (one record may become several rows with the same offset).
//! It never owns state and never decides what is late.

use super::TopicPartition;
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_buffer::ScalarBuffer;
use arrow_select::concat::{concat, concat_batches};
use arrow_select::filter::filter_record_batch;
use arrow_select::take::{take, take_record_batch};
use std::sync::Arc;

use super::Headers;

/// Rows of columns with their positions and times.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The columns that the pipeline names.
    pub columns: RecordBatch,
    /// What is known of each row beside its columns.
    pub meta: Meta,
}

/// Position, key, headers and times of each row.
#[derive(Clone, Debug)]
pub struct Meta {
    /// The partition that all rows come from.
    pub origin: Arc<TopicPartition>,
    /// Offset of the record that each row came from; of a window's result, of the record that closed it.
    pub offsets: ScalarBuffer<i64>,
    /// Timestamp of the record, milliseconds since the epoch.
    pub timestamps: ScalarBuffer<i64>,
    /// Event time, milliseconds since the epoch.
    pub event_times: ScalarBuffer<i64>,
    /// The watermark in force when the row was read; decides what is late.
    pub watermarks: ScalarBuffer<i64>,
    /// Record keys, null where there is none.
    pub keys: BinaryArray,
    /// Record headers, absent where no row has one.
    pub headers: Option<Headers>,
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

    /// The rows named by `rows`, in that order.
    #[must_use]
    pub fn take(&self, rows: &UInt32Array) -> Self {
        let pick = |b: &ScalarBuffer<i64>| rows.values().iter().map(|i| b[*i as usize]).collect();
        let keys = if self.keys.null_count() == self.keys.len() {
            BinaryArray::new_null(rows.len())
        } else {
            let taken: ArrayRef = take(&self.keys, rows, None).expect("rows are within the batch");
            arrow_array::cast::AsArray::as_binary::<i32>(&taken).clone()
        };
        Self {
            origin: self.origin.clone(),
            offsets: pick(&self.offsets),
            timestamps: pick(&self.timestamps),
            event_times: pick(&self.event_times),
            watermarks: pick(&self.watermarks),
            keys,
            headers: self.headers.as_ref().map(|h| h.take(rows)),
        }
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

    /// The rows that `mask` holds true (null counts as false).
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

    /// The rows named by `rows`, in that order.
    #[must_use]
    pub fn take(&self, rows: &UInt32Array) -> Self {
        Self {
            columns: take_record_batch(&self.columns, rows).expect("rows are within the batch"),
            meta: self.meta.take(rows),
        }
    }

    /// The rows of several batches of one partition with the same columns, one after the other.
    #[must_use]
    pub fn concat(batches: &[Self]) -> Self {
        let schema = batches[0].columns.schema();
        let columns = batches.iter().map(|b| {
            let options = RecordBatchOptions::new().with_row_count(Some(b.len()));
            RecordBatch::try_new_with_options(schema.clone(), b.columns.columns().to_vec(), &options)
                .expect("merged batches have the same columns, as the plan has checked")
        });
        let columns = concat_batches(&schema, &columns.collect::<Vec<_>>()).expect("a round is far below 2 GiB");
        let numbers = |f: fn(&Meta) -> &[i64]| batches.iter().flat_map(|b| f(&b.meta).iter().copied()).collect();
        let headers = batches.iter().any(|b| b.meta.headers.is_some()).then(|| {
            let of = |b: &Self| {
                b.meta.headers.as_ref().map_or_else(|| BinaryArray::new_null(b.len()), |h| h.encoded().clone())
            };
            Headers::from_encoded(concat_binary(batches.iter().map(of)))
        });
        let meta = Meta {
            origin: batches[0].meta.origin.clone(),
            offsets: numbers(|m| &m.offsets),
            timestamps: numbers(|m| &m.timestamps),
            event_times: numbers(|m| &m.event_times),
            watermarks: numbers(|m| &m.watermarks),
            keys: concat_binary(batches.iter().map(|b| b.meta.keys.clone())),
            headers,
        };
        Self { columns, meta }
    }

    /// The same rows with other columns.
    #[must_use]
    pub fn with_columns(&self, columns: RecordBatch) -> Self {
        Self { columns, meta: self.meta.clone() }
    }
}

/// One column of several.
pub(crate) fn concat_binary(columns: impl Iterator<Item = BinaryArray>) -> BinaryArray {
    let columns: Vec<BinaryArray> = columns.collect();
    let all: Vec<&dyn Array> = columns.iter().map(|c| c as &dyn Array).collect();
    let joined = concat(&all).expect("a batch is far below 2 GiB");
    arrow_array::cast::AsArray::as_binary::<i32>(&joined).clone()
}
