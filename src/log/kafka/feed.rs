//! Records out of a consumer: one queue in, batches of one partition out, and a position for each.
//!
//! Separate because single readers and members of a group read in the same way. Partitions are started at
//! explicit offsets only; a paused partition keeps what was already fetched, and only where that grows is
//! the client itself told, as it would throw away what it holds. It never decides who reads what.

use super::bell::Bell;
use super::context::Context;
use super::control::raw;
use super::errors;
use crate::log::FetchLimit;
use crate::record::{Fetched, Offset, RecordsBuilder, TopicPartition};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset as Raw, TopicPartitionList};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Records that are taken out of the client ahead of those that were asked for: enough for one full batch.
const AHEAD: usize = 4096;

/// Bytes that are taken out ahead.
const AHEAD_BYTES: usize = 4 << 20;

/// One partition.
struct Part {
    at: Arc<TopicPartition>,
    /// The offset after all that was taken out of the client.
    next: i64,
    /// Reading was started.
    active: bool,
    paused: bool,
    /// The client was told of the pause.
    held: bool,
    offsets: Vec<i64>,
    building: RecordsBuilder,
    bytes: usize,
    /// Built, and not handed out as a whole yet.
    ready: Option<Fetched>,
}

impl Part {
    fn waiting(&self) -> usize {
        self.offsets.len() + self.ready.as_ref().map_or(0, |r| r.offsets.len())
    }

    fn waiting_bytes(&self) -> usize {
        self.bytes + self.ready.as_ref().map_or(0, |r| r.records.bytes())
    }

    /// Whether so much is there that no more should be taken out of the client for now.
    fn full(&self) -> bool {
        self.waiting() >= AHEAD || self.waiting_bytes() >= AHEAD_BYTES
    }

    fn position(&self) -> i64 {
        let ready = self.ready.as_ref().and_then(|r| r.offsets.first());
        ready.or_else(|| self.offsets.first()).copied().unwrap_or(self.next)
    }

    fn forget(&mut self) {
        self.offsets.clear();
        self.building = RecordsBuilder::default();
        self.bytes = 0;
        self.ready = None;
    }

    fn push(&mut self, message: &BorrowedMessage<'_>) {
        let (key, value) = (message.key(), message.payload());
        // No time is the time that cannot be written: see `producer`.
        let time = message.timestamp().to_millis().unwrap_or(0);
        match message.headers() {
            None => self.building.push(key, value, time),
            Some(headers) => {
                let headers: Vec<_> = headers.iter().map(|h| (h.key, h.value)).collect();
                self.building.push_with(key, value, time, &headers);
            }
        }
        self.bytes += key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + 8;
        self.offsets.push(message.offset());
        self.next = message.offset() + 1;
    }

    /// The next records within a limit, at least one.
    fn take(&mut self, limit: FetchLimit) -> Option<Fetched> {
        if self.ready.is_none() && !self.offsets.is_empty() {
            let offsets = std::mem::take(&mut self.offsets).into();
            self.bytes = 0;
            self.ready = Some(Fetched { origin: self.at.clone(), offsets, records: self.building.finish() });
        }
        let whole = self.ready.take()?;
        let rows = fitting(&whole, limit);
        if rows == whole.offsets.len() {
            return Some(whole);
        }
        let part = |start: usize, len: usize| Fetched {
            origin: whole.origin.clone(),
            offsets: whole.offsets.slice(start, len),
            records: whole.records.slice(start, len),
        };
        self.ready = Some(part(rows, whole.offsets.len() - rows));
        Some(part(0, rows))
    }
}

/// How many of the first records a limit allows.
fn fitting(whole: &Fetched, limit: FetchLimit) -> usize {
    let (keys, values) = (whole.records.keys.value_offsets(), whole.records.values.value_offsets());
    let bytes = |row: usize| (keys[row] - keys[0]) + (values[row] - values[0]);
    let most = whole.offsets.len().min(limit.records.max(1));
    let within = |rows: &usize| usize::try_from(bytes(*rows)).unwrap_or(usize::MAX) + 8 * rows <= limit.bytes;
    if within(&most) { most } else { (1..most).take_while(within).last().unwrap_or(1) }
}

/// What a look into the client's queue has brought beside records.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Signals {
    /// A position may have moved past offsets without records.
    pub(super) moved: bool,
    /// Errors that are not about one request: what the client complains about, and its words.
    pub(super) complaints: Vec<(Code, String)>,
}

/// The reading half of a consumer.
pub(super) struct Feed {
    pub(super) client: Arc<BaseConsumer<Context>>,
    bell: Bell,
    parts: Vec<Part>,
    /// The partition that the last record was of: the next is mostly of the same.
    last: usize,
    /// The partition that is looked at first.
    turn: usize,
    /// Reading must be started anew before the next poll.
    stale: bool,
}

impl Feed {
    pub(super) fn new(mut client: BaseConsumer<Context>) -> Self {
        let bell = Bell::on(&mut client);
        Self { client: Arc::new(client), bell, parts: Vec::new(), last: 0, turn: 0, stale: false }
    }

    /// Sets which partitions there are; nothing is read before [`Self::seek`].
    pub(super) fn reset(&mut self, of: impl IntoIterator<Item = TopicPartition>) -> KafkaResult<()> {
        self.release()?;
        self.parts = of
            .into_iter()
            .map(|at| Part {
                at: Arc::new(at),
                next: -1,
                active: false,
                paused: false,
                held: false,
                offsets: Vec::new(),
                building: RecordsBuilder::default(),
                bytes: 0,
                ready: None,
            })
            .collect();
        (self.last, self.turn, self.stale) = (0, 0, false);
        Ok(())
    }

    /// Takes back what the client was told of pauses. It does not forget a pause with the assignment: a
    /// partition that comes back would stay silent.
    fn release(&mut self) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        for part in self.parts.iter_mut().filter(|p| p.held) {
            part.held = false;
            list.add_partition(&part.at.topic, raw(part.at.partition));
        }
        if list.count() > 0 { self.client.resume(&list) } else { Ok(()) }
    }

    pub(super) fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.parts.iter().map(|p| &*p.at)
    }

    /// Partitions that are read, with the offset of the next record to be handed out.
    pub(super) fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        let active = self.parts.iter().filter(|p| p.active);
        active.map(|p| (TopicPartition::clone(&p.at), Offset(p.position()))).collect()
    }

    /// Reads a partition from an offset on; false where it is not one of these.
    pub(super) fn seek(&mut self, at: &TopicPartition, to: Offset) -> bool {
        let Some(part) = self.parts.iter_mut().find(|p| *p.at == *at) else { return false };
        part.forget();
        (part.next, part.active) = (to.0, true);
        self.stale = true;
        true
    }

    /// Stops or resumes a partition; false where it is not one of these.
    pub(super) fn pause(&mut self, at: &TopicPartition, paused: bool) -> KafkaResult<bool> {
        let Some(part) = self.parts.iter_mut().find(|p| *p.at == *at) else { return Ok(false) };
        part.paused = paused;
        if part.held && !paused {
            part.held = false;
            self.client.resume(&super::control::list([&*part.at]))?;
        }
        Ok(true)
    }

    /// Starts all active partitions where they are. Each start is at an explicit offset: what is still
    /// on its way for an earlier start is dropped by the client.
    pub(super) fn start(&mut self) -> KafkaResult<()> {
        if !std::mem::take(&mut self.stale) {
            return Ok(());
        }
        self.release()?;
        let mut list = TopicPartitionList::new();
        for part in self.parts.iter().filter(|p| p.active) {
            list.add_partition_offset(&part.at.topic, raw(part.at.partition), Raw::Offset(part.next))?;
        }
        self.client.assign(&list)?;
        // What is not to be read yet need not be fetched either.
        self.hold(|_| true)
    }

    /// Records that are there already, by turns.
    pub(super) fn take(&mut self, limit: FetchLimit) -> Option<Fetched> {
        for i in 0..self.parts.len() {
            let at = (self.turn + i) % self.parts.len();
            if self.parts[at].paused {
                continue;
            }
            if let Some(fetched) = self.parts[at].take(limit) {
                self.turn = at + 1;
                return Some(fetched);
            }
        }
        None
    }

    /// Whether anything is there to hand out.
    pub(super) fn any(&self) -> bool {
        self.parts.iter().any(|p| !p.paused && p.waiting() > 0)
    }

    /// Whether enough is there to hand out without asking the client.
    pub(super) fn plenty(&self) -> bool {
        let unpaused = || self.parts.iter().filter(|p| !p.paused);
        unpaused().map(Part::waiting).sum::<usize>() >= AHEAD
            || unpaused().map(Part::waiting_bytes).sum::<usize>() >= AHEAD_BYTES
    }

    /// Takes records out of the client: waits for the first, then takes what is there. Ends early with
    /// anything that the caller must look at.
    pub(super) fn draw(&mut self, wait: Duration) -> KafkaResult<Signals> {
        let mut signals = Signals::default();
        let (mut records, mut bytes, mut ended, mut dry) = (0, 0, false, false);
        let before: Vec<i64> = self.parts.iter().map(Part::position).collect();
        let mut calls = self.client.context().heard().calls;
        let start = Instant::now();
        loop {
            let polled = match self.client.poll(Duration::ZERO) {
                None => None,
                Some(Ok(message)) => {
                    let (at, size) = place(&self.parts, self.last, &message);
                    if let Some(part) = self.parts.get_mut(at) {
                        part.push(&message);
                        self.last = at;
                    }
                    Some(Ok(size))
                }
                Some(Err(e)) => Some(Err(e)),
            };
            match polled {
                None => {
                    match self.unheard(&mut calls) {
                        Some(true) => break,
                        Some(false) => continue,
                        None => {}
                    }
                    let left = wait.saturating_sub(start.elapsed());
                    if records > 0 || ended || left.is_zero() {
                        dry = true;
                        break;
                    }
                    self.bell.wait(left);
                }
                Some(Ok(size)) => {
                    records += 1;
                    bytes += size;
                    if records >= AHEAD || bytes >= AHEAD_BYTES {
                        break;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    ended = true;
                    self.reach_end(partition);
                }
                Some(Err(e)) => {
                    signals.complaints.push(self.complaint(&e));
                    if matches!(e, KafkaError::MessageConsumptionFatal(_)) {
                        return Err(e);
                    }
                    break;
                }
            }
        }
        if ended || (dry && records > 0) {
            self.follow()?;
            signals.moved = self.parts.iter().map(Part::position).ne(before);
        }
        self.hold(Part::full).map(|()| signals)
    }

    /// Whether a poll that gave nothing has taken something else out of the queue, so that more may be in it;
    /// true where the caller must look at what the group has decided.
    fn unheard(&self, calls: &mut u64) -> Option<bool> {
        let heard = self.client.context().heard();
        let something = std::mem::replace(calls, heard.calls) != heard.calls;
        let decided = !heard.rebalances.is_empty();
        (something || decided).then_some(decided)
    }

    /// An error with the words that came with it, which alone say at which offset.
    fn complaint(&self, error: &KafkaError) -> (Code, String) {
        let code = errors::code(error);
        let words = self.client.context().heard().error.clone();
        (code, words.filter(|(of, _)| *of == code).map_or_else(|| errors::words(code), |(_, words)| words))
    }

    /// The end of a partition was reached at the offset that was reported. The report does not name the
    /// topic: it is used where only one partition can be meant.
    fn reach_end(&mut self, partition: i32) {
        let Some(end) = self.client.context().heard().end.take() else { return };
        let mut meant = self.parts.iter_mut().filter(|p| p.active && raw(p.at.partition) == partition);
        if let (Some(part), None) = (meant.next(), meant.next()) {
            part.next = part.next.max(end);
        }
    }

    /// Follows the client past the ends of transactions, which are no records but have offsets.
    fn follow(&mut self) -> KafkaResult<()> {
        let list = self.client.position()?;
        for element in list.elements() {
            let Raw::Offset(next) = element.offset() else { continue };
            let found = self
                .parts
                .iter_mut()
                .find(|p| raw(p.at.partition) == element.partition() && *p.at.topic == *element.topic());
            if let Some(part) = found {
                part.next = part.next.max(next);
            }
        }
        Ok(())
    }

    /// Tells the client to stop fetching what is paused, where `which` says so.
    fn hold(&mut self, which: impl Fn(&Part) -> bool) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        for part in self.parts.iter_mut().filter(|p| p.active && p.paused && !p.held && which(p)) {
            part.held = true;
            list.add_partition(&part.at.topic, raw(part.at.partition));
        }
        if list.count() > 0 { self.client.pause(&list) } else { Ok(()) }
    }
}

/// Which partition a record is of, and how many bytes it has.
fn place(parts: &[Part], hint: usize, message: &BorrowedMessage<'_>) -> (usize, usize) {
    let is = |p: &Part| raw(p.at.partition) == message.partition() && *p.at.topic == *message.topic();
    let size = message.key_len() + message.payload_len() + 8;
    let at = if parts.get(hint).is_some_and(is) { Some(hint) } else { parts.iter().position(is) };
    (at.unwrap_or(usize::MAX), size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(words: &[&str]) -> Part {
        let mut building = RecordsBuilder::default();
        words.iter().for_each(|w| building.push(None, Some(w.as_bytes()), 0));
        Part {
            at: Arc::new(TopicPartition::new("t", 0)),
            next: 100,
            active: true,
            paused: false,
            held: false,
            offsets: (10..).take(words.len()).collect(),
            building,
            bytes: 0,
            ready: None,
        }
    }

    #[test]
    fn a_batch_is_handed_out_in_pieces_and_the_position_follows() {
        let mut p = part(&["aa", "bb", "cc", "dd"]);
        assert_eq!((p.position(), p.waiting()), (10, 4));
        let limit = FetchLimit { records: 3, bytes: 20 };
        assert_eq!(p.take(limit).map(|f| f.offsets.to_vec()), Some(vec![10, 11]), "ten bytes a record");
        assert_eq!((p.position(), p.waiting()), (12, 2));
        assert_eq!(p.take(FetchLimit { records: 1, bytes: 0 }).map(|f| f.offsets.to_vec()), Some(vec![12]));
        assert_eq!(p.take(FetchLimit::default()).map(|f| f.offsets.to_vec()), Some(vec![13]));
        assert_eq!((p.position(), p.waiting()), (100, 0), "past what holds no record");
        assert!(p.take(limit).is_none());
    }
}
