//! Records as bytes, in columns: what a log stores and returns.
//!
//! Kept apart from decoded batches because dead letters, topics and the client threads need the exact
//! bytes. Nothing here interprets a key or a value.

use super::batch::{concat_binary, take_binary};
use super::{Headers, HeadersBuilder, Offset, TopicPartition};
use arrow_array::builder::BinaryBuilder;
use arrow_array::{Array, BinaryArray, BooleanArray, UInt32Array};
use arrow_buffer::ScalarBuffer;
use std::sync::Arc;

/// Records without offsets: keys, values, timestamps and headers, one row each.
#[derive(Clone, Debug, PartialEq)]
pub struct Records {
    /// Keys; null where a record has none.
    pub keys: BinaryArray,
    /// Values; null is a deletion in a compacted topic.
    pub values: BinaryArray,
    /// Milliseconds since the Unix epoch.
    pub timestamps: ScalarBuffer<i64>,
    /// Headers, absent where no record of the batch has one.
    pub headers: Option<Headers>,
}

impl Records {
    /// How many records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of keys, values, encoded headers and timestamps. Limits of queues and batches are in this measure.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes_of_first(self.len())
    }

    /// Like [`Self::bytes`], of the first `rows` records.
    #[must_use]
    pub fn bytes_of_first(&self, rows: usize) -> usize {
        self.columns().map(|column| column_bytes(column, rows)).sum::<usize>() + 8 * rows
    }

    /// Bytes of keys, values and encoded headers. The size limits of records are in this measure.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.columns().map(|column| column_bytes(column, self.len())).sum()
    }

    /// Bytes of key, value and encoded headers of one record.
    #[must_use]
    pub fn record_bytes(&self, row: usize) -> usize {
        self.columns().map(|a| usize::try_from(a.value_length(row)).unwrap_or(0)).sum()
    }

    fn columns(&self) -> impl Iterator<Item = &BinaryArray> {
        [&self.keys, &self.values].into_iter().chain(self.headers.as_ref().map(Headers::encoded))
    }

    /// The rows `start..start + len`, without copying.
    #[must_use]
    pub fn slice(&self, start: usize, len: usize) -> Self {
        Self {
            keys: self.keys.slice(start, len),
            values: self.values.slice(start, len),
            timestamps: self.timestamps.slice(start, len),
            headers: self.headers.as_ref().map(|h| h.slice(start, len)),
        }
    }

    /// Joins several batches in their order.
    #[must_use]
    pub fn concat(mut parts: Vec<Self>) -> Self {
        if parts.len() == 1 {
            return parts.remove(0);
        }
        let headers = parts.iter().any(|p| p.headers.is_some()).then(|| {
            let of =
                |p: &Self| p.headers.as_ref().map_or_else(|| BinaryArray::new_null(p.len()), |h| h.encoded().clone());
            Headers::from_encoded(concat_binary(parts.iter().map(of)))
        });
        Self {
            keys: concat_binary(parts.iter().map(|p| p.keys.clone())),
            values: concat_binary(parts.iter().map(|p| p.values.clone())),
            timestamps: parts.iter().flat_map(|p| p.timestamps.iter().copied()).collect(),
            headers,
        }
    }

    /// The rows where `mask` is true.
    #[must_use]
    pub fn filter(&self, mask: &BooleanArray) -> Self {
        let rows: Vec<u32> = (0u32..).zip(mask.iter()).filter(|(_, m)| *m == Some(true)).map(|(i, _)| i).collect();
        self.take(&UInt32Array::from(rows))
    }

    /// The rows with these indexes, in this order.
    #[must_use]
    pub fn take(&self, rows: &UInt32Array) -> Self {
        Self {
            keys: take_binary(&self.keys, rows),
            values: take_binary(&self.values, rows),
            timestamps: rows.values().iter().map(|i| self.timestamps[*i as usize]).collect(),
            headers: self.headers.as_ref().map(|h| h.take(rows)),
        }
    }
}

fn column_bytes(column: &BinaryArray, rows: usize) -> usize {
    let offsets = column.value_offsets();
    usize::try_from(offsets[rows] - offsets[0]).unwrap_or(0)
}

/// Builds [`Records`] row by row.
#[derive(Debug, Default)]
pub struct RecordsBuilder {
    keys: BinaryBuilder,
    values: BinaryBuilder,
    timestamps: Vec<i64>,
    headers: HeadersBuilder,
}

impl RecordsBuilder {
    /// Adds a record without headers.
    pub fn push(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, timestamp: i64) {
        self.push_with::<&str>(key, value, timestamp, &[]);
    }

    /// Adds a record with headers, in their order.
    pub fn push_with<N: AsRef<[u8]> + Copy>(
        &mut self,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        timestamp: i64,
        headers: &[(N, Option<&[u8]>)],
    ) {
        self.keys.append_option(key);
        self.values.append_option(value);
        self.timestamps.push(timestamp);
        self.headers.push(headers.iter().copied());
    }

    /// How many records so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.timestamps.len()
    }

    /// Whether there are none so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    /// Returns the records so far and empties the builder.
    #[must_use]
    pub fn finish(&mut self) -> Records {
        Records {
            keys: self.keys.finish(),
            values: self.values.finish(),
            timestamps: std::mem::take(&mut self.timestamps).into(),
            headers: self.headers.finish(),
        }
    }
}

/// Records read from a partition. Offsets rise and may have gaps.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The partition.
    pub origin: Arc<TopicPartition>,
    /// The offset of each.
    pub offsets: ScalarBuffer<i64>,
    /// The records.
    pub records: Records,
}

impl Fetched {
    /// The records that have a key, in their order: the changes of a key/value topic.
    pub fn keyed(&self) -> impl Iterator<Item = KeyedRecord<'_>> {
        let Records { keys, values, timestamps, .. } = &self.records;
        (0..self.records.len()).filter(|row| keys.is_valid(*row)).map(|row| KeyedRecord {
            offset: Offset(self.offsets[row]),
            key: keys.value(row),
            value: values.is_valid(row).then(|| values.value(row)),
            timestamp: timestamps[row],
        })
    }
}

/// One change of a key/value topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyedRecord<'a> {
    /// Its offset.
    pub offset: Offset,
    /// Its key.
    pub key: &'a [u8],
    /// The new value of the key; `None` deletes the key.
    pub value: Option<&'a [u8]>,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyed_records_are_those_with_a_key_and_a_null_value_deletes() {
        let mut records = RecordsBuilder::default();
        records.push(Some(b"a"), Some(b"1"), 10);
        records.push(None, Some(b"2"), 11);
        records.push(Some(b""), None, 12);
        let origin = Arc::new(TopicPartition::new("t", 0));
        let fetched = Fetched { origin, offsets: vec![5, 7, 9].into(), records: records.finish() };
        let found: Vec<_> = fetched.keyed().map(|r| (r.offset.0, r.key, r.value, r.timestamp)).collect();
        assert_eq!(found, [(5, &b"a"[..], Some(&b"1"[..]), 10), (9, &b""[..], None, 12)]);
    }
}
