//! What a task does at a barrier: it hands over its outputs, state changes, positions and progress.

use super::collector::{Collector, Release};
use super::{Task, TaskCommit};
use crate::metrics::{Latency, TaskProgress};
use crate::plan::InputPlan;
use crate::record::{Offset, TopicPartition};
use crate::runtime::fault::Fault;

/// How often a task that is at the end of a bounded run says so again, milliseconds. An instance that waits sends a
/// barrier every five seconds.
const END_REPORT_INTERVAL_MS: i64 = 4_000;

/// How often a task commits that only its positions or its watermark have moved, milliseconds. A task behind a
/// repartition hears of a watermark at each barrier, and each record of progress is read by `stats` and by restarts.
const MOVE_COMMIT_INTERVAL_MS: i64 = 1_000;

impl Task {
    /// Commits at the next barrier that positions have moved, as no later one will.
    pub(in crate::runtime) fn flush_moves(&mut self) {
        self.dirty |= self.moved;
    }

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
            let Some(input) = self.plan.inputs.iter().position(|i| *i.topic() == at.topic) else { continue };
            for slot in self.inputs[input].slots.clone() {
                // An input of which nothing was read has no position yet.
                if self.next[slot] < offset.0 && (at_end || self.next[slot] > 0) {
                    self.next[slot] = offset.0;
                    self.moved = true;
                    self.dirty |= at_end || matches!(self.plan.inputs[input], InputPlan::Source(_));
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
        let moved = self.moved && now.saturating_sub(self.progress.committed_at) >= MOVE_COMMIT_INTERVAL_MS;
        // Output and state changes are committed even if only the passing of time caused them.
        let dirty = std::mem::take(&mut self.dirty) || !appends.is_empty() || !changes.is_empty() || moved;
        if dirty {
            (self.progress.committed_at, self.moved) = (now, false);
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
    use crate::log::Append;
    use crate::record::Fetched;
    use crate::runtime::operators::build::fixture;
    use std::sync::Arc;

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

    #[test]
    fn a_watermark_alone_is_not_committed_each_time() {
        let text = "name: p
source: {topic: in, schema: {k: string, v: bigint, ts: timestamp}, timestamp: ts}
steps:
  - filter: v > 0
  - {name: counted, window: {tumbling: 1h, by: [k], select: {n: count(*)}}}
sink: out
";
        let (mut sender, mut task) = (fixture::task_of(text), fixture::task_of_sub(text, 1));
        let (mut sent, mut next) = (0, 0);
        let mut feed = |task: &mut Task, value: &str| {
            fixture::run(&mut sender, sent, &[value], 0);
            sent += 1;
            let mut appends = sender.barrier(0, false).unwrap().appends;
            let Append { to, records } = appends.pop().unwrap();
            assert!(appends.is_empty(), "{appends:?}");
            let offsets = (next..).take(records.len()).collect();
            next += i64::try_from(records.len()).unwrap();
            task.run(&Fetched { origin: Arc::new(to), offsets, records }, 0, &mut |_| Ok(())).unwrap();
        };
        feed(&mut task, r#"{"k": "a", "v": 1, "ts": 1}"#);
        assert!(task.barrier(5_000, false).unwrap().dirty, "a row");
        feed(&mut task, r#"{"k": "a", "v": 0, "ts": 2}"#);
        assert!(!task.barrier(5_999, false).unwrap().dirty, "a watermark");
        let later = task.barrier(6_000, false).unwrap();
        assert_eq!((later.dirty, later.progress.watermark.now()), (true, 2), "a second after the last commit");
        assert!(!task.barrier(8_000, false).unwrap().dirty, "nothing");
        feed(&mut task, r#"{"k": "a", "v": 0, "ts": 3}"#);
        task.flush_moves();
        assert!(task.barrier(6_001, false).unwrap().dirty, "a watermark, and no later commit");
        feed(&mut task, r#"{"k": "a", "v": 0, "ts": 3600000}"#);
        assert!(task.dirty(), "a watermark that releases a result");
    }
}
