//! What a group has given to this instance, from the moment it is given until it is taken back or the run
//! ends: tasks are built and get back what was committed, work, and leave their state behind.
//!
//! Separate from the membership, which outlives it. Membership never pauses here: while state is read the
//! group is heard, and may take everything back.

use crate::runtime::commit::changelog_position::Marks;
use crate::runtime::commit::commit_loop::{Commits, Setup};
use crate::runtime::commit::instance_record;
use crate::runtime::commit::instance_record::Presence;
use crate::runtime::commit::trimming;
use crate::runtime::commit::trimming::Trimming;
use crate::runtime::fault::Fault;
use crate::runtime::group::engine::{Engine, RunOptions, StartFrom, Stop};
use crate::runtime::operators::build;
use crate::runtime::operators::build::Partitions;
use crate::runtime::operators::build::Surroundings;
use crate::runtime::operators::models::Models;
use crate::runtime::read::intake::{Ending, Flow, Intake, Route};
use crate::runtime::read::stages::{Stretch, course};
use crate::runtime::recovery::changelogs::Changelogs;
use crate::runtime::recovery::standby;
use crate::runtime::recovery::standby::Own;
use crate::runtime::recovery::state_copies::{Copies, Copy};
use crate::runtime::task::Task;
use crate::runtime::task::gauges::Gauges;
use crate::runtime::task::message::QUEUE;
use crate::runtime::task::worker::work;

use crate::log::{
    Committer, Delivery, FetchLimit, GroupEvent, LogError, Member, Recovery, Start, Transaction, partitions, topic,
};
use crate::metrics::TaskProgress;
use crate::plan::InputPlan;
use crate::record::{Offset, TopicPartition};
use crate::runtime::group::topics;
use crate::runtime::recovery::{positions, progress};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How long the group is listened to at a time while tasks are being built.
const LISTEN: Duration = Duration::from_millis(2);

/// How often it is told how far the reading of state has come.
const TELL: Duration = Duration::from_secs(1);

/// Partitions with the position that was committed for each.
pub(in crate::runtime) type Given = Vec<(TopicPartition, Option<Offset>)>;

/// What an assignment is carried out with.
pub(in crate::runtime) struct Assignment<'a> {
    pub(in crate::runtime) engine: &'a Engine,
    pub(in crate::runtime) options: &'a RunOptions,
    /// When the run began.
    pub(in crate::runtime) since: i64,
    pub(in crate::runtime) stop: &'a Stop,
    /// From outside; the other follows soon.
    pub(in crate::runtime) asked: &'a Stop,
    pub(in crate::runtime) handle: &'a tokio::runtime::Handle,
    pub(in crate::runtime) models: &'a Arc<Models>,
    pub(in crate::runtime) copies: &'a Copies,
    /// Where the sources ended when the run was told to begin there.
    pub(in crate::runtime) latest: &'a OnceLock<BTreeMap<TopicPartition, Offset>>,
    /// The topics, where they were just looked at.
    pub(in crate::runtime) there: Option<Partitions>,
}

/// The tasks of an assignment, ready to work.
struct Ready {
    tasks: Vec<Task>,
    /// Where each partition is read from.
    starts: Vec<(TopicPartition, Offset)>,
    /// Those of them of which nothing was committed before.
    begun: Vec<(TopicPartition, Offset)>,
    /// In a bounded run, up to where each source is read.
    ends: Option<BTreeMap<TopicPartition, Offset>>,
    /// Up to where changelogs were read.
    marks: Marks,
    own: Own,
    /// The keys of instances long gone.
    outdated: Vec<String>,
    course: Vec<Stretch>,
}

impl Assignment<'_> {
    /// Carries it out. Member and committer come back.
    pub(in crate::runtime) fn run(
        &self,
        mut member: Box<dyn Member>,
        committer: Box<dyn Committer>,
        given: Given,
    ) -> (Result<Ending, Fault>, Box<dyn Member>, Box<dyn Committer>) {
        self.models.interrupt(false);
        match self.build(member.as_mut(), given) {
            Ok(ControlFlow::Continue(ready)) => self.work(member, committer, ready),
            Ok(ControlFlow::Break(ending)) => {
                if ending == Ending::Done {
                    self.engine.say_ended(self.options, self.since);
                }
                (Ok(ending), member, committer)
            }
            Err(fault) => (Err(fault), member, committer),
        }
    }

    /// Builds the tasks while the group is heard; an ending, where it takes them back or the run is to stop.
    fn build(&self, member: &mut dyn Member, given: Given) -> Result<ControlFlow<Ending, Ready>, Fault> {
        let (given_up, built) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|threads| {
            let building = threads.spawn(|| {
                let ready = self.ready(given, &given_up);
                built.store(true, Ordering::Relaxed);
                ready
            });
            threads.spawn(|| self.tell(&built));
            let mut ending = Ok(None);
            while !building.is_finished() && matches!(ending, Ok(None)) {
                ending = match member.poll(FetchLimit::default(), LISTEN) {
                    Ok(GroupEvent::Revoked(_)) => Ok(Some(Ending::Revoked)),
                    Ok(GroupEvent::Idle) if self.stop.asked() => Ok(Some(Ending::Done)),
                    Ok(GroupEvent::Idle) => Ok(None),
                    Ok(event) => Err(Fault::internal(format!("{event:?} while tasks are being built"))),
                    Err(e) => Err(e.into()),
                };
            }
            given_up.store(!matches!(ending, Ok(None)), Ordering::Relaxed);
            let ready = building.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match (ending?, ready) {
                (None, ready) => Ok(ControlFlow::Continue(ready?)),
                // Of what is no longer this instance's, nothing that it has found need be true.
                (Some(ending), Err(fault)) => {
                    tracing::debug!("tasks were not built, and need not be any more: {fault}");
                    Ok(ControlFlow::Break(ending))
                }
                (Some(ending), Ok(Ready { tasks, marks, .. })) => {
                    self.keep(tasks, &marks);
                    Ok(ControlFlow::Break(ending))
                }
            }
        })
    }

    /// Says now and then how far the reading of state has come, for whoever looks from elsewhere.
    fn tell(&self, built: &AtomicBool) {
        let (mut said, mut through) = (Instant::now(), None);
        while !built.load(Ordering::Relaxed) {
            std::thread::park_timeout(LISTEN);
            let restoring = if said.elapsed() < TELL { Vec::new() } else { self.options.restoring.now() };
            if restoring.is_empty() {
                continue;
            }
            said = Instant::now();
            let info = self.engine.info(self.options, self.since);
            let say = || {
                let through = match &mut through {
                    Some(through) => through,
                    none => none.insert(self.engine.log.appender()?),
                };
                instance_record::aside(through.as_mut(), &info, self.engine.clock.now(), restoring)
            };
            if let Err(e) = say() {
                tracing::debug!("how far state is read back could not be told: {e}");
            }
        }
    }

    fn ready(&self, given: Given, given_up: &AtomicBool) -> Result<Ready, Fault> {
        let (plan, log) = (&self.engine.plan, self.engine.log.as_ref());
        let around = Surroundings {
            partitions: self.there.clone().map_or_else(|| topics::prepare(plan, log, given_up), Ok)?,
            models: self.models.clone(),
            samples: self.engine.samples.clone(),
            custom: self.engine.custom.clone(),
        };
        let (mut tasks, mut was, mut own) = (Vec::new(), Vec::new(), Own::new());
        let mut reports = progress::reports(log, &plan.name, given_up)?;
        for sub in &plan.subs {
            let shared = Arc::new(sub.clone());
            let width = build::width(sub, &around.partitions);
            let mine = own.entry(sub.id.0).or_default();
            for partition in 0..width {
                let task = build::task(plan, &shared, partition, &around)?;
                if !owns(&task, &around.partitions, &given)? {
                    continue;
                }
                was.push(reports.tasks.remove(&task.id().to_string()));
                mine.insert(partition);
                tasks.push(task);
            }
        }
        let marks = self
            .restore(&mut tasks, &was, &given, given_up)
            .map_err(|fault| positions::overtaken(plan, log, &given, tasks.iter().zip(&was), given_up, fault))?;
        let starts = self.starts(&given)?;
        // Only a transaction that moves a position asks the group whether this is still a member: each
        // partition has one from the first commit on.
        let unknown = |(at, _): &&(TopicPartition, Offset)| given.iter().any(|(a, o)| a == at && o.is_none());
        let begun: Vec<_> = starts.iter().filter(unknown).cloned().collect();
        for task in &mut tasks {
            let own = task.partitions();
            begun.iter().filter(|(at, _)| own.contains(at)).for_each(|(at, start)| task.begin_at(at, *start));
        }
        let ends = if self.options.until_end { Some(self.ends()?) } else { None };
        let course = course(plan, &around.partitions);
        let outdated = reports.outdated(self.engine.clock.now());
        Ok(Ready { tasks, starts, begun, ends, marks, own, outdated, course })
    }

    fn restore(
        &self,
        tasks: &mut [Task],
        progress: &[Option<TaskProgress>],
        committed: &Given,
        given_up: &AtomicBool,
    ) -> Result<Marks, Fault> {
        let (plan, log) = (&*self.engine.plan, self.engine.log.as_ref());
        for (task, progress) in tasks.iter_mut().zip(progress) {
            positions::position(plan, task, progress.clone(), committed)?;
        }
        let (gauge, now) = (&self.options.restoring, self.engine.clock.now());
        let marks = Changelogs { log, plan, copies: self.copies, gauge, given_up, now }.restore(tasks)?;
        // Where they are committed apart, state may be ahead of the counters.
        if plan.delivery == Delivery::ExactlyOnce && !given_up.load(Ordering::Relaxed) {
            for (task, progress) in tasks.iter().zip(progress) {
                progress.as_ref().map_or(Ok(()), |progress| positions::complete(plan, task, progress))?;
            }
        }
        Ok(marks)
    }

    /// Where each partition is read from: where the group was; else at the end that the run has found first, as
    /// it may be a while until something is committed; else at the oldest record.
    fn starts(&self, given: &Given) -> Result<Vec<(TopicPartition, Offset)>, Fault> {
        if self.options.from == StartFrom::Latest && self.latest.get().is_none() {
            let ends = self.ends()?;
            self.latest.get_or_init(|| ends);
        }
        let start = |(at, offset): &(TopicPartition, Option<Offset>)| {
            let offset = match offset.or_else(|| self.latest.get()?.get(at).copied()) {
                Some(offset) => offset,
                None => self.engine.log.resolve(at, Start::Earliest)?,
            };
            Ok((at.clone(), offset))
        };
        given.iter().map(start).collect()
    }

    /// Where each source ends now, all of it: others read parts of it.
    fn ends(&self) -> Result<BTreeMap<TopicPartition, Offset>, Fault> {
        let (plan, log) = (&self.engine.plan, self.engine.log.as_ref());
        let inputs = plan.subs.iter().flat_map(|s| &s.inputs).map(InputPlan::topic);
        let mut ends = BTreeMap::new();
        for name in inputs.filter(|name| !plan.is_repartition(name)) {
            let info = topic(log, name)?;
            ends.extend(partitions(&info).into_iter().zip(info.partitions.iter().map(|p| p.end)));
        }
        Ok(ends)
    }

    /// Commits where partitions begin, where positions are committed apart and after what they stand for: that
    /// there is none any more is seen only where there was one before all else.
    fn begin(&self, committer: &mut dyn Committer, begun: Vec<(TopicPartition, Offset)>) -> Result<(), Fault> {
        if begun.is_empty() || self.engine.plan.delivery != Delivery::AtLeastOnce {
            return Ok(());
        }
        committer.commit(&Transaction { offsets: begun, ..Transaction::default() })?;
        Ok(committer.await_acks()?)
    }

    /// Lets the tasks work.
    fn work(
        &self,
        member: Box<dyn Member>,
        mut committer: Box<dyn Committer>,
        ready: Ready,
    ) -> (Result<Ending, Fault>, Box<dyn Member>, Box<dyn Committer>) {
        let Ready { tasks, starts, begun, ends, marks, own, outdated, course } = ready;
        let Engine { plan, log, clock, .. } = self.engine;
        if let Err(fault) = self.begin(committer.as_mut(), begun) {
            return (Err(fault), member, committer);
        }
        let ahead = committer.early_output().is_some();
        let gauges = Arc::new(Gauges::default());
        let (reports, reported) = mpsc::channel(tasks.len().max(1) * 2);
        let (done, committed) = std::sync::mpsc::sync_channel(2);
        let (trimming, trimmed) = Trimming::new();
        let info = self.engine.info(self.options, self.since);
        let presence = Presence::new(tasks.iter().map(Task::id), outdated);
        let commits = Commits::new(Setup {
            plan: plan.clone(),
            committer,
            clock: clock.clone(),
            info,
            presence,
            gauges: gauges.clone(),
            trimming,
            marks,
            stop: self.asked.flag(),
        });
        let owned: BTreeSet<&TopicPartition> = starts.iter().map(|(at, _)| at).collect();
        let (mut routes, mut working) = (Vec::new(), Vec::new());
        for mut task in tasks {
            let (to, messages) = mpsc::channel(QUEUE + 1);
            // Only where every input has an end can the least of all be known.
            let wanted = if self.options.until_end { task.merge_inputs() } else { Vec::new() };
            let owned = task.partitions().into_iter().filter(|at| owned.contains(at)).collect();
            routes.push(Route { sub: task.id().sub, to, owned, wanted });
            working.push(self.handle.spawn(work(task, messages, reports.clone(), clock.clone(), gauges.clone())));
        }
        drop(reports);
        let intake = Intake {
            log: log.clone(),
            member,
            routes,
            committed,
            gauges,
            models: self.models.clone(),
            stop: self.stop.flag(),
            commit_every: plan.commit_every,
            ahead,
            group: plan.name.clone(),
            course,
            drain: self.options.drain,
            flow: Flow::default(),
        };
        let over = AtomicBool::new(false);
        std::thread::scope(|threads| {
            let commits = threads.spawn(move || commits.run(reported, &done));
            threads.spawn(move || trimming::follow(log.as_ref(), &trimmed));
            if plan.standby == 0 {
                self.copies.forget();
            } else {
                let over = &over;
                threads.spawn(move || standby::follow(log.as_ref(), plan, self.copies, &own, clock.as_ref(), over));
            }
            let (outcome, member) = intake.run(&starts, ends);
            let outcome = outcome.map_err(|fault| self.outrun(fault));
            // The intake has dropped its routes: tasks end, then the committer. One that waits for a model
            // after a fault would wait for ever.
            if outcome.is_err() {
                self.models.interrupt(true);
            }
            over.store(true, Ordering::Relaxed);
            let closed = commits.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            if let (Ok(_), Some(marks)) = (&outcome, closed.marks) {
                self.keep(self.back(working), &marks);
            }
            (outcome, member, closed.committer)
        })
    }

    /// Whether records are gone because others have long gone on from here: an instance that was asleep finds
    /// what it wanted to read removed by those who have its partitions now.
    fn outrun(&self, fault: Fault) -> Fault {
        let Fault::Backplane(LogError::OffsetOutOfRange { at, asked, .. }) = &fault else { return fault };
        match self.engine.log.committed(&self.engine.plan.name, std::slice::from_ref(at)).as_deref() {
            Ok([Some(committed)]) if committed > asked => {
                Fault::Abort(format!("others have gone on to {committed} in `{at}`, and this instance was at {asked}"))
            }
            Ok(_) => fault,
            Err(e) if e.recovery() == Recovery::Fatal => fault,
            Err(e) => Fault::Abort(e.to_string()),
        }
    }

    /// The tasks as they have ended.
    fn back(&self, working: Vec<JoinHandle<Option<Task>>>) -> Vec<Task> {
        working.into_iter().filter_map(|task| self.handle.block_on(task).ok().flatten()).collect()
    }

    /// Keeps what tasks remember, for whoever has their partitions next.
    fn keep(&self, tasks: Vec<Task>, marks: &Marks) {
        for mut task in tasks {
            let partition = task.id().partition;
            for (step, rows) in task.leave_behind() {
                let at = TopicPartition { topic: self.engine.plan.state_topic(&step).into(), partition };
                if let Some(mark) = marks.get(&at) {
                    self.copies.put(at, Copy { mark: mark.clone(), rows });
                }
            }
        }
    }
}

/// Whether a task is this member's: all of its partitions that there are, or none.
fn owns(task: &Task, there: &Partitions, given: &Given) -> Result<bool, Fault> {
    let there: Vec<TopicPartition> = task
        .partitions()
        .into_iter()
        .filter(|at| there.get(&at.topic).is_none_or(|count| at.partition.0 < *count))
        .collect();
    let own = there.iter().filter(|at| given.iter().any(|(g, _)| g == *at)).count();
    if own == 0 || own == there.len() {
        return Ok(own > 0);
    }
    let list: Vec<String> = there.iter().map(|at| format!("`{at}`")).collect();
    Err(Fault::Fatal(format!(
        "task {} reads {}, which the group has given to different instances; give the topics the same number of partitions, or run one instance",
        task.id(),
        list.join(" and ")
    )))
}
