//! The consuming half of a pipeline on Kafka: one member of its consumer group.
//!
//! Separate because the group decides who reads what, and may take it back at any time. One thread polls;
//! the group hears this member's answer to a decision only in the poll after the one that told of it, so
//! that what was read can still be committed. It never commits, and never reads where it was not told to.

use super::committer::{Desk, KafkaCommitter, Seat};
use super::context::{Context, Rebalance};
use super::control::{Control, client, positions};
use super::errors;
use super::feed::Feed;
use super::reader::Watch;
use crate::log::{Committer, Delivery, FetchLimit, GroupEvent, GroupSpec, LogError, LogResult, Member, Recovery};
use crate::record::{Offset, TopicPartition};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest wait before the topics are looked at and the group is heard.
const STEP: Duration = Duration::from_secs(1);

/// A member of a consumer group.
pub(super) struct KafkaMember {
    group: String,
    delivery: Delivery,
    control: Arc<Control>,
    feed: Feed,
    watch: Watch,
    desk: Arc<Desk>,
    /// The group waits for the answer that all partitions are given back.
    owes: bool,
    /// Partitions that were given, with the proof of it, while it is not known yet what was committed.
    pending: Option<(Vec<TopicPartition>, ConsumerGroupMetadata)>,
    /// Positions that were committed for topics that have since been made anew.
    stale: Vec<(TopicPartition, Offset)>,
    committing: bool,
}

impl KafkaMember {
    pub(super) fn join(control: &Arc<Control>, spec: &GroupSpec) -> LogResult<Self> {
        let watch = Watch::new(control, spec.topics.iter().cloned())?;
        let client = client(&control.settings, &control.settings.member(&spec.group), &Context::default())?;
        let topics: Vec<&str> = spec.topics.iter().map(|t| &**t).collect();
        let doing = format!("joining group `{}`", spec.group);
        client.subscribe(&topics).map_err(|e| errors::fault(control.brokers(), &doing, errors::code(&e)))?;
        Ok(Self {
            group: spec.group.clone(),
            delivery: spec.delivery,
            control: control.clone(),
            feed: Feed::new(client),
            watch,
            desk: Arc::new(Desk::default()),
            owes: false,
            pending: None,
            stale: Vec::new(),
            committing: false,
        })
    }

    fn fault(&self, error: &KafkaError) -> LogError {
        if errors::code(error) == Code::FencedInstanceId {
            return LogError::Unusable(format!(
                "another instance of pipeline `{}` runs with the same `group.instance.id`, so this one stops; give each instance its own",
                self.group
            ));
        }
        errors::fault(
            self.control.brokers(),
            &format!("reading as a member of group `{}`", self.group),
            errors::code(error),
        )
    }

    fn undone(&self, why: &str) -> LogError {
        LogError::Undone { group: self.group.clone(), why: why.to_owned() }
    }

    fn next(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<GroupEvent> {
        let start = Instant::now();
        let mut left = wait;
        if std::mem::take(&mut self.owes) {
            // From here on the group goes on without this member's partitions.
            self.desk.rise();
            self.feed.client.unassign().map_err(|e| self.fault(&e))?;
        }
        self.feed.start().map_err(|e| self.fault(&e))?;
        loop {
            if !self.feed.plenty() {
                let step = if self.feed.any() { Duration::ZERO } else { left.min(STEP) };
                let signals = self.feed.draw(step).map_err(|e| self.fault(&e))?;
                if let Some(event) = self.rebalanced()? {
                    return Ok(event);
                }
                self.watch.judge(&self.feed, &signals, Some(&self.group))?;
                if signals.moved && !self.feed.any() {
                    return Ok(GroupEvent::Idle);
                }
            }
            if let Some(fetched) = self.feed.take(limit) {
                return Ok(GroupEvent::Records(fetched));
            }
            self.watch.idle()?;
            left = wait.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Ok(GroupEvent::Idle);
            }
        }
    }

    /// What the group has decided.
    fn rebalanced(&mut self) -> LogResult<Option<GroupEvent>> {
        let decided = self.feed.client.context().heard().rebalances.pop_front();
        match decided {
            None => {}
            Some(Rebalance::Given(given)) => self.given(given)?,
            Some(Rebalance::Taken) => return self.taken(),
        }
        self.settle()
    }

    fn taken(&mut self) -> LogResult<Option<GroupEvent>> {
        let had: Vec<TopicPartition> = self.feed.partitions().cloned().collect();
        let told = self.desk.seated();
        self.pending = None;
        self.feed.reset([]).map_err(|e| self.fault(&e))?;
        if self.feed.client.assignment_lost() {
            self.desk.rise();
        }
        if !told {
            self.feed.client.unassign().map_err(|e| self.fault(&e))?;
            return Ok(None);
        }
        self.owes = true;
        // A topic that is gone, or another one, is the reason that a person can do something about.
        self.watch.glance()?;
        Ok(Some(GroupEvent::Revoked(had)))
    }

    /// Hears what was given. What proves membership is read before it is asked whether the membership has
    /// been lost meanwhile, so that it is either that of this decision, or not used; the group refuses it
    /// as soon as it has decided again.
    fn given(&mut self, given: Vec<(String, i32)>) -> LogResult<()> {
        let metadata = self.feed.client.group_metadata();
        let lost = self.feed.client.assignment_lost();
        // The decision is heard; where to read each partition is said by `seek`.
        self.feed.client.assign(&TopicPartitionList::new()).map_err(|e| self.fault(&e))?;
        let mut at: Vec<TopicPartition> = given
            .into_iter()
            .map(|(topic, partition)| TopicPartition::new(topic, u32::try_from(partition).unwrap_or(u32::MAX)))
            .collect();
        at.sort();
        self.pending = metadata.filter(|_| !lost).map(|metadata| (at, metadata));
        Ok(())
    }

    /// Takes the seat for what was given, once it is known what was committed for it. Where the cluster
    /// does not say, the next poll asks again.
    fn settle(&mut self) -> LogResult<Option<GroupEvent>> {
        let Some((at, _)) = &self.pending else { return Ok(None) };
        self.watch.look()?;
        let held = match positions(&self.feed.client, self.control.brokers(), &self.group, at, STEP) {
            Ok(held) => held,
            // A transaction that was left open holds them back. Meanwhile the group must be heard: others may
            // be waiting for this member.
            Err(e) if e.recovery() == Recovery::Retry => {
                tracing::debug!("{e}");
                return Ok(None);
            }
            Err(e) => return Err(e),
        };
        let Some((at, metadata)) = self.pending.take() else { return Ok(None) };
        self.stale.clear();
        let mut told = Vec::new();
        for (at, position) in at.iter().zip(held) {
            if let Some(p) = &position
                && !p.id.is_empty()
                && p.id != self.watch.id(&at.topic)
            {
                self.stale.push((at.clone(), p.next));
            }
            told.push((at.clone(), position.map(|p| p.next)));
        }
        self.feed.reset(at).map_err(|e| self.fault(&e))?;
        // A position in a topic that is no more must not be sent as one in the topic that has its name now.
        let known: Vec<_> = told.iter().filter(|(at, _)| self.stale.iter().all(|(stale, _)| stale != at)).collect();
        self.desk.sit(Seat::new(metadata, &told, &known, |topic| self.watch.id(topic).to_owned()));
        Ok(Some(GroupEvent::Assigned(told)))
    }

    fn not_mine(&self, at: &TopicPartition) -> LogError {
        let count = self.feed.partitions().filter(|p| p.topic == at.topic).count();
        LogError::UnknownPartition { at: at.clone(), count: u32::try_from(count).unwrap_or(u32::MAX) }
    }
}

impl Member for KafkaMember {
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<GroupEvent> {
        let event = self.next(limit, wait);
        if matches!(
            event,
            Err(LogError::UnknownTopic { .. } | LogError::TopicReplaced { .. } | LogError::OffsetOutOfRange { .. })
        ) {
            // What was read is of a topic that is no more: nothing that follows from it may be committed.
            self.desk.rise();
        }
        event
    }

    fn seek(&mut self, at: &TopicPartition, to: Offset) -> LogResult<()> {
        if !self.feed.partitions().any(|p| p == at) {
            return Err(self.not_mine(at));
        }
        let (earliest, _) = self.control.bounds(std::slice::from_ref(at))?[0];
        if to.0 > earliest && self.stale.iter().any(|(a, offset)| a == at && *offset == to) {
            return Err(LogError::TopicReplaced { topic: at.topic.to_string() });
        }
        self.watch.in_range(&[(at.clone(), to)])?;
        self.feed.seek(at, to);
        Ok(())
    }

    fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        self.feed.positions()
    }

    fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()> {
        for at in of {
            if !self.feed.pause(at, paused).map_err(|e| self.fault(&e))? {
                return Err(self.not_mine(at));
            }
        }
        Ok(())
    }

    fn committer(&mut self) -> LogResult<Box<dyn Committer>> {
        if self.committing {
            return Err(LogError::Unusable(format!("pipeline `{}` commits already", self.group)));
        }
        self.committing = true;
        Ok(Box::new(KafkaCommitter {
            group: self.group.clone(),
            delivery: self.delivery,
            control: self.control.clone(),
            desk: self.desk.clone(),
            member: Arc::downgrade(&self.feed.client),
            writer: None,
            moving: None,
            heard: None,
        }))
    }

    fn leave(self: Box<Self>) -> LogResult<()> {
        self.desk.rise();
        match self.feed.client.client().fatal_error() {
            Some((_, reason)) => Err(self.undone(&reason)),
            None => Ok(()),
        }
    }
}

impl Drop for KafkaMember {
    /// Whatever the group waits for is answered; then the client leaves it, which tells the others at once.
    fn drop(&mut self) {
        self.desk.rise();
        self.feed.client.context().heard().closing = true;
        // Either may be what it waits for.
        let answers = [self.feed.client.assign(&TopicPartitionList::new()), self.feed.client.unassign()];
        for e in answers.into_iter().filter_map(Result::err) {
            tracing::debug!("leaving group `{}`: {e}", self.group);
        }
    }
}
