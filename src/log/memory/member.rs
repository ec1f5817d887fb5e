//! The consuming half of a group in memory: its only member reads every partition.

use super::broker::{Broker, check_bounds};
use super::group::{GroupClaim, MemoryCommitter};
use super::reader::{MemoryCursor, MemoryCursors};
use crate::log::{Committer, FetchLimit, GroupEvent, GroupSpec, LogError, LogResult, Member};
use crate::record::{Offset, TopicPartition};
use std::sync::Arc;
use std::time::Duration;

/// The one member of a group.
#[derive(Debug)]
pub(super) struct MemoryMember {
    claim: Arc<GroupClaim>,
    cursors: MemoryCursors,
    /// Returned by the first poll.
    assignment: Option<Vec<(TopicPartition, Option<Offset>)>>,
    /// Offsets that were committed for a deleted topic of the same name.
    replaced: Vec<(TopicPartition, Offset)>,
    has_committer: bool,
}

impl MemoryMember {
    pub(super) fn join(broker: &Arc<Broker>, spec: &GroupSpec) -> LogResult<Self> {
        let claim = Arc::new(GroupClaim::new(broker, &spec.group, &spec.instance)?);
        let (mut cursors, mut assignment, mut replaced) = (Vec::new(), Vec::new(), Vec::new());
        // Declared after `claim`, so dropped before it if a topic is missing: releasing a claim takes the lock.
        let state = broker.lock();
        let group = state.groups.get(&spec.group);
        for name in &spec.topics {
            let topic = state.topic(name)?;
            for partition in 0..topic.partition_count() {
                let at = TopicPartition::new(name.clone(), partition);
                let committed = group.and_then(|g| g.offsets.get(&at)).copied();
                if let Some((offset, id)) = committed
                    && id != topic.id
                {
                    replaced.push((at.clone(), offset));
                }
                assignment.push((at.clone(), committed.map(|(offset, _)| offset)));
                cursors.push(MemoryCursor::new(at, topic.id, None));
            }
        }
        drop(state);
        let cursors = MemoryCursors::new(broker.clone(), cursors);
        Ok(Self { claim, cursors, assignment: Some(assignment), replaced, has_committer: false })
    }

    fn cursor(&mut self, at: &TopicPartition) -> LogResult<&mut MemoryCursor> {
        let count = self.cursors.cursors.iter().filter(|c| c.at.topic == at.topic).count();
        self.cursors.cursors.iter_mut().find(|c| *c.at == *at).ok_or_else(|| LogError::UnknownPartition {
            at: at.clone(),
            count: u32::try_from(count).unwrap_or(u32::MAX),
        })
    }

    /// Checks whether an assigned partition can be read from an offset.
    fn check_seek(&self, at: &TopicPartition, topic_id: u64, to: Offset) -> LogResult<()> {
        let state = self.cursors.broker.lock();
        let partition = state.same_partition(at, topic_id)?;
        let replaced = self.replaced.iter().any(|(a, offset)| a == at && *offset == to);
        if to.0 > partition.earliest && replaced {
            return Err(LogError::TopicReplaced { topic: at.topic.to_string() });
        }
        check_bounds(at, to, partition.earliest, partition.end)
    }
}

impl Member for MemoryMember {
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<GroupEvent> {
        if let Some(assignment) = self.assignment.take() {
            return Ok(GroupEvent::Assigned(assignment));
        }
        Ok(self.cursors.poll(limit, wait)?.map_or(GroupEvent::Idle, GroupEvent::Records))
    }

    fn seek(&mut self, to: &[(TopicPartition, Offset)]) -> LogResult<()> {
        for (at, to) in to {
            let topic_id = self.cursor(at)?.topic_id;
            self.check_seek(at, topic_id, *to)?;
        }
        to.iter().try_for_each(|(at, to)| self.cursor(at).map(|cursor| cursor.next = Some(to.0)))
    }

    fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        self.cursors.positions()
    }

    fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()> {
        for at in of {
            self.cursor(at)?.paused = paused;
        }
        Ok(())
    }

    fn committer(&mut self) -> LogResult<Box<dyn Committer>> {
        if self.has_committer {
            return Err(LogError::Unusable(format!("pipeline `{}` has a committer already", self.claim.group)));
        }
        self.has_committer = true;
        let topic_ids = self.cursors.cursors.iter().map(|c| (TopicPartition::clone(&c.at), c.topic_id)).collect();
        Ok(Box::new(MemoryCommitter { broker: self.cursors.broker.clone(), claim: self.claim.clone(), topic_ids }))
    }

    fn leave(self: Box<Self>) -> LogResult<()> {
        self.claim.release();
        Ok(())
    }
}
