//! State out of its changelogs: what tasks remember is read back from the topics that it was committed to.
//!
//! Separate from positions and progress, which are small: this may take long, so several threads read, it
//! can be given up half way, and others can see how far it is. It starts from a copy where there is one.

use crate::faults::{self, Mistake, Place};
use crate::log::{FetchLimit, Log, TopicInfo, topic};
use crate::metrics::Restoring;
use crate::plan::Physical;
use crate::record::{Fetched, Offset, TopicPartition};
use crate::runtime::commit::changelog_position::{Mark, Marks};
use crate::runtime::fault::Fault;
use crate::runtime::recovery::state_copies::{Copies, Copy};
use crate::runtime::task::Task;
use arrow_array::Array;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long to wait for records before it is looked whether to give up.
const PATIENCE: Duration = Duration::from_millis(100);

/// Longest time that needs no explanation.
const LONG: Duration = Duration::from_secs(2);

/// How far the reading of state has come, for whoever shows it.
#[derive(Clone, Debug, Default)]
pub struct RestoreGauge(Arc<Mutex<Vec<Restoring>>>);

impl RestoreGauge {
    /// Each changelog that is being read; none where nothing is.
    #[must_use]
    pub fn now(&self) -> Vec<Restoring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, all: Vec<Restoring>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }
}

/// Reads state back.
pub(in crate::runtime) struct Changelogs<'a> {
    pub(in crate::runtime) log: &'a dyn Log,
    pub(in crate::runtime) plan: &'a Physical,
    pub(in crate::runtime) copies: &'a Copies,
    pub(in crate::runtime) gauge: &'a RestoreGauge,
    pub(in crate::runtime) given_up: &'a AtomicBool,
    /// A time before it is looked where they end.
    pub(in crate::runtime) now: i64,
}

/// One partition of a changelog, and the task that it is of.
struct Part {
    at: TopicPartition,
    step: String,
    /// Its number among those that are shown.
    number: usize,
    task: usize,
    mark: Mark,
    from: Offset,
    next: Offset,
    end: Offset,
}

impl Part {
    fn read(&self) -> bool {
        self.next < self.end
    }
}

impl Changelogs<'_> {
    /// Gives tasks what was committed of their state. Tells up to where each changelog was read, which is
    /// not to its end where it was given up.
    pub(in crate::runtime) fn restore(&self, tasks: &mut [Task]) -> Result<Marks, Fault> {
        let (mut parts, start) = (self.parts(tasks)?, Instant::now());
        let (here, read) = (AtomicU64::new(0), AtomicU64::new(0));
        let shown = |p: &Part| Restoring { step: p.step.clone(), partition: p.at.partition.0, ..Restoring::default() };
        self.gauge.set(parts.iter().map(shown).collect());
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(tasks.len().max(1));
        let size = tasks.len().div_ceil(threads).max(1);
        let outcome = std::thread::scope(|scope| {
            let mut reading = Vec::new();
            for (number, tasks) in tasks.chunks_mut(size).enumerate() {
                let mut own: Vec<Part> = parts.extract_if(.., |p| p.task / size == number).collect();
                own.iter_mut().for_each(|p| p.task %= size);
                let (here, read) = (&here, &read);
                reading.push(scope.spawn(move || self.fill(tasks, own, (here, read))));
            }
            let mut marks = Marks::new();
            for read in reading {
                marks.extend(read.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok(marks)
        });
        self.gauge.set(Vec::new());
        if outcome.is_ok() && !tasks.is_empty() {
            let (here, read) = (here.into_inner(), read.into_inner());
            let took = start.elapsed();
            let said =
                format!("state of {} tasks: {read} changes read in {took:.1?}, {here} keys were here", tasks.len());
            // What a person has waited for is worth a word.
            if took < LONG { tracing::debug!("{said}") } else { tracing::info!("{said}") }
        }
        outcome
    }

    fn parts(&self, tasks: &[Task]) -> Result<Vec<Part>, Fault> {
        let mut known: BTreeMap<String, TopicInfo> = BTreeMap::new();
        let mut parts = Vec::new();
        for (task, id) in tasks.iter().map(Task::id).enumerate() {
            let sub = self.plan.subs.iter().find(|s| s.id.0 == id.sub);
            for node in sub.iter().flat_map(|s| &s.nodes).filter(|n| n.op.stateful()) {
                let name = self.plan.state_topic(&node.name);
                if !known.contains_key(&name) {
                    known.insert(name.clone(), topic(self.log, &name)?);
                }
                let info = &known[&name];
                let Some(bounds) = info.partitions.get(id.partition.0 as usize) else {
                    return Err(Fault::Fatal(format!(
                        "topic `{name}` has {} partitions, but there is a task {id}: the input has grown; start over with `--from earliest`",
                        info.partitions.len()
                    )));
                };
                parts.push(Part {
                    at: TopicPartition { topic: info.name.clone(), partition: id.partition },
                    step: node.name.clone(),
                    number: parts.len(),
                    task,
                    mark: Mark::new(&info.id, bounds.earliest, self.now),
                    from: bounds.earliest,
                    next: bounds.earliest,
                    end: bounds.end,
                });
            }
        }
        Ok(parts)
    }

    /// The state of some tasks.
    fn fill(
        &self,
        tasks: &mut [Task],
        mut parts: Vec<Part>,
        (here, read): (&AtomicU64, &AtomicU64),
    ) -> Result<Marks, Fault> {
        for part in &mut parts {
            faults::pass(Place::DuringRestore);
            let copy = self.copies.take(&part.at, &part.mark.id, self.now);
            if let Some(Copy { mark, rows }) = copy.filter(|c| (part.from..=part.end).contains(&c.mark.next)) {
                for (key, value) in &rows {
                    tasks[part.task].restore_state(&part.step, key, Some(value))?;
                }
                (part.from, part.next) = (mark.next, mark.next);
                part.mark = mark;
                here.fetch_add(rows.len() as u64, Ordering::Relaxed);
            }
            self.show(part);
        }
        let starts: Vec<_> = parts.iter().filter(|p| p.read()).map(|p| (p.at.clone(), p.next)).collect();
        if !starts.is_empty() {
            let mut reader = self.log.reader(&starts)?;
            while parts.iter().any(Part::read) && !self.given_up.load(Ordering::Relaxed) {
                // Nothing may come where records were compacted away: then only the position moves.
                if let Some(fetched) = reader.poll(FetchLimit::default(), PATIENCE)? {
                    let part = parts.iter().find(|p| p.at == *fetched.origin);
                    let part = part.ok_or_else(|| Fault::internal(format!("{} was not asked for", fetched.origin)))?;
                    read.fetch_add(fetched.offsets.len() as u64, Ordering::Relaxed);
                    take_in(&mut tasks[part.task], &part.step, &fetched)?;
                }
                for (at, next) in reader.positions() {
                    if let Some(part) = parts.iter_mut().find(|p| p.at == at && p.next < next) {
                        part.next = next;
                        self.show(part);
                    }
                }
            }
        }
        let known = |p: Part| {
            // What was not read to its end is as old as what it began with.
            let at = if p.read() { p.mark.at } else { self.now };
            (p.at, Mark { next: p.next, at, ..p.mark })
        };
        Ok(parts.into_iter().map(known).collect())
    }

    fn show(&self, part: &Part) {
        let length = |from: Offset, to: Offset| u64::try_from(to.0 - from.0).unwrap_or(0);
        let mut all = self.gauge.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shown) = all.get_mut(part.number) {
            shown.total = length(part.from, part.end);
            shown.done = length(part.from, part.next).min(shown.total);
        }
    }
}

fn take_in(task: &mut Task, step: &str, fetched: &Fetched) -> Result<(), Fault> {
    if faults::planted(Mistake::RestoreNothing) {
        return Ok(());
    }
    let records = &fetched.records;
    for row in (0..records.len()).filter(|r| records.keys.is_valid(*r)) {
        if faults::one_in(3, Mistake::RestoreShort) {
            continue;
        }
        let value = records.values.is_valid(row).then(|| records.values.value(row));
        task.restore_state(step, records.keys.value(row), value)?;
    }
    Ok(())
}
