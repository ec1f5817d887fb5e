//! What a task does at a barrier: it hands over its outputs, state changes, positions and progress.

use super::collector::{Collector, Release};
use super::{Task, TaskCommit};
use crate::metrics::{Latency, TaskProgress};
use crate::record::{Offset, TopicPartition};
use crate::runtime::fault::Fault;

/// How often a task that is at the end of a bounded run says so again, milliseconds. An instance that waits sends a
/// barrier every five seconds.
const END_REPORT_INTERVAL_MS: i64 = 4_000;

impl Task {
    /// Sends the watermark downstream only at the end of the inputs. A bounded run merges by event time, so a watermark
    /// takes effect only at the end; sending it to every partition at each barrier would dominate the cost.
    pub(in crate::runtime) fn send_watermark_at_end(&mut self) {
        self.watermark_at_end = true;
    }

    /// Whether the watermark has moved since it was sent, and if so whether all inputs are idle.
    fn watermark_to_send(&mut self) -> Option<bool> {
        // Downstream tasks wait for the rest of an unfinished round: its inputs do not count as idle.
        let current = (self.settled_time(), !self.is_unfinished() && self.time.idle());
        let moved = self.last_sent != Some(current);
        self.progress.watermark_unsent = moved && self.watermark_at_end && !self.at_end;
        if !moved || self.progress.watermark_unsent {
            return None;
        }
        self.last_sent = Some(current);
        Some(current.1)
    }

    /// The position to commit of each input. An input of which nothing was read has none, unless it had no
    /// committed position when the task was built.
    fn committed_offsets(&self) -> Vec<(TopicPartition, Offset)> {
        let known = |i: &usize| !self.absent[*i] && (self.start_chosen || self.progress.inputs[*i].next > 0);
        let inputs = (0..self.plan.inputs.len()).filter(known);
        inputs.map(|i| (self.partition_of(i), Offset(self.progress.inputs[i].next))).collect()
    }

    /// Moves positions past offsets that hold no record; where the partitions end there, all of it was processed.
    pub(in crate::runtime) fn advance_positions(
        &mut self,
        positions: &[(TopicPartition, Offset)],
        at_end: bool,
    ) -> &mut Self {
        self.at_end = at_end;
        for (at, offset) in positions.iter().filter(|_| at_end || self.ordered.is_none()) {
            let input = self.plan.inputs.iter().position(|i| *i.topic() == at.topic);
            for slot in input.into_iter().flat_map(|i| self.inputs[i].slots.clone()) {
                // An input of which nothing was read has no position yet.
                if self.next[slot] < offset.0 && (at_end || self.next[slot] > 0) {
                    self.next[slot] = offset.0;
                    self.dirty = true;
                }
            }
        }
        self
    }

    /// Notes that a bounded run is at its end here, which holds until this task is gone. Other instances wait for it,
    /// so it is committed even if nothing else has happened, and again from time to time for those that join later.
    fn update_end(&mut self, now: i64) {
        let (was, since) = (self.progress.ended, now.saturating_sub(self.progress.committed_at));
        self.progress.ended |= self.at_end && !self.is_unfinished();
        self.dirty |= self.progress.ended && (!was || since >= END_REPORT_INTERVAL_MS);
    }

    /// Hands over everything since the last barrier.
    ///
    /// # Errors
    /// Faults that are not those of single records.
    pub fn barrier(&mut self, now: i64, drain: bool) -> Result<TaskCommit, Fault> {
        let clock = self.clock(self.settled_time(), self.settled_time(), now, drain);
        let idle_if_changed = self.watermark_to_send();
        let mut dead = Vec::new();
        let mut changes = Vec::new();
        for (step, operator) in self.operators.iter_mut().enumerate() {
            let progress = &mut self.progress.steps[step];
            let outputs = Vec::new();
            let mut out = Collector {
                outputs,
                counters: &mut progress.counters,
                dead: &mut dead,
                outbox: &mut self.outbox,
                step,
                release: Release { max_rows: self.max_released_rows, more_due: false },
            };
            let changed = operator.barrier(&clock, idle_if_changed, &mut out)?;
            let size = operator.size();
            (progress.keys, progress.bytes) = (size.keys, size.bytes);
            progress.models = operator.models();
            if !changed.is_empty() {
                changes.push((progress.name.clone(), changed));
            }
        }
        for (progress, input) in self.progress.inputs.iter_mut().zip(&self.inputs) {
            let next = &self.next[input.slots.clone()];
            progress.next = next.iter().copied().min().unwrap_or(0);
            progress.senders = if next.iter().all(|n| *n == progress.next) { Vec::new() } else { next.to_vec() };
        }
        self.update_end(now);
        self.progress.watermark = self.time.clone();
        self.progress.unfinished = self.unfinished_round();
        let offsets = self.committed_offsets();
        let appends = self.outbox.take();
        // Output and state changes are committed even if only the passing of time caused them.
        let dirty = std::mem::take(&mut self.dirty) || !appends.is_empty() || !changes.is_empty();
        if dirty {
            self.progress.committed_at = now;
        }
        Ok(TaskCommit {
            task: self.id,
            offsets,
            appends,
            changes,
            progress: TaskProgress { latency: Latency::default(), ..self.progress.clone() },
            dirty,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::runtime::operators::build::fixture;

    #[test]
    fn the_end_of_a_bounded_run_is_committed_although_nothing_else_has_happened_since_the_last_commit() {
        let text = "name: p\nsource: {topic: in, schema: {a: bigint}}\nsteps:\n  - filter: a > 0\nsink: out\n";
        let (mut task, at) = (fixture::task_of(text), TopicPartition::new("in", 0));
        fixture::run(&mut task, 0, &[r#"{"a": 1}"#], 0);
        let mut barrier = |now, end: Option<i64>| {
            let positions: Vec<_> = end.map(|end| (at.clone(), Offset(end))).into_iter().collect();
            let commit = task.advance_positions(&positions, end.is_some()).barrier(now, false).unwrap();
            (commit.dirty, commit.progress.ended)
        };
        assert_eq!(barrier(0, None), (true, false), "a commit between the last record and the end");
        assert_eq!(barrier(1, Some(1)), (true, true));
        assert_eq!(barrier(2, None), (false, true), "a later stage goes on");
        assert_eq!(barrier(1 + END_REPORT_INTERVAL_MS, None), (true, true), "for those that have joined since");
        assert_eq!(barrier(2 + END_REPORT_INTERVAL_MS, None), (false, true));
    }
}
