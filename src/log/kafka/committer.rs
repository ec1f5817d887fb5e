//! The committing half of a member: state, counters and offsets in one Kafka transaction, with any delivery.
//!
//! Exactly-once rests on this file. A transaction carries the group generation under which its records were read, and
//! the coordinator refuses it after the next rebalance. Every transaction contains an offset if there is one to send.
//! So a member that was suspended overwrites nothing, with any delivery.
//!
//! The deliveries differ in where results go. Exactly-once sends them in the transaction. At-least-once sends them
//! without one and awaits their acknowledgements before the transaction begins; at-most-once sends them after it, and
//! never twice.
//!
//! The transactional id is the pipeline's name with the lowest assigned partition. Range assignment hands out
//! partitions without gaps and in the same order for every topic, so no two members of one generation share a
//! lowest partition. The next member with that lowest partition fences the one before, and a restart uses the same
//! ids. A member without partitions has a unique id.

use super::cluster::{Cluster, native_partition};
use super::errors;
use super::generation::LiveGeneration;
use super::producer::{GroupOffsets, KafkaWriter};
use super::sending::WriteError;
use super::write_mode::WriteMode;
use crate::log::{Append, CommitTimeout, Committer, Delivery, EarlyOutput, LogError, LogResult, Recovery, Transaction};
use crate::record::{Offset, TopicPartition};
use rdkafka::{Offset as NativeOffset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What a member needs to commit between two rebalances.
pub(super) struct Membership {
    generation: Arc<LiveGeneration>,
    /// The topic id of each partition.
    topic_ids: BTreeMap<TopicPartition, String>,
    /// The offsets committed last.
    committed: Mutex<BTreeMap<TopicPartition, Offset>>,
    slot: String,
}

impl Membership {
    pub(super) fn new(
        generation: LiveGeneration,
        assigned: &[(TopicPartition, Option<Offset>)],
        committed: &[&(TopicPartition, Option<Offset>)],
        id: impl Fn(&str) -> String,
    ) -> Self {
        let topic_ids = assigned.iter().map(|(at, _)| (at.clone(), id(&at.topic))).collect();
        let committed = committed.iter().filter_map(|(at, offset)| Some((at.clone(), (*offset)?))).collect();
        let lowest = assigned.iter().map(|(at, _)| at.partition.0).min();
        let slot = lowest.map_or_else(super::unique_suffix, |p| p.to_string());
        Self { generation: Arc::new(generation), topic_ids, committed: Mutex::new(committed), slot }
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

/// The owner of the transactions of one member.
pub(super) struct KafkaCommitter {
    group: String,
    delivery: Delivery,
    cluster: Arc<Cluster>,
    membership: Arc<SharedMembership>,
    /// Writes transactions.
    transactions: Option<KafkaWriter>,
    /// Writes results outside transactions.
    results: KafkaWriter,
}

impl KafkaCommitter {
    pub(super) fn new(
        group: String,
        delivery: Delivery,
        cluster: Arc<Cluster>,
        membership: Arc<SharedMembership>,
    ) -> Self {
        let mode = if delivery == Delivery::AtMostOnce { WriteMode::AtMostOnce } else { WriteMode::AtLeastOnce };
        let results = KafkaWriter::new(&cluster, mode);
        Self { group, delivery, cluster, membership, transactions: None, results }
    }

    fn undone(&self, why: impl Into<String>) -> LogError {
        LogError::Undone { group: self.group.clone(), why: why.into() }
    }

    fn current(&self) -> LogResult<Arc<Membership>> {
        self.membership.get().ok_or_else(|| {
            self.undone(
                "this instance is no member of the group: it has not joined yet, or its partitions were revoked",
            )
        })
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

    /// Turns a retriable error into an undone transaction, because this commit cannot be repeated as it is.
    fn unretriable(&self, error: LogError) -> LogError {
        if error.recovery() == Recovery::Retry { self.undone(error.to_string()) } else { error }
    }

    /// Writes in one transaction with the offsets; the slot is that of the membership.
    fn commit_transaction(
        &mut self,
        slot: &str,
        appends: &[&Append],
        offsets: GroupOffsets,
    ) -> LogResult<Vec<Option<Offset>>> {
        let mode = WriteMode::Transactions(format!("{}-{slot}", self.group));
        drop(self.transactions.take_if(|writer| *writer.mode() != mode));
        let writer = self.transactions.get_or_insert_with(|| KafkaWriter::new(&self.cluster, mode));
        match writer.write(appends, Some(offsets)) {
            Ok(first_offsets) => Ok(first_offsets.into_iter().map(|first| first.map(Offset)).collect()),
            Err(WriteError::Failed(e)) => Err(e),
            // The cause is a producer with the same id or a rebalance; the next poll shows which.
            Err(WriteError::Fenced(why)) => Err(self.undone(why)),
            // The next producer of this id ends the open transaction; the committed offsets then show whether it
            // was committed.
            Err(WriteError::Indeterminate { error, .. }) => {
                Err(self.undone(format!("it is not known whether it was committed: {error}")))
            }
        }
    }

    /// Writes results outside a transaction; awaits the acknowledgements of these and of those sent early.
    fn write_results(&mut self, results: &[Append]) -> LogResult<()> {
        let early = self.results.has_early_records();
        if results.is_empty() && !early {
            return Ok(());
        }
        let written = self.results.write(&results.iter().collect::<Vec<_>>(), None).map(drop);
        written.map_err(|e| self.results_error(e, early))
    }

    /// The error for results that could not be written. With `lost`, the caller no longer has some of them: they cannot
    /// be written again, so their inputs must be read again.
    fn results_error(&self, error: WriteError, lost: bool) -> LogError {
        match error {
            WriteError::Failed(e) | WriteError::Indeterminate { error: e, .. } if lost => self.unretriable(e),
            WriteError::Failed(e) | WriteError::Indeterminate { error: e, .. } => e,
            WriteError::Fenced(why) => self.undone(why),
        }
    }
}

impl Committer for KafkaCommitter {
    fn commit(&mut self, Transaction { results, state, offsets }: &Transaction) -> LogResult<Vec<Option<Offset>>> {
        let membership = self.current()?;
        let (slot, positions) = (&membership.slot, self.positions(&membership, offsets)?);
        let positions = (positions, membership.generation.clone());
        let only_state: Vec<&Append> = state.iter().collect();
        let written = match self.delivery {
            Delivery::ExactlyOnce => {
                let all: Vec<&Append> = results.iter().chain(state).collect();
                self.commit_transaction(slot, &all, positions)?.split_off(results.len())
            }
            Delivery::AtLeastOnce => {
                self.write_results(results)?;
                self.commit_transaction(slot, &only_state, positions)?
            }
            Delivery::AtMostOnce => {
                let written = self.commit_transaction(slot, &only_state, positions)?;
                // A retry would write again what has already arrived.
                self.write_results(results).map_err(|e| self.unretriable(e))?;
                written
            }
        };
        let mut committed = membership.committed.lock().unwrap_or_else(PoisonError::into_inner);
        committed.extend(offsets.iter().cloned());
        Ok(written)
    }

    fn timeout(&self) -> Option<CommitTimeout> {
        Some(self.cluster.settings.commit_timeout())
    }

    fn early_output(&mut self) -> Option<&mut dyn EarlyOutput> {
        if self.delivery == Delivery::AtLeastOnce { Some(self) } else { None }
    }
}

impl EarlyOutput for KafkaCommitter {
    fn send(&mut self, results: &[Append]) -> LogResult<()> {
        self.current()?;
        let sent = self.results.send_early(&results.iter().collect::<Vec<_>>());
        sent.map_err(|e| self.results_error(e, true))
    }
}
