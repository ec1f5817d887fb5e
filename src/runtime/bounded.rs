//! A bounded run: each sub-topology is read to its end before the next, and tasks that merge their inputs are
//! offered the least of all.
//!
//! Separate because a run without an end reads records as they come, and knows none of this.

use super::cursors::Cursor;
use super::fault::Fault;
use super::intake::{Flow, Intake, Reading, Turn};
use super::worker::Message;
use crate::log::{FetchLimit, Start};
use crate::record::{Offset, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

impl Intake {
    /// Sub-topology after sub-topology: what the one sends on, the next reads to its end.
    pub(super) fn to_the_end(&mut self, mut ends: BTreeMap<TopicPartition, Offset>) -> Result<(), Fault> {
        let subs: BTreeSet<u32> = self.routes.iter().map(|r| r.sub).collect();
        for sub in subs {
            let inputs: Vec<TopicPartition> =
                self.routes.iter().filter(|r| r.sub == sub).flat_map(|r| r.owned.clone()).collect();
            for at in &inputs {
                if !ends.contains_key(at) && self.flow.next.contains_key(at) {
                    ends.insert(at.clone(), self.log.resolve(at, Start::Latest)?);
                }
            }
            self.flow.cursors = self.cursors(sub, &ends)?;
            let merged: BTreeSet<TopicPartition> = self.flow.cursors.iter().map(|c| c.cursor.at().0.clone()).collect();
            let rest: Vec<_> = inputs.iter().filter(|at| !merged.contains(*at)).collect();
            let reached = |flow: &Flow| rest.iter().all(|at| flow.next.get(*at) >= ends.get(*at));
            while !(self.flow.held.is_empty() && self.flow.cursors.is_empty() && reached(&self.flow)) {
                if self.stopping() {
                    return self.settle(None);
                }
                if self.turn(Some(&ends))? == Turn::Revoked {
                    return self.settle(None);
                }
                // What is read last may not be the last offset: some hold no record.
                let positions = self.member.positions();
                self.flow.next.extend(positions.into_iter().filter(|(at, _)| !merged.contains(at)));
            }
            self.settle(Some(sub))?;
        }
        Ok(())
    }

    /// A cursor for each input that the tasks of a sub-topology merge.
    fn cursors(&self, sub: u32, ends: &BTreeMap<TopicPartition, Offset>) -> Result<Vec<Reading>, Fault> {
        let mut cursors = Vec::new();
        for (route, r) in self.routes.iter().enumerate().filter(|(_, r)| r.sub == sub) {
            for wanted in &r.wanted {
                let mut wanted = wanted.clone();
                let start = self.flow.next.get(&wanted.at).copied().unwrap_or_default();
                wanted.next = wanted.next.max(start);
                let end = ends.get(&wanted.at).copied().unwrap_or_default();
                let reader = self.log.reader(&[(wanted.at.clone(), wanted.next)])?;
                cursors.push(Reading { route, reader, cursor: Cursor::new(wanted, end) });
            }
        }
        Ok(cursors)
    }

    /// Offers what tasks that merge their inputs have room for; tells whether there was anything.
    pub(super) fn offer(&mut self) -> Result<bool, Fault> {
        let mut offered = false;
        let mut cursors = std::mem::take(&mut self.flow.cursors);
        for Reading { route, reader, cursor } in &mut cursors {
            if !self.room(*route) {
                continue;
            }
            let offer = cursor.offer(|_, from| {
                let fetched = reader.poll(FetchLimit::default(), Duration::ZERO)?;
                let position = reader.positions().first().map_or(from, |(_, at)| *at);
                Ok((fetched, position))
            })?;
            let Some(offer) = offer else { continue };
            offered = true;
            self.flow.dirty = true;
            if self.routes[*route].to.blocking_send(Message::Offer(offer, Instant::now())).is_err() {
                self.why()?;
            }
        }
        cursors.retain(|c| !c.cursor.ended());
        self.flow.cursors = cursors;
        Ok(offered)
    }
}
