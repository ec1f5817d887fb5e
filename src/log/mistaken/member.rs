//! Mistakes in reading the inputs of a group.

use super::committer::MistakenCommitter;
use super::lookups::end;
use super::mistake::{Mistake, Planted};
use super::rows;
use crate::log::{Committer, FetchLimit, GroupEvent, Log, LogResult, Member};
use crate::record::{Fetched, Offset, TopicPartition};
use std::sync::Arc;
use std::time::Duration;

/// A member that makes a mistake.
pub(super) struct MistakenMember {
    pub(super) member: Box<dyn Member>,
    pub(super) log: Arc<dyn Log>,
    pub(super) group: String,
    pub(super) planted: Arc<Planted>,
}

impl MistakenMember {
    /// Whether a topic that the group reads is one of its own repartition topics.
    fn is_repartition(&self, topic: &str) -> bool {
        topic.strip_prefix(&*self.group).is_some_and(|rest| rest.starts_with('.'))
    }

    fn mistaken(&self, mut fetched: Fetched) -> Fetched {
        if fetched.records.len() < 2 {
            return fetched;
        }
        let mut rows = rows::all(&fetched.records);
        if self.is_repartition(&fetched.origin.topic) {
            if self.planted.one_in(5, Mistake::SkipRepartitioned) {
                fetched = rows::take_fetched(&fetched, rows.split_off(1));
            }
        } else if self.planted.one_in(10, Mistake::SkipRecord) {
            fetched = rows::take_fetched(&fetched, rows.split_off(1));
        } else if self.planted.one_in(10, Mistake::ReadTwice) {
            rows.insert(0, 0);
            fetched = rows::take_fetched(&fetched, rows);
        } else if self.planted.one_in(10, Mistake::Reorder) {
            rows::reverse(&mut fetched);
        }
        fetched
    }
}

impl Member for MistakenMember {
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<GroupEvent> {
        Ok(match self.member.poll(limit, wait)? {
            GroupEvent::Records(fetched) => GroupEvent::Records(self.mistaken(fetched)),
            GroupEvent::Assigned(mut assigned) if self.planted.is(Mistake::IgnoreCommitted) => {
                let inputs = assigned.iter_mut().filter(|(at, _)| !self.is_repartition(&at.topic));
                inputs.for_each(|(_, offset)| *offset = None);
                GroupEvent::Assigned(assigned)
            }
            event => event,
        })
    }

    fn seek(&mut self, to: &[(TopicPartition, Offset)]) -> LogResult<()> {
        if !self.planted.is(Mistake::SeekTooFar) {
            return self.member.seek(to);
        }
        let mistaken = to.iter().map(|(at, to)| {
            // A position past the end would be an error, not a silent loss.
            let skips =
                *to > Offset(0) && !self.is_repartition(&at.topic) && end(&*self.log, at).is_some_and(|end| *to < end);
            (at.clone(), if skips { Offset(to.0 + 1) } else { *to })
        });
        let mistaken: Vec<_> = mistaken.collect();
        self.member.seek(&mistaken)
    }

    fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        self.member.positions()
    }

    fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()> {
        self.member.pause(of, paused)
    }

    fn committer(&mut self) -> LogResult<Box<dyn Committer>> {
        Ok(Box::new(MistakenCommitter {
            committer: self.member.committer()?,
            log: self.log.clone(),
            appender: None,
            group: self.group.clone(),
            planted: self.planted.clone(),
        }))
    }

    fn leave(self: Box<Self>) -> LogResult<()> {
        self.member.leave()
    }
}
