//! The consuming half of a pipeline on Kafka: one member of its consumer group.
//!
//! One thread polls. The member acknowledges a revocation in the poll after the one that reported it, so that what
//! was read can still be committed in between. It never commits, and reads a partition only after a `seek`.

use super::cluster::{Cluster, create_client};
use super::committed::fetch_committed;
use super::committer::{KafkaCommitter, Membership, SharedMembership};
use super::context::Rebalance;
use super::errors;
use super::fetcher::Fetcher;
use super::generation::LiveGeneration;
use super::reader::{TopicWatch, require_within};
use super::settings;
use crate::log::{Committer, Delivery, FetchLimit, GroupEvent, GroupSpec, LogError, LogResult, Member, Recovery};
use crate::record::{Offset, TopicPartition};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest wait before topics and group are checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A member of a consumer group.
pub(super) struct KafkaMember {
    group: String,
    delivery: Delivery,
    cluster: Arc<Cluster>,
    fetcher: Fetcher,
    watch: TopicWatch,
    membership: Arc<SharedMembership>,
    /// The group waits for the acknowledgement of a revocation.
    pending_ack: bool,
    /// An assignment whose committed offsets are not known yet, with its group generation.
    pending_assignment: Option<(Vec<TopicPartition>, LiveGeneration)>,
    /// Offsets that were committed for topics which have since been created again.
    stale_offsets: HashMap<TopicPartition, Offset>,
    committing: bool,
}

impl KafkaMember {
    pub(super) fn join(cluster: &Arc<Cluster>, spec: &GroupSpec) -> LogResult<Self> {
        let watch = TopicWatch::new(cluster, spec.topics.iter().cloned())?;
        let topics: BTreeSet<&str> = spec.topics.iter().map(|t| &**t).collect();
        if topics.len() > 1 && cluster.settings.has_rack() {
            return Err(LogError::Unusable(settings::rack_refusal(&spec.group, &topics)));
        }
        let client = create_client(&cluster.settings, &cluster.settings.for_member(&spec.group))?;
        let topics: Vec<&str> = topics.into_iter().collect();
        let action = format!("joining group `{}`", spec.group);
        client.subscribe(&topics).map_err(|e| errors::log_error(cluster.brokers(), &action, errors::error_code(&e)))?;
        Ok(Self {
            group: spec.group.clone(),
            delivery: spec.delivery,
            cluster: cluster.clone(),
            fetcher: Fetcher::new(client),
            watch,
            membership: Arc::new(SharedMembership::default()),
            pending_ack: false,
            pending_assignment: None,
            stale_offsets: HashMap::new(),
            committing: false,
        })
    }

    fn error(&self, error: &KafkaError) -> LogError {
        if errors::error_code(error) == Code::FencedInstanceId {
            return LogError::Unusable(format!(
                "another instance of pipeline `{}` runs with the same `group.instance.id`, so this one stops; give each instance its own",
                self.group
            ));
        }
        errors::log_error(
            self.cluster.brokers(),
            &format!("reading as a member of group `{}`", self.group),
            errors::error_code(error),
        )
    }

    fn undone(&self, why: &str) -> LogError {
        LogError::Undone { group: self.group.clone(), why: why.to_owned() }
    }

    fn next_event(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<GroupEvent> {
        let start = Instant::now();
        let mut left = wait;
        if std::mem::take(&mut self.pending_ack) {
            // From here on the group continues without this member's partitions.
            self.membership.clear();
            self.fetcher.client.unassign().map_err(|e| self.error(&e))?;
        }
        self.fetcher.assign().map_err(|e| self.error(&e))?;
        loop {
            if !self.fetcher.has_enough() {
                let step = if self.fetcher.has_records() { Duration::ZERO } else { left.min(CHECK_INTERVAL) };
                let outcome = self.fetcher.poll(step).map_err(|e| self.error(&e))?;
                if let Some(event) = self.handle_rebalance()? {
                    return Ok(event);
                }
                self.watch.check_reports(&self.fetcher, &outcome, Some(&self.group))?;
                if outcome.advanced && !self.fetcher.has_records() {
                    return Ok(GroupEvent::Idle);
                }
            }
            if let Some(fetched) = self.fetcher.take(limit) {
                return Ok(GroupEvent::Records(fetched));
            }
            self.watch.check_if_due()?;
            left = wait.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(GroupEvent::Idle);
            }
        }
    }

    /// Handles the next rebalance, then resolves a pending assignment.
    fn handle_rebalance(&mut self) -> LogResult<Option<GroupEvent>> {
        let rebalance = self.fetcher.client.context().events().rebalances.pop_front();
        match rebalance {
            None => {}
            Some(Rebalance::Assigned(assigned)) => self.on_assigned(assigned)?,
            Some(Rebalance::Revoked) => return self.on_revoked(),
        }
        self.resolve_assignment()
    }

    fn on_revoked(&mut self) -> LogResult<Option<GroupEvent>> {
        let revoked: Vec<TopicPartition> = self.fetcher.partitions().cloned().collect();
        let was_member = self.membership.is_member();
        self.pending_assignment = None;
        self.fetcher.reset([]).map_err(|e| self.error(&e))?;
        if self.fetcher.client.assignment_lost() {
            self.membership.clear();
        }
        if !was_member {
            self.fetcher.client.unassign().map_err(|e| self.error(&e))?;
            return Ok(None);
        }
        self.pending_ack = true;
        // If a deleted or recreated topic is the cause, that is the error the user can act on.
        self.watch.check_once()?;
        Ok(Some(GroupEvent::Revoked(revoked)))
    }

    /// Accepts an assignment. The generation is read before the check for a lost assignment, so that it is either the
    /// generation of this assignment or not used. The group refuses it after the next rebalance.
    fn on_assigned(&mut self, assigned: Vec<(String, i32)>) -> LogResult<()> {
        let generation = LiveGeneration::of(&self.fetcher.client);
        let lost = self.fetcher.client.assignment_lost();
        // Acknowledges the assignment; `seek` says where to read each partition.
        self.fetcher.client.assign(&TopicPartitionList::new()).map_err(|e| self.error(&e))?;
        let mut at: Vec<TopicPartition> = assigned
            .into_iter()
            .map(|(topic, partition)| TopicPartition::new(topic, u32::try_from(partition).unwrap_or(u32::MAX)))
            .collect();
        at.sort();
        self.pending_assignment = generation.filter(|_| !lost).map(|generation| (at, generation));
        Ok(())
    }

    /// Completes a pending assignment once its committed offsets are known. If the cluster does not answer, the next
    /// poll tries again.
    fn resolve_assignment(&mut self) -> LogResult<Option<GroupEvent>> {
        let Some((at, _)) = &self.pending_assignment else { return Ok(None) };
        self.watch.check()?;
        let committed =
            match fetch_committed(&self.fetcher.client, self.cluster.brokers(), &self.group, at, CHECK_INTERVAL) {
                Ok(committed) => committed,
                // An open transaction delays the offsets. Polling must continue meanwhile: other members may be
                // waiting for this one.
                Err(e) if e.recovery() == Recovery::Retry => {
                    tracing::debug!("{e}");
                    return Ok(None);
                }
                Err(e) => return Err(e),
            };
        let Some((at, generation)) = self.pending_assignment.take() else { return Ok(None) };
        self.stale_offsets.clear();
        let mut assigned = Vec::new();
        for (at, position) in at.iter().zip(committed) {
            if let Some(p) = &position
                && !p.id.is_empty()
                && p.id != self.watch.id(&at.topic)
            {
                self.stale_offsets.insert(at.clone(), p.next);
            }
            assigned.push((at.clone(), position.map(|p| p.next)));
        }
        self.fetcher.reset(at).map_err(|e| self.error(&e))?;
        // An offset in a deleted topic must not be committed for the topic that has its name now.
        let committed: Vec<_> = assigned.iter().filter(|(at, _)| !self.stale_offsets.contains_key(at)).collect();
        self.membership
            .set(Membership::new(generation, &assigned, &committed, |topic| self.watch.id(topic).to_owned()));
        Ok(Some(GroupEvent::Assigned(assigned)))
    }

    fn not_assigned(&self, at: &TopicPartition) -> LogError {
        let count = self.fetcher.partitions().filter(|p| p.topic == at.topic).count();
        LogError::UnknownPartition { at: at.clone(), count: u32::try_from(count).unwrap_or(u32::MAX) }
    }
}

impl Member for KafkaMember {
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<GroupEvent> {
        let event = self.next_event(limit, wait);
        if matches!(
            event,
            Err(LogError::UnknownTopic { .. } | LogError::TopicReplaced { .. } | LogError::OffsetOutOfRange { .. })
        ) {
            // What was read belongs to a deleted topic: nothing that follows from it may be committed.
            self.membership.clear();
        }
        event
    }

    fn seek(&mut self, to: &[(TopicPartition, Offset)]) -> LogResult<()> {
        if let Some((at, _)) = to.iter().find(|(at, _)| !self.fetcher.has_partition(at)) {
            return Err(self.not_assigned(at));
        }
        let of: Vec<TopicPartition> = to.iter().map(|(at, _)| at.clone()).collect();
        let bounds = self.cluster.bounds(&of)?;
        for ((at, offset), (earliest, _)) in to.iter().zip(&bounds) {
            if offset.0 > *earliest && self.stale_offsets.get(at) == Some(offset) {
                return Err(LogError::TopicReplaced { topic: at.topic.to_string() });
            }
        }
        require_within(to, &bounds)?;
        for (at, offset) in to {
            self.fetcher.seek(at, *offset);
        }
        Ok(())
    }

    fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        self.fetcher.positions()
    }

    fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()> {
        for at in of {
            if !self.fetcher.pause(at, paused).map_err(|e| self.error(&e))? {
                return Err(self.not_assigned(at));
            }
        }
        Ok(())
    }

    fn committer(&mut self) -> LogResult<Box<dyn Committer>> {
        if self.committing {
            return Err(LogError::Unusable(format!("pipeline `{}` commits already", self.group)));
        }
        self.committing = true;
        let (group, cluster) = (self.group.clone(), self.cluster.clone());
        Ok(Box::new(KafkaCommitter::new(group, self.delivery, cluster, self.membership.clone())))
    }

    fn leave(self: Box<Self>) -> LogResult<()> {
        self.membership.clear();
        match self.fetcher.client.client().fatal_error() {
            Some((_, reason)) => Err(self.undone(&reason)),
            None => Ok(()),
        }
    }
}

impl Drop for KafkaMember {
    /// Acknowledges a pending rebalance; then the client leaves the group, which starts the next one at once.
    fn drop(&mut self) {
        self.membership.clear();
        self.fetcher.client.context().events().closing = true;
        // The pending rebalance may be an assignment or a revocation.
        let answers = [self.fetcher.client.assign(&TopicPartitionList::new()), self.fetcher.client.unassign()];
        for e in answers.into_iter().filter_map(Result::err) {
            tracing::debug!("leaving group `{}`: {e}", self.group);
        }
    }
}
