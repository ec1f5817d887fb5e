//! What tasks have done between two of their progress records.

use super::{Counters, InputProgress, StepProgress, TaskProgress};
use std::collections::BTreeMap;

/// The counters of tasks over a while, by topic and by step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkDone {
    /// Records read, by topic of a source.
    pub read: BTreeMap<String, u64>,
    /// What became of records before the first step: `dead`, `filtered` and `copied`.
    pub undecoded: Counters,
    /// Steps and sinks by name, repartitions not included.
    pub steps: BTreeMap<String, Counters>,
    /// Records scored, by `NAME@VERSION`.
    pub models: BTreeMap<String, u64>,
    /// Rows that are on neither side of the ledger, over all tasks; anything but 0 is a fault of the program.
    pub remainder: i128,
}

impl WorkDone {
    /// Adds what a task has done since it was at `before`.
    pub fn add_task(&mut self, before: &TaskProgress, after: &TaskProgress) {
        for input in &after.inputs {
            let was = before.inputs.iter().find(|i| i.name == input.name && i.topic == input.topic);
            let since = |of: fn(&InputProgress) -> u64| of(input).saturating_sub(was.map_or(0, of));
            if !input.repartition {
                *self.read.entry(input.topic.clone()).or_default() += since(|i| i.read);
            }
            self.undecoded.dead += since(|i| i.dead);
            self.undecoded.filtered += since(|i| i.filtered);
            self.undecoded.copied += since(|i| i.copied);
        }
        for step in after.steps.iter().filter(|s| !s.repartition) {
            let was = before.steps.iter().find(|s| s.name == step.name).map(|s| s.counters).unwrap_or_default();
            *self.steps.entry(step.name.clone()).or_default() += step.counters.since(was);
        }
        for model in after.steps.iter().flat_map(|s| &s.models) {
            *self.models.entry(format!("{}@{}", model.name, model.version)).or_default() += model.usage;
        }
        self.remainder += (remainder(after) - remainder(before)).abs();
    }

    /// Records read from all sources.
    #[must_use]
    pub fn records_read(&self) -> u64 {
        self.read.values().sum()
    }

    /// The sum over everything that records go through.
    #[must_use]
    pub fn total(&self) -> Counters {
        let mut total = self.undecoded;
        self.steps.values().for_each(|step| total += *step);
        total
    }
}

/// What the inputs of a task brought in, less what became of it.
fn remainder(task: &TaskProgress) -> i128 {
    let count = |n: u64| i128::from(n);
    let read = |i: &InputProgress| count(i.read) + count(i.copied) - count(i.dead) - count(i.filtered);
    let kept = |s: &StepProgress| {
        let c = s.counters;
        count(c.created) + count(c.copied)
            - [c.filtered, c.late, c.dead, c.absorbed, c.written].map(count).iter().sum::<i128>()
    };
    let unbalanced: i128 = task.steps.iter().map(|s| s.counters.remainder().abs()).sum();
    let total = task.inputs.iter().map(read).sum::<i128>() + task.steps.iter().map(kept).sum::<i128>();
    if total == 0 { unbalanced } else { total }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::ModelUse;

    fn step(name: &str, counters: Counters) -> StepProgress {
        StepProgress { name: name.into(), counters, ..StepProgress::default() }
    }

    /// A task that has read some records: one in ten is dead, the others are filtered or written.
    fn task(read: u64) -> TaskProgress {
        let (dead, rest) = (read / 10, read - read / 10);
        let input = InputProgress { name: "raw".into(), topic: "wines".into(), read, dead, ..InputProgress::default() };
        let (filtered, written) = (rest / 2, rest - rest / 2);
        let filter = Counters { input: rest, output: written, filtered, ..Counters::default() };
        let sink = Counters { input: written, written, ..Counters::default() };
        let model = ModelUse { name: "m".into(), version: 3, usage: written, ..ModelUse::default() };
        let filter = StepProgress { models: vec![model], ..step("f", filter) };
        TaskProgress { inputs: vec![input], steps: vec![filter, step("sink:out", sink)], ..TaskProgress::default() }
    }

    #[test]
    fn only_what_came_since_the_first_record_counts() {
        let mut work = WorkDone::default();
        work.add_task(&task(100), &task(300));
        work.add_task(&TaskProgress::default(), &task(100));
        assert_eq!(work.read, BTreeMap::from([("wines".to_owned(), 300)]));
        let total = work.total();
        assert_eq!((total.dead, total.filtered, total.written, work.remainder), (30, 135, 135, 0));
        assert_eq!(work.steps["sink:out"].written, 135);
    }

    #[test]
    fn a_row_on_one_side_only_is_a_remainder() {
        let mut after = task(100);
        after.steps[1].counters.written -= 1;
        let mut work = WorkDone::default();
        work.add_task(&task(50), &after);
        assert_eq!(work.remainder, 1);
    }
}
