//! Restores the progress, positions and state of a task before its first record, and returns its state after the last.

use super::Task;
use crate::metrics::TaskProgress;
use crate::record::{Offset, TopicPartition};
use crate::runtime::Fault;
use crate::state::StateEntries;

impl Task {
    /// Restores the progress that was committed last: that of its inputs and steps, in their order, and behind them
    /// that of earlier plans.
    ///
    /// # Errors
    /// The progress is that of another plan.
    pub fn restore_progress(&mut self, progress: TaskProgress) -> Result<(), Fault> {
        if progress.watermark.inputs.len() != self.time.inputs.len() {
            let (was, is) = (progress.watermark.inputs.len(), self.time.inputs.len());
            return Err(Fault::Fatal(format!(
                "task {} was committed with {was} input partitions and has {is} now; start over with `--from earliest`",
                self.id
            )));
        }
        self.time = progress.watermark.clone();
        if let Some(round) = progress.unfinished {
            self.restore_unfinished(round);
        }
        self.last_sent = (!progress.watermark_unsent).then(|| (self.settled_time(), self.time.idle()));
        for (input, own) in progress.inputs.iter().zip(&self.inputs) {
            for (sender, slot) in own.slots.clone().enumerate() {
                self.next[slot] = input.senders.get(sender).copied().unwrap_or(input.next);
            }
        }
        self.progress.inputs = progress.inputs;
        self.progress.steps = progress.steps;
        Ok(())
    }

    /// Restores one change of the state of a step.
    ///
    /// # Errors
    /// The step keeps no state of that form.
    pub fn restore_state(&mut self, step: &str, key: &[u8], value: Option<&[u8]>) -> Result<(), Fault> {
        let node = self.plan.nodes.iter().position(|n| n.name == step);
        node.map_or(Ok(()), |n| self.operators[n].restore(key, value))
    }

    /// Returns the state of each step that supports it, as of the last barrier.
    pub(in crate::runtime) fn take_state(&mut self) -> Vec<(String, StateEntries)> {
        let steps = self.plan.nodes.iter().zip(&mut self.operators);
        steps.filter_map(|(node, operator)| Some((node.name.clone(), operator.take_state()?))).collect()
    }

    /// The number of keys in the state of each step.
    pub(in crate::runtime) fn keys(&self) -> impl Iterator<Item = (&str, u64)> {
        self.plan.nodes.iter().zip(&self.operators).map(|(node, operator)| (node.name.as_str(), operator.size().keys))
    }

    /// Sets the position of an input that has none, so that it has one even if no record arrives.
    pub(in crate::runtime) fn start_at(&mut self, at: &TopicPartition, offset: Offset) {
        self.seek(at, offset);
        self.commit_start();
    }

    /// Lets the next commit carry its positions, even if no record arrives.
    pub(in crate::runtime) fn commit_start(&mut self) {
        (self.start_chosen, self.dirty) = (true, true);
    }

    /// Continues at the oldest record of an input, because retention has removed the records from `from` on. Counts the
    /// lost offsets and returns their number.
    pub(in crate::runtime) fn skip_lost(&mut self, at: &TopicPartition, from: Offset, oldest: Offset) -> u64 {
        self.seek(at, oldest);
        self.dirty = true;
        let Some(input) = self.progress.inputs.iter_mut().find(|i| *i.topic == *at.topic) else { return 0 };
        let lost = u64::try_from(oldest.0 - from.0).unwrap_or(0);
        input.lost += lost;
        lost
    }

    /// Overrides the position of an input.
    pub(in crate::runtime) fn seek(&mut self, at: &TopicPartition, offset: Offset) {
        let input = self.plan.inputs.iter().position(|i| *i.topic() == at.topic);
        for slot in input.into_iter().flat_map(|i| self.inputs[i].slots.clone()) {
            self.next[slot] = offset.0;
        }
    }
}
