//! Restores the state of tasks from the changelogs that it was committed to.
//!
//! This may take long, so several threads read, it can be cancelled at any time, and a gauge shows its progress. It
//! starts from a copy of the state if there is one.

use crate::faults::{self, FailPoint};
use crate::log::{FetchLimit, Log, TopicInfo, topic};
use crate::metrics::RestoreProgress;
use crate::plan::Physical;
use crate::record::{Fetched, Offset, TopicPartition};
use crate::runtime::cancel::CancelToken;
use crate::runtime::commit::changelog_position::{ChangelogPosition, ChangelogPositions};
use crate::runtime::fault::{Fault, spawn_supervised};
use crate::runtime::life::LIFE_TARGET;
use crate::runtime::recovery::state_copies::{StateCopies, StateCopy};
use crate::runtime::task::Task;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long one poll may take.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// A restore that takes longer is always logged.
const SLOW_RESTORE: Duration = Duration::from_secs(2);

/// The progress of a restore, for the terminal and for statistics.
#[derive(Clone, Debug, Default)]
pub struct RestoreGauge(Arc<Mutex<Vec<RestoreProgress>>>);

impl RestoreGauge {
    /// Each changelog that is being read.
    #[must_use]
    pub fn now(&self) -> Vec<RestoreProgress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, all: Vec<RestoreProgress>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }
}

/// Restores state.
pub(in crate::runtime) struct Changelogs<'a> {
    pub(in crate::runtime) log: &'a dyn Log,
    pub(in crate::runtime) plan: &'a Physical,
    pub(in crate::runtime) copies: &'a StateCopies,
    pub(in crate::runtime) gauge: &'a RestoreGauge,
    pub(in crate::runtime) cancel: &'a CancelToken,
    /// The time, taken before their ends are looked up.
    pub(in crate::runtime) now: i64,
}

/// One partition of a changelog, and its task.
struct ChangelogPartition {
    at: TopicPartition,
    step: String,
    /// Its index in the gauge.
    number: usize,
    task: usize,
    position: ChangelogPosition,
    from: Offset,
    next: Offset,
    end: Offset,
}

impl ChangelogPartition {
    fn has_unread(&self) -> bool {
        self.next < self.end
    }
}

impl Changelogs<'_> {
    /// Restores the committed state of tasks. Returns up to where each changelog was read, which is not its end
    /// where this was cancelled.
    pub(in crate::runtime) fn restore(&self, tasks: &mut [Task]) -> Result<ChangelogPositions, Fault> {
        let (mut parts, start) = (self.parts(tasks)?, Instant::now());
        let (copied_keys, read) = (AtomicU64::new(0), AtomicU64::new(0));
        let progress = |p: &ChangelogPartition| RestoreProgress {
            step: p.step.clone(),
            partition: p.at.partition.0,
            ..RestoreProgress::default()
        };
        self.gauge.set(parts.iter().map(progress).collect());
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(tasks.len().max(1));
        let size = tasks.len().div_ceil(threads).max(1);
        // A thread that fails stops the others, which may have much to read.
        let cancel = self.cancel.child();
        let part = Changelogs { cancel: &cancel, ..*self };
        let outcome = std::thread::scope(|threads| {
            let mut reading = Vec::new();
            for (number, tasks) in tasks.chunks_mut(size).enumerate() {
                let mut own: Vec<ChangelogPartition> = parts.extract_if(.., |p| p.task / size == number).collect();
                own.iter_mut().for_each(|p| p.task %= size);
                let (part, copied_keys, read) = (&part, &copied_keys, &read);
                let fill = move || part.fill(tasks, own, (copied_keys, read));
                reading.push(spawn_supervised(threads, "the restoring of state", &cancel, fill));
            }
            let mut positions = ChangelogPositions::new();
            for read in reading {
                positions.extend(read.join()?);
            }
            Ok(positions)
        });
        self.gauge.set(Vec::new());
        if outcome.is_ok() && !tasks.is_empty() {
            let (copied_keys, read) = (copied_keys.into_inner(), read.into_inner());
            let took = start.elapsed();
            let message = format!(
                "restored {} tasks in {took:.1?}: {read} changes read, {copied_keys} keys from local copies",
                tasks.len()
            );
            match read + copied_keys {
                _ if took >= SLOW_RESTORE => tracing::info!("{message}"),
                0 => tracing::debug!("{message}"),
                _ => tracing::info!(target: LIFE_TARGET, "{message}"),
            }
        }
        outcome
    }

    fn parts(&self, tasks: &[Task]) -> Result<Vec<ChangelogPartition>, Fault> {
        let mut topics: BTreeMap<String, TopicInfo> = BTreeMap::new();
        let mut parts = Vec::new();
        for (task, id) in tasks.iter().map(Task::id).enumerate() {
            let sub = self.plan.subs.iter().find(|s| s.id.0 == id.sub);
            for node in sub.iter().flat_map(|s| &s.nodes).filter(|n| n.op.stateful()) {
                let name = self.plan.state_topic(&node.name);
                if !topics.contains_key(&name) {
                    topics.insert(name.clone(), topic(self.log, &name)?);
                }
                let info = &topics[&name];
                let Some(bounds) = info.partitions.get(id.partition.0 as usize) else {
                    return Err(Fault::Fatal(format!(
                        "topic `{name}` has {} partitions, but there is a task {id}: the input has grown; start over with `--from earliest`",
                        info.partitions.len()
                    )));
                };
                parts.push(ChangelogPartition {
                    at: TopicPartition { topic: info.name.clone(), partition: id.partition },
                    step: node.name.clone(),
                    number: parts.len(),
                    task,
                    position: ChangelogPosition::new(&info.id, bounds.earliest, self.now),
                    from: bounds.earliest,
                    next: bounds.earliest,
                    end: bounds.end,
                });
            }
        }
        Ok(parts)
    }

    /// Restores some of the tasks, on one thread.
    fn fill(
        &self,
        tasks: &mut [Task],
        mut parts: Vec<ChangelogPartition>,
        (copied_keys, read): (&AtomicU64, &AtomicU64),
    ) -> Result<ChangelogPositions, Fault> {
        for part in &mut parts {
            faults::fail_point(FailPoint::DuringRestore);
            let copy = self.copies.take(&part.at, &part.position.id, self.now);
            if let Some(StateCopy { position, rows }) =
                copy.filter(|c| (part.from..=part.end).contains(&c.position.next))
            {
                for (key, value) in &rows {
                    tasks[part.task].restore_state(&part.step, key, Some(value))?;
                }
                (part.from, part.next) = (position.next, position.next);
                part.position = position;
                copied_keys.fetch_add(rows.len() as u64, Ordering::Relaxed);
            }
            self.show(part);
        }
        self.read_changes(tasks, &mut parts, read)?;
        let position = |p: ChangelogPartition| {
            // What was not read to its end is as old as what it began with.
            let at = if p.has_unread() { p.position.at } else { self.now };
            (p.at, ChangelogPosition { next: p.next, at, ..p.position })
        };
        Ok(parts.into_iter().map(position).collect())
    }

    /// Applies what the changelogs hold after the copies, to their ends unless it is cancelled.
    fn read_changes(
        &self,
        tasks: &mut [Task],
        parts: &mut [ChangelogPartition],
        read: &AtomicU64,
    ) -> Result<(), Fault> {
        let mut unread: BTreeMap<TopicPartition, &mut ChangelogPartition> =
            parts.iter_mut().filter(|p| p.has_unread()).map(|p| (p.at.clone(), p)).collect();
        if unread.is_empty() {
            return Ok(());
        }
        let starts: Vec<_> = unread.iter().map(|(at, p)| (at.clone(), p.next)).collect();
        let mut reader = self.log.reader(&starts)?;
        let mut timeout = Duration::ZERO;
        while !unread.is_empty() && !self.cancel.is_cancelled() {
            // All positions are checked only if no records are ready: the check costs time for each partition.
            let Some(fetched) = reader.poll(FetchLimit::default(), timeout)? else {
                // No record may be left where records were compacted away: then only the position moves.
                for (at, next) in reader.positions() {
                    self.advance(&mut unread, &at, next);
                }
                timeout = POLL_TIMEOUT;
                continue;
            };
            timeout = Duration::ZERO;
            // Another transaction may have appended to a partition that was read to its end.
            let Some(part) = unread.get(&*fetched.origin) else { continue };
            read.fetch_add(fetched.offsets.len() as u64, Ordering::Relaxed);
            take_in(&mut tasks[part.task], &part.step, &fetched)?;
            let next = fetched.offsets.last().map_or(part.next, |last| Offset(last + 1));
            self.advance(&mut unread, &fetched.origin, next);
        }
        Ok(())
    }

    /// Advances the position in a changelog, and removes the changelog from the unread ones at its end.
    fn advance(
        &self,
        unread: &mut BTreeMap<TopicPartition, &mut ChangelogPartition>,
        at: &TopicPartition,
        next: Offset,
    ) {
        let Some(part) = unread.get_mut(at).filter(|p| p.next < next) else { return };
        part.next = next;
        self.show(part);
        if !part.has_unread() {
            unread.remove(at);
        }
    }

    fn show(&self, part: &ChangelogPartition) {
        let length = |from: Offset, to: Offset| u64::try_from(to.0 - from.0).unwrap_or(0);
        let mut all = self.gauge.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(progress) = all.get_mut(part.number) {
            progress.total = length(part.from, part.end);
            progress.done = length(part.from, part.next).min(progress.total);
        }
    }
}

fn take_in(task: &mut Task, step: &str, fetched: &Fetched) -> Result<(), Fault> {
    for record in fetched.keyed() {
        task.restore_state(step, record.key, record.value)?;
    }
    Ok(())
}
