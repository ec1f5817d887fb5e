//! The records of one partition in memory.
//!
//! Invariant: offsets rise over all segments and lie within `earliest..end`. A batch is stored as it was
//! appended: a fetch slices it, and copies only where it joins several.

use crate::log::FetchLimit;
use crate::record::{Fetched, Offset, Records, TopicPartition};
use arrow_array::UInt32Array;
use arrow_buffer::ScalarBuffer;
use std::collections::HashMap;
use std::sync::Arc;

/// One fetch joins at most this many bytes: lengths in an Arrow batch have 31 bits.
const MAX_FETCH_BYTES: usize = 512 << 20;

/// One appended batch, or the part of it that is left.
#[derive(Debug)]
pub(super) struct Segment {
    offsets: ScalarBuffer<i64>,
    records: Records,
}

impl Segment {
    fn last_offset(&self) -> i64 {
        self.offsets.last().copied().unwrap_or(i64::MIN)
    }

    /// The index of the first record at or after an offset.
    fn index_of(&self, offset: i64) -> usize {
        self.offsets.partition_point(|o| *o < offset)
    }

    fn slice(&self, start: usize, len: usize) -> Self {
        Self { offsets: self.offsets.slice(start, len), records: self.records.slice(start, len) }
    }

    /// The records at or after an offset.
    fn starting_at(&self, offset: i64) -> Self {
        let start = self.index_of(offset);
        self.slice(start, self.offsets.len() - start)
    }
}

/// The records of a partition and its bounds.
#[derive(Debug, Default)]
pub(super) struct MemoryPartition {
    pub(super) earliest: i64,
    pub(super) end: i64,
    segments: Vec<Segment>,
}

impl MemoryPartition {
    /// Returns the offset of the first record.
    pub(super) fn append(&mut self, records: &Records) -> Offset {
        let first = self.end;
        self.end = end_after(first, records);
        if !records.is_empty() {
            let offsets = (first..self.end).collect();
            self.segments.push(Segment { offsets, records: records.clone() });
        }
        Offset(first)
    }

    /// Adds records at the offsets that they have elsewhere; the first ones say where the partition begins.
    pub(super) fn load(&mut self, fetched: &Fetched) {
        let (Some(first), Some(last)) = (fetched.offsets.first(), fetched.offsets.last()) else { return };
        if self.segments.is_empty() {
            self.earliest = *first;
        }
        self.end = last + 1;
        self.segments.push(Segment { offsets: fetched.offsets.clone(), records: fetched.records.clone() });
    }

    /// The records from an offset on, as far as the limit allows; at least one where there is any.
    pub(super) fn fetch(&self, from: i64, limit: FetchLimit) -> Vec<Segment> {
        let (max_records, max_bytes) = (limit.records.max(1), limit.bytes.min(MAX_FETCH_BYTES));
        let first = self.segments.partition_point(|s| s.last_offset() < from);
        let (mut records, mut bytes, mut parts) = (0, 0, Vec::new());
        for segment in &self.segments[first..] {
            let rest = segment.starting_at(from);
            let left = FetchLimit { records: max_records - records, bytes: max_bytes - bytes };
            let part = rest.slice(0, left.rows_of(&rest.records));
            records += part.records.len();
            bytes += part.records.bytes();
            parts.push(part);
            if records >= max_records || bytes >= max_bytes {
                break;
            }
        }
        parts
    }

    /// The first offset with this timestamp or a later one; the end where there is none.
    pub(super) fn offset_at_time(&self, time: i64) -> i64 {
        let records = self.segments.iter().flat_map(|s| s.offsets.iter().zip(s.records.timestamps.iter()));
        records.into_iter().find(|(_, t)| **t >= time).map_or(self.end, |(offset, _)| *offset)
    }

    /// Removes the records before an offset.
    pub(super) fn trim(&mut self, before: i64) {
        self.earliest = before.min(self.end).max(self.earliest);
        let removed = self.segments.partition_point(|s| s.last_offset() < self.earliest);
        self.segments.drain(..removed);
        if let Some(first) = self.segments.first_mut() {
            *first = first.starting_at(self.earliest);
        }
    }

    /// Keeps the latest record of each key, including deletions.
    pub(super) fn compact(&mut self) {
        let mut latest: HashMap<Vec<u8>, i64> = HashMap::new();
        for segment in &self.segments {
            for (i, offset) in segment.offsets.iter().enumerate() {
                latest.insert(segment.records.keys.value(i).to_vec(), *offset);
            }
        }
        for segment in &mut self.segments {
            let is_latest = |i: &usize| latest.get(segment.records.keys.value(*i)) == Some(&segment.offsets[*i]);
            let kept: Vec<usize> = (0..segment.offsets.len()).filter(is_latest).collect();
            if kept.len() < segment.offsets.len() {
                let rows: UInt32Array = kept.iter().filter_map(|i| u32::try_from(*i).ok()).collect::<Vec<_>>().into();
                let offsets = kept.iter().map(|i| segment.offsets[*i]).collect();
                *segment = Segment { offsets, records: segment.records.take(&rows) };
            }
        }
        self.segments.retain(|s| !s.offsets.is_empty());
    }

    /// Bytes of keys, values and headers.
    pub(super) fn bytes(&self) -> usize {
        self.segments.iter().map(|s| s.records.payload_bytes()).sum()
    }
}

/// The end of a partition after records are appended to it.
pub(super) fn end_after(end: i64, records: &Records) -> i64 {
    end.saturating_add(i64::try_from(records.len()).unwrap_or(i64::MAX))
}

/// Joins the parts of a fetch; `None` where it holds no record.
pub(super) fn join(mut parts: Vec<Segment>, origin: Arc<TopicPartition>) -> Option<Fetched> {
    let Segment { offsets, records } = match parts.len() {
        0 => return None,
        1 => parts.remove(0),
        _ => Segment {
            offsets: parts.iter().flat_map(|p| p.offsets.iter().copied()).collect(),
            records: Records::concat(parts.into_iter().map(|p| p.records).collect()),
        },
    };
    Some(Fetched { origin, offsets, records })
}
