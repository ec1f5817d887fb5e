//! Runs a plan synchronously, on topics in memory and a clock that is set by hand.
//!
//! Separate from the runtime so that a pipeline can be tested without threads or a backplane: the same
//! tasks, the same barriers, the same restore. It can be stopped anywhere and go on from its last commit.

use crate::metrics::TaskProgress;
use crate::plan::{InputPlan, Op, Physical};
use crate::record::{Fetched, Offset, Records, TopicPartition};
use crate::runtime::fault::Fault;
use crate::runtime::operators::Samples;
use crate::runtime::operators::build;
use crate::runtime::operators::build::Partitions;
use crate::runtime::operators::build::{Surroundings, width};
use crate::runtime::operators::models::Models;
use crate::runtime::read::cursors::{Cursor, Shares};
use crate::runtime::task::{Task, TaskCommit, TaskId, Wanted};
use crate::time::{Clock, VirtualClock};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a driver cuts what it reads.
#[derive(Clone, Copy, Debug)]
pub struct DriverOptions {
    /// Most records in a batch.
    pub batch: usize,
    /// Batches between two commits.
    pub commit_every: usize,
    /// Whether a task's inputs are read as one sequence, as in a bounded run; else in turns.
    pub merge: bool,
}

/// What a task was given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fed {
    No,
    /// Nothing, but reading has gone on.
    Position,
    Batch,
}

/// A pipeline under the driver.
pub struct Driver {
    plan: Arc<Physical>,
    options: DriverOptions,
    clock: Arc<VirtualClock>,
    around: Surroundings,
    tasks: Vec<Task>,
    topics: BTreeMap<TopicPartition, Vec<Records>>,
    state: BTreeMap<(TaskId, String), BTreeMap<Vec<u8>, Vec<u8>>>,
    progress: BTreeMap<TaskId, TaskProgress>,
    next: BTreeMap<TopicPartition, usize>,
    batches: usize,
}

impl Driver {
    /// A pipeline whose sources have so many partitions; other topics follow from the plan.
    ///
    /// # Errors
    /// Where an operator cannot be made.
    pub fn new(
        plan: Arc<Physical>,
        sources: Partitions,
        now: i64,
        samples: Samples,
        options: DriverOptions,
    ) -> Result<Self, Fault> {
        let clock = Arc::new(VirtualClock::at(now));
        let mut partitions = sources;
        for sub in &plan.subs {
            for input in &sub.inputs {
                if let InputPlan::Repartition(r) = input {
                    let from = plan.subs.iter().find(|s| s.id == r.from);
                    let count = if r.single { 1 } else { from.map_or(1, |s| width(s, &partitions)) };
                    partitions.insert(r.topic.clone(), count);
                }
            }
            for node in &sub.nodes {
                if let Op::Sink(sink) = &node.op {
                    let count = sink.partitions.unwrap_or_else(|| width(sub, &partitions));
                    partitions.insert(sink.topic.clone(), count);
                }
            }
        }
        let models = Arc::new(Models::new(&plan, clock.clone(), false));
        let around = Surroundings { partitions, models, samples, custom: BTreeMap::new() };
        let mut driver = Self {
            plan,
            options,
            clock,
            around,
            tasks: Vec::new(),
            topics: BTreeMap::new(),
            state: BTreeMap::new(),
            progress: BTreeMap::new(),
            next: BTreeMap::new(),
            batches: 0,
        };
        driver.resume()?;
        Ok(driver)
    }

    /// The models that the pipeline scores with.
    #[must_use]
    pub fn models(&self) -> &Models {
        &self.around.models
    }

    /// Adds records to a source.
    pub fn feed(&mut self, to: TopicPartition, records: Records) {
        self.topics.entry(to).or_default().push(records);
    }

    /// Lets the wall clock pass.
    ///
    /// # Errors
    /// Faults that are not those of single records.
    pub fn pass_time(&mut self, to: i64) -> Result<(), Fault> {
        self.clock.set(to);
        self.tasks.iter_mut().try_for_each(|t| t.tick(to))
    }

    /// Forgets all that was not committed and goes on from there, as after a crash.
    ///
    /// # Errors
    /// Where what was committed does not fit.
    pub fn resume(&mut self) -> Result<(), Fault> {
        self.tasks.clear();
        self.next.clear();
        for sub in &self.plan.subs {
            let shared = Arc::new(sub.clone());
            for partition in 0..width(sub, &self.around.partitions) {
                let mut task = build::task(&self.plan, &shared, partition, &self.around)?;
                let id = task.id();
                if let Some(progress) = self.progress.get(&id) {
                    for input in &progress.inputs {
                        let at = TopicPartition::new(input.topic.as_str(), partition);
                        self.next.insert(at, usize::try_from(input.next).map_err(Fault::internal)?);
                    }
                    task.restore_progress(progress.clone())?;
                }
                for ((_, step), rows) in self.state.iter().filter(|((t, _), _)| *t == id) {
                    rows.iter().try_for_each(|(k, v)| task.restore_state(step, k, Some(v)))?;
                }
                self.tasks.push(task);
            }
        }
        Ok(())
    }

    /// Reads up to `batches` batches (all, where `None`), sub-topology after sub-topology, and with `drain`
    /// closes the windows of each at its end; tells whether the sources are at their end.
    ///
    /// # Errors
    /// Faults that are not those of single records.
    pub fn run(&mut self, batches: Option<usize>, drain: bool) -> Result<bool, Fault> {
        let mut left = batches.unwrap_or(usize::MAX);
        for sub in 0..self.plan.subs.len() {
            let tasks: Vec<usize> = (0..self.tasks.len()).filter(|t| self.tasks[*t].id().sub as usize == sub).collect();
            let mut cursors = self.cursors(&tasks)?;
            loop {
                let mut read = false;
                for task in &tasks {
                    let merged = cursors.contains_key(task);
                    let inputs = cursors.get(task).map_or(self.tasks[*task].partitions().len(), Vec::len);
                    for input in 0..inputs {
                        if left == 0 {
                            return Ok(false);
                        }
                        let fed = if merged {
                            self.offer(*task, cursors.get_mut(task).and_then(|c| c.get_mut(input)))?
                        } else {
                            self.feed_in_turn(*task, input)?
                        };
                        read |= fed != Fed::No;
                        if fed == Fed::Batch {
                            left -= 1;
                            self.batches += 1;
                            if self.batches.is_multiple_of(self.options.commit_every) {
                                self.commit(None)?;
                            }
                        }
                    }
                }
                if !read {
                    break;
                }
            }
            self.commit(None)?;
            if drain {
                let now = self.clock.now();
                tasks.iter().try_for_each(|t| self.tasks[*t].drain(now))?;
                self.commit(Some(sub))?;
            }
        }
        Ok(true)
    }

    /// The inputs of the tasks that merge them.
    fn cursors(&mut self, tasks: &[usize]) -> Result<BTreeMap<usize, Vec<Cursor>>, Fault> {
        let mut cursors = BTreeMap::new();
        for task in tasks.iter().filter(|_| self.options.merge) {
            let wanted = self.tasks[*task].merge_inputs();
            let cursor = |wanted: Wanted| {
                let held: usize = self.topics.get(&wanted.at).into_iter().flatten().map(Records::len).sum();
                Ok(Cursor::new(wanted, Offset(i64::try_from(held).map_err(Fault::internal)?)))
            };
            let of: Vec<Cursor> = wanted.into_iter().map(cursor).collect::<Result<_, Fault>>()?;
            if !of.is_empty() {
                cursors.insert(*task, of);
            }
        }
        Ok(cursors)
    }

    fn offer(&mut self, task: usize, cursor: Option<&mut Cursor>) -> Result<Fed, Fault> {
        let Some(cursor) = cursor else { return Ok(Fed::No) };
        let mut fed = Fed::No;
        if let Some(next) = cursor.next().filter(|_| !cursor.filled()) {
            if let Some(fetched) = self.read(cursor.at(), usize::try_from(next.0).map_err(Fault::internal)?) {
                cursor.take(&Shares::new(&fetched, cursor.senders()));
                fed = Fed::Position;
            }
        }
        let Some(offer) = cursor.offer() else { return Ok(fed) };
        fed = if offer.fetched.is_some() { Fed::Batch } else { Fed::Position };
        self.tasks[task].offer(offer, self.clock.now())?;
        Ok(fed)
    }

    fn feed_in_turn(&mut self, task: usize, input: usize) -> Result<Fed, Fault> {
        let at = self.tasks[task].partitions().swap_remove(input);
        let next = self.next.get(&at).copied().unwrap_or(0);
        let Some(fetched) = self.read(&at, next) else { return Ok(Fed::No) };
        self.next.insert(at, next + fetched.records.len());
        self.tasks[task].run(&fetched, self.clock.now())?;
        Ok(Fed::Batch)
    }

    /// The next records of a partition from a place on.
    fn read(&self, at: &TopicPartition, next: usize) -> Option<Fetched> {
        let mut skip = next;
        for records in self.topics.get(at)? {
            if skip >= records.len() {
                skip -= records.len();
                continue;
            }
            let rows = self.options.batch.min(records.len() - skip);
            let first = i64::try_from(next).ok()?;
            let offsets: Vec<i64> = (first..).take(rows).collect();
            let (origin, records) = (Arc::new(at.clone()), records.slice(skip, rows));
            return Some(Fetched { origin, offsets: offsets.into(), records });
        }
        None
    }

    fn commit(&mut self, draining: Option<usize>) -> Result<(), Fault> {
        let now = self.clock.now();
        for task in &mut self.tasks {
            let drain = draining == Some(task.id().sub as usize);
            let TaskCommit { task, appends, changes, progress, .. } = task.barrier(now, drain)?;
            for append in appends {
                self.topics.entry(append.to).or_default().push(append.records);
            }
            for (step, changes) in changes {
                let rows = self.state.entry((task, step)).or_default();
                for (key, value) in changes {
                    match value {
                        Some(value) => drop(rows.insert(key, value)),
                        None => drop(rows.remove(&key)),
                    }
                }
            }
            self.progress.insert(task, progress);
        }
        Ok(())
    }

    /// All records of a topic's partition, in order.
    #[must_use]
    pub fn output(&self, at: &TopicPartition) -> Option<Records> {
        let parts = self.topics.get(at).filter(|p| !p.is_empty())?;
        Some(Records::concat(parts.clone()))
    }

    /// The partitions that hold records.
    pub fn written(&self) -> impl Iterator<Item = &TopicPartition> {
        self.topics.keys()
    }

    /// Committed progress of every task.
    pub fn progress(&self) -> impl Iterator<Item = &TaskProgress> + Clone {
        self.progress.values()
    }
}
