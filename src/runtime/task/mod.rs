//! A task: the operators of one sub-topology, running on one partition.
//!
//! A task receives records, runs its operators once per round in the order of the plan, and hands over its results at
//! a barrier. It knows no threads or channels, never commits, and never reads a topic itself; the driver and the
//! runtime run the same tasks.

mod barrier;
pub mod collector;
pub(in crate::runtime) mod commit_limit;
pub(in crate::runtime) mod dead_letters;
pub(in crate::runtime) mod gauges;
pub(in crate::runtime) mod input;
mod letter;
pub(in crate::runtime) mod merge_queue;
mod merging;
pub(in crate::runtime) mod message;
pub mod operator;
pub mod outbox;
mod releasing;
pub(in crate::runtime) mod repartition_codec;
mod restoring;
pub mod round;
mod rounds;
pub(in crate::runtime) mod worker;

pub(in crate::runtime) use merging::MergeInput;

use crate::faults::{self, FailPoint};
use crate::log::Append;
use crate::metrics::{InputProgress, StepProgress, TaskProgress};
use crate::plan::{InputPlan, NodePlan, Op, SubTopology};
use crate::record::{Fetched, Offset, Partition, TopicPartition};
use crate::runtime::fault::Fault;
use crate::runtime::task::dead_letters::{DeadLetters, Undecoded};
use crate::runtime::task::input::{DecodedPart, DecodedRows, Input, Rejected};
use crate::runtime::task::merge_queue::MergeQueue;
use crate::runtime::task::operator::Operator;
use crate::runtime::task::outbox::Outbox;
use crate::runtime::task::repartition_codec::WatermarkMessage;
use crate::runtime::task::round::RoundClock;
use crate::spec::ErrorPolicy;
use crate::state::StateChange;
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
    /// The task.
    pub task: TaskId,
    /// Outputs and dead letters.
    pub appends: Vec<Append>,
    /// State changes by step.
    pub changes: Vec<(String, Vec<StateChange>)>,
    /// The next offset to read of each input, where one is known.
    pub offsets: Vec<(TopicPartition, Offset)>,
    /// Counters and watermark.
    pub progress: TaskProgress,
    /// Whether anything happened since the last barrier.
    pub dirty: bool,
}

impl TaskCommit {
    /// Adds what the same task hands over at the next barrier.
    pub(in crate::runtime) fn merge(&mut self, mut next: Self) {
        self.appends.append(&mut next.appends);
        self.changes.append(&mut next.changes);
        let (appends, changes) = (std::mem::take(&mut self.appends), std::mem::take(&mut self.changes));
        *self = Self { appends, changes, ..next };
    }
}

/// Where a task writes, and what becomes of records that it cannot handle.
pub(in crate::runtime) struct TaskOutput {
    pub(in crate::runtime) outbox: Outbox,
    pub(in crate::runtime) dead_letters: DeadLetters,
    pub(in crate::runtime) errors: ErrorPolicy,
}

/// Called between the parts of a round, so that the task can hand over what it has. A fault ends the round.
pub(in crate::runtime) type HandOver<'a> = dyn FnMut(&mut Task) -> Result<(), Fault> + 'a;

/// How many rows a step may release by time alone in one round.
const MAX_RELEASED_ROWS: usize = 8192;

/// What was read of one input, besides its rows.
struct Read<'a> {
    input: usize,
    fetched: &'a Fetched,
    /// Records that become no row.
    bad: &'a [Rejected],
    now: i64,
    /// The offset after the last record read.
    next: i64,
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
    dead_letters: DeadLetters,
    errors: ErrorPolicy,
    /// Wall clock of the last record of each input.
    last_record_at: Vec<Option<i64>>,
    origin: Arc<TopicPartition>,
    /// The next offset to read, slot by slot.
    next: Vec<i64>,
    /// Inputs whose topic has no partition for this task: they are never read and never committed.
    absent: Vec<bool>,
    /// The watermark sent at the last barrier, and whether all inputs were idle then.
    last_sent: Option<(i64, bool)>,
    /// Buffered input, where a bounded run merges the inputs by event time.
    ordered: Option<MergeQueue>,
    /// The last barrier was at the end of the inputs of a bounded run.
    at_end: bool,
    /// Whether it sends rows, and with them its watermark, to further tasks.
    repartitions: bool,
    /// Watermarks are sent downstream only at the end.
    watermark_at_end: bool,
    /// The clock of an unfinished round.
    unfinished: Option<RoundClock>,
    max_released_rows: usize,
    /// An input had no committed position; where it started is committed even if nothing is read.
    start_chosen: bool,
    /// There are results, counters or state to commit.
    dirty: bool,
    /// Only positions or the watermark have moved. That is committed too, but not each time: it can be read again.
    moved: bool,
}

impl Task {
    pub(in crate::runtime) fn new(
        id: TaskId,
        plan: Arc<SubTopology>,
        inputs: Vec<Input>,
        operators: Vec<Box<dyn Operator>>,
        TaskOutput { outbox, dead_letters, errors }: TaskOutput,
    ) -> Self {
        let slots = inputs.last().map_or(0, |i| i.slots.end);
        let step = |n: &NodePlan| StepProgress {
            name: n.name.clone(),
            was: n.was.clone(),
            repartition: matches!(n.op, Op::Repartition(_)),
            ..StepProgress::default()
        };
        let progress = TaskProgress {
            sub: id.sub,
            partition: id.partition.0,
            inputs: plan
                .inputs
                .iter()
                .zip(&inputs)
                .map(|(plan, input)| InputProgress {
                    name: plan.name().into(),
                    topic: plan.topic().to_string(),
                    repartition: matches!(plan, InputPlan::Repartition(_)),
                    slots: input.slots.len(),
                    ..InputProgress::default()
                })
                .collect(),
            steps: plan.nodes.iter().map(step).collect(),
            ..TaskProgress::default()
        };
        let origin = Arc::new(TopicPartition { topic: plan.inputs[0].topic().clone(), partition: id.partition });
        let (last_record_at, absent) = (vec![None; inputs.len()], vec![false; inputs.len()]);
        let time = TaskWatermark::new(slots);
        let repartitions = plan.nodes.iter().any(|n| matches!(n.op, Op::Repartition(_)));
        Self {
            id,
            plan,
            inputs,
            operators,
            time,
            progress,
            outbox,
            dead_letters,
            errors,
            last_record_at,
            origin,
            next: vec![0; slots],
            absent,
            last_sent: None,
            ordered: None,
            at_end: false,
            repartitions,
            watermark_at_end: false,
            unfinished: None,
            max_released_rows: MAX_RELEASED_ROWS,
            start_chosen: false,
            dirty: false,
            moved: false,
        }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Its progress as of the last barrier.
    pub(in crate::runtime) fn progress(&self) -> &TaskProgress {
        &self.progress
    }

    /// The partitions that it reads; an input whose topic has fewer partitions has none.
    #[must_use]
    pub fn partitions(&self) -> Vec<TopicPartition> {
        (0..self.plan.inputs.len()).filter(|i| !self.absent[*i]).map(|i| self.partition_of(i)).collect()
    }

    fn partition_of(&self, input: usize) -> TopicPartition {
        TopicPartition { topic: self.plan.inputs[input].topic().clone(), partition: self.id.partition }
    }

    /// Approximate bytes of output and state changes that wait for a barrier.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.outbox.bytes() + self.operators.iter().map(|o| o.size().changed_bytes).sum::<usize>()
    }

    /// Whether anything happened since the last barrier.
    #[must_use]
    pub fn dirty(&self) -> bool {
        self.dirty
    }

    /// Marks an input as having no partition for this task: it never holds the watermark back.
    pub(in crate::runtime) fn mark_absent(&mut self, input: usize) {
        let slots = self.inputs[input].slots.clone();
        self.time.inputs[slots].iter_mut().for_each(|w| w.idle = true);
        self.absent[input] = true;
    }

    /// Runs what was read of one partition.
    ///
    /// # Errors
    /// Faults that are not those of single records, and those of `hand_over`.
    pub fn run(&mut self, fetched: &Fetched, now: i64, hand_over: &mut HandOver<'_>) -> Result<(), Fault> {
        self.resume(now, hand_over)?;
        let input = self.input_of(fetched)?;
        self.moved = true;
        self.last_record_at[input] = Some(now);
        let Some(decoded) = self.inputs[input].decode(&[fetched], now)?.pop() else {
            return Err(Fault::internal(format!("a batch of {} was not decoded", fetched.origin)));
        };
        self.dirty |= !decoded.bad.is_empty();
        let next = fetched.offsets.last().map_or(0, |last| last + 1);
        let mut read = Read { input, fetched, bad: &decoded.bad, now, next };
        let parts = decoded.parts.len();
        for (i, part) in decoded.parts.into_iter().enumerate() {
            match part {
                DecodedPart::Rows(rows) => {
                    // Only records that could not be decoded can follow the last rows.
                    let behind = rows.offsets.last().map_or(next, |last| last + 1);
                    read.next = if i + 1 == parts { next } else { behind };
                    self.run_rows(*rows, &read, hand_over)?;
                    read.bad = &[];
                }
                DecodedPart::Watermark { slot, offset, message } if offset >= self.next[slot] => {
                    self.advance_next(input, offset + 1);
                    self.on_watermark(slot, message, now)?;
                    self.resume(now, hand_over)?;
                }
                DecodedPart::Watermark { .. } => {}
            }
        }
        self.advance_next(input, next);
        Ok(())
    }

    /// Marks everything of an input before this offset as processed.
    fn advance_next(&mut self, input: usize, next: i64) {
        let slots = self.inputs[input].slots.clone();
        self.next[slots].iter_mut().for_each(|own| *own = (*own).max(next));
    }

    fn input_of(&self, fetched: &Fetched) -> Result<usize, Fault> {
        let found = self.plan.inputs.iter().position(|i| *i.topic() == fetched.origin.topic);
        found.ok_or_else(|| Fault::internal(format!("task {} was given records of {}", self.id, fetched.origin)))
    }

    /// Runs rows of one input in rounds, usually one.
    fn run_rows(&mut self, rows: DecodedRows, read: &Read<'_>, hand_over: &mut HandOver<'_>) -> Result<(), Fault> {
        self.dirty = true;
        // A bounded run may have read some senders further than others.
        let DecodedRows { batch, runs, offsets } = rows.unread(&self.next);
        let plan = self.plan.clone();
        let source = plan.inputs[read.input].name();
        let undecoded = read.bad.iter().map(|bad| {
            let order = read.fetched.offsets[bad.row];
            Undecoded { order, fetched: read.fetched, source, bad }
        });
        let undecoded: Vec<_> = undecoded.collect();
        let mut undecoded = undecoded.as_slice();
        let mut start = 0;
        loop {
            let (clock, end) = self.advance_time(read.input, &batch, &runs, start, read.now);
            let whole = end == batch.len();
            // An undecodable record after the last row is also after the position of this part.
            let n = undecoded.partition_point(|u| whole || u.order < batch.meta.order[end - 1]);
            let bad;
            (bad, undecoded) = undecoded.split_at(n);
            let mut part = if end - start == batch.len() { batch.clone() } else { batch.slice(start, end - start) };
            part.meta.watermarks = self.inputs[read.input].late_watermarks(&part.meta, &clock.watermarks);
            let progress = &mut self.progress.inputs[read.input];
            progress.read += part.len() as u64;
            bad.iter().for_each(|u| u.bad.count(progress));
            let reads = if part.is_empty() { Vec::new() } else { vec![(read.input, part)] };
            self.round(reads, &clock, &[read.fetched], bad)?;
            faults::fail_point(FailPoint::MidWindow);
            self.advance_next(read.input, if whole { read.next } else { offsets[end - 1] + 1 });
            self.resume(read.now, hand_over)?;
            if whole {
                return Ok(());
            }
            start = end;
        }
    }

    /// Applies the watermark of a sender.
    fn on_watermark(&mut self, slot: usize, message: WatermarkMessage, now: i64) -> Result<(), Fault> {
        self.moved = true;
        let (before, was_idle, waiting) = (self.time.now(), self.time.idle(), self.outbox.bytes());
        self.time.inputs[slot].raise(message.watermark);
        self.time.inputs[slot].idle = message.idle;
        let after = self.time.resolve();
        self.pass_time(before, after, now, false)?;
        let sends_on = self.repartitions && (after != before || self.time.idle() != was_idle);
        self.dirty |= sends_on || self.outbox.bytes() != waiting;
        Ok(())
    }

    /// Applies the wall clock: inputs become idle, windows with `close_after` close.
    ///
    /// # Errors
    /// Faults that are not those of single records, and those of `hand_over`.
    pub fn tick(&mut self, now: i64, hand_over: &mut HandOver<'_>) -> Result<(), Fault> {
        self.resume(now, hand_over)?;
        let before = self.time.now();
        for (input, last_record_at) in self.inputs.iter().zip(&mut self.last_record_at) {
            let since = *last_record_at.get_or_insert(now);
            // Merged inputs wait for one another, so a silent one need not be idle.
            if self.ordered.is_none() && input.idle_after().is_some_and(|after| now.saturating_sub(since) >= after) {
                self.dirty |= !self.time.inputs[input.slots.start].idle;
                self.time.inputs[input.slots.start].idle = true;
            }
        }
        let after = self.time.resolve();
        self.dirty |= after != before;
        let waiting = self.outbox.bytes();
        self.pass_time(before, after, now, false)?;
        // The wall clock alone may close a window.
        self.dirty |= self.outbox.bytes() != waiting;
        self.resume(now, hand_over)
    }

    /// Closes every window.
    ///
    /// # Errors
    /// Faults that are not those of single records, and those of `hand_over`.
    pub fn drain(&mut self, now: i64, hand_over: &mut HandOver<'_>) -> Result<(), Fault> {
        self.resume(now, hand_over)?;
        self.dirty = true;
        self.pass_time(self.time.now(), self.time.now(), now, true)?;
        self.resume(now, hand_over)
    }
}
