//! Fetches records from a consumer: one queue in, batches of one partition out, and a position for each partition.
//!
//! Readers and group members share it. Partitions start at explicit offsets only. A paused partition keeps what is
//! already buffered; librdkafka itself is paused only when that buffer is full, because pausing makes it discard its
//! own queue. This file never decides which partitions are read.

use super::closing::ClosesInTime;
use super::cluster::native_partition;
use super::context::KafkaContext;
use super::errors;
use super::headers;
use super::queue_signal::QueueSignal;
use crate::log::FetchLimit;
use crate::record::{Fetched, Offset, RecordsBuilder, TopicPartition};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset as NativeOffset, TopicPartitionList};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Maximum records buffered ahead of the caller, per partition and in total: one full batch.
const MAX_BUFFERED_RECORDS: usize = 4096;

/// Maximum bytes of keys and values buffered ahead of the caller, per partition and in total.
const MAX_BUFFERED_BYTES: usize = 4 << 20;

/// The buffer and position of one partition.
struct PartitionBuffer {
    at: Arc<TopicPartition>,
    /// The next offset to take from the client.
    next_offset: i64,
    /// Whether a seek has set the position.
    active: bool,
    paused: bool,
    /// Whether the client itself is paused.
    client_paused: bool,
    offsets: Vec<i64>,
    building: RecordsBuilder,
    bytes: usize,
    /// The rest of a finished batch that is returned in parts.
    ready: Option<Fetched>,
}

impl PartitionBuffer {
    fn buffered_records(&self) -> usize {
        self.offsets.len() + self.ready.as_ref().map_or(0, |r| r.offsets.len())
    }

    fn buffered_bytes(&self) -> usize {
        self.bytes + self.ready.as_ref().map_or(0, |r| r.records.bytes())
    }

    /// Whether the client should be paused while this partition is paused.
    fn is_full(&self) -> bool {
        self.buffered_records() >= MAX_BUFFERED_RECORDS || self.buffered_bytes() >= MAX_BUFFERED_BYTES
    }

    fn position(&self) -> i64 {
        let ready = self.ready.as_ref().and_then(|r| r.offsets.first());
        ready.or_else(|| self.offsets.first()).copied().unwrap_or(self.next_offset)
    }

    fn clear(&mut self) {
        self.offsets.clear();
        self.building = RecordsBuilder::default();
        self.bytes = 0;
        self.ready = None;
    }

    fn push(&mut self, message: &BorrowedMessage<'_>) {
        let (key, value) = (message.key(), message.payload());
        // A record without a timestamp had timestamp 0, which the client cannot write: see `sending`.
        let time = message.timestamp().to_millis().unwrap_or(0);
        self.building.push_with(key, value, time, &headers::of(message));
        self.bytes += key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + 8;
        self.offsets.push(message.offset());
        self.next_offset = message.offset() + 1;
    }

    /// The next records within a limit, at least one.
    fn take(&mut self, limit: FetchLimit) -> Option<Fetched> {
        if self.ready.is_none() && !self.offsets.is_empty() {
            let offsets = std::mem::take(&mut self.offsets).into();
            self.bytes = 0;
            self.ready = Some(Fetched { origin: self.at.clone(), offsets, records: self.building.finish() });
        }
        let batch = self.ready.take()?;
        let rows = fitting(&batch, limit);
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

/// How many of the first records fit a limit, at least one.
fn fitting(batch: &Fetched, limit: FetchLimit) -> usize {
    let (keys, values) = (batch.records.keys.value_offsets(), batch.records.values.value_offsets());
    let bytes = |row: usize| (keys[row] - keys[0]) + (values[row] - values[0]);
    let max_rows = batch.offsets.len().min(limit.records.max(1));
    let within = |rows: &usize| usize::try_from(bytes(*rows)).unwrap_or(usize::MAX) + 8 * rows <= limit.bytes;
    if within(&max_rows) { max_rows } else { (1..max_rows).take_while(within).last().unwrap_or(1) }
}

/// What a poll returned besides records.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PollOutcome {
    /// A position may have advanced past offsets without records.
    pub(super) advanced: bool,
    /// Errors that belong to no request, with librdkafka's text.
    pub(super) errors: Vec<(Code, String)>,
}

/// The reading half of a consumer.
pub(super) struct Fetcher {
    pub(super) client: ClosesInTime<BaseConsumer<KafkaContext>>,
    signal: QueueSignal,
    partitions: Vec<PartitionBuffer>,
    /// Index of the partition of the last record: the next one is usually of the same partition.
    last_received: usize,
    /// Index of the partition that is served first.
    next_served: usize,
    /// Whether the assignment must be set again before the next poll.
    needs_assign: bool,
    /// Errors reported after records that the caller has not taken yet.
    errors: Vec<(Code, String)>,
}

impl Fetcher {
    pub(super) fn new(mut client: BaseConsumer<KafkaContext>) -> Self {
        let signal = QueueSignal::on(&mut client);
        Self {
            client: ClosesInTime::new(client),
            signal,
            partitions: Vec::new(),
            last_received: 0,
            next_served: 0,
            needs_assign: false,
            errors: Vec::new(),
        }
    }

    /// Sets the partitions; nothing is read before [`Self::seek`].
    pub(super) fn reset(&mut self, of: impl IntoIterator<Item = TopicPartition>) -> KafkaResult<()> {
        self.resume_client()?;
        self.errors.clear();
        self.partitions = of
            .into_iter()
            .map(|at| PartitionBuffer {
                at: Arc::new(at),
                next_offset: -1,
                active: false,
                paused: false,
                client_paused: false,
                offsets: Vec::new(),
                building: RecordsBuilder::default(),
                bytes: 0,
                ready: None,
            })
            .collect();
        (self.last_received, self.next_served, self.needs_assign) = (0, 0, false);
        Ok(())
    }

    /// Resumes all partitions that are paused in the client. The client keeps a pause across assignments: a partition
    /// that is assigned again would stay paused.
    fn resume_client(&mut self) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        for part in self.partitions.iter_mut().filter(|p| p.client_paused) {
            part.client_paused = false;
            list.add_partition(&part.at.topic, native_partition(part.at.partition));
        }
        if list.count() > 0 { self.client.resume(&list) } else { Ok(()) }
    }

    pub(super) fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.partitions.iter().map(|p| &*p.at)
    }

    /// Active partitions with the offset of the next record to return.
    pub(super) fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        let active = self.partitions.iter().filter(|p| p.active);
        active.map(|p| (TopicPartition::clone(&p.at), Offset(p.position()))).collect()
    }

    /// Reads a partition from an offset; false for an unknown partition.
    pub(super) fn seek(&mut self, at: &TopicPartition, to: Offset) -> bool {
        let Some(part) = self.partitions.iter_mut().find(|p| *p.at == *at) else { return false };
        part.clear();
        (part.next_offset, part.active) = (to.0, true);
        self.needs_assign = true;
        true
    }

    /// Pauses or resumes a partition; false for an unknown partition.
    pub(super) fn pause(&mut self, at: &TopicPartition, paused: bool) -> KafkaResult<bool> {
        let Some(part) = self.partitions.iter_mut().find(|p| *p.at == *at) else { return Ok(false) };
        part.paused = paused;
        if part.client_paused && !paused {
            part.client_paused = false;
            self.client.resume(&super::cluster::partition_list([&*part.at]))?;
        }
        Ok(true)
    }

    /// Assigns all active partitions at their positions. The client drops responses to fetches of an earlier
    /// assignment.
    pub(super) fn assign(&mut self) -> KafkaResult<()> {
        if !std::mem::take(&mut self.needs_assign) {
            return Ok(());
        }
        self.resume_client()?;
        let mut list = TopicPartitionList::new();
        for part in self.partitions.iter().filter(|p| p.active) {
            list.add_partition_offset(
                &part.at.topic,
                native_partition(part.at.partition),
                NativeOffset::Offset(part.next_offset),
            )?;
        }
        self.client.assign(&list)?;
        // Paused partitions need not be fetched either.
        self.pause_client(|_| true)
    }

    /// Buffered records, round robin over the partitions.
    pub(super) fn take(&mut self, limit: FetchLimit) -> Option<Fetched> {
        for i in 0..self.partitions.len() {
            let at = (self.next_served + i) % self.partitions.len();
            if self.partitions[at].paused {
                continue;
            }
            if let Some(fetched) = self.partitions[at].take(limit) {
                self.next_served = at + 1;
                return Some(fetched);
            }
        }
        None
    }

    /// Whether any record can be returned.
    pub(super) fn has_records(&self) -> bool {
        self.partitions.iter().any(|p| !p.paused && p.buffered_records() > 0)
    }

    /// Whether enough is buffered to return without polling the client.
    pub(super) fn has_enough(&self) -> bool {
        let unpaused = || self.partitions.iter().filter(|p| !p.paused);
        unpaused().map(PartitionBuffer::buffered_records).sum::<usize>() >= MAX_BUFFERED_RECORDS
            || unpaused().map(PartitionBuffer::buffered_bytes).sum::<usize>() >= MAX_BUFFERED_BYTES
    }

    /// Polls the client: waits for the first record, then takes those that are available. Returns early with anything
    /// that the caller must handle. An error is reported once the records before it are taken.
    pub(super) fn poll(&mut self, wait: Duration) -> KafkaResult<PollOutcome> {
        if self.errors.is_empty() {
            return self.poll_client(wait);
        }
        // The client is not polled meanwhile: a busy partition would delay the error forever.
        let errors = if self.has_records() { Vec::new() } else { std::mem::take(&mut self.errors) };
        Ok(PollOutcome { errors, ..PollOutcome::default() })
    }

    fn poll_client(&mut self, wait: Duration) -> KafkaResult<PollOutcome> {
        let mut outcome = PollOutcome::default();
        let (mut records, mut bytes, mut ended, mut drained) = (0, 0, false, false);
        let before: Vec<i64> = self.partitions.iter().map(PartitionBuffer::position).collect();
        let mut callbacks = self.client.context().events().callbacks;
        let start = Instant::now();
        loop {
            let polled = match self.client.poll(Duration::ZERO) {
                None => None,
                Some(Ok(message)) => {
                    let (at, size) = locate(&self.partitions, self.last_received, &message);
                    if let Some(part) = self.partitions.get_mut(at) {
                        part.push(&message);
                        self.last_received = at;
                    }
                    Some(Ok(size))
                }
                Some(Err(e)) => Some(Err(e)),
            };
            match polled {
                None => {
                    match self.callbacks_ran(&mut callbacks) {
                        Some(true) => break,
                        Some(false) => continue,
                        None => {}
                    }
                    let left = wait.saturating_sub(start.elapsed());
                    if records > 0 || ended || left.is_zero() {
                        drained = true;
                        break;
                    }
                    self.signal.wait(left);
                }
                Some(Ok(size)) => {
                    records += 1;
                    bytes += size;
                    if records >= MAX_BUFFERED_RECORDS || bytes >= MAX_BUFFERED_BYTES {
                        break;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    ended = true;
                    self.reach_end(partition);
                }
                Some(Err(e)) => {
                    if matches!(e, KafkaError::MessageConsumptionFatal(_)) {
                        return Err(e);
                    }
                    let error = self.describe_error(&e);
                    let errors = if self.has_records() { &mut self.errors } else { &mut outcome.errors };
                    errors.push(error);
                    break;
                }
            }
        }
        if ended || (drained && records > 0) {
            self.advance_past_markers()?;
            outcome.advanced = self.partitions.iter().map(PartitionBuffer::position).ne(before);
        }
        self.pause_client(PartitionBuffer::is_full).map(|()| outcome)
    }

    /// Whether an empty poll ran a callback, so that the queue may hold more; `Some(true)` where the caller must
    /// handle a rebalance.
    fn callbacks_ran(&self, callbacks: &mut u64) -> Option<bool> {
        let events = self.client.context().events();
        let ran = std::mem::replace(callbacks, events.callbacks) != events.callbacks;
        let rebalanced = !events.rebalances.is_empty();
        (ran || rebalanced).then_some(rebalanced)
    }

    /// An error with its text: only the text contains the offset.
    fn describe_error(&self, error: &KafkaError) -> (Code, String) {
        let code = errors::error_code(error);
        let text = self.client.context().events().last_error.clone();
        (code, text.filter(|(of, _)| *of == code).map_or_else(|| errors::description(code), |(_, text)| text))
    }

    /// Moves a position to the reported end of its partition. The report does not name the topic: it is used only
    /// where the partition number is unambiguous.
    fn reach_end(&mut self, partition: i32) {
        let Some(end) = self.client.context().events().partition_end.take() else { return };
        let mut matching =
            self.partitions.iter_mut().filter(|p| p.active && native_partition(p.at.partition) == partition);
        if let (Some(part), None) = (matching.next(), matching.next()) {
            part.next_offset = part.next_offset.max(end);
        }
    }

    /// Advances positions past transaction markers, which take offsets but are not records.
    fn advance_past_markers(&mut self) -> KafkaResult<()> {
        let list = self.client.position()?;
        for element in list.elements() {
            let NativeOffset::Offset(next) = element.offset() else { continue };
            let found = self
                .partitions
                .iter_mut()
                .find(|p| native_partition(p.at.partition) == element.partition() && *p.at.topic == *element.topic());
            if let Some(part) = found {
                part.next_offset = part.next_offset.max(next);
            }
        }
        Ok(())
    }

    /// Pauses fetching of the paused partitions that `which` selects.
    fn pause_client(&mut self, which: impl Fn(&PartitionBuffer) -> bool) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        for part in self.partitions.iter_mut().filter(|p| p.active && p.paused && !p.client_paused && which(p)) {
            part.client_paused = true;
            list.add_partition(&part.at.topic, native_partition(part.at.partition));
        }
        if list.count() > 0 { self.client.pause(&list) } else { Ok(()) }
    }
}

/// The index of the partition of a record (`usize::MAX`: unknown), and its size in bytes.
fn locate(partitions: &[PartitionBuffer], hint: usize, message: &BorrowedMessage<'_>) -> (usize, usize) {
    let is = |p: &PartitionBuffer| {
        native_partition(p.at.partition) == message.partition() && *p.at.topic == *message.topic()
    };
    let size = message.key_len() + message.payload_len() + 8;
    let at = if partitions.get(hint).is_some_and(is) { Some(hint) } else { partitions.iter().position(is) };
    (at.unwrap_or(usize::MAX), size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(values: &[&str]) -> PartitionBuffer {
        let mut building = RecordsBuilder::default();
        values.iter().for_each(|w| building.push(None, Some(w.as_bytes()), 0));
        PartitionBuffer {
            at: Arc::new(TopicPartition::new("t", 0)),
            next_offset: 100,
            active: true,
            paused: false,
            client_paused: false,
            offsets: (10..).take(values.len()).collect(),
            building,
            bytes: 0,
            ready: None,
        }
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
