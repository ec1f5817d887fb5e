//! Reads one input of a task that merges several: from its own offset to an end that is known, never
//! further ahead than the task allows.
//!
//! Separate from where records come from, so that the driver and the intake offer the same things. The
//! senders of a repartition share a partition; each is read by a cursor of its own that leaves out the
//! others, so that none needs to be kept in memory until the rest have come as far.

use super::fault::Fault;
use super::operators::RepartitionCodec;
use super::ordered::Offer;
use super::task::Wanted;
use crate::record::{Fetched, Offset, TopicPartition};
use arrow_array::UInt32Array;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Fetches of one input that may wait in a task: one at work, one at hand.
const AHEAD: usize = 2;

/// One input on its way to a task.
#[derive(Debug)]
pub(super) struct Cursor {
    wanted: Wanted,
    end: Offset,
    room: Arc<Semaphore>,
    ended: bool,
}

impl Cursor {
    /// Reads up to an end.
    pub(super) fn new(wanted: Wanted, end: Offset) -> Self {
        Self { wanted, end, room: Arc::new(Semaphore::new(AHEAD)), ended: false }
    }

    /// What it reads, and from which offset on.
    pub(super) fn at(&self) -> (&TopicPartition, Offset) {
        (&self.wanted.at, self.wanted.next)
    }

    /// Whether its end has been offered.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// What to offer next, where the task has room for it: `read` gives records from an offset on, and
    /// the offset up to which it has looked.
    pub(super) fn offer(
        &mut self,
        read: impl FnOnce(&TopicPartition, Offset) -> Result<(Option<Fetched>, Offset), Fault>,
    ) -> Result<Option<Offer>, Fault> {
        if self.ended {
            return Ok(None);
        }
        let Ok(permit) = self.room.clone().try_acquire_owned() else { return Ok(None) };
        let (mut fetched, mut position) = (None, self.wanted.next);
        if self.wanted.next < self.end {
            let (read, looked) = read(&self.wanted.at, self.wanted.next)?;
            position = looked.min(self.end);
            fetched = read.map(|f| self.own(f)).filter(|f| !f.records.is_empty());
        }
        if position == self.wanted.next && position < self.end {
            return Ok(None);
        }
        self.wanted.next = position;
        self.ended = position >= self.end;
        let permit = fetched.is_some().then_some(permit);
        Ok(Some(Offer { slot: self.wanted.slot, fetched, position, last: self.ended, permit }))
    }

    /// The records before the end that are of the sender, where only one is wanted.
    fn own(&self, mut fetched: Fetched) -> Fetched {
        let within = fetched.offsets.partition_point(|o| *o < self.end.0);
        fetched.offsets = fetched.offsets.slice(0, within);
        fetched.records = fetched.records.slice(0, within);
        let Some(sender) = self.wanted.sender else { return fetched };
        let values = &fetched.records.values;
        // What has no sender is no record of ours: the decoder says so.
        let own = |row: &u32| RepartitionCodec::sender(values.value(*row as usize)).is_none_or(|s| s == sender);
        let rows: Vec<u32> = (0u32..).take(within).filter(own).collect();
        if rows.len() == within {
            return fetched;
        }
        let offsets = rows.iter().map(|r| fetched.offsets[*r as usize]).collect();
        Fetched { offsets, records: fetched.records.take(&UInt32Array::from(rows)), origin: fetched.origin }
    }
}
