//! The committing half of a member: outputs, state, counters and offsets in one Kafka transaction.
//!
//! Exactly-once is this file. A transaction carries the group membership under which its records were read, and the
//! coordinator refuses it after the next rebalance. Every transaction contains an offset as long as there is one to
//! send.
//!
//! With less than exactly-once there is no transaction: at-least-once writes records first and then offsets;
//! at-most-once commits offsets first and never sends a record twice.
//!
//! The transactional id is the pipeline's name with the lowest assigned partition. Range assignment hands out
//! partitions without gaps and in the same order for every topic, so no two members of one generation share a
//! lowest partition. The next member with that lowest partition fences the one before, and a restart uses the same
//! ids. A member without partitions has a unique id.

use super::cluster::{Cluster, RETRY_BACKOFF, RETRY_TIMEOUT, native_partition};
use super::context::KafkaContext;
use super::errors;
use super::producer::KafkaWriter;
use super::sending::WriteError;
use super::settings::TRANSACTION_TIMEOUT;
use super::write_mode::WriteMode;
use crate::log::{Append, CommitTimeout, Committer, Delivery, EarlyOutput, LogError, LogResult, Recovery, Transaction};
use crate::record::{Offset, TopicPartition};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerGroupMetadata};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset as NativeOffset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// What a member needs to commit between two rebalances.
pub(super) struct Membership {
    metadata: Arc<ConsumerGroupMetadata>,
    /// The topic id of each partition.
    topic_ids: BTreeMap<TopicPartition, String>,
    /// The offsets committed last.
    committed: Mutex<BTreeMap<TopicPartition, Offset>>,
    slot: String,
}

impl Membership {
    pub(super) fn new(
        metadata: ConsumerGroupMetadata,
        assigned: &[(TopicPartition, Option<Offset>)],
        committed: &[&(TopicPartition, Option<Offset>)],
        id: impl Fn(&str) -> String,
    ) -> Self {
        let topic_ids = assigned.iter().map(|(at, _)| (at.clone(), id(&at.topic))).collect();
        let committed = committed.iter().filter_map(|(at, offset)| Some((at.clone(), (*offset)?))).collect();
        let lowest = assigned.iter().map(|(at, _)| at.partition.0).min();
        let slot = lowest.map_or_else(super::unique_suffix, |p| p.to_string());
        Self { metadata: Arc::new(metadata), topic_ids, committed: Mutex::new(committed), slot }
    }
}

/// The membership that both halves of a member share: the consuming half sets and clears it, the committing half
/// commits under it.
#[derive(Default)]
pub(super) struct SharedMembership(Mutex<Option<Arc<Membership>>>);

impl SharedMembership {
    fn get(&self) -> Option<Arc<Membership>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_member(&self) -> bool {
        self.get().is_some()
    }

    pub(super) fn set(&self, membership: Membership) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(membership));
    }

    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// How long a member without transactions takes its membership for granted: less than the shortest time in which a
/// group gives up a silent member.
const MEMBERSHIP_CHECK_INTERVAL: Duration = Duration::from_secs(1);

const OFFSET_COMMIT: &str = "committing offsets";

/// Receives the outcome of an offset commit, with the time when it was requested.
pub(super) type OffsetCommit = Receiver<Result<Instant, Code>>;

/// The owner of the transactions of one member.
pub(super) struct KafkaCommitter {
    pub(super) group: String,
    pub(super) delivery: Delivery,
    pub(super) cluster: Arc<Cluster>,
    pub(super) membership: Arc<SharedMembership>,
    /// The consumer, which commits offsets where there are no transactions; gone once the member has left.
    pub(super) member: Weak<BaseConsumer<KafkaContext>>,
    pub(super) writer: Option<KafkaWriter>,
    /// The outcome of an offset commit in flight.
    pub(super) offset_commit: Option<OffsetCommit>,
    /// When the last successful offset commit outside transactions was requested.
    pub(super) confirmed_at: Option<Instant>,
}

impl KafkaCommitter {
    fn undone(&self, why: impl Into<String>) -> LogError {
        LogError::Undone { group: self.group.clone(), why: why.into() }
    }

    fn current(&self) -> LogResult<Arc<Membership>> {
        self.membership.get().ok_or_else(|| self.undone("the group has revoked the partitions of this instance"))
    }

    fn writer(&mut self, mode: WriteMode) -> &mut KafkaWriter {
        drop(self.writer.take_if(|writer| *writer.mode() != mode));
        self.writer.get_or_insert_with(|| KafkaWriter::new(&self.cluster, mode))
    }

    /// The offsets to send, each with its topic id. Where a transaction has none, a committed one is sent again:
    /// without any offset the coordinator would not check the membership.
    fn positions(
        &self,
        membership: &Membership,
        offsets: &[(TopicPartition, Offset)],
    ) -> LogResult<TopicPartitionList> {
        let committed = membership.committed.lock().unwrap_or_else(PoisonError::into_inner);
        let resent: Vec<_> = match offsets.is_empty() {
            true => committed.iter().next().map(|(at, offset)| (at.clone(), *offset)).into_iter().collect(),
            false => Vec::new(),
        };
        let mut list = TopicPartitionList::new();
        for (at, next) in offsets.iter().chain(&resent) {
            let Some(id) = membership.topic_ids.get(at) else {
                return Err(self.undone(format!("`{at}` was assigned to another instance")));
            };
            let mut element = list.add_partition(&at.topic, native_partition(at.partition));
            element.set_metadata(id);
            let set = element.set_offset(NativeOffset::Offset(next.0));
            set.map_err(|e| {
                errors::log_error(
                    self.cluster.brokers(),
                    &format!("committing {next} for `{at}`"),
                    errors::error_code(&e),
                )
            })?;
        }
        Ok(list)
    }

    /// Turns a retriable error into an undone transaction where results were already sent early: they cannot be
    /// written again, so their inputs must be read again.
    fn unretriable(&self, error: LogError) -> LogError {
        if error.recovery() == Recovery::Retry { self.undone(error.to_string()) } else { error }
    }

    /// Writes, in one transaction with the offsets where there are any.
    fn write(
        &mut self,
        mode: WriteMode,
        appends: &[Append],
        positions: Option<(TopicPartitionList, Arc<ConsumerGroupMetadata>)>,
    ) -> LogResult<Vec<Option<Offset>>> {
        let writer = self.writer(mode);
        let early = writer.has_early_records();
        let written = writer.write(appends, positions);
        match written {
            Ok(first_offsets) => Ok(first_offsets.into_iter().map(|first| first.map(Offset)).collect()),
            Err(WriteError::Failed(e)) if early => Err(self.unretriable(e)),
            Err(WriteError::Failed(e)) => Err(e),
            // Either a producer with the same id or a rebalance; the next poll tells which.
            Err(WriteError::Fenced(why)) => {
                self.writer = None;
                Err(self.undone(why))
            }
            // The next producer of this id ends the open transaction; the committed offsets then tell whether it
            // was committed.
            Err(WriteError::Indeterminate { error, .. }) => {
                self.writer = None;
                Err(self.undone(format!("it is not known whether it was committed: {error}")))
            }
        }
    }

    /// Writes the parts in order and awaits the acknowledgement of each: state that forgets a result must not be
    /// written before the result.
    fn write_in_parts(&mut self, transaction: &Transaction) -> LogResult<Vec<Option<Offset>>> {
        let (mut first_offsets, mut start) = (Vec::with_capacity(transaction.appends.len()), 0);
        for end in transaction.flush_points.iter().copied().chain([transaction.appends.len()]) {
            let early = self.writer.as_ref().is_some_and(KafkaWriter::has_early_records);
            if let Some(part) = transaction.appends.get(start..end).filter(|part| early || !part.is_empty()) {
                first_offsets.extend(self.write(WriteMode::AtLeastOnce, part, None)?);
            }
            start = end;
        }
        Ok(first_offsets)
    }

    /// Confirms the membership with an offset commit where the last confirmation is too old: a process that was
    /// suspended would overwrite the state of the partitions' new owner.
    fn confirm_membership(&mut self, membership: &Membership) -> LogResult<()> {
        if self.confirmed_at.is_some_and(|at| at.elapsed() < MEMBERSHIP_CHECK_INTERVAL) {
            return Ok(());
        }
        self.await_offset_commit()?;
        let positions = self.positions(membership, &[])?;
        self.start_offset_commit(positions)?;
        self.await_offset_commit()
    }

    /// Starts an offset commit outside any transaction, on a thread of its own, as librdkafka sets the request no
    /// time limit.
    fn start_offset_commit(&mut self, positions: TopicPartitionList) -> LogResult<()> {
        let Some(member) = self.member.upgrade() else { return Err(self.undone("this instance has left the group")) };
        if positions.count() == 0 {
            return Ok(());
        }
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let commit = move || {
            let start = Instant::now();
            let outcome = loop {
                let requested = Instant::now();
                match member.commit(&positions, CommitMode::Sync).map_err(|e| errors::error_code(&e)) {
                    Err(code) if errors::is_transient(code) && start.elapsed() <= RETRY_TIMEOUT => {
                        std::thread::park_timeout(RETRY_BACKOFF)
                    }
                    outcome => break outcome.map(|()| requested),
                }
            };
            // The receiver is gone if this took too long.
            let _ = sender.send(outcome);
        };
        let spawned = std::thread::Builder::new().name("kafka-offsets".into()).spawn(commit);
        spawned.map_err(|e| LogError::Busy(format!("{OFFSET_COMMIT}: no thread could be started: {e}")))?;
        self.offset_commit = Some(receiver);
        Ok(())
    }

    /// Awaits the offset commit in flight.
    fn await_offset_commit(&mut self) -> LogResult<()> {
        let Some(receiver) = self.offset_commit.take() else { return Ok(()) };
        let outcome = receiver.recv_timeout(RETRY_TIMEOUT * 2).unwrap_or(Err(Code::RequestTimedOut));
        // The time of the request, not of the answer: the process may have been suspended in between.
        self.confirmed_at = outcome.ok();
        match outcome {
            Ok(_) => Ok(()),
            Err(code) if errors::is_fenced(code) || errors::is_transient(code) => {
                Err(self.undone(format!("{OFFSET_COMMIT}: {}", errors::description(code))))
            }
            Err(code) => Err(errors::log_error(self.cluster.brokers(), OFFSET_COMMIT, code)),
        }
    }
}

impl Committer for KafkaCommitter {
    fn commit(&mut self, transaction: &Transaction) -> LogResult<Vec<Option<Offset>>> {
        let membership = self.current()?;
        let positions = self.positions(&membership, &transaction.offsets)?;
        let written = match self.delivery {
            Delivery::ExactlyOnce => {
                let id = format!("{}-{}", self.group, membership.slot);
                self.write(
                    WriteMode::Transactions(id),
                    &transaction.appends,
                    Some((positions, membership.metadata.clone())),
                )?
            }
            Delivery::AtLeastOnce => {
                // The offsets are committed while the next records are in flight.
                self.confirm_membership(&membership)?;
                let written = self.write_in_parts(transaction)?;
                self.await_offset_commit()?;
                self.start_offset_commit(positions)?;
                written
            }
            Delivery::AtMostOnce => {
                self.start_offset_commit(positions)?;
                self.await_offset_commit()?;
                // A retry would write again what has already arrived.
                self.write(WriteMode::AtMostOnce, &transaction.appends, None).map_err(|e| match e {
                    LogError::Busy(why) => self.undone(why),
                    e => e,
                })?
            }
        };
        let mut committed = membership.committed.lock().unwrap_or_else(PoisonError::into_inner);
        committed.extend(transaction.offsets.iter().cloned());
        Ok(written)
    }

    fn timeout(&self) -> Option<CommitTimeout> {
        let after = self.cluster.settings.transaction_timeout().filter(|_| self.delivery == Delivery::ExactlyOnce)?;
        Some(CommitTimeout { after, setting: TRANSACTION_TIMEOUT })
    }

    fn early_output(&mut self) -> Option<&mut dyn EarlyOutput> {
        if self.delivery == Delivery::AtLeastOnce { Some(self) } else { None }
    }

    fn await_acks(&mut self) -> LogResult<()> {
        self.await_offset_commit()
    }
}

impl EarlyOutput for KafkaCommitter {
    fn send(&mut self, results: &[Append]) -> LogResult<()> {
        let membership = self.current()?;
        self.confirm_membership(&membership)?;
        match self.writer(WriteMode::AtLeastOnce).send_early(results) {
            Ok(()) => Ok(()),
            Err(WriteError::Failed(e) | WriteError::Indeterminate { error: e, .. }) => Err(self.unretriable(e)),
            Err(WriteError::Fenced(why)) => Err(self.undone(why)),
        }
    }
}
