//! The committed progress of a task of this plan, found by the names of its inputs and steps in what tasks of any plan
//! have committed: an edited pipeline may give an input or a step to a task of another number.
//!
//! Counters stay with the record that has counted them, under the name of their input or step, so that no edit counts
//! a row twice or not at all.

use crate::metrics::{InputProgress, LeftInput, Reports, StepProgress, TaskProgress};
use crate::runtime::task::Task;
use crate::time::{PartitionWatermark, TaskWatermark};
use std::collections::BTreeMap;

/// Something of each partition, by name.
type ByName<'a, T> = BTreeMap<&'a str, BTreeMap<u32, T>>;

/// Everything that was committed.
pub(super) struct Recorded<'a> {
    tasks: &'a BTreeMap<String, TaskProgress>,
    inputs: ByName<'a, RecordedInput<'a>>,
    /// By the names under which their states are kept.
    steps: ByName<'a, &'a StepProgress>,
}

/// One partition of an input, as the task that read it last has committed it.
struct RecordedInput<'a> {
    task: &'a TaskProgress,
    input: &'a InputProgress,
    watermarks: &'a [PartitionWatermark],
    at: Option<i64>,
}

impl RecordedInput<'_> {
    /// A task that reads an input knows more than one that has left it, and of two the later one.
    fn rank(&self) -> (bool, i64) {
        (self.input.left.is_none(), self.task.committed_at)
    }
}

impl<'a> Recorded<'a> {
    pub(super) fn new(reports: &'a Reports) -> Self {
        let (mut inputs, mut steps) = (ByName::new(), ByName::new());
        for task in reports.tasks.values() {
            let mut slot = 0;
            for input in &task.inputs {
                let (watermarks, at) = match &input.left {
                    Some(LeftInput { watermarks, at }) => (watermarks.as_slice(), *at),
                    None => {
                        let all = task.watermark.inputs.len();
                        let own = slot.min(all)..(slot + input.slots.max(1)).min(all);
                        slot = own.end;
                        (&task.watermark.inputs[own], task.watermark.at)
                    }
                };
                let found = RecordedInput { task, input, watermarks, at };
                let of_input: &mut BTreeMap<u32, RecordedInput<'_>> = inputs.entry(input.name.as_str()).or_default();
                if of_input.get(&task.partition).is_none_or(|known| known.rank() < found.rank()) {
                    of_input.insert(task.partition, found);
                }
            }
            for step in task.steps.iter().filter(|s| !s.left) {
                let of_step: &mut BTreeMap<u32, &StepProgress> = steps.entry(step.state_name()).or_default();
                of_step.insert(task.partition, step);
            }
        }
        Self { tasks: &reports.tasks, inputs, steps }
    }

    /// What a task goes on from; `None` where nothing was committed of it.
    pub(super) fn progress_of(&self, task: &Task) -> Option<TaskProgress> {
        let (id, fresh) = (task.id(), task.progress());
        let own = self.tasks.get(&id.to_string());
        let recorded: Vec<_> = fresh.inputs.iter().map(|input| self.input(&input.name, fresh.partition)).collect();
        if own.is_none() && recorded.iter().all(Option::is_none) {
            return None;
        }
        let default = TaskProgress { sub: id.sub, partition: id.partition.0, ..TaskProgress::default() };
        let mut progress = own.cloned().unwrap_or(default);
        let (mut inputs, mut watermarks, mut at) = (Vec::new(), Vec::new(), None::<i64>);
        for (input, recorded) in fresh.inputs.iter().zip(&recorded) {
            let counted = own.and_then(|own| own.inputs.iter().find(|i| i.name == input.name));
            let (recorded, of_input) = match recorded {
                Some(r) => {
                    at = at.max(r.at);
                    (r.input, r.watermarks.to_vec())
                }
                None => (input, vec![PartitionWatermark::default(); input.slots]),
            };
            inputs.push(with_counters(InputProgress { left: None, ..recorded.clone() }, counted));
            watermarks.extend(of_input);
        }
        let is_own = |r: &&RecordedInput<'_>| own.is_some_and(|own| std::ptr::eq(own, r.task));
        if !recorded.iter().all(|r| r.as_ref().is_some_and(is_own)) {
            // The round was one over other inputs.
            progress.unfinished = None;
        }
        let left_inputs = own.map(|own| self.left_inputs(own, fresh)).unwrap_or_default();
        let (steps, left_steps) = self.steps(own, fresh);
        progress.inputs = inputs.into_iter().chain(left_inputs).collect();
        progress.steps = steps.into_iter().chain(left_steps).collect();
        progress.watermark = TaskWatermark::new(0);
        (progress.watermark.at, progress.watermark.inputs) = (at, watermarks);
        Some(progress)
    }

    fn step(&self, state: &str, partition: u32) -> Option<&StepProgress> {
        self.steps.get(state)?.get(&partition).copied()
    }

    fn input(&self, name: &str, partition: u32) -> Option<&RecordedInput<'a>> {
        self.inputs.get(name)?.get(&partition)
    }

    /// The inputs of a record that this task does not read.
    fn left_inputs(&self, own: &TaskProgress, fresh: &TaskProgress) -> Vec<InputProgress> {
        let is_left = |i: &&InputProgress| fresh.inputs.iter().all(|f| f.name != i.name);
        let left = own.inputs.iter().filter(is_left).map(|input| {
            let mut slot = 0;
            let before = own.inputs.iter().take_while(|i| i.name != input.name).filter(|i| i.left.is_none());
            before.for_each(|i| slot += i.slots.max(1));
            let watermarks = || own.watermark.inputs.iter().skip(slot).take(input.slots.max(1)).copied().collect();
            let left =
                input.left.clone().unwrap_or_else(|| LeftInput { watermarks: watermarks(), at: own.watermark.at });
            InputProgress { left: Some(left), ..input.clone() }
        });
        left.collect()
    }

    /// The steps of a task, and those of its record that it does not run.
    fn steps(&self, own: Option<&TaskProgress>, fresh: &TaskProgress) -> (Vec<StepProgress>, Vec<StepProgress>) {
        let step = |step: &StepProgress| {
            let counted = own.and_then(|own| own.steps.iter().find(|s| s.name == step.name));
            let recorded = self.step(step.state_name(), fresh.partition);
            StepProgress {
                counters: counted.map(|s| s.counters).unwrap_or_default(),
                keys: recorded.map_or(0, |s| s.keys),
                bytes: recorded.map_or(0, |s| s.bytes),
                ..step.clone()
            }
        };
        let is_left = |s: &&StepProgress| fresh.steps.iter().all(|f| f.name != s.name);
        let left = own.into_iter().flat_map(|own| &own.steps).filter(is_left);
        let left = left.map(|s| StepProgress { left: true, models: Vec::new(), ..s.clone() });
        (fresh.steps.iter().map(step).collect(), left.collect())
    }
}

/// An input with the counters of the record that it goes on in.
fn with_counters(input: InputProgress, counted: Option<&InputProgress>) -> InputProgress {
    let InputProgress { read, dead, filtered, copied, lost, .. } = counted.cloned().unwrap_or_default();
    InputProgress { read, dead, filtered, copied, lost, ..input }
}
