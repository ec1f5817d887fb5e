//! What is buffered of one partition ahead of the caller, and the position in it.

use super::headers;
use crate::log::FetchLimit;
use crate::record::{Fetched, RecordsBuilder, TopicPartition};
use rdkafka::message::{BorrowedMessage, Message};
use std::sync::Arc;

/// Maximum records buffered ahead of the caller, per partition and in total: one full batch.
pub(super) const MAX_BUFFERED_RECORDS: usize = 4096;

/// Maximum bytes of keys, values and headers buffered ahead of the caller, per partition and in total.
pub(super) const MAX_BUFFERED_BYTES: usize = 4 << 20;

/// The buffer and position of one partition.
pub(super) struct PartitionBuffer {
    pub(super) at: Arc<TopicPartition>,
    /// The next offset to take from the client.
    pub(super) next_offset: i64,
    /// Whether a seek has set the position.
    pub(super) active: bool,
    pub(super) paused: bool,
    /// Whether the client itself is paused.
    pub(super) client_paused: bool,
    offsets: Vec<i64>,
    building: RecordsBuilder,
    bytes: usize,
    /// The rest of a finished batch that is returned in parts.
    ready: Option<Fetched>,
}

impl PartitionBuffer {
    /// An empty buffer; nothing is read before a seek.
    pub(super) fn new(at: TopicPartition) -> Self {
        Self {
            at: Arc::new(at),
            next_offset: -1,
            active: false,
            paused: false,
            client_paused: false,
            offsets: Vec::new(),
            building: RecordsBuilder::default(),
            bytes: 0,
            ready: None,
        }
    }

    pub(super) fn buffered_records(&self) -> usize {
        self.offsets.len() + self.ready.as_ref().map_or(0, |r| r.offsets.len())
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.bytes + self.ready.as_ref().map_or(0, |r| r.records.bytes())
    }

    /// Whether the client should be paused while this partition is paused.
    pub(super) fn is_full(&self) -> bool {
        self.buffered_records() >= MAX_BUFFERED_RECORDS || self.buffered_bytes() >= MAX_BUFFERED_BYTES
    }

    pub(super) fn position(&self) -> i64 {
        let ready = self.ready.as_ref().and_then(|r| r.offsets.first());
        ready.or_else(|| self.offsets.first()).copied().unwrap_or(self.next_offset)
    }

    pub(super) fn clear(&mut self) {
        self.offsets.clear();
        self.building = RecordsBuilder::default();
        self.bytes = 0;
        self.ready = None;
    }

    /// Returns the size of the record.
    pub(super) fn push(&mut self, message: &BorrowedMessage<'_>) -> usize {
        let (key, value) = (message.key(), message.payload());
        // A record without a timestamp had timestamp 0, which the client cannot write: see `sending`.
        let time = message.timestamp().to_millis().unwrap_or(0);
        let headers = headers::of(message);
        self.building.push_with(key, value, time, &headers);
        let len = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        let size = len(key) + len(value) + 8 + headers.iter().map(|(n, v)| n.len() + len(*v) + 8).sum::<usize>();
        self.bytes += size;
        self.offsets.push(message.offset());
        self.next_offset = message.offset() + 1;
        size
    }

    /// The next records within a limit, at least one.
    pub(super) fn take(&mut self, limit: FetchLimit) -> Option<Fetched> {
        if self.ready.is_none() && !self.offsets.is_empty() {
            let offsets = std::mem::take(&mut self.offsets).into();
            self.bytes = 0;
            self.ready = Some(Fetched { origin: self.at.clone(), offsets, records: self.building.finish() });
        }
        let batch = self.ready.take()?;
        let rows = limit.rows_of(&batch.records);
        if rows == batch.offsets.len() {
            return Some(batch);
        }
        let part = |start: usize, len: usize| Fetched {
            origin: batch.origin.clone(),
            offsets: batch.offsets.slice(start, len),
            records: batch.records.slice(start, len),
        };
        self.ready = Some(part(rows, batch.offsets.len() - rows));
        Some(part(0, rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(values: &[&str]) -> PartitionBuffer {
        let mut building = RecordsBuilder::default();
        values.iter().for_each(|w| building.push(None, Some(w.as_bytes()), 0));
        let offsets = (10..).take(values.len()).collect();
        let new = PartitionBuffer::new(TopicPartition::new("t", 0));
        PartitionBuffer { next_offset: 100, active: true, offsets, building, ..new }
    }

    #[test]
    fn a_batch_is_returned_in_parts_and_the_position_follows() {
        let mut p = buffer(&["aa", "bb", "cc", "dd"]);
        assert_eq!((p.position(), p.buffered_records()), (10, 4));
        let limit = FetchLimit { records: 3, bytes: 20 };
        assert_eq!(p.take(limit).map(|f| f.offsets.to_vec()), Some(vec![10, 11]), "ten bytes a record");
        assert_eq!((p.position(), p.buffered_records()), (12, 2));
        assert_eq!(p.take(FetchLimit { records: 1, bytes: 0 }).map(|f| f.offsets.to_vec()), Some(vec![12]));
        assert_eq!(p.take(FetchLimit::default()).map(|f| f.offsets.to_vec()), Some(vec![13]));
        assert_eq!((p.position(), p.buffered_records()), (100, 0), "past what holds no record");
        assert!(p.take(limit).is_none());
    }
}
