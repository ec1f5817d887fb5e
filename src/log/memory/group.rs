//! Claims on groups, and the transactions committed under them. A group has one claim at a time.
//!
//! Invariant: only the claim with the current epoch of its group commits.

use super::broker::{Broker, BrokerState, check_bounds};
use crate::log::{Committer, LogError, LogResult, Transaction};
use crate::record::{Offset, TopicPartition};
use std::collections::HashMap;
use std::sync::Arc;

/// The right to commit for a group; released when dropped.
#[derive(Debug)]
pub(super) struct GroupClaim {
    pub(super) group: String,
    epoch: u64,
    broker: Arc<Broker>,
}

impl GroupClaim {
    /// Claims a group.
    ///
    /// # Errors
    /// [`LogError::GroupTaken`] with the instance that holds it.
    pub(super) fn new(broker: &Arc<Broker>, group: &str, instance: &str) -> LogResult<Self> {
        let mut state = broker.lock();
        check_free(&state, group)?;
        let entry = state.groups.entry(group.to_owned()).or_default();
        entry.holder = Some(instance.to_owned());
        entry.epoch += 1;
        Ok(Self { group: group.to_owned(), epoch: entry.epoch, broker: broker.clone() })
    }

    /// Frees the group, unless the claim is fenced.
    pub(super) fn release(&self) {
        let mut state = self.broker.lock();
        if let Some(group) = state.groups.get_mut(&self.group)
            && group.epoch == self.epoch
        {
            group.holder = None;
            group.epoch += 1;
        }
    }

    fn check(&self, state: &BrokerState) -> LogResult<()> {
        if state.groups.get(&self.group).is_some_and(|g| g.epoch == self.epoch) {
            return Ok(());
        }
        Err(LogError::Fenced { group: self.group.clone() })
    }
}

impl Drop for GroupClaim {
    fn drop(&mut self) {
        self.release();
    }
}

fn check_free(state: &BrokerState, group: &str) -> LogResult<()> {
    match state.groups.get(group).and_then(|g| g.holder.clone()) {
        Some(holder) => Err(LogError::GroupTaken { group: group.to_owned(), holder }),
        None => Ok(()),
    }
}

/// Deletes the committed offsets of a group that has no member.
pub(super) fn delete_offsets(state: &mut BrokerState, group: &str) -> LogResult<()> {
    check_free(state, group)?;
    if let Some(group) = state.groups.get_mut(group) {
        group.offsets.clear();
    }
    Ok(())
}

/// Removes the member of a group, as a group coordinator does with a member it declares dead.
pub(super) fn expire(state: &mut BrokerState, group: &str) {
    if let Some(group) = state.groups.get_mut(group) {
        group.holder = None;
        group.epoch += 1;
    }
}

/// Commits for the holder of a claim.
#[derive(Debug)]
pub(super) struct MemoryCommitter {
    pub(super) broker: Arc<Broker>,
    pub(super) claim: Arc<GroupClaim>,
    /// The topic id of each assigned partition when the group was joined.
    pub(super) topic_ids: HashMap<TopicPartition, u64>,
}

impl MemoryCommitter {
    /// Checks the offsets of a transaction; returns each with the id of its topic.
    fn checked_offsets(
        &self,
        state: &BrokerState,
        transaction: &Transaction,
    ) -> LogResult<Vec<(TopicPartition, (Offset, u64))>> {
        let checked = |(at, next): &(TopicPartition, Offset)| {
            let (_, id) = state.partition(at)?;
            if self.topic_ids.get(at).is_some_and(|joined| *joined != id) {
                return Err(LogError::TopicReplaced { topic: at.topic.to_string() });
            }
            let appends = transaction.results.iter().chain(&transaction.state);
            // Retention may have overtaken what was read.
            check_bounds(at, *next, 0, state.end_after(at, appends)?)?;
            Ok((at.clone(), (*next, id)))
        };
        transaction.offsets.iter().map(checked).collect()
    }
}

impl Committer for MemoryCommitter {
    fn commit(&mut self, transaction: &Transaction) -> LogResult<Vec<Option<Offset>>> {
        self.broker.change(|state| {
            self.claim.check(state)?;
            state.check_appends(&transaction.results, &self.broker.record_limit)?;
            state.check_appends(&transaction.state, &self.broker.record_limit)?;
            let offsets = self.checked_offsets(state, transaction)?;
            state.append(&transaction.results);
            let firsts = state.append(&transaction.state);
            state.groups.entry(self.claim.group.clone()).or_default().offsets.extend(offsets);
            let non_empty = transaction.state.iter().map(|a| !a.records.is_empty());
            Ok(firsts.into_iter().zip(non_empty).map(|(first, any)| any.then_some(first)).collect())
        })
    }
}
