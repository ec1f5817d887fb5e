//! One partition of a reader of merged inputs, with the inputs that share it.
//!
//! The values that the intake needs in every step are cached, and updated when something is read, offered or released.
//! A repartition topic has as many inputs in each partition as it has senders, so visiting all of them in every step
//! would cost the square of the number of partitions.

use crate::log::{LogResult, Reader};
use crate::record::{Fetched, Offset, TopicPartition};
use crate::runtime::fault::Fault;
use crate::runtime::read::cursors::{
    BySender, InputCursor, MAX_OFFERED_BYTES, MAX_OFFERED_RECORDS, MIN_OFFERED_RECORDS,
};
use crate::runtime::task::merge_queue::{OfferedBatch, Releases, offered_bytes};
use std::iter::Peekable;
use std::sync::Arc;

/// Takes the batches that readers offer, for the tasks.
pub(in crate::runtime) trait BatchSink {
    /// Whether the task of a route takes another batch.
    fn has_capacity(&self, route: usize) -> bool;

    /// Sends batches of several inputs to the task of a route, as one message.
    fn accept(&mut self, route: usize, offered: Vec<OfferedBatch>) -> Result<(), Fault>;
}

/// One partition, with the inputs that share it.
pub(super) struct ReadPartition {
    at: TopicPartition,
    route: usize,
    cursors: Vec<InputCursor>,
    paused: bool,
    /// The inputs that may have something to offer, in their order.
    ready: Vec<usize>,
    /// Something was read since everything ready was offered.
    changed: bool,
    /// The count of releases when everything ready was offered.
    seen_releases: usize,
    /// Shared with an input that moves to another reader while its task holds batches.
    releases: Arc<Releases>,
    /// Buffered bytes of all inputs.
    bytes: usize,
    /// The first offset that an input has not read.
    next: Option<Offset>,
    /// How many inputs have not been offered their end.
    unended: usize,
}

impl ReadPartition {
    pub(super) fn new(at: TopicPartition, route: usize) -> Self {
        Self {
            at,
            route,
            cursors: Vec::new(),
            paused: false,
            ready: Vec::new(),
            changed: false,
            seen_releases: 0,
            releases: Arc::default(),
            bytes: 0,
            next: None,
            unended: 0,
        }
    }

    pub(super) fn with_cursors(self, cursors: Vec<InputCursor>) -> Self {
        let mut partition = Self { cursors, ..self };
        partition.cursors.iter_mut().for_each(|c| c.report_releases(&partition.releases));
        partition.update();
        partition
    }

    pub(super) fn at(&self) -> &TopicPartition {
        &self.at
    }

    /// The next offset to read; `None` once the end is reached.
    pub(super) fn next(&self) -> Option<Offset> {
        self.next
    }

    pub(super) fn has_more(&self) -> bool {
        self.unended > 0
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    /// How many records to fetch at once, so that the part of each input is worth an offer.
    pub(super) fn worthwhile_records(&self) -> usize {
        self.cursors.len() * MIN_OFFERED_RECORDS
    }

    /// Starts with a new reader, which reads what is not at its end.
    pub(super) fn start(&mut self) {
        self.paused = self.next.is_none();
    }

    /// Whether its task waits for an input of which nothing is buffered.
    pub(super) fn is_starved(&self, to: &dyn BatchSink) -> bool {
        to.has_capacity(self.route) && self.cursors.iter().any(InputCursor::is_starved)
    }

    /// Whether it has more to offer and its task has no capacity.
    pub(super) fn waits_for_capacity(&self, to: &dyn BatchSink) -> bool {
        self.changed && !self.ready.is_empty() && !to.has_capacity(self.route)
    }

    /// Recomputes the cached values.
    fn update(&mut self) {
        self.bytes = self.cursors.iter().map(InputCursor::bytes).sum();
        self.next = self.cursors.iter().filter_map(InputCursor::next).min();
        self.unended = self.cursors.iter().filter(|c| !c.ended()).count();
        self.ready.clear();
        self.ready.extend((0..self.cursors.len()).filter(|i| self.cursors[*i].may_offer()));
        self.changed = true;
    }

    pub(super) fn take(&mut self, fetched: &Fetched) {
        let shares = BySender::new(fetched, self.cursors.first().and_then(InputCursor::senders));
        self.cursors.iter_mut().for_each(|c| c.take(&shares));
        self.update();
    }

    /// Marks everything before this offset as read.
    pub(super) fn advance(&mut self, position: Offset) {
        if self.next.is_some_and(|next| next < position) {
            self.cursors.iter_mut().for_each(|c| c.advance(position));
            self.update();
        }
    }

    /// Pauses it while enough is buffered, and resumes it.
    pub(super) fn pause(&mut self, reader: &mut dyn Reader, max_bytes: usize) -> LogResult<()> {
        let paused = self.next.is_none() || self.bytes >= max_bytes;
        if paused != self.paused {
            reader.pause(std::slice::from_ref(&self.at), paused)?;
            self.paused = paused;
        }
        Ok(())
    }

    /// Splits off the inputs that hold their share of the buffer or more. The others together fill less than the
    /// buffer, and the starved input is among them.
    pub(super) fn split_off_ahead(&mut self, max_bytes: usize) -> Self {
        let share = max_bytes / self.cursors.len().max(1);
        let cursors = self.cursors.extract_if(.., |c| c.bytes() >= share).collect();
        self.update();
        Self { releases: self.releases.clone(), ..Self::new(self.at.clone(), self.route) }.with_cursors(cursors)
    }

    /// Offers what the task has capacity for; returns whether anything was offered.
    pub(super) fn offer(&mut self, to: &mut dyn BatchSink) -> Result<bool, Fault> {
        let releases = self.releases.count();
        let idle = self.ready.is_empty() || !self.changed && releases == self.seen_releases;
        if idle || !to.has_capacity(self.route) {
            return Ok(false);
        }
        (self.changed, self.seen_releases) = (false, releases);
        let mut ready = self.ready.iter().copied().peekable();
        let mut offered = false;
        while ready.peek().is_some() {
            if !to.has_capacity(self.route) {
                self.changed = true;
                break;
            }
            let group = next_group(&mut self.cursors, &mut ready);
            if !group.is_empty() {
                self.bytes -= offered_bytes(&group);
                self.unended -= group.iter().filter(|o| o.last).count();
                to.accept(self.route, group)?;
                offered = true;
            }
        }
        self.ready.retain(|i| self.cursors[*i].may_offer());
        Ok(offered)
    }
}

/// What the next inputs have to offer, as much as a task takes at once. Leaves the first input that may have more.
fn next_group(cursors: &mut [InputCursor], ready: &mut Peekable<impl Iterator<Item = usize>>) -> Vec<OfferedBatch> {
    let (mut group, mut rows, mut bytes) = (Vec::new(), 0, 0);
    while let Some(index) = ready.peek() {
        if rows >= MAX_OFFERED_RECORDS || bytes >= MAX_OFFERED_BYTES {
            break;
        }
        let Some(offer) = cursors[*index].offer() else {
            ready.next();
            continue;
        };
        if let Some(fetched) = &offer.fetched {
            rows += fetched.offsets.len();
            bytes += fetched.records.bytes();
        }
        group.push(offer);
    }
    group
}
