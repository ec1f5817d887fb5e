//! A bounded run: each sub-topology is read to its end before the next one, and tasks that merge their inputs
//! receive batches of each of them.

use super::cursors::InputCursor;
use super::decision::Goal;
use super::intake::Intake;
use super::read_partition::BatchSink;
use super::readers::MergeReaders;
use super::stages::Stage;
use crate::log::Start;
use crate::record::{Offset, TopicPartition};
use crate::runtime::fault::Fault;
use crate::runtime::task::merge_queue::{OfferedBatch, offered_bytes};
use crate::runtime::task::message::TaskMessage;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Instant;

impl Intake {
    /// Reads stage after stage: what one stage sends on, the next reads to its end. Before that it waits until the
    /// other instances have read their part.
    pub(super) fn read_to_the_end(&mut self) -> Result<(), Fault> {
        if self.options.stages.iter().any(|s| s.feeds_others && !self.foreign(s).is_empty()) {
            self.peers.begin(&*self.log)?;
        }
        for stage in self.options.stages.clone() {
            self.resolve_ends(&stage)?;
            if self.has_part_in(stage.sub) {
                self.begin_stage(stage.sub)?;
                self.pursue(Goal::OwnPart(stage.sub))?;
            }
            if stage.feeds_others && !self.cancel.is_cancelled() {
                self.await_peers(&stage)?;
            }
            // A cancelled goal was closed with a commit too.
            if self.cancel.is_cancelled() {
                return Ok(());
            }
        }
        // An instance without a part in the last stage may have an epoch in flight all the same, or results that were
        // only sent ahead of their commit.
        let uncommitted = self.gauges.uncommitted.load(Ordering::Relaxed);
        if self.epoch_in_flight || self.sent || uncommitted { self.pursue(Goal::CommitRest) } else { Ok(()) }
    }

    fn has_part_in(&self, sub: u32) -> bool {
        self.routes.iter().any(|r| r.sub == sub && !r.partitions.is_empty())
    }

    /// Sources have their ends from the start of the run; an internal topic has its end once its senders are done.
    fn resolve_ends(&mut self, stage: &Stage) -> Result<(), Fault> {
        let Some(ends) = &mut self.options.ends else { return Ok(()) };
        for at in &stage.partitions {
            if !ends.contains_key(at) {
                ends.insert(at.clone(), self.log.resolve(at, Start::Latest)?);
            }
        }
        Ok(())
    }

    fn end(&self, at: &TopicPartition) -> Offset {
        self.options.ends.as_ref().and_then(|ends| ends.get(at)).copied().unwrap_or_default()
    }

    /// Opens the readers of merged inputs, and records which of the other partitions have not come to their end.
    fn begin_stage(&mut self, sub: u32) -> Result<(), Fault> {
        let mut cursors = Vec::new();
        for (i, route) in self.routes.iter().enumerate().filter(|(_, r)| r.sub == sub) {
            for input in &route.merged {
                let mut input = input.clone();
                let start = self.positions.get(&input.at).copied().unwrap_or_default();
                input.next = input.next.max(start);
                let end = self.end(&input.at);
                cursors.push((i, InputCursor::new(input, end)));
            }
        }
        self.merge_readers = MergeReaders::new(&*self.log, cursors)?;
        let merged = self.merge_readers.partitions();
        let own = self.routes.iter().filter(|r| r.sub == sub).flat_map(|r| &r.partitions);
        let unread = |at: &&TopicPartition| {
            !merged.contains(*at) && self.positions.get(*at).copied().unwrap_or_default() < self.end(at)
        };
        self.unfinished = own.filter(unread).cloned().collect();
        Ok(())
    }

    /// Advances positions past offsets without a record: the last record need not be at the last offset.
    pub(super) fn advance_past_gaps(&mut self) {
        if self.unfinished.is_empty() {
            return;
        }
        for (at, position) in self.member.positions() {
            if self.unfinished.contains(&at) {
                if position >= self.end(&at) {
                    self.unfinished.remove(&at);
                }
                self.positions.insert(at, position);
            }
        }
    }

    pub(super) fn goal_reached(&mut self, goal: Goal) -> Result<bool, Fault> {
        match goal {
            Goal::Endless => Ok(false),
            Goal::CommitRest => Ok(true),
            Goal::OwnPart(_) => {
                Ok(self.unfinished.is_empty() && self.buffered.is_empty() && self.merge_readers.is_empty())
            }
            Goal::Peers => self.peers.are_done(&*self.log),
        }
    }

    /// The partitions of a stage that other instances of the group read.
    fn foreign<'a>(&self, stage: &'a Stage) -> Vec<&'a TopicPartition> {
        stage.partitions.iter().filter(|at| !self.route_of.contains_key(*at)).collect()
    }

    /// Waits until the other instances have read their part of a stage.
    fn await_peers(&mut self, stage: &Stage) -> Result<(), Fault> {
        let foreign = self.foreign(stage);
        let ends = self.options.ends.as_ref();
        let end = |at: &TopicPartition| ends.and_then(|ends| ends.get(at)).copied().unwrap_or_default();
        self.peers.expect(stage, foreign.iter().copied(), end);
        if self.peers.are_done(&*self.log)? {
            return Ok(());
        }
        let topics: BTreeSet<String> = foreign.iter().map(|at| format!("`{}`", at.topic)).collect();
        let topics: Vec<String> = topics.into_iter().collect();
        tracing::info!("waiting until other instances have read their part of {}", topics.join(", "));
        self.pursue(Goal::Peers)
    }

    /// Offers tasks that merge their inputs what they have capacity for; returns whether anything was offered.
    pub(super) fn offer_merged(&mut self) -> Result<bool, Fault> {
        let (mut readers, log) = (std::mem::take(&mut self.merge_readers), self.log.clone());
        let offered = readers.offer(&*log, self);
        self.merge_readers = readers;
        offered
    }
}

impl BatchSink for Intake {
    fn has_capacity(&self, route: usize) -> bool {
        Self::has_capacity(self, route)
    }

    fn accept(&mut self, route: usize, offered: Vec<OfferedBatch>) -> Result<(), Fault> {
        self.sent = true;
        self.gauges.queued_bytes.fetch_add(offered_bytes(&offered), Ordering::Relaxed);
        if self.routes[route].queue.send(TaskMessage::Offer(offered, Instant::now())).is_err() {
            return self.why_gone();
        }
        Ok(())
    }
}
