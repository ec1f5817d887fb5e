//! Runs a plan synchronously, over a log in memory and a clock that is set by hand.
//!
//! This tests a pipeline without threads or a backplane. Tasks, barriers, commits and recovery are those of a real run.
//! The driver replaces the intake: it decides which batch is read next. It can be stopped anywhere and continues from
//! its last commit.

use super::cancel::CancelToken;
use super::commit::commits::{CommitContext, Commits, Handover};
use super::commit::instance_record::InstanceRecord;
use super::commit::run_gauge::RunGauge;
use super::commit::trimming::{TrimPoints, Trimming};
use super::fault::Fault;
use super::group::topics;
use super::operators::SampleHandler;
use super::operators::build::Surroundings;
use super::operators::models::Models;
use super::read::cursors::{BySender, InputCursor};
use super::read::progress::reports;
use super::recovery::changelogs::RestoreGauge;
use super::recovery::lost_input::LostInput;
use super::recovery::rebuild::{AssignedPartitions, Rebuild, Rebuilt};
use super::recovery::state_copies::StateCopies;
use super::task::{MergeInput, Task};
use crate::log::memory::MemoryLog;
use crate::log::{Append, FetchLimit, GroupEvent, GroupSpec, Log, Member, Reader, RecordLimits, Start, TopicConfig};
use crate::metrics::{PipelineInfo, TaskProgress};
use crate::plan::{PartitionCounts, Physical};
use crate::record::{Fetched, Offset, Records, TopicPartition};
use crate::spec::TopicCreation;
use crate::time::{Clock, VirtualClock};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// How a driver divides its input into batches and commits.
#[derive(Clone, Copy, Debug, Default)]
pub struct DriverOptions {
    /// Most records in a batch.
    pub batch: usize,
    /// Batches between two commits.
    pub commit_every: usize,
    /// Merge a task's inputs by event time, as a bounded run does; else read them round robin.
    pub merge: bool,
    /// Rows that a step may release by time alone in one round; there is a commit between two parts of a round.
    pub max_released_rows: Option<usize>,
}

/// The input of a task in one step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fed {
    Nothing,
    /// No records, but a position has advanced.
    Position,
    Batch,
}

/// A pipeline under the driver.
pub struct Driver {
    plan: Arc<Physical>,
    options: DriverOptions,
    clock: Arc<VirtualClock>,
    log: MemoryLog,
    surroundings: Surroundings,
    /// `None` only while the driver resumes: a group has one member at a time.
    running: Option<Running>,
    /// The partitions of sources, outputs and dead letters that hold records.
    written: BTreeSet<TopicPartition>,
    batches: usize,
}

/// The part that does not survive a crash.
struct Running {
    _member: Box<dyn Member>,
    committing: Committing,
    trim_points: Receiver<TrimPoints>,
    tasks: Vec<Task>,
    readers: BTreeMap<TopicPartition, Box<dyn Reader>>,
}

/// Commits what tasks hand over.
struct Committing {
    commits: Commits,
    /// The partitions that were written since the last commit of all tasks.
    written: Vec<TopicPartition>,
    /// How many parts of rounds are committed before the driver stops in the middle of a round.
    parts_left: usize,
}

impl Committing {
    /// Commits a part of a round.
    fn commit_part(&mut self, task: &mut Task, now: i64) -> Result<(), Fault> {
        let commit = task.barrier(now, false)?;
        self.commit(vec![(commit, Vec::new())])?;
        self.parts_left = self.parts_left.saturating_sub(1);
        if self.parts_left == 0 { Err(Fault::Stopped) } else { Ok(()) }
    }

    fn commit(&mut self, handed_over: Vec<Handover>) -> Result<(), Fault> {
        let written = handed_over.iter().flat_map(|(commit, _)| commit.appends.iter().map(|a| a.to.clone()));
        self.written.extend(written);
        self.commits.end_epoch(handed_over, true)
    }
}

impl Driver {
    /// A pipeline whose sources have these numbers of partitions; other topics follow from the plan.
    ///
    /// # Errors
    /// Where the topics do not fit together, or an operator cannot be made.
    pub fn new(
        plan: Arc<Physical>,
        sources: PartitionCounts,
        now: i64,
        samples: SampleHandler,
        options: DriverOptions,
    ) -> Result<Self, Fault> {
        let log = MemoryLog::default();
        for (topic, partitions) in sources {
            log.create_topic(&topic, &TopicConfig { partitions, ..TopicConfig::default() })?;
        }
        Self::over(log, plan, now, samples, options)
    }

    /// A pipeline over a log that has the topics of its sources.
    ///
    /// # Errors
    /// Where the topics do not fit together, or an operator cannot be made.
    pub fn over(
        log: MemoryLog,
        plan: Arc<Physical>,
        now: i64,
        samples: SampleHandler,
        options: DriverOptions,
    ) -> Result<Self, Fault> {
        // What the file says about topics of Kafka does not hold here.
        let plan = Arc::new(Physical { topics: TopicCreation::default(), ..Arc::unwrap_or_clone(plan) });
        let (clock, cancel) = (Arc::new(VirtualClock::at(now)), CancelToken::default());
        let layout = Arc::new(topics::prepare(&plan, &log, &cancel)?);
        let models = Arc::new(Models::new(&plan, clock.clone(), false));
        let limits = RecordLimits::load(&log, layout.partitions().keys())?;
        let surroundings = Surroundings { layout, limits, models, cancel, samples, custom: BTreeMap::new() };
        let (running, written) = (None, BTreeSet::new());
        let mut driver = Self { plan, options, clock, log, surroundings, running, written, batches: 0 };
        driver.resume()?;
        Ok(driver)
    }

    /// The models that the pipeline scores with.
    #[must_use]
    pub fn models(&self) -> &Models {
        &self.surroundings.models
    }

    /// Adds records to a source.
    ///
    /// # Errors
    /// Where there is no such partition.
    pub fn feed(&mut self, to: TopicPartition, records: Records) -> Result<(), Fault> {
        self.written.insert(to.clone());
        self.log.appender()?.append(&[Append { to, records }])?;
        Ok(())
    }

    /// Sets the wall clock and lets the tasks act on it.
    ///
    /// # Errors
    /// Faults that are not those of single records.
    pub fn pass_time(&mut self, to: i64) -> Result<(), Fault> {
        self.clock.set(to);
        let Running { tasks, committing, .. } = self.running()?;
        tasks.iter_mut().try_for_each(|t| t.tick(to, &mut |task| committing.commit_part(task, to)))
    }

    /// Forgets what was not committed and continues from the last commit, as after a crash.
    ///
    /// # Errors
    /// Where what was committed does not fit.
    pub fn resume(&mut self) -> Result<(), Fault> {
        self.written.extend(self.running.take().into_iter().flat_map(|running| running.committing.written));
        let (plan, now) = (&self.plan, self.clock.now());
        let topics = plan.subs.iter().flat_map(|s| &s.inputs).map(|i| i.topic().clone()).collect();
        let (group, instance, delivery) = (plan.name.clone(), "driver".to_owned(), plan.delivery);
        let mut member = self.log.join(&GroupSpec { group, topics, instance, delivery })?;
        let assigned: AssignedPartitions = match member.poll(FetchLimit::default(), Duration::ZERO)? {
            GroupEvent::Assigned(assigned) => assigned.into_iter().collect(),
            event => return Err(Fault::internal(format!("{event:?} where partitions are assigned"))),
        };
        let (copies, gauge) = (StateCopies::new(None), RestoreGauge::default());
        let (surroundings, cancel) = (&self.surroundings, &self.surroundings.cancel);
        let lost_input = LostInput::Stop;
        let rebuild = Rebuild {
            plan,
            log: &self.log,
            surroundings,
            copies: &copies,
            gauge: &gauge,
            cancel,
            now,
            lost_input,
            from_record: false,
        };
        let start = |at: &TopicPartition| Ok(self.log.resolve(at, Start::Earliest)?);
        let Rebuilt { mut tasks, starts, changelogs, expired_instances, states, .. } =
            rebuild.run(&assigned, &start)?;
        if let Some(rows) = self.options.max_released_rows {
            tasks.iter_mut().for_each(|task| task.set_max_released_rows(rows));
        }
        let mut readers = BTreeMap::new();
        for (at, offset) in starts {
            readers.insert(at.clone(), self.log.reader(&[(at, offset)])?);
        }
        let (trimming, trim_points) = Trimming::new();
        let commits = Commits::new(CommitContext {
            plan: plan.clone(),
            limits: surroundings.limits.clone(),
            committer: member.committer()?,
            clock: self.clock.clone(),
            info: PipelineInfo { name: plan.name.clone(), instance: "driver".into(), ..PipelineInfo::default() },
            instance: InstanceRecord::new(tasks.iter().map(Task::id), expired_instances),
            states,
            gauges: Arc::default(),
            trimming,
            changelogs,
            cancel: cancel.clone(),
            has_failed: Arc::default(),
            work: RunGauge::default(),
        });
        let committing = Committing { commits, written: Vec::new(), parts_left: usize::MAX };
        self.running = Some(Running { _member: member, committing, trim_points, tasks, readers });
        Ok(())
    }

    fn running(&mut self) -> Result<&mut Running, Fault> {
        self.running.as_mut().ok_or_else(|| Fault::internal("the driver could not be resumed"))
    }

    /// Reads up to `batches` batches (all if `None`), sub-topology after sub-topology, and with `drain` closes the
    /// windows of each at its end. Returns whether the sources are at their end. It also stops after `batches` parts
    /// of rounds; then it must be resumed.
    ///
    /// # Errors
    /// Faults that are not those of single records.
    pub fn run(&mut self, batches: Option<usize>, drain: bool) -> Result<bool, Fault> {
        let left = batches.unwrap_or(usize::MAX);
        self.running()?.committing.parts_left = left;
        let ended = self.run_batches(left, drain);
        self.running()?.committing.parts_left = usize::MAX;
        match ended {
            Err(Fault::Stopped) if batches.is_some() => Ok(false),
            ended => ended,
        }
    }

    fn run_batches(&mut self, mut left: usize, drain: bool) -> Result<bool, Fault> {
        for sub in 0..self.plan.subs.len() {
            let tasks = self.running()?.tasks.iter().enumerate().filter(|(_, t)| t.id().sub as usize == sub);
            let tasks: Vec<usize> = tasks.map(|(i, _)| i).collect();
            let (mut cursors, mut read) = (self.cursors(&tasks)?, true);
            while read {
                read = false;
                for task in &tasks {
                    let merged = cursors.contains_key(task);
                    let inputs = cursors.get(task).map_or(self.running()?.tasks[*task].partitions().len(), Vec::len);
                    for input in 0..inputs {
                        if left == 0 {
                            return Ok(false);
                        }
                        let fed = if merged {
                            self.offer(*task, cursors.get_mut(task).and_then(|c| c.get_mut(input)))?
                        } else {
                            self.feed_round_robin(*task, input)?
                        };
                        read |= fed != Fed::Nothing;
                        if fed == Fed::Batch {
                            left -= 1;
                            self.batches += 1;
                            if self.batches.is_multiple_of(self.options.commit_every) {
                                self.commit(None)?;
                            }
                        }
                    }
                }
            }
            self.commit(None)?;
            if drain {
                let now = self.clock.now();
                let Running { tasks: all, committing, .. } = self.running()?;
                let mut hand_over = |task: &mut Task| committing.commit_part(task, now);
                tasks.iter().try_for_each(|t| all[*t].drain(now, &mut hand_over))?;
                self.commit(Some(sub))?;
            }
        }
        Ok(true)
    }

    /// The inputs of the tasks that merge them.
    fn cursors(&mut self, tasks: &[usize]) -> Result<BTreeMap<usize, Vec<InputCursor>>, Fault> {
        let mut cursors = BTreeMap::new();
        let tasks = if self.options.merge { tasks } else { &[] };
        for task in tasks {
            let merged = self.running()?.tasks[*task].merge_inputs();
            let cursor = |input: MergeInput| {
                let end = self.log.resolve(&input.at, Start::Latest)?;
                Ok(InputCursor::new(input, end))
            };
            let of: Vec<InputCursor> = merged.into_iter().map(cursor).collect::<Result<_, Fault>>()?;
            if !of.is_empty() {
                cursors.insert(*task, of);
            }
        }
        Ok(cursors)
    }

    fn offer(&mut self, task: usize, cursor: Option<&mut InputCursor>) -> Result<Fed, Fault> {
        let Some(cursor) = cursor else { return Ok(Fed::Nothing) };
        let mut fed = Fed::Nothing;
        if let Some(next) = cursor.next().filter(|_| !cursor.has_full_offer()) {
            let mut reader = self.log.reader(&[(cursor.at().clone(), next)])?;
            if let Some(fetched) = self.poll(reader.as_mut())? {
                cursor.take(&BySender::new(&fetched, cursor.senders()));
                fed = Fed::Position;
            }
        }
        let Some(offered) = cursor.offer() else { return Ok(fed) };
        fed = if offered.fetched.is_some() { Fed::Batch } else { Fed::Position };
        let now = self.clock.now();
        let Running { tasks, committing, .. } = self.running()?;
        tasks[task].offer(vec![offered], now, &mut |task| committing.commit_part(task, now))?;
        Ok(fed)
    }

    fn feed_round_robin(&mut self, task: usize, input: usize) -> Result<Fed, Fault> {
        let now = self.clock.now();
        let limit = self.limit();
        let running = self.running()?;
        let at = running.tasks[task].partitions().swap_remove(input);
        let Some(reader) = running.readers.get_mut(&at) else { return Ok(Fed::Nothing) };
        let Some(fetched) = reader.poll(limit, Duration::ZERO)? else { return Ok(Fed::Nothing) };
        let Running { tasks, committing, .. } = running;
        tasks[task].run(&fetched, now, &mut |task| committing.commit_part(task, now))?;
        Ok(Fed::Batch)
    }

    fn limit(&self) -> FetchLimit {
        FetchLimit { records: self.options.batch, bytes: usize::MAX }
    }

    fn poll(&self, reader: &mut dyn Reader) -> Result<Option<Fetched>, Fault> {
        Ok(reader.poll(self.limit(), Duration::ZERO)?)
    }

    fn commit(&mut self, draining: Option<usize>) -> Result<(), Fault> {
        let now = self.clock.now();
        let Running { tasks, committing, trim_points, .. } = self.running()?;
        let mut handed_over = Vec::new();
        for task in tasks {
            let drain = draining == Some(task.id().sub as usize);
            task.resume(now, &mut |task| committing.commit_part(task, now))?;
            handed_over.push((task.barrier(now, drain)?, Vec::new()));
        }
        committing.commit(handed_over)?;
        let trim: Vec<(TopicPartition, Offset)> = trim_points.try_iter().flatten().collect();
        Ok(self.log.delete_records(&trim)?)
    }

    /// All records of a topic's partition, in order.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn output(&self, at: &TopicPartition) -> Result<Option<Records>, Fault> {
        if !self.written().contains(at) {
            return Ok(None);
        }
        let from = self.log.resolve(at, Start::Earliest)?;
        let mut reader = self.log.reader(&[(at.clone(), from)])?;
        let (mut parts, all) = (Vec::new(), FetchLimit { records: usize::MAX, bytes: usize::MAX });
        while let Some(fetched) = reader.poll(all, Duration::ZERO)? {
            parts.push(fetched.records);
        }
        Ok((!parts.is_empty()).then(|| Records::concat(parts)))
    }

    /// The partitions of sources, outputs and dead letters that hold records.
    #[must_use]
    pub fn written(&self) -> BTreeSet<TopicPartition> {
        let running = self.running.iter().flat_map(|running| &running.committing.written);
        self.written.iter().chain(running).cloned().collect()
    }

    /// The committed progress of every task.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn progress(&self) -> Result<Vec<TaskProgress>, Fault> {
        let reports = reports(&self.log, &self.plan.name, &self.surroundings.cancel)?;
        Ok(reports.tasks.into_values().collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::diagnostics::SourceText;
    use crate::expr::Functions;
    use crate::spec::ProcessEnvironment;
    use std::path::Path;

    #[test]
    fn a_file_that_makes_no_topics_on_kafka_runs_all_the_same() {
        let text =
            "name: p\nsource: {topic: raw, format: text}\nsink: out\nkafka: {brokers: b, topics: {create: false}}\n";
        let source = SourceText { name: "p.yaml".into(), text: text.into() };
        let spec = crate::spec::parse(Arc::new(source), Path::new("."), &ProcessEnvironment).unwrap();
        let plan = Arc::new(crate::plan::compile(&spec, &Functions::new()).unwrap());
        let sources = [("raw".into(), 1)].into();
        let driver = Driver::new(plan, sources, 0, Arc::new(|_, _| {}), DriverOptions::default());
        assert!(driver.is_ok(), "{:?}", driver.err());
    }
}
