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
use super::intake::{Flow, Intake, Route};
use super::models::{MODELS_TOPIC, ModelFeed, Models};
use super::operators::Samples;
use super::trim::{self, Trimming};
use super::worker::{Gauges, QUEUE, work};
use super::{restore, topics};
use crate::log::{GroupEvent, GroupSpec, Log, Start};
use crate::metrics::{EdgeInfo, PipelineInfo, SourceInfo, StepInfo};
use crate::plan::{Feed, InputPlan, Physical, Port, SubTopology};
use crate::record::{Offset, TopicPartition};
use crate::time::Clock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Faults in a row without a commit between them after which a run gives up.
const ATTEMPTS: u32 = 5;

/// Longest wait for the group to hand out partitions.
const JOIN: Duration = Duration::from_secs(30);

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
            let mut failed = 0;
            loop {
                match engine.attempt(&options, &stop, &handle) {
                    Err(Fault::Abort(why)) if failed + 1 < ATTEMPTS && !stop.asked() => {
                        failed += 1;
                        tracing::warn!("going back to what was committed: {why}");
                        options.from = From::Committed;
                    }
                    Err(Fault::Stopped) => return Ok(()),
                    other => return other,
                }
            }
        };
        tokio::task::spawn_blocking(run).await.map_err(Fault::internal)?
    }

    fn attempt(&self, options: &RunOptions, stop: &Stop, handle: &tokio::runtime::Handle) -> Result<(), Fault> {
        let (plan, log) = (&self.plan, self.log.as_ref());
        if options.from != From::Committed {
            topics::forget(plan, log)?;
        }
        let partitions = topics::prepare(plan, log)?;
        let inputs: Vec<Arc<str>> = plan.subs.iter().flat_map(|s| &s.inputs).map(|i| i.topic().clone()).collect();
        let group = GroupSpec { group: plan.name.clone(), topics: inputs, instance: options.instance.clone() };
        let mut member = log.join(&group)?;
        let assigned = loop {
            match member.poll(crate::log::FetchLimit::default(), JOIN)? {
                GroupEvent::Assigned(assigned) => break assigned,
                GroupEvent::Idle if !stop.asked() => {}
                _ => return Err(Fault::Stopped),
            }
        };
        let models = Arc::new(Models::new(plan, self.clock.clone(), true));
        let feed = models.needed().then(|| ModelFeed::open(log, MODELS_TOPIC, models.clone())).transpose()?;
        let around = Surroundings {
            partitions,
            models: models.clone(),
            samples: self.samples.clone(),
            custom: self.custom.clone(),
        };
        let fresh = options.from != From::Committed;
        let committed: Vec<_> =
            if fresh { assigned.iter().map(|(at, _)| (at.clone(), None)).collect() } else { assigned };
        let mut tasks = Vec::new();
        let mut progress = restore::progress(log, &plan.name)?;
        for sub in &plan.subs {
            let shared = Arc::new(sub.clone());
            for partition in 0..build::width(sub, &around.partitions) {
                let mut task = build::task(plan, &shared, partition, &around)?;
                let was = progress.remove(&task.id().to_string());
                restore::restore(log, plan, &mut task, was, &committed)?;
                tasks.push(task);
            }
        }
        let starts = self.starts(options.from, &committed)?;
        let ends = if options.until_end { Some(self.ends(&committed)?) } else { None };
        let info = self.info(options);

        let gauges = Arc::new(Gauges::default());
        let (reports, reported) = mpsc::channel(tasks.len().max(1) * 2);
        let (done, committed) = std::sync::mpsc::sync_channel(2);
        let (trimming, trimmed) = Trimming::new();
        let commits = Commits::new(plan.clone(), member.committer()?, self.clock.clone(), info, tasks.len(), trimming);
        let mut routes = Vec::new();
        for mut task in tasks {
            let (to, messages) = mpsc::channel(QUEUE);
            // Only where every input has an end can the least of all be known.
            let wanted = if options.until_end { task.merge_inputs() } else { Vec::new() };
            routes.push(Route { sub: task.id().sub, to, partitions: task.partitions(), wanted });
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
            let feed = feed.map(|feed| threads.spawn(move || feed.follow()));
            let watch = threads.spawn({
                let models = models.clone();
                let stop = stop.clone();
                move || watch(&stop, &models)
            });
            let (outcome, member) = intake.run(&starts, ends);
            // The intake has dropped its routes: tasks end, then the committer.
            models.stop();
            let joined = commits.join().is_ok() & watch.join().is_ok();
            let fed = feed.map_or(Ok(Ok(())), std::thread::ScopedJoinHandle::join);
            let left = member.leave();
            outcome?;
            left?;
            match fed {
                Ok(fed) if joined => fed,
                _ => Err(Fault::internal("a thread of the run has panicked")),
            }
        })
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

/// Wakes steps that wait for a model once the run is asked to stop.
fn watch(stop: &Stop, models: &Models) {
    while !models.stopped() {
        if stop.asked() {
            models.stop();
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
}
