//! A task: the operators of one sub-topology at work on one partition.
//!
//! Separate from threads and channels: the driver and the runtime run the same tasks. A task takes what was
//! read, runs its operators once a round in the order of the plan, and hands everything over at a barrier.
//! It never commits and never reads a topic by itself.

use super::collector::{Collector, DeadRow};
use super::dead::{DeadLetters, Undecoded, place};
use super::fault::Fault;
use super::input::{Input, Read};
use super::operators::Operator;
use super::outbox::Outbox;
use super::round::{Round, RoundClock};
use crate::log::Append;
use crate::metrics::{Counters, InputProgress, Latency, StepProgress, TaskProgress};
use crate::plan::{Feed, Op, SubTopology};
use crate::record::{Batch, Fetched, Offset, Partition, TopicPartition};
use crate::spec::ErrorPolicy;
use crate::state::Change;
use crate::time::TaskWatermark;
use std::sync::Arc;

/// The name of a task: its sub-topology and its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    /// The sub-topology.
    pub sub: u32,
    /// The partition.
    pub partition: Partition,
}

impl std::fmt::Display for TaskId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.sub, self.partition)
    }
}

/// What a task hands over at a barrier.
#[derive(Debug)]
pub struct TaskCommit {
    /// Who.
    pub task: TaskId,
    /// Outputs and dead letters.
    pub appends: Vec<Append>,
    /// State changes by step.
    pub changes: Vec<(String, Vec<Change>)>,
    /// The next offsets to read, where any was read since the last barrier.
    pub offsets: Vec<(TopicPartition, Offset)>,
    /// Counters and watermark.
    pub progress: TaskProgress,
    /// Whether anything happened since the last barrier.
    pub dirty: bool,
}

/// A task.
pub struct Task {
    id: TaskId,
    plan: Arc<SubTopology>,
    inputs: Vec<Input>,
    operators: Vec<Box<dyn Operator>>,
    time: TaskWatermark,
    progress: TaskProgress,
    outbox: Outbox,
    letters: DeadLetters,
    errors: ErrorPolicy,
    /// Wall clock of the last record of each input.
    heard: Vec<Option<i64>>,
    origin: Arc<TopicPartition>,
    drained: Vec<bool>,
    dirty: bool,
}

impl Task {
    pub(super) fn new(
        id: TaskId,
        plan: Arc<SubTopology>,
        inputs: Vec<Input>,
        operators: Vec<Box<dyn Operator>>,
        outbox: Outbox,
        letters: DeadLetters,
        errors: ErrorPolicy,
    ) -> Self {
        let slots = inputs.last().map_or(0, |i| i.slots.end);
        let steps = plan.nodes.iter().map(|n| StepProgress { name: n.name.clone(), ..StepProgress::default() });
        let progress = TaskProgress {
            sub: id.sub,
            partition: id.partition.0,
            inputs: plan
                .inputs
                .iter()
                .map(|i| InputProgress {
                    name: i.name().into(),
                    topic: i.topic().to_string(),
                    ..InputProgress::default()
                })
                .collect(),
            steps: steps.collect(),
            ..TaskProgress::default()
        };
        let origin = Arc::new(TopicPartition { topic: plan.inputs[0].topic().clone(), partition: id.partition });
        let (heard, drained) = (vec![None; inputs.len()], vec![false; slots]);
        let time = TaskWatermark::new(slots);
        Self {
            id,
            plan,
            inputs,
            operators,
            time,
            progress,
            outbox,
            letters,
            errors,
            heard,
            origin,
            drained,
            dirty: false,
        }
    }

    /// Who it is.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// The partitions that it reads.
    #[must_use]
    pub fn partitions(&self) -> Vec<TopicPartition> {
        self.plan
            .inputs
            .iter()
            .map(|i| TopicPartition { topic: i.topic().clone(), partition: self.id.partition })
            .collect()
    }

    /// Bytes that wait for the commit.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.outbox.bytes()
    }

    /// Whether anything happened since the last barrier.
    #[must_use]
    pub fn dirty(&self) -> bool {
        self.dirty
    }

    /// Says that an input has no partition for this task: it holds nothing back.
    pub(super) fn absent(&mut self, input: usize) {
        let slots = self.inputs[input].slots.clone();
        self.time.inputs[slots].iter_mut().for_each(|w| w.idle = true);
    }

    /// Whether the senders of all its repartitions have said that nothing more will come.
    #[must_use]
    pub fn drained(&self) -> bool {
        self.drained.iter().all(|d| *d)
    }

    /// Takes back the progress that was committed last.
    ///
    /// # Errors
    /// Where it is that of another plan.
    pub fn restore_progress(&mut self, progress: TaskProgress) -> Result<(), Fault> {
        if progress.watermark.inputs.len() != self.time.inputs.len() {
            let (was, is) = (progress.watermark.inputs.len(), self.time.inputs.len());
            return Err(Fault::Fatal(format!(
                "task {} was committed with {was} input partitions and has {is} now; start over with `--from earliest`",
                self.id
            )));
        }
        self.time = progress.watermark.clone();
        // Counters of another set of steps would not add up with those of this one: they begin anew.
        let same = progress.steps.iter().map(|s| &s.name).eq(self.progress.steps.iter().map(|s| &s.name));
        for input in &mut self.progress.inputs {
            if let Some(was) = progress.inputs.iter().find(|i| i.name == input.name) {
                input.clone_from(was);
                if !same {
                    (input.read, input.dead, input.copied) = (0, 0, 0);
                }
            }
        }
        if same {
            for (step, was) in self.progress.steps.iter_mut().zip(progress.steps) {
                step.counters = was.counters;
            }
        }
        Ok(())
    }

    /// Takes back one change of a step's state.
    ///
    /// # Errors
    /// Where the step keeps no state of that form.
    pub fn restore_state(&mut self, step: &str, key: &[u8], value: Option<&[u8]>) -> Result<(), Fault> {
        let node = self.plan.nodes.iter().position(|n| n.name == step);
        node.map_or(Ok(()), |n| self.operators[n].restore(key, value))
    }

    /// Runs what was read of one partition.
    ///
    /// # Errors
    /// Faults that are not those of single records.
    pub fn run(&mut self, fetched: &Fetched, now: i64) -> Result<(), Fault> {
        let Some(input) = self.plan.inputs.iter().position(|i| *i.topic() == fetched.origin.topic) else {
            return Err(Fault::internal(format!("task {} was given records of {}", self.id, fetched.origin)));
        };
        self.dirty = true;
        self.heard[input] = Some(now);
        let mut before = self.time.now();
        let decoded = self.inputs[input].decode(fetched, &mut self.time, now)?;
        let progress = &mut self.progress.inputs[input];
        progress.read += decoded.records;
        progress.dead += decoded.bad.len() as u64;
        if let Some(last) = fetched.offsets.last() {
            progress.next = last + 1;
        }
        let source = progress.name.clone();
        // Only a source has bad rows, and it is read in one piece.
        let undecoded = Undecoded { source: &source, bad: &decoded.bad };
        for Read { batch, watermarks, drained } in decoded.reads {
            if let Some(slot) = drained {
                self.drained[slot] = true;
            }
            let after = watermarks.last().copied().unwrap_or(before);
            let (origin, offsets) = match &batch {
                Some(b) => (b.meta.origin.clone(), b.meta.offsets.clone()),
                None => (fetched.origin.clone(), vec![fetched.offsets.last().copied().unwrap_or(-1)].into()),
            };
            self.origin = origin.clone();
            let clock = RoundClock { origin, offsets, watermarks: watermarks.into(), before, after, now, drain: false };
            self.round(batch.map(|b| (input, b)), &clock, Some((fetched, undecoded)))?;
            before = after;
        }
        Ok(())
    }

    /// Lets the wall clock pass: inputs fall idle, windows with `close_after` close.
    ///
    /// # Errors
    /// Faults that are not those of single records.
    pub fn tick(&mut self, now: i64) -> Result<(), Fault> {
        let before = self.time.now();
        for (input, heard) in self.inputs.iter().zip(&mut self.heard) {
            let since = *heard.get_or_insert(now);
            if input.idle_after().is_some_and(|after| now.saturating_sub(since) >= after) {
                self.dirty |= !self.time.inputs[input.slots.start].idle;
                self.time.inputs[input.slots.start].idle = true;
            }
        }
        let after = self.time.settle();
        self.dirty |= after != before;
        self.pass_time(before, after, now, false)
    }

    /// Closes every window.
    ///
    /// # Errors
    /// Faults that are not those of single records.
    pub fn drain(&mut self, now: i64) -> Result<(), Fault> {
        self.dirty = true;
        self.pass_time(self.time.now(), self.time.now(), now, true)
    }

    fn clock(&self, before: i64, after: i64, now: i64, drain: bool) -> RoundClock {
        let origin = self.origin.clone();
        RoundClock { origin, offsets: vec![].into(), watermarks: vec![].into(), before, after, now, drain }
    }

    fn pass_time(&mut self, before: i64, after: i64, now: i64, drain: bool) -> Result<(), Fault> {
        let clock = self.clock(before, after, now, drain);
        self.round(None, &clock, None)
    }

    /// One round through all operators.
    fn round(
        &mut self,
        read: Option<(usize, Batch)>,
        clock: &RoundClock,
        fetched: Option<(&Fetched, Undecoded<'_>)>,
    ) -> Result<(), Fault> {
        let plan = self.plan.clone();
        let mut made: Vec<Vec<Vec<Batch>>> = Vec::with_capacity(plan.nodes.len());
        let mut dead: Vec<DeadRow> = Vec::new();
        if let Some((input, batch)) = &read {
            let readers = plan.nodes.iter().flat_map(|n| &n.from).filter(|f| **f == Feed::Input(*input)).count();
            self.progress.inputs[*input].copied += (batch.len() * readers.saturating_sub(1)) as u64;
        }
        for (step, node) in plan.nodes.iter().enumerate() {
            let feed = |f: &Feed| match f {
                Feed::Input(i) => {
                    read.iter().filter(|(input, b)| input == i && !b.is_empty()).map(|(_, b)| b.clone()).collect()
                }
                Feed::Node(n, port) => made[*n][port.0].clone(),
            };
            let inputs: Vec<Vec<Batch>> = node.from.iter().map(feed).collect();
            let counters = &mut self.progress.steps[step].counters;
            counters.input += inputs.iter().flatten().map(|b| b.len() as u64).sum::<u64>();
            let outputs = vec![Vec::new(); node.outputs.len()];
            let mut out = Collector { outputs, counters, dead: &mut dead, outbox: &mut self.outbox, step };
            self.operators[step].process(Round { inputs, clock }, &mut out)?;
            let outputs = out.outputs;
            count_outputs(node, &outputs, counters);
            made.push(outputs);
        }
        self.bury(dead, fetched)
    }

    /// Sets aside what could not be handled, in the order of the log, wherever batches were cut.
    fn bury(&mut self, mut dead: Vec<DeadRow>, fetched: Option<(&Fetched, Undecoded<'_>)>) -> Result<(), Fault> {
        dead.sort_by_key(|d| d.row.meta.offsets[0]);
        let name = |step: usize| self.plan.nodes[step].name.clone();
        match self.errors {
            ErrorPolicy::Stop => {
                let undecoded = fetched.and_then(|(f, u)| {
                    let first = u.bad.first()?;
                    Some((
                        f.offsets[first.row],
                        place(&f.origin, f.offsets[first.row]),
                        u.source.to_owned(),
                        &first.error,
                    ))
                });
                let row = dead.first().map(|d| {
                    let offset = d.row.meta.offsets[0];
                    (offset, place(&d.row.meta.origin, offset), name(d.step), &d.error)
                });
                let first = undecoded.into_iter().chain(row).min_by_key(|(offset, ..)| *offset);
                first.map_or(Ok(()), |(_, at, step, error)| Err(stop(&at, &step, error)))
            }
            ErrorPolicy::Drop => Ok(()),
            ErrorPolicy::DeadLetter => {
                self.letters.write(&dead, name, fetched, &mut self.outbox);
                Ok(())
            }
        }
    }

    /// Hands over everything since the last barrier.
    ///
    /// # Errors
    /// Faults that are not those of single records.
    pub fn barrier(&mut self, now: i64, drain: bool) -> Result<TaskCommit, Fault> {
        let clock = self.clock(self.time.now(), self.time.now(), now, drain);
        let idle = self.time.idle();
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
            };
            let changed = operator.barrier(&clock, idle, &mut out)?;
            progress.keys = operator.keys();
            progress.models = operator.models();
            if !changed.is_empty() {
                changes.push((progress.name.clone(), changed));
            }
        }
        self.progress.at = now;
        self.progress.watermark = self.time.clone();
        let offsets = self.progress.inputs.iter().zip(&self.plan.inputs).filter(|(p, _)| p.next > 0);
        let offsets = offsets
            .map(|(p, i)| (TopicPartition { topic: i.topic().clone(), partition: self.id.partition }, Offset(p.next)));
        Ok(TaskCommit {
            task: self.id,
            offsets: offsets.collect(),
            appends: self.outbox.take(),
            changes,
            progress: TaskProgress { latency: Latency::default(), ..self.progress.clone() },
            dirty: std::mem::take(&mut self.dirty),
        })
    }
}

/// Counts what an operator gave; rows of an output that no step reads are filtered, or late.
fn count_outputs(node: &crate::plan::NodePlan, outputs: &[Vec<Batch>], counters: &mut Counters) {
    for (output, batches) in node.outputs.iter().zip(outputs) {
        let rows = batches.iter().map(|b| b.len() as u64).sum::<u64>();
        match (output.readers as u64, &node.op) {
            (0, Op::Window(_)) if output.name.is_some() => counters.late += rows,
            (0, _) => counters.filtered += rows,
            (readers, _) => {
                counters.output += rows * readers;
                counters.copied += rows * (readers - 1);
            }
        }
    }
}

fn stop(at: &str, step: &str, error: &str) -> Fault {
    Fault::Fatal(format!(
        "record {at} could not be handled by `{step}`: {error}\nhint: `errors: dead_letter` sets such records aside and goes on"
    ))
}
