//! Fetches records from a consumer: one queue in, batches of one partition out, and a position for each partition.
//!
//! Readers and group members share it. Partitions start at explicit offsets only. A paused partition keeps what is
//! already buffered; librdkafka itself is paused only when that buffer is full, because pausing makes it discard its
//! own queue. This file never decides which partitions are read.

use super::closing::ClosesInTime;
use super::cluster::native_partition;
use super::context::KafkaContext;
use super::errors;
use super::partition_buffer::{MAX_BUFFERED_BYTES, MAX_BUFFERED_RECORDS, PartitionBuffer};
use super::queue_signal::QueueSignal;
use crate::log::FetchLimit;
use crate::record::{Fetched, Offset, TopicPartition};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::message::Message;
use rdkafka::{Offset as NativeOffset, TopicPartitionList};
use std::time::{Duration, Instant};

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
    /// Sorted by topic and partition.
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
        let mut partitions: Vec<PartitionBuffer> = of.into_iter().map(PartitionBuffer::new).collect();
        partitions.sort_by(|a, b| a.at.cmp(&b.at));
        self.partitions = partitions;
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

    /// Where a partition is in the list, which is sorted.
    fn find(&self, topic: &str, partition: i32) -> Option<usize> {
        let order = |p: &PartitionBuffer| (&*p.at.topic, native_partition(p.at.partition)).cmp(&(topic, partition));
        self.partitions.binary_search_by(order).ok()
    }

    /// Like [`Self::find`]; the next record is usually of the same partition as the last one.
    fn locate(&self, topic: &str, partition: i32) -> Option<usize> {
        let is = |p: &PartitionBuffer| native_partition(p.at.partition) == partition && *p.at.topic == *topic;
        let same = self.partitions.get(self.last_received).is_some_and(is);
        if same { Some(self.last_received) } else { self.find(topic, partition) }
    }

    fn partition_mut(&mut self, at: &TopicPartition) -> Option<&mut PartitionBuffer> {
        self.find(&at.topic, native_partition(at.partition)).map(|i| &mut self.partitions[i])
    }

    pub(super) fn has_partition(&self, at: &TopicPartition) -> bool {
        self.find(&at.topic, native_partition(at.partition)).is_some()
    }

    /// Reads a partition from an offset; false for an unknown partition.
    pub(super) fn seek(&mut self, at: &TopicPartition, to: Offset) -> bool {
        let Some(part) = self.partition_mut(at) else { return false };
        part.clear();
        (part.next_offset, part.active) = (to.0, true);
        self.needs_assign = true;
        true
    }

    /// Pauses or resumes a partition; false for an unknown partition.
    pub(super) fn pause(&mut self, at: &TopicPartition, paused: bool) -> KafkaResult<bool> {
        let Some(part) = self.partition_mut(at) else { return Ok(false) };
        part.paused = paused;
        if part.client_paused && !paused {
            part.client_paused = false;
            self.client.resume(&super::cluster::partition_list([at]))?;
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
                    let at = self.locate(message.topic(), message.partition());
                    Some(Ok(at.map_or(0, |at| {
                        self.last_received = at;
                        self.partitions[at].push(&message)
                    })))
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
            if let Some(at) = self.find(element.topic(), element.partition()) {
                let part = &mut self.partitions[at];
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
