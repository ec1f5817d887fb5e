//! One input of a task that merges several: what was read of it and waits for the task, from its own offset to
//! an end that is known.
//!
//! Separate from where records come from, so that the driver and the intake offer the same things. The
//! senders of a repartition share a partition; each has a cursor of its own that leaves out the others. It
//! never reads, and never offers more than the task allows.

use crate::record::{Fetched, Offset, Records, TopicPartition};
use crate::runtime::task::Wanted;
use crate::runtime::task::merge_queue::Offer;
use crate::runtime::task::repartition_codec::RepartitionCodec;
use arrow_array::UInt32Array;
use arrow_buffer::ScalarBuffer;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Offers of one input that may wait in a task: one at work, one at hand.
const AHEAD: usize = 2;

/// Records of one offer, of all senders that share a partition together.
const OFFER: usize = 4096;

/// Bytes of one offer, of all senders together.
const OFFER_BYTES: usize = 1 << 20;

/// Least records of one offer, while there are as many.
const LEAST: usize = 64;

/// Offsets without a record of the input after which its task is told how far it has come.
const SILENT: i64 = 10_000;

/// What was read of a partition, by who has sent it.
pub(in crate::runtime) struct Shares<'a> {
    fetched: &'a Fetched,
    /// None where there are no senders.
    rows: Vec<Vec<u32>>,
}

impl<'a> Shares<'a> {
    /// Of so many senders, where there are any.
    pub(in crate::runtime) fn new(fetched: &'a Fetched, senders: Option<i32>) -> Self {
        let mut rows = vec![Vec::new(); usize::try_from(senders.unwrap_or(0)).unwrap_or(0)];
        if !rows.is_empty() {
            let values = &fetched.records.values;
            for row in (0u32..).take(fetched.offsets.len()) {
                let sender = RepartitionCodec::sender(values.value(row as usize)).map(usize::try_from);
                // What nobody has sent is no record of ours: the first one brings it to the decoder, which says so.
                let sender = sender.and_then(Result::ok).filter(|s| *s < rows.len()).unwrap_or(0);
                rows[sender].push(row);
            }
        }
        Self { fetched, rows }
    }
}

/// One input on its way to a task.
#[derive(Debug)]
pub(in crate::runtime) struct Cursor {
    /// What, from the first offset on that was not offered yet.
    wanted: Wanted,
    end: Offset,
    /// The first offset that was not read yet.
    read: Offset,
    held: VecDeque<Fetched>,
    rows: usize,
    bytes: usize,
    room: Arc<Semaphore>,
    ended: bool,
}

impl Cursor {
    /// Reads up to an end.
    pub(in crate::runtime) fn new(wanted: Wanted, end: Offset) -> Self {
        let (read, held, room) = (wanted.next, VecDeque::new(), Arc::new(Semaphore::new(AHEAD)));
        Self { wanted, end, read, held, rows: 0, bytes: 0, room, ended: false }
    }

    /// What it reads.
    pub(in crate::runtime) fn at(&self) -> &TopicPartition {
        &self.wanted.at
    }

    /// How many send what it reads one part of.
    pub(in crate::runtime) fn senders(&self) -> Option<i32> {
        self.wanted.sender.map(|(_, senders)| senders)
    }

    /// From where on to read, `None` once the end is reached.
    pub(in crate::runtime) fn next(&self) -> Option<Offset> {
        (self.read < self.end).then_some(self.read)
    }

    /// Whether its end has been offered.
    pub(in crate::runtime) fn ended(&self) -> bool {
        self.ended
    }

    /// Bytes that wait for the task.
    pub(in crate::runtime) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether as much waits as one offer takes.
    pub(in crate::runtime) fn filled(&self) -> bool {
        self.rows >= self.most() || self.bytes >= OFFER_BYTES / self.sharing()
    }

    /// Whether the task has nothing of it, and it has nothing for the task.
    pub(in crate::runtime) fn starves(&self) -> bool {
        self.held.is_empty() && self.next().is_some() && self.room.available_permits() == AHEAD
    }

    /// Takes its part of what was read of the partition.
    pub(in crate::runtime) fn take(&mut self, shares: &Shares<'_>) {
        let fetched = shares.fetched;
        let place = |of: Offset| fetched.offsets.partition_point(|o| *o < of.0);
        let (from, to) = (place(self.read), place(self.end));
        if let Some(last) = fetched.offsets.last() {
            self.reach(Offset(last + 1));
        }
        if from >= to {
            return;
        }
        let own = self.wanted.sender.and_then(|(sender, _)| shares.rows.get(usize::try_from(sender).ok()?));
        let Some(own) = own else {
            self.hold(fetched.offsets.slice(from, to - from), fetched.records.slice(from, to - from), fetched);
            return;
        };
        let within = |row: &&u32| (from..to).contains(&(**row as usize));
        let rows: Vec<u32> = own.iter().filter(within).copied().collect();
        for rows in rows.chunks(self.most()) {
            let offsets = rows.iter().map(|r| fetched.offsets[*r as usize]).collect();
            self.hold(offsets, fetched.records.take(&UInt32Array::from(rows.to_vec())), fetched);
        }
    }

    fn hold(&mut self, offsets: ScalarBuffer<i64>, records: Records, of: &Fetched) {
        self.rows += offsets.len();
        self.bytes += records.bytes();
        self.held.push_back(Fetched { offsets, records, origin: of.origin.clone() });
    }

    /// Nothing of it lies before this offset that was not taken.
    pub(in crate::runtime) fn reach(&mut self, offset: Offset) {
        self.read = self.read.max(offset);
    }

    /// What to offer next, where the task has room for it.
    pub(in crate::runtime) fn offer(&mut self) -> Option<Offer> {
        if self.ended {
            return None;
        }
        let at_end = self.next().is_none();
        let (mut fetched, mut permit) = (None, None);
        if self.held.is_empty() {
            if !at_end && self.read.0 - self.wanted.next.0 < SILENT {
                return None;
            }
        } else {
            // While the task has something, it gains from getting more at a time.
            if !at_end && !self.filled() && self.room.available_permits() < AHEAD {
                return None;
            }
            permit = Some(self.room.clone().try_acquire_owned().ok()?);
            fetched = self.release();
        }
        self.wanted.next = match self.held.front().and_then(|f| f.offsets.first()) {
            Some(first) => Offset(*first),
            None => self.read.min(self.end),
        };
        self.ended = at_end && self.held.is_empty();
        Some(Offer { slot: self.wanted.slot, fetched, position: self.wanted.next, last: self.ended, permit })
    }

    /// As much of what waits as goes into one offer.
    fn release(&mut self) -> Option<Fetched> {
        let (mut parts, mut offsets, mut rows, mut bytes) = (Vec::new(), Vec::new(), 0, 0);
        let origin = self.held.front()?.origin.clone();
        while let Some(next) = self.held.pop_front_if(|f| rows == 0 || rows + f.offsets.len() <= OFFER) {
            rows += next.offsets.len();
            bytes += next.records.bytes();
            offsets.push(next.offsets);
            parts.push(next.records);
            if rows >= self.most() || bytes >= OFFER_BYTES / self.sharing() {
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

    /// Most records of one offer, where they come in small parts.
    fn most(&self) -> usize {
        (OFFER / self.sharing()).max(LEAST)
    }

    /// How many share the partition.
    fn sharing(&self) -> usize {
        self.senders().and_then(|n| usize::try_from(n).ok()).unwrap_or(1).max(1)
    }
}
