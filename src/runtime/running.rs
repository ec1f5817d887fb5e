//! A pipeline at work: threads and tasks started, faults answered, everything joined at the end.
//!
//! Separate because this is the only place where the parts know of each other. It reads no signal and no
//! clock of its own. After a fault that loses a transaction everything is built anew from what was
//! committed; the process survives everything but a fatal fault.
//!
//! ```text
//! intake ──(bounded)──▶ task ──(bounded)──▶ committer
//!    ▲                                          │
//!    └────────────── epoch committed ◀──────────┘
//! ```

use super::build::{self, Factory, Surroundings};
use super::commit::Commits;
use super::fault::Fault;
use super::intake::{Ending, Flow, Intake, Route};
use super::models::{MODELS_TOPIC, ModelFeed, Models};
use super::operators::Samples;
use super::task::Task;
use super::topics::Partitions;
use super::trim::{self, Trimming};
use super::worker::{Gauges, QUEUE, work};
use super::{restore, topics};
use crate::log::{Committer, FetchLimit, GroupEvent, GroupSpec, Log, Member, Start};
use crate::metrics::{EdgeInfo, PipelineInfo, SourceInfo, StepInfo};
use crate::plan::{Feed, InputPlan, Physical, Port, SubTopology};
use crate::record::{Offset, TopicPartition};
use crate::time::{Clock, millis};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often it is looked whether to stop while the group hands out no partitions.
const JOIN: Duration = Duration::from_millis(100);

/// Wait after the first fault of several in a row; each further one doubles it.
const BACKOFF: Duration = Duration::from_millis(100);

/// Longest wait between two attempts.
const SELDOM: Duration = Duration::from_secs(5);

/// Where a run begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// Where the last run stopped; else at the oldest record.
    #[default]
    Committed,
    /// At the oldest record, with nothing remembered.
    Earliest,
    /// After the newest record, with nothing remembered.
    Latest,
}

/// How to run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Stop when all that was there at start is done and committed.
    pub until_end: bool,
    /// With `until_end`: close every window too.
    pub drain: bool,
    /// Where to begin.
    pub from: From,
    /// Who runs it, for other instances and for statistics.
    pub instance: String,
}

/// Told to stop once, from any thread: what was read is done and committed, then the run ends.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks the run to end in good order.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a run needs from outside.
#[derive(Clone)]
pub struct Engine {
    /// The pipeline.
    pub plan: Arc<Physical>,
    /// The backplane.
    pub log: Arc<dyn Log>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Where samples of `log` steps go.
    pub samples: Samples,
    /// Operators of the embedding program, by kind.
    pub custom: BTreeMap<&'static str, Factory>,
}

impl Engine {
    /// Runs until stopped, or to the end; called on a multi-thread Tokio runtime.
    ///
    /// # Errors
    /// The fault that ended the run.
    pub async fn run(&self, options: &RunOptions, stop: &Stop) -> Result<(), Fault> {
        let engine = self.clone();
        let (mut options, stop) = (options.clone(), stop.clone());
        let handle = tokio::runtime::Handle::current();
        let run = move || {
            let mut wait = BACKOFF;
            loop {
                let begun = engine.clock.now();
                match engine.attempt(&options, &stop, &handle) {
                    Err(Fault::Abort(why)) if !stop.asked() => {
                        tracing::warn!("going back to what was committed: {why}");
                        options.from = From::Committed;
                        // One that had worked for a while is no sign that the next will fail.
                        let worked = engine.clock.now() - begun > millis(SELDOM);
                        wait = if worked { BACKOFF } else { (wait * 2).min(SELDOM) };
                        pause(wait, &stop);
                    }
                    Err(Fault::Stopped) => return Ok(()),
                    other => return other,
                }
            }
        };
        tokio::task::spawn_blocking(run).await.map_err(Fault::internal)?
    }

    /// One membership of the group, from joining to leaving: as many rounds as the group hands out partitions.
    fn attempt(&self, options: &RunOptions, stop: &Stop, handle: &tokio::runtime::Handle) -> Result<(), Fault> {
        let (plan, log) = (&self.plan, self.log.as_ref());
        if options.from != From::Committed {
            topics::forget(plan, log)?;
        }
        topics::prepare(plan, log)?;
        let inputs: Vec<Arc<str>> = plan.subs.iter().flat_map(|s| &s.inputs).map(|i| i.topic().clone()).collect();
        let group = GroupSpec { group: plan.name.clone(), topics: inputs, instance: options.instance.clone() };
        let mut member = log.join(&group)?;
        let mut committer = member.committer()?;
        let models = Arc::new(Models::new(plan, self.clock.clone(), true));
        let feed = models.needed().then(|| ModelFeed::open(log, MODELS_TOPIC, models.clone())).transpose()?;
        std::thread::scope(|threads| {
            let feed = feed.map(|feed| threads.spawn(move || feed.follow()));
            let watch = threads.spawn({
                let (models, stop) = (models.clone(), stop.clone());
                move || watch(&stop, &models)
            });
            let mut round = options.clone();
            let outcome = loop {
                let given = match given(member.as_mut(), stop) {
                    Ok(Some(given)) => given,
                    Ok(None) => break Ok(()),
                    Err(fault) => break Err(fault),
                };
                let ended;
                (ended, member, committer) = self.round(&round, stop, handle, member, committer, given, &models);
                match ended {
                    Ok(Ending::Revoked) => round.from = From::Committed,
                    Ok(Ending::Done) => break Ok(()),
                    Err(fault) => break Err(fault),
                }
            };
            models.stop();
            let watched = watch.join().is_ok();
            let fed = feed.map_or(Ok(Ok(())), std::thread::ScopedJoinHandle::join);
            let left = member.leave();
            outcome?;
            left?;
            match fed {
                Ok(fed) if watched => fed,
                _ => Err(Fault::internal("a thread of the run has panicked")),
            }
        })
    }

    /// What the group has given, until it takes it back or the run ends. Member and committer come back.
    #[expect(clippy::too_many_arguments, reason = "what a membership owns goes in and comes out again")]
    fn round(
        &self,
        options: &RunOptions,
        stop: &Stop,
        handle: &tokio::runtime::Handle,
        member: Box<dyn Member>,
        committer: Box<dyn Committer>,
        given: Given,
        models: &Arc<Models>,
    ) -> (Result<Ending, Fault>, Box<dyn Member>, Box<dyn Committer>) {
        let (plan, log) = (&self.plan, self.log.as_ref());
        let built = self.tasks(options, given, models);
        let (tasks, starts, ends) = match built {
            Ok(built) => built,
            Err(fault) => return (Err(fault), member, committer),
        };
        let gauges = Arc::new(Gauges::default());
        let (reports, reported) = mpsc::channel(tasks.len().max(1) * 2);
        let (done, committed) = std::sync::mpsc::sync_channel(2);
        let (trimming, trimmed) = Trimming::new();
        let info = self.info(options);
        let commits = Commits::new(plan.clone(), committer, self.clock.clone(), info, tasks.len(), trimming);
        let owned: BTreeSet<&TopicPartition> = starts.iter().map(|(at, _)| at).collect();
        let mut routes = Vec::new();
        for mut task in tasks {
            let (to, messages) = mpsc::channel(QUEUE);
            // Only where every input has an end can the least of all be known.
            let wanted = if options.until_end { task.merge_inputs() } else { Vec::new() };
            let owned = task.partitions().into_iter().filter(|at| owned.contains(at)).collect();
            routes.push(Route { sub: task.id().sub, to, owned, wanted });
            handle.spawn(work(task, messages, reports.clone(), self.clock.clone(), gauges.clone()));
        }
        drop(reports);
        let intake = Intake {
            log: self.log.clone(),
            member,
            routes,
            committed,
            gauges,
            stop: stop.0.clone(),
            commit_every: plan.commit_every,
            drain: options.drain,
            flow: Flow::default(),
        };
        std::thread::scope(|threads| {
            let commits = threads.spawn(move || commits.run(reported, &done));
            threads.spawn(move || trim::follow(log, &trimmed));
            let (outcome, member) = intake.run(&starts, ends);
            // The intake has dropped its routes: tasks end, then the committer. One that waits for a model
            // after a fault would wait for ever.
            if outcome.is_err() {
                models.stop();
            }
            let committer = commits.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (outcome, member, committer)
        })
    }

    /// The tasks for what the group has given, as they were committed last; where each partition is read from
    /// and, in a bounded run, up to where.
    #[expect(clippy::type_complexity, reason = "named in the sentence above")]
    fn tasks(
        &self,
        options: &RunOptions,
        given: Given,
        models: &Arc<Models>,
    ) -> Result<(Vec<Task>, Vec<(TopicPartition, Offset)>, Option<BTreeMap<TopicPartition, Offset>>), Fault> {
        let (plan, log) = (&self.plan, self.log.as_ref());
        let around = Surroundings {
            partitions: topics::prepare(plan, log)?,
            models: models.clone(),
            samples: self.samples.clone(),
            custom: self.custom.clone(),
        };
        let fresh = options.from != From::Committed;
        let committed: Given = given.into_iter().map(|(at, offset)| (at, offset.filter(|_| !fresh))).collect();
        let mut tasks = Vec::new();
        let mut progress = restore::progress(log, &plan.name)?;
        for sub in &plan.subs {
            let shared = Arc::new(sub.clone());
            for partition in 0..build::width(sub, &around.partitions) {
                let mut task = build::task(plan, &shared, partition, &around)?;
                if !owns(&task, &around.partitions, &committed)? {
                    continue;
                }
                let was = progress.remove(&task.id().to_string());
                restore::restore(log, plan, &mut task, was, &committed)?;
                tasks.push(task);
            }
        }
        let starts = self.starts(options.from, &committed)?;
        let ends = if options.until_end { Some(self.ends(&committed)?) } else { None };
        Ok((tasks, starts, ends))
    }

    /// Where each partition is read from.
    fn starts(
        &self,
        from: From,
        committed: &[(TopicPartition, Option<Offset>)],
    ) -> Result<Vec<(TopicPartition, Offset)>, Fault> {
        let start = |(at, offset): &(TopicPartition, Option<Offset>)| {
            let internal = self.plan.is_repartition(&at.topic);
            let offset = match (offset, from) {
                (Some(offset), From::Committed) => *offset,
                (_, From::Latest) if !internal => self.log.resolve(at, Start::Latest)?,
                _ => self.log.resolve(at, Start::Earliest)?,
            };
            Ok((at.clone(), offset))
        };
        committed.iter().map(start).collect()
    }

    /// Where each source ends now.
    fn ends(&self, of: &[(TopicPartition, Option<Offset>)]) -> Result<BTreeMap<TopicPartition, Offset>, Fault> {
        let sources = of.iter().filter(|(at, _)| !self.plan.is_repartition(&at.topic));
        sources.map(|(at, _)| Ok((at.clone(), self.log.resolve(at, Start::Latest)?))).collect()
    }

    fn info(&self, options: &RunOptions) -> PipelineInfo {
        let mut info = PipelineInfo {
            name: self.plan.name.clone(),
            instance: options.instance.clone(),
            started_at: self.clock.now(),
            ..PipelineInfo::default()
        };
        for sub in &self.plan.subs {
            for input in &sub.inputs {
                if let InputPlan::Source(s) = input {
                    info.sources.push(SourceInfo { name: s.name.clone(), topic: s.topic.to_string() });
                }
            }
            let edge = |f: &Feed| edge(sub, *f);
            info.steps.extend(sub.nodes.iter().map(|n| StepInfo {
                name: n.name.clone(),
                kind: n.op.kind().into(),
                from: n.from.iter().map(edge).collect(),
            }));
        }
        info
    }
}

fn edge(sub: &SubTopology, feed: Feed) -> EdgeInfo {
    match feed {
        Feed::Input(i) => EdgeInfo { step: sub.inputs[i].name().to_owned(), output: None },
        Feed::Node(n, Port(p)) => {
            EdgeInfo { step: sub.nodes[n].name.clone(), output: sub.nodes[n].outputs[p].name.clone() }
        }
    }
}

/// Partitions with the position that was committed for each.
type Given = Vec<(TopicPartition, Option<Offset>)>;

/// What the group gives this member; `None` where the run is told to stop first.
fn given(member: &mut dyn Member, stop: &Stop) -> Result<Option<Given>, Fault> {
    while !stop.asked() {
        if let GroupEvent::Assigned(given) = member.poll(FetchLimit::default(), JOIN)? {
            return Ok(Some(given));
        }
    }
    Ok(None)
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

/// Waits, but not longer than until the run is told to stop.
fn pause(time: Duration, stop: &Stop) {
    let mut left = time;
    while !left.is_zero() && !stop.asked() {
        let nap = left.min(JOIN);
        std::thread::park_timeout(nap);
        left -= nap;
    }
}

/// Wakes steps that wait for a model once the run is asked to stop.
fn watch(stop: &Stop, models: &Models) {
    while !models.stopped() {
        if stop.asked() {
            models.stop();
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
}
