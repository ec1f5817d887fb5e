//! Several inputs of a task as one sequence: of the records that come next, the one with the least event
//! time goes first; of equal ones that of the earlier source, then of the lower partition.
//!
//! Separate because only a bounded run reads like this: there the next record of each input, or its end,
//! is known. Nothing is released while one of them is not. A queue holds what its permits allow; this
//! never reads a topic and never touches time.

use crate::record::{BadRow, Fetched, Offset};
use crate::runtime::task::input::DecodedRows;
use crate::runtime::task::repartition_codec::WatermarkMessage;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// What comes of one input.
#[derive(Debug)]
pub(in crate::runtime) struct OfferedBatch {
    /// The slot of the task's watermark that the input has.
    pub(in crate::runtime) slot: usize,
    /// Records, none of another slot.
    pub(in crate::runtime) fetched: Option<Fetched>,
    /// Everything before it has been offered.
    pub(in crate::runtime) position: Offset,
    /// Nothing more will come.
    pub(in crate::runtime) last: bool,
    /// Given back once the records are released.
    pub(in crate::runtime) permit: Option<OwnedSemaphorePermit>,
}

/// DecodedInput records that wait for their turn.
#[derive(Debug)]
pub(in crate::runtime) struct DecodedBatch {
    pub(in crate::runtime) input: usize,
    pub(in crate::runtime) fetched: Fetched,
    pub(in crate::runtime) rows: DecodedRows,
    /// Records that could not be decoded; they wait for no event time.
    pub(in crate::runtime) bad: Vec<BadRow>,
    #[expect(dead_code, reason = "what counts is that it is given back with the piece")]
    pub(in crate::runtime) permit: Option<Arc<OwnedSemaphorePermit>>,
}

/// What is released, one after the other.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Released {
    pub(in crate::runtime) pieces: Vec<Arc<DecodedBatch>>,
    pub(in crate::runtime) runs: Vec<ReleasedRun>,
    len: usize,
}

/// Neighbours within a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime) struct ReleasedRun {
    pub(in crate::runtime) slot: usize,
    pub(in crate::runtime) piece: usize,
    pub(in crate::runtime) what: ReleasedItem,
}

/// What a run is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime) enum ReleasedItem {
    /// So many rows from this one on.
    Rows(usize, usize),
    /// One record that could not be decoded.
    Bad(usize),
}

/// What the sequence brings next.
#[derive(Debug)]
pub(in crate::runtime) enum MergeStep {
    /// Records.
    Rows(Released),
    /// An input has come to its end, and this is the last that was message of it.
    Ended(usize, Option<WatermarkMessage>),
    /// Not known before more is offered.
    Nothing,
}

/// The queues of a task.
#[derive(Debug)]
pub(in crate::runtime) struct MergeQueue {
    queues: Vec<InputQueue>,
}

#[derive(Debug, Default)]
struct InputQueue {
    pieces: VecDeque<Arc<DecodedBatch>>,
    /// The next row, and the next bad record, of the first piece.
    row: usize,
    bad: usize,
    message: Option<(i64, WatermarkMessage)>,
    position: i64,
    ended: bool,
    passed: bool,
}

impl MergeQueue {
    /// Of inputs that are read from these offsets on; those without one bring nothing.
    pub(in crate::runtime) fn new(from: impl Iterator<Item = Option<i64>>) -> Self {
        let queue = |from: Option<i64>| InputQueue {
            position: from.unwrap_or(0),
            ended: from.is_none(),
            passed: from.is_none(),
            ..InputQueue::default()
        };
        Self { queues: from.map(queue).collect() }
    }

    pub(in crate::runtime) fn push(&mut self, slot: usize, piece: DecodedBatch) {
        if !piece.rows.batch.is_empty() || !piece.bad.is_empty() {
            let queue = &mut self.queues[slot];
            // DecodedRows carry a watermark that is no older than what was message before them.
            queue.message = None;
            queue.pieces.push_back(Arc::new(piece));
        }
    }

    /// What was message takes effect at the end, so that it does not matter when senders committed.
    pub(in crate::runtime) fn tell(&mut self, slot: usize, offset: i64, message: WatermarkMessage) {
        self.queues[slot].message = Some((offset, message));
    }

    pub(in crate::runtime) fn reached(&mut self, slot: usize, position: Offset, last: bool) {
        let queue = &mut self.queues[slot];
        queue.position = queue.position.max(position.0);
        queue.ended |= last;
    }

    /// The offset to begin at if the run ended here.
    pub(in crate::runtime) fn offset(&self, slot: usize) -> i64 {
        let queue = &self.queues[slot];
        let waiting = queue.pieces.front().map(|piece| {
            let row = piece.rows.offsets.get(queue.row).copied().unwrap_or(i64::MAX);
            let bad = piece.bad.get(queue.bad).map_or(i64::MAX, |b| piece.fetched.offsets[b.row]);
            row.min(bad)
        });
        waiting.or(queue.message.map(|(offset, _)| offset)).unwrap_or(queue.position)
    }

    /// At most so many records, as far as their order is known.
    pub(in crate::runtime) fn next(&mut self, most: usize) -> MergeStep {
        let mut released = Released::default();
        while released.len < most {
            if let Some(slot) = self.queues.iter().position(|q| q.pieces.is_empty() && !q.passed) {
                let queue = &mut self.queues[slot];
                if !released.runs.is_empty() || !queue.ended {
                    break;
                }
                queue.passed = true;
                return MergeStep::Ended(slot, queue.message.take().map(|(_, message)| message));
            }
            let mut heads = self.queues.iter().enumerate().filter_map(|(slot, q)| Some((q.head()?, slot)));
            let Some(mut least) = heads.next() else { break };
            let mut second = None;
            for head in heads {
                if head < least {
                    second = Some(least);
                    least = head;
                } else if second.is_none_or(|s| head < s) {
                    second = Some(head);
                }
            }
            self.queues[least.1].release(least.1, second, most, &mut released);
        }
        if released.runs.is_empty() { MergeStep::Nothing } else { MergeStep::Rows(released) }
    }
}

impl InputQueue {
    /// The event time of the next record; one that could not be decoded waits for nothing.
    fn head(&self) -> Option<i64> {
        let piece = self.pieces.front()?;
        Some(self.next_bad(piece).map_or_else(|| piece.rows.batch.meta.event_times[self.row], |_| i64::MIN))
    }

    /// The next record, where it is a bad one.
    fn next_bad(&self, piece: &DecodedBatch) -> Option<usize> {
        let bad = piece.fetched.offsets[piece.bad.get(self.bad)?.row];
        piece.rows.offsets.get(self.row).is_none_or(|row| bad < *row).then_some(self.bad)
    }

    /// Releases from the first piece while it holds the least record.
    fn release(&mut self, slot: usize, second: Option<(i64, usize)>, most: usize, released: &mut Released) {
        let Some(first) = self.pieces.front().cloned() else { return };
        let known = released.pieces.iter().rposition(|p| Arc::ptr_eq(p, &first));
        let piece = known.unwrap_or(released.pieces.len());
        if known.is_none() {
            released.pieces.push(first.clone());
        }
        if let Some(bad) = self.next_bad(&first) {
            released.runs.push(ReleasedRun { slot, piece, what: ReleasedItem::Bad(bad) });
            released.len += 1;
            self.bad += 1;
        } else {
            let times = &first.rows.batch.meta.event_times;
            // The first one is the least; a bad record in between is a run of its own.
            let until = first.bad.get(self.bad).map_or(i64::MAX, |b| first.fetched.offsets[b.row]);
            let before = |row: usize| second.is_none_or(|second| (times[row], slot) < second);
            let more = self.row + 1..times.len().min(self.row + most - released.len);
            let rows = 1 + more.take_while(|r| first.rows.offsets[*r] < until && before(*r)).count();
            released.runs.push(ReleasedRun { slot, piece, what: ReleasedItem::Rows(self.row, rows) });
            released.len += rows;
            self.row += rows;
        }
        if self.row == first.rows.batch.len() && self.bad == first.bad.len() {
            self.pieces.pop_front();
            (self.row, self.bad) = (0, 0);
        }
    }
}
