//! What a run has committed so far, for those who watch it from outside: the command line shows it while the run goes
//! on and when it ends. Only commits are counted, and each once, also where the run goes back after a fault.

use super::dead_reasons::{DeadReason, DeadReasons};
use crate::log::Append;
use crate::metrics::{TaskProgress, WorkDone};
use crate::runtime::task::TaskId;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shared by a run, which fills it, and whoever shows it.
#[derive(Clone, Debug, Default)]
pub struct RunGauge(Arc<Mutex<CommittedWork>>);

/// The next offset to read of a partition of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePosition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The next offset.
    pub next: i64,
}

#[derive(Debug, Default)]
struct CommittedWork {
    /// Of assignments that are over.
    before: WorkDone,
    tasks: BTreeMap<TaskId, TaskSpan>,
    reasons: DeadReasons,
}

/// The progress of a task since it was assigned.
#[derive(Debug)]
struct TaskSpan {
    from: TaskProgress,
    to: Option<TaskProgress>,
    /// Of a commit that has failed; only the next start shows whether it has failed on the backplane too.
    attempted: Option<TaskProgress>,
}

impl TaskSpan {
    fn latest(&self) -> &TaskProgress {
        self.to.as_ref().unwrap_or(&self.from)
    }

    fn add_to(&self, work: &mut WorkDone) {
        if let Some(to) = &self.to {
            work.add_task(&self.from, to);
        }
    }
}

impl RunGauge {
    /// Everything that the run has committed.
    #[must_use]
    pub fn work(&self) -> WorkDone {
        let all = self.lock();
        let mut work = all.before.clone();
        all.tasks.values().for_each(|task| task.add_to(&mut work));
        work
    }

    /// Its dead letters, of which all are counted: cheaper than [`Self::work`].
    #[must_use]
    pub fn dead(&self) -> u64 {
        let dead = |task: &TaskProgress| {
            let (inputs, steps) = (task.inputs.iter().map(|i| i.dead), task.steps.iter().map(|s| s.counters.dead));
            inputs.chain(steps).sum::<u64>()
        };
        let all = self.lock();
        let now = all.tasks.values().map(|task| dead(task.latest()).saturating_sub(dead(&task.from)));
        all.before.total().dead + now.sum::<u64>()
    }

    /// The commonest error of its dead letters.
    #[must_use]
    pub fn commonest_error(&self) -> Option<DeadReason> {
        self.lock().reasons.commonest()
    }

    /// Where it stands in its sources, as far as it reads them now.
    #[must_use]
    pub fn positions(&self) -> Vec<SourcePosition> {
        let all = self.lock();
        let tasks = all.tasks.values().map(TaskSpan::latest);
        let inputs = tasks.flat_map(|task| task.inputs.iter().map(|input| (task.partition, input)));
        let of_sources = inputs.filter(|(_, input)| !input.repartition && input.left.is_none());
        let position = |(partition, input): (u32, &crate::metrics::InputProgress)| SourcePosition {
            topic: input.topic.clone(),
            partition,
            next: input.next,
        };
        of_sources.map(position).collect()
    }

    /// The keys that each step keeps now.
    #[must_use]
    pub fn keys(&self) -> BTreeMap<String, u64> {
        let mut keys = BTreeMap::new();
        for step in self.lock().tasks.values().flat_map(|task| &task.latest().steps).filter(|s| !s.left) {
            *keys.entry(step.name.clone()).or_default() += step.keys;
        }
        keys
    }

    /// Tasks begin where they were committed last; those before them are over.
    pub(in crate::runtime) fn begin(&self, tasks: impl Iterator<Item = (TaskId, TaskProgress)>) {
        let mut all = self.lock();
        let over = std::mem::take(&mut all.tasks);
        for (task, from) in tasks {
            all.tasks.insert(task, TaskSpan { from, to: None, attempted: None });
        }
        for (task, mut span) in over {
            if let (Some(attempted), Some(next)) = (span.attempted.take(), all.tasks.get(&task))
                && is_same(&attempted, &next.from)
            {
                span.to = Some(attempted);
            }
            span.add_to(&mut all.before);
        }
    }

    /// Counts what a commit has tried to write.
    pub(super) fn end_commit(&self, tasks: impl Iterator<Item = (TaskId, TaskProgress)>, committed: bool) {
        let mut all = self.lock();
        for (task, progress) in tasks {
            if let Some(span) = all.tasks.get_mut(&task) {
                match committed {
                    true => (span.to, span.attempted) = (Some(progress), None),
                    false => span.attempted = Some(progress),
                }
            }
        }
    }

    /// Counts dead letters that were written.
    pub(super) fn count_letters(&self, dead_topic: &str, written: &[Append]) {
        // A lock for each commit would be cheap, but this way a run without dead letters takes none.
        if written.iter().any(|append| *append.to.topic == *dead_topic) {
            self.lock().reasons.count(dead_topic, written);
        }
    }

    fn lock(&self) -> MutexGuard<'_, CommittedWork> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the counters and positions of two progress records of a task are the same.
fn is_same(a: &TaskProgress, b: &TaskProgress) -> bool {
    let counters = |task: &TaskProgress| task.steps.iter().map(|s| s.counters).collect::<Vec<_>>();
    a.inputs == b.inputs && counters(a) == counters(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::InputProgress;
    use crate::record::Partition;

    const TASK: TaskId = TaskId { sub: 0, partition: Partition(1) };

    fn at(read: u64) -> (TaskId, TaskProgress) {
        let next = i64::try_from(read).unwrap_or(0);
        let input = InputProgress { name: "a".into(), topic: "a".into(), read, next, dead: read, ..Default::default() };
        (TASK, TaskProgress { partition: 1, inputs: vec![input], ..TaskProgress::default() })
    }

    fn one(read: u64) -> impl Iterator<Item = (TaskId, TaskProgress)> {
        std::iter::once(at(read))
    }

    #[test]
    fn each_commit_counts_once_whatever_the_run_is_told_of_it() {
        let gauge = RunGauge::default();
        gauge.begin(one(100));
        assert_eq!(gauge.work(), WorkDone::default(), "what an earlier run has read");
        gauge.end_commit(one(110), true);
        gauge.end_commit(one(150), false);
        assert_eq!(gauge.work().records_read(), 10);
        // The backplane had committed it.
        gauge.begin(one(150));
        assert_eq!(gauge.work().records_read(), 50);
        gauge.end_commit(one(170), false);
        // It had not, and another instance has gone further meanwhile.
        gauge.begin(one(160));
        gauge.end_commit(one(165), true);
        assert_eq!((gauge.work().records_read(), gauge.work().remainder, gauge.dead()), (55, 0, 55));
        assert_eq!(gauge.positions(), [SourcePosition { topic: "a".into(), partition: 1, next: 165 }]);
    }
}
