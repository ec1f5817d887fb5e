//! A bounded run: each sub-topology is read to its end before the next, and tasks that merge their inputs are
//! offered the least of all.
//!
//! Separate because a run without an end reads records as they come, and knows none of this.

use super::stages::Stretch;
use crate::log::Start;
use crate::record::{Offset, TopicPartition};
use crate::runtime::fault::Fault;
use crate::runtime::read::cursors::Cursor;
use crate::runtime::read::intake::{Flow, Intake, Turn};
use crate::runtime::read::readers::{Readers, Taker};
use crate::runtime::task::merge_queue::Offer;
use crate::runtime::task::message::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How often it is looked how far the other instances are.
const LOOK: Duration = Duration::from_millis(100);

impl Intake {
    /// Sub-topology after sub-topology: what the one sends on, the next reads to its end. What other instances
    /// send on is waited for.
    pub(in crate::runtime) fn to_the_end(&mut self, ends: BTreeMap<TopicPartition, Offset>) -> Result<(), Fault> {
        self.flow.ends = ends;
        for stretch in self.course.clone() {
            for at in &stretch.partitions {
                if !self.flow.ends.contains_key(at) {
                    self.flow.ends.insert(at.clone(), self.log.resolve(at, Start::Latest)?);
                }
            }
            if !self.own_part(stretch.sub)? || (stretch.feeds && !self.others(&stretch)?) {
                return self.settle(None);
            }
        }
        // Whoever has no part in the last one may have a commit under way all the same.
        self.settle(None)
    }

    /// Reads this instance's part of a sub-topology to its end; not where it is told to stop before.
    fn own_part(&mut self, sub: u32) -> Result<bool, Fault> {
        let inputs: Vec<TopicPartition> =
            self.routes.iter().filter(|r| r.sub == sub).flat_map(|r| r.owned.clone()).collect();
        if inputs.is_empty() {
            return Ok(true);
        }
        self.flow.readers = self.readers(sub)?;
        let merged = self.flow.readers.partitions();
        let rest: Vec<_> = inputs.iter().filter(|at| !merged.contains(*at)).collect();
        let reached = |flow: &Flow| rest.iter().all(|at| flow.next.get(*at) >= flow.ends.get(*at));
        while !(self.flow.held.is_empty() && self.flow.readers.is_empty() && reached(&self.flow)) {
            if self.stopping() || self.turn()? == Turn::Revoked {
                return Ok(false);
            }
            // What is read last may not be the last offset: some hold no record.
            let positions = self.member.positions();
            self.flow.next.extend(positions.into_iter().filter(|(at, _)| !merged.contains(at)));
        }
        self.settle(Some(sub))?;
        Ok(!self.revoked())
    }

    /// Waits until the other instances of the group have come to the end too; not where it is told to stop
    /// before, or the group hands out its partitions anew.
    fn others(&mut self, stretch: &Stretch) -> Result<bool, Fault> {
        let own = |at: &TopicPartition| self.flow.by_partition.contains_key(at);
        let foreign: Vec<TopicPartition> = stretch.partitions.iter().filter(|at| !own(at)).cloned().collect();
        let mut looked: Option<Instant> = None;
        while !foreign.is_empty() {
            if looked.is_none_or(|at| at.elapsed() >= LOOK) {
                let committed = self.log.committed(&self.group, &foreign)?;
                let behind = |(at, next): (&TopicPartition, &Option<Offset>)| {
                    next.unwrap_or_default() < self.flow.ends.get(at).copied().unwrap_or_default()
                };
                if !foreign.iter().zip(&committed).any(behind) {
                    return Ok(true);
                }
                if looked.is_none() {
                    let topics: BTreeSet<&str> = foreign.iter().map(|at| &*at.topic).collect();
                    let topics: Vec<String> = topics.iter().map(|t| format!("`{t}`")).collect();
                    tracing::info!("waits until other instances have read their part of {}", topics.join(", "));
                }
                looked = Some(Instant::now());
            }
            if self.stopping() || self.turn()? == Turn::Revoked {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Readers of what the tasks of a sub-topology merge.
    fn readers(&self, sub: u32) -> Result<Readers, Fault> {
        let mut cursors = Vec::new();
        for (route, r) in self.routes.iter().enumerate().filter(|(_, r)| r.sub == sub) {
            for wanted in &r.wanted {
                let mut wanted = wanted.clone();
                let start = self.flow.next.get(&wanted.at).copied().unwrap_or_default();
                wanted.next = wanted.next.max(start);
                let end = self.flow.ends.get(&wanted.at).copied().unwrap_or_default();
                cursors.push((route, Cursor::new(wanted, end)));
            }
        }
        Readers::new(&*self.log, cursors)
    }

    /// Offers what tasks that merge their inputs have room for; tells whether there was anything.
    pub(in crate::runtime) fn offer(&mut self) -> Result<bool, Fault> {
        let (mut readers, log) = (std::mem::take(&mut self.flow.readers), self.log.clone());
        let offered = readers.turn(&*log, self);
        self.flow.readers = readers;
        offered
    }
}

impl Taker for Intake {
    fn room(&self, route: usize) -> bool {
        Self::room(self, route)
    }

    fn give(&mut self, route: usize, offer: Offer) -> Result<(), Fault> {
        self.flow.dirty = true;
        if self.routes[route].to.blocking_send(Message::Offer(offer, Instant::now())).is_err() {
            return self.why();
        }
        Ok(())
    }
}
