//! The limit of state: state is never evicted to keep within it; the run stops before the commit that exceeds it.

use crate::runtime::fault::Fault;
use crate::runtime::task::{TaskCommit, TaskId};
use std::collections::BTreeMap;

/// The size of each step's state, by task.
#[derive(Default)]
pub(super) struct StateLimit {
    limit: Option<u64>,
    steps: BTreeMap<TaskId, Vec<StepSize>>,
}

struct StepSize {
    step: String,
    keys: u64,
    bytes: u64,
}

impl StateLimit {
    pub(super) fn new(limit: Option<u64>) -> Self {
        Self { limit, steps: BTreeMap::new() }
    }

    /// Updates the sizes of one task with those at its barrier.
    pub(super) fn update(&mut self, commit: &TaskCommit) {
        if self.limit.is_some() {
            let stateful = commit.progress.steps.iter().filter(|s| s.keys > 0);
            let sizes = stateful.map(|s| StepSize { step: s.name.clone(), keys: s.keys, bytes: s.bytes });
            self.steps.insert(commit.task, sizes.collect());
        }
    }

    /// Refuses state beyond the limit, and names the step that holds the most.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let Some(limit) = self.limit else { return Ok(()) };
        let total: u64 = self.steps.values().flatten().map(|s| s.bytes).sum();
        if total <= limit {
            return Ok(());
        }
        let mut by_step: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for StepSize { step, keys, bytes } in self.steps.values().flatten() {
            let sum = by_step.entry(step).or_default();
            *sum = (sum.0 + bytes, sum.1 + keys);
        }
        let (step, (bytes, keys)) = by_step.into_iter().max_by_key(|(_, size)| *size).unwrap_or_default();
        Err(Fault::Fatal(format!(
            "state has grown to {total} bytes, beyond `state.memory_limit` of {limit}: `{step}` holds {keys} keys in {bytes} bytes\nhint: raise the limit, or keep fewer keys (shorter windows, less `grace`, coarser `by`); what was committed is safe"
        )))
    }
}
