//! Merges the inputs of a task by event time, in a bounded run.
//!
//! The record with the lowest event time among the next records of all inputs is released first; ties go to the
//! earlier source, then to the lower partition. Nothing is released while the next record of an input, or its end,
//! is unknown. Permits bound what a queue holds. A queue never reads a topic and never moves the watermark.

use crate::record::{Fetched, Offset};
use crate::runtime::task::input::{DecodedRows, Rejected};
use crate::runtime::task::repartition_codec::WatermarkMessage;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::OwnedSemaphorePermit;

/// What a reader offers of one input.
#[derive(Debug)]
pub(in crate::runtime) struct OfferedBatch {
    /// The slot of the input in the task's watermark.
    pub(in crate::runtime) slot: usize,
    /// Records of this slot only.
    pub(in crate::runtime) fetched: Option<Fetched>,
    /// Everything before this offset has been offered.
    pub(in crate::runtime) position: Offset,
    /// The input ends here.
    pub(in crate::runtime) last: bool,
    /// Returned once the records are released.
    pub(in crate::runtime) permit: Option<OfferPermit>,
}

/// Bytes of the records of some offers.
pub(in crate::runtime) fn offered_bytes(offered: &[OfferedBatch]) -> usize {
    offered.iter().filter_map(|o| o.fetched.as_ref()).map(|f| f.records.bytes()).sum()
}

/// Counts the batches of some inputs that their task has released.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Releases(AtomicUsize);

impl Releases {
    pub(in crate::runtime) fn count(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

/// Allows a task to hold a batch of an input.
#[derive(Debug)]
pub(in crate::runtime) struct OfferPermit {
    permit: Option<OwnedSemaphorePermit>,
    releases: Arc<Releases>,
}

impl OfferPermit {
    pub(in crate::runtime) fn new(permit: OwnedSemaphorePermit, releases: Arc<Releases>) -> Self {
        Self { permit: Some(permit), releases }
    }
}

impl Drop for OfferPermit {
    fn drop(&mut self) {
        // The permit returns before the count rises, so that a reader of the new count can acquire it.
        self.permit = None;
        self.releases.0.fetch_add(1, Ordering::Release);
    }
}

/// Decoded records that wait for their release.
#[derive(Debug)]
pub(in crate::runtime) struct DecodedBatch {
    pub(in crate::runtime) input: usize,
    pub(in crate::runtime) fetched: Fetched,
    pub(in crate::runtime) rows: DecodedRows,
    /// Records that become no row. They have no event time and are released as soon as they are next.
    pub(in crate::runtime) bad: Vec<Rejected>,
    #[expect(dead_code, reason = "dropped together with the batch")]
    pub(in crate::runtime) permit: Option<Arc<OfferPermit>>,
}

/// Released records, in their order.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Released {
    pub(in crate::runtime) pieces: Vec<Arc<DecodedBatch>>,
    pub(in crate::runtime) runs: Vec<ReleasedRun>,
    len: usize,
    /// Approximate bytes of the records.
    bytes: usize,
}

/// Consecutive records of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime) struct ReleasedRun {
    pub(in crate::runtime) slot: usize,
    pub(in crate::runtime) piece: usize,
    pub(in crate::runtime) item: ReleasedItem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime) enum ReleasedItem {
    /// The first row and the number of rows.
    Rows(usize, usize),
    /// One record that could not be decoded.
    Bad(usize),
}

impl Released {
    /// The number of records.
    pub(in crate::runtime) fn len(&self) -> usize {
        self.len
    }

    /// The offset of the first record of each slot, of those from `start` on.
    pub(in crate::runtime) fn first_offsets(&self, start: usize) -> BTreeMap<usize, i64> {
        let (mut first, mut position) = (BTreeMap::new(), 0);
        for run in &self.runs {
            let piece = &self.pieces[run.piece];
            let processed = start.saturating_sub(position);
            position += run.item.len();
            if processed < run.item.len() {
                let offset = match run.item {
                    ReleasedItem::Rows(row, _) => piece.rows.offsets[row + processed],
                    ReleasedItem::Bad(bad) => piece.fetched.offsets[piece.bad[bad].row],
                };
                first.entry(run.slot).or_insert(offset);
            }
        }
        first
    }
}

impl ReleasedItem {
    /// The number of records.
    pub(in crate::runtime) fn len(self) -> usize {
        match self {
            Self::Rows(_, rows) => rows,
            Self::Bad(_) => 1,
        }
    }
}

/// What a queue releases next.
#[derive(Debug)]
pub(in crate::runtime) enum MergeStep {
    /// Records in their order.
    Rows(Released),
    /// An input has ended, with the last watermark that its sender announced.
    Ended(usize, Option<WatermarkMessage>),
    /// The next record is unknown until more is offered.
    Pending,
}

/// The queues of a task, one per slot.
#[derive(Debug)]
pub(in crate::runtime) struct MergeQueue {
    queues: Vec<InputQueue>,
    /// Event time and slot of the next record of each queue that has one, the least first.
    heads: BinaryHeap<Reverse<(i64, usize)>>,
    /// Queues without a record whose end has not been released.
    unknown: BTreeSet<usize>,
    moved: Vec<usize>,
    /// Counts the calls of [`Self::next`].
    round: u64,
    /// The number of runs released last, as a capacity for the next ones.
    last_runs: usize,
    /// Approximate bytes of the records released at once; one record is always released.
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct InputQueue {
    pieces: VecDeque<Arc<DecodedBatch>>,
    /// The next row, and the next bad record, of the first piece.
    row: usize,
    bad: usize,
    /// The round in which rows of the first piece were released last, and the index of the piece among the released.
    placed: (u64, usize),
    /// The last watermark message and its offset; it takes effect when the input ends.
    watermark: Option<(i64, WatermarkMessage)>,
    position: i64,
    ended: bool,
}

impl MergeQueue {
    /// Creates queues for inputs that are read from these offsets on; an input without one is empty.
    pub(in crate::runtime) fn new(from: impl Iterator<Item = Option<i64>>) -> Self {
        let queue = |from: Option<i64>| InputQueue {
            position: from.unwrap_or(0),
            ended: from.is_none(),
            ..InputQueue::default()
        };
        let (mut queues, mut unknown) = (Vec::new(), BTreeSet::new());
        for (slot, from) in from.enumerate() {
            queues.push(queue(from));
            if from.is_some() {
                unknown.insert(slot);
            }
        }
        let (heads, moved, max_bytes) = (BinaryHeap::new(), Vec::new(), usize::MAX);
        Self { queues, heads, unknown, moved, round: 0, last_runs: 0, max_bytes }
    }

    /// Limits the bytes that are released at once.
    pub(in crate::runtime) fn set_max_bytes(&mut self, bytes: usize) {
        self.max_bytes = bytes;
    }

    pub(in crate::runtime) fn push(&mut self, slot: usize, piece: DecodedBatch) {
        if !piece.rows.batch.is_empty() || !piece.bad.is_empty() {
            let queue = &mut self.queues[slot];
            // Rows carry a watermark that is at least as high as that of the messages before them.
            if !piece.rows.batch.is_empty() {
                queue.watermark = None;
            }
            queue.pieces.push_back(Arc::new(piece));
            if self.unknown.remove(&slot) {
                self.heads.extend(queue.head().map(|time| Reverse((time, slot))));
            }
        }
    }

    /// Keeps a watermark message until the input ends, so that results do not depend on when senders committed.
    pub(in crate::runtime) fn set_watermark(&mut self, slot: usize, offset: i64, message: WatermarkMessage) {
        self.queues[slot].watermark = Some((offset, message));
        self.moved.push(slot);
    }

    pub(in crate::runtime) fn advance_position(&mut self, slot: usize, position: Offset, last: bool) {
        let queue = &mut self.queues[slot];
        queue.position = queue.position.max(position.0);
        queue.ended |= last;
        self.moved.push(slot);
    }

    /// The offset at which a run that ends here resumes.
    pub(in crate::runtime) fn resume_offset(&self, slot: usize) -> i64 {
        let queue = &self.queues[slot];
        let buffered = queue.pieces.front().map(|piece| {
            let row = piece.rows.offsets.get(queue.row).copied().unwrap_or(i64::MAX);
            let bad = piece.bad.get(queue.bad).map_or(i64::MAX, |b| piece.fetched.offsets[b.row]);
            row.min(bad)
        });
        buffered.or(queue.watermark.map(|(offset, _)| offset)).unwrap_or(queue.position)
    }

    /// The slots whose offset may have moved since this was called last.
    pub(in crate::runtime) fn take_moved(&mut self) -> Vec<usize> {
        let mut moved = std::mem::take(&mut self.moved);
        moved.sort_unstable();
        moved.dedup();
        moved
    }

    /// Makes [`Self::take_moved`] return this slot again.
    pub(in crate::runtime) fn mark_moved(&mut self, slot: usize) {
        self.moved.push(slot);
    }

    /// Releases at most `max_records` records, as far as their order is known.
    pub(in crate::runtime) fn next(&mut self, max_records: usize) -> MergeStep {
        let mut released = Released { runs: Vec::with_capacity(self.last_runs), ..Released::default() };
        self.round += 1;
        while released.len < max_records && (released.len == 0 || released.bytes < self.max_bytes) {
            // The next record of a queue without one is not known, unless it has ended.
            if let Some(slot) = self.unknown.first().copied() {
                let queue = &mut self.queues[slot];
                if !released.runs.is_empty() || !queue.ended {
                    break;
                }
                self.unknown.remove(&slot);
                self.moved.push(slot);
                return MergeStep::Ended(slot, queue.watermark.take().map(|(_, message)| message));
            }
            let Some(Reverse((_, slot))) = self.heads.pop() else { break };
            let second = self.heads.peek().map(|Reverse(head)| *head);
            let queue = &mut self.queues[slot];
            let piece = queue.place(self.round, &mut released);
            let (before, record_bytes) = (released.len, queue.record_bytes());
            let fitting = (self.max_bytes.saturating_sub(released.bytes) / record_bytes).max(1);
            queue.release(slot, (piece, second), fitting.min(max_records - before), &mut released);
            released.bytes += (released.len - before) * record_bytes;
            self.moved.push(slot);
            match queue.head() {
                Some(time) => self.heads.push(Reverse((time, slot))),
                None => drop(self.unknown.insert(slot)),
            }
        }
        if released.runs.is_empty() {
            return MergeStep::Pending;
        }
        self.last_runs = released.runs.len();
        MergeStep::Rows(released)
    }
}

impl InputQueue {
    /// The event time of the next record; a record that could not be decoded precedes all others.
    fn head(&self) -> Option<i64> {
        let piece = self.pieces.front()?;
        Some(self.next_bad(piece).map_or_else(|| piece.rows.batch.meta.event_times[self.row], |_| i64::MIN))
    }

    /// The index of the next record among the bad ones, if it is one.
    fn next_bad(&self, piece: &DecodedBatch) -> Option<usize> {
        let bad = piece.fetched.offsets[piece.bad.get(self.bad)?.row];
        piece.rows.offsets.get(self.row).is_none_or(|row| bad < *row).then_some(self.bad)
    }

    /// The index of the first batch among what a round releases.
    fn place(&mut self, round: u64, released: &mut Released) -> usize {
        if self.placed.0 != round {
            self.placed = (round, released.pieces.len());
            released.pieces.extend(self.pieces.front().cloned());
        }
        self.placed.1
    }

    /// The mean bytes of a record of the first batch.
    fn record_bytes(&self) -> usize {
        let records = self.pieces.front().map(|piece| &piece.fetched.records);
        records.map_or(1, |records| records.bytes() / records.len().max(1)).max(1)
    }

    /// Releases at most `max_records` records of the first batch, which is a piece of what is released, while they
    /// precede `second`, the next record of the other queues.
    fn release(
        &mut self,
        slot: usize,
        (piece, second): (usize, Option<(i64, usize)>),
        max_records: usize,
        released: &mut Released,
    ) {
        let Some(first) = self.pieces.front().cloned() else { return };
        if let Some(bad) = self.next_bad(&first) {
            released.runs.push(ReleasedRun { slot, piece, item: ReleasedItem::Bad(bad) });
            released.len += 1;
            self.bad += 1;
        } else {
            let times = &first.rows.batch.meta.event_times;
            // The first row is the lowest record. An undecodable record ends the run: it is released as a separate one.
            let until = first.bad.get(self.bad).map_or(i64::MAX, |b| first.fetched.offsets[b.row]);
            let before = |row: usize| second.is_none_or(|second| (times[row], slot) < second);
            let more = self.row + 1..times.len().min(self.row + max_records);
            let rows = 1 + more.take_while(|r| first.rows.offsets[*r] < until && before(*r)).count();
            released.runs.push(ReleasedRun { slot, piece, item: ReleasedItem::Rows(self.row, rows) });
            released.len += rows;
            self.row += rows;
        }
        if self.row == first.rows.batch.len() && self.bad == first.bad.len() {
            self.pieces.pop_front();
            (self.row, self.bad, self.placed) = (0, 0, (0, 0));
        }
    }
}
