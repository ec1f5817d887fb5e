//! One input of a task that merges its inputs by event time: its buffered records, from its position to a known end.
//!
//! The senders of a repartition topic share a partition; each has a cursor of its own that leaves out the others.
//! A cursor never reads, and never offers more than its task allows.

use crate::record::{Fetched, Offset, Records, TopicPartition};
use crate::runtime::task::MergeInput;
use crate::runtime::task::merge_queue::{OfferPermit, OfferedBatch, Releases};
use crate::runtime::task::repartition_codec::RepartitionCodec;
use arrow_array::UInt32Array;
use arrow_buffer::ScalarBuffer;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Batches of one input that a task may hold: one that it releases rows from, and the next.
const MAX_OFFERS_IN_TASK: usize = 2;

/// Records of one offer, over all senders that share a partition.
pub(super) const MAX_OFFERED_RECORDS: usize = 4096;

/// Bytes of one offer, over all senders that share a partition.
pub(super) const MAX_OFFERED_BYTES: usize = 1 << 20;

/// Records of one offer at least, while there are as many.
pub(super) const MIN_OFFERED_RECORDS: usize = 64;

/// Offsets without a record of the input after which its task is offered only the position.
const MAX_SILENT_OFFSETS: i64 = 10_000;

/// The records of one fetch, by sender.
pub(in crate::runtime) struct BySender<'a> {
    fetched: &'a Fetched,
    /// All rows, sorted by their sender.
    rows: Vec<u32>,
    /// Where the rows of each sender begin, and the end of all; empty where there are no senders.
    starts: Vec<usize>,
}

impl<'a> BySender<'a> {
    /// Sorts records by their sender, where the partition has senders.
    pub(in crate::runtime) fn new(fetched: &'a Fetched, senders: Option<i32>) -> Self {
        let senders = usize::try_from(senders.unwrap_or(0)).unwrap_or(0);
        if senders == 0 {
            return Self { fetched, rows: Vec::new(), starts: Vec::new() };
        }
        let values = &fetched.records.values;
        let sender_of = |row: usize| {
            let sender = RepartitionCodec::sender(values.value(row)).map(usize::try_from);
            // A record without a known sender goes to the first, whose decoder refuses it by name.
            sender.and_then(Result::ok).filter(|s| *s < senders).unwrap_or(0)
        };
        let of_rows: Vec<usize> = (0..fetched.offsets.len()).map(sender_of).collect();
        let mut starts = vec![0; senders + 1];
        of_rows.iter().for_each(|sender| starts[sender + 1] += 1);
        (0..senders).for_each(|sender| starts[sender + 1] += starts[sender]);
        let (mut rows, mut places) = (vec![0; of_rows.len()], starts.clone());
        for (row, sender) in (0u32..).zip(of_rows) {
            rows[places[sender]] = row;
            places[sender] += 1;
        }
        Self { fetched, rows, starts }
    }

    /// The rows of a sender, in their order; `None` where there are no senders.
    fn of(&self, sender: i32) -> Option<&[u32]> {
        let sender = usize::try_from(sender).ok()?;
        Some(&self.rows[*self.starts.get(sender)?..*self.starts.get(sender + 1)?])
    }
}

/// One input on its way to a task.
#[derive(Debug)]
pub(in crate::runtime) struct InputCursor {
    /// Its `next` is the first offset that was not offered yet.
    input: MergeInput,
    end: Offset,
    /// The first offset that was not read yet.
    read: Offset,
    buffered: VecDeque<Fetched>,
    rows: usize,
    bytes: usize,
    offers: Arc<Semaphore>,
    releases: Arc<Releases>,
    ended: bool,
}

impl InputCursor {
    /// The cursor of an input, up to an end.
    pub(in crate::runtime) fn new(input: MergeInput, end: Offset) -> Self {
        let (read, offers) = (input.next, Arc::new(Semaphore::new(MAX_OFFERS_IN_TASK)));
        let (buffered, releases) = (VecDeque::new(), Arc::default());
        Self { input, end, read, buffered, rows: 0, bytes: 0, offers, releases, ended: false }
    }

    /// Counts releases in `to` from now on. Batches that the task already holds are counted where they were.
    pub(in crate::runtime) fn report_releases(&mut self, to: &Arc<Releases>) {
        self.releases = to.clone();
    }

    /// The partition that it reads.
    pub(in crate::runtime) fn at(&self) -> &TopicPartition {
        &self.input.at
    }

    /// How many senders share the partition.
    pub(in crate::runtime) fn senders(&self) -> Option<i32> {
        self.input.sender.map(|(_, senders)| senders)
    }

    /// The next offset to read; `None` once the end is reached.
    pub(in crate::runtime) fn next(&self) -> Option<Offset> {
        (self.read < self.end).then_some(self.read)
    }

    /// Whether its end has been offered.
    pub(in crate::runtime) fn ended(&self) -> bool {
        self.ended
    }

    /// Buffered bytes.
    pub(in crate::runtime) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether as much is buffered as one offer takes.
    pub(in crate::runtime) fn has_full_offer(&self) -> bool {
        self.rows >= self.max_records() || self.bytes >= MAX_OFFERED_BYTES / self.sharing()
    }

    /// Whether neither the task nor this cursor has records of it.
    pub(in crate::runtime) fn is_starved(&self) -> bool {
        self.buffered.is_empty() && self.next().is_some() && self.offers.available_permits() == MAX_OFFERS_IN_TASK
    }

    /// Buffers the records of this input in a fetch of the partition.
    pub(in crate::runtime) fn take(&mut self, shares: &BySender<'_>) {
        let fetched = shares.fetched;
        let place = |of: Offset| fetched.offsets.partition_point(|o| *o < of.0);
        let (from, to) = (place(self.read), place(self.end));
        if let Some(last) = fetched.offsets.last() {
            self.advance(Offset(last + 1));
        }
        if from >= to {
            return;
        }
        let Some(own) = self.input.sender.and_then(|(sender, _)| shares.of(sender)) else {
            self.buffer(fetched.offsets.slice(from, to - from), fetched.records.slice(from, to - from), fetched);
            return;
        };
        let place = |of: usize| own.partition_point(|row| (*row as usize) < of);
        let rows = &own[place(from)..place(to)];
        for rows in rows.chunks(self.max_records()) {
            let offsets = rows.iter().map(|r| fetched.offsets[*r as usize]).collect();
            self.buffer(offsets, fetched.records.take(&UInt32Array::from(rows.to_vec())), fetched);
        }
    }

    fn buffer(&mut self, offsets: ScalarBuffer<i64>, records: Records, of: &Fetched) {
        self.rows += offsets.len();
        self.bytes += records.bytes();
        self.buffered.push_back(Fetched { offsets, records, origin: of.origin.clone() });
    }

    /// The input was read up to this offset.
    pub(in crate::runtime) fn advance(&mut self, offset: Offset) {
        self.read = self.read.max(offset);
    }

    /// Whether there may be something to offer.
    pub(in crate::runtime) fn may_offer(&self) -> bool {
        let silent = || self.next().is_none() || self.read.0 - self.input.next.0 >= MAX_SILENT_OFFSETS;
        !self.ended && (!self.buffered.is_empty() || silent())
    }

    /// What to offer next, where the task has capacity for it.
    pub(in crate::runtime) fn offer(&mut self) -> Option<OfferedBatch> {
        if self.ended {
            return None;
        }
        let at_end = self.next().is_none();
        let (mut fetched, mut permit) = (None, None);
        if self.buffered.is_empty() {
            if !at_end && self.read.0 - self.input.next.0 < MAX_SILENT_OFFSETS {
                return None;
            }
        } else {
            // While the task still has a batch, a larger next one is better.
            if !at_end && !self.has_full_offer() && self.offers.available_permits() < MAX_OFFERS_IN_TASK {
                return None;
            }
            let acquired = self.offers.clone().try_acquire_owned().ok()?;
            permit = Some(OfferPermit::new(acquired, self.releases.clone()));
            fetched = self.next_batch();
        }
        self.input.next = match self.buffered.front().and_then(|f| f.offsets.first()) {
            Some(first) => Offset(*first),
            None => self.read.min(self.end),
        };
        self.ended = at_end && self.buffered.is_empty();
        Some(OfferedBatch { slot: self.input.slot, fetched, position: self.input.next, last: self.ended, permit })
    }

    /// The buffered records of one offer.
    fn next_batch(&mut self) -> Option<Fetched> {
        let (mut parts, mut offsets, mut rows, mut bytes) = (Vec::new(), Vec::new(), 0, 0);
        let origin = self.buffered.front()?.origin.clone();
        while let Some(next) =
            self.buffered.pop_front_if(|f| rows == 0 || rows + f.offsets.len() <= MAX_OFFERED_RECORDS)
        {
            rows += next.offsets.len();
            bytes += next.records.bytes();
            offsets.push(next.offsets);
            parts.push(next.records);
            if rows >= self.max_records() || bytes >= MAX_OFFERED_BYTES / self.sharing() {
                break;
            }
        }
        self.rows -= rows;
        self.bytes -= bytes;
        let offsets = if offsets.len() == 1 {
            offsets.remove(0)
        } else {
            offsets.iter().flat_map(|o| o.iter().copied()).collect()
        };
        Some(Fetched { origin, offsets, records: Records::concat(parts) })
    }

    /// Records of one offer.
    fn max_records(&self) -> usize {
        (MAX_OFFERED_RECORDS / self.sharing()).max(MIN_OFFERED_RECORDS)
    }

    /// How many cursors share the partition.
    fn sharing(&self) -> usize {
        self.senders().and_then(|n| usize::try_from(n).ok()).unwrap_or(1).max(1)
    }
}
