//! The topics of a pipeline: what must be there, what is made, what fits together.
//!
//! Separate because it is the first thing that can go wrong on a real backplane, and must say so by name.
//! [`look`] changes nothing; [`prepare`] looks, and then makes what is missing.

use crate::log::{Log, LogError, TopicConfig, topic};
use crate::metrics::progress_topic;
use crate::plan::{InputPlan, NodeInput, NodePlan, Op, Physical, SubTopology};
use crate::runtime::cancel::CancelToken;
use crate::runtime::fault::Fault;
use crate::runtime::operators::build::Partitions;
use crate::runtime::operators::build::width;
use crate::runtime::recovery::progress;
use crate::spec::ErrorPolicy;
use std::sync::Arc;
use std::time::Duration;

/// How often, and after which pause, is looked again while another instance makes the same topics.
const LOOKS: u32 = 200;
const BETWEEN: Duration = Duration::from_millis(50);

/// What a topic is to a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is read; the pipeline does not make it.
    Source,
    /// It carries records to the task of their key.
    Repartition,
    /// It takes results.
    Sink,
    /// It keeps the state of a step.
    State,
    /// It takes what cannot be handled.
    Dead,
    /// It keeps positions and counters.
    Progress,
}

/// A topic that a pipeline needs.
#[derive(Clone, Debug)]
pub struct TopicNeed {
    /// Its name.
    pub topic: Arc<str>,
    /// What it is for.
    pub role: Role,
    /// The source or the step that it belongs to, else the pipeline.
    pub of: String,
    /// How it is made where it is not there.
    pub config: TopicConfig,
}

impl TopicNeed {
    /// What is in it, in words.
    fn holds(&self) -> String {
        let of = &self.of;
        match self.role {
            Role::State => format!("the state of `{of}`"),
            Role::Repartition => format!("the records that `{of}` groups"),
            Role::Progress => format!("the positions and counters of `{of}`"),
            Role::Source => format!("what `{of}` reads"),
            Role::Sink => format!("the results of `{of}`"),
            Role::Dead => format!("what `{of}` cannot handle"),
        }
    }
}

/// Something about a topic with which the pipeline cannot run.
#[derive(Debug)]
pub struct TopicMismatch {
    /// The topic.
    pub need: TopicNeed,
    /// What is wrong, and what to do.
    pub fault: Fault,
}

/// The topics of a pipeline as they are.
#[derive(Debug, Default)]
pub struct TopicSurvey {
    /// Partitions of each topic; of one that is missing, those that it would be made with.
    pub partitions: Partitions,
    /// What is needed and there.
    pub there: Vec<TopicNeed>,
    /// What is needed, not there, and made by the run.
    pub missing: Vec<TopicNeed>,
    /// What does not fit.
    pub misfits: Vec<TopicMismatch>,
}

/// Looks at all topics of a pipeline and changes nothing.
///
/// # Errors
/// Faults of the backplane, and [`Fault::Stopped`] where it was cancelled. What is wrong with a topic is found,
/// and is no error.
pub fn look(plan: &Physical, log: &dyn Log, cancel: &CancelToken) -> Result<TopicSurvey, Fault> {
    let mut found = TopicSurvey::default();
    let plain = |partitions| TopicConfig { partitions, ..TopicConfig::default() };
    let compacted = |partitions| TopicConfig { partitions, compacted: true, ..TopicConfig::default() };
    for sub in &plan.subs {
        for input in &sub.inputs {
            let (role, of, config) = match input {
                InputPlan::Source(s) => (Role::Source, s.name.clone(), plain(1)),
                InputPlan::Repartition(r) => {
                    let from = plan.subs.iter().find(|s| s.id == r.from);
                    let wanted = if r.single { 1 } else { from.map_or(1, |s| width(s, &found.partitions)) };
                    (Role::Repartition, reader_of(sub, input), plain(wanted))
                }
            };
            found.add(log, TopicNeed { topic: input.topic().clone(), role, of, config })?;
        }
        let unequal = found.unequal(sub);
        found.misfits.extend(unequal);
        let width = width(sub, &found.partitions);
        for node in &sub.nodes {
            if let Op::Sink(sink) = &node.op {
                let config = plain(sink.partitions.unwrap_or(width));
                found.add(
                    log,
                    TopicNeed { topic: sink.topic.clone(), role: Role::Sink, of: node.name.clone(), config },
                )?;
            }
            if node.op.stateful() {
                let topic = plan.state_topic(&node.name).as_str().into();
                found.add(
                    log,
                    TopicNeed { topic, role: Role::State, of: node.name.clone(), config: compacted(width) },
                )?;
            }
        }
    }
    if plan.errors == ErrorPolicy::DeadLetter {
        let topic = plan.dead_topic().as_str().into();
        found.add(log, TopicNeed { topic, role: Role::Dead, of: plan.name.clone(), config: plain(1) })?;
    }
    let topic = progress_topic(&plan.name).as_str().into();
    found.add(log, TopicNeed { topic, role: Role::Progress, of: plan.name.clone(), config: compacted(1) })?;
    found.lost(plan, log, cancel)?;
    Ok(found)
}

/// The step that reads an input, for internal ones.
fn reader_of(sub: &SubTopology, input: &InputPlan) -> String {
    let reads = |node: &&NodePlan| {
        node.from.iter().any(|f| matches!(f, NodeInput::Input(i) if sub.inputs[*i].topic() == input.topic()))
    };
    sub.nodes.iter().find(reads).map_or_else(|| input.name().to_owned(), |node| node.name.clone())
}

impl TopicSurvey {
    /// Looks at one topic.
    fn add(&mut self, log: &dyn Log, need: TopicNeed) -> Result<(), Fault> {
        let mut partitions = need.config.partitions;
        let fault = match log.topics(Some(&need.topic))?.pop() {
            Some(info) => {
                partitions = u32::try_from(info.partitions.len()).unwrap_or(u32::MAX);
                // How many there must be is known only where each source is.
                let sure = self.misfits.iter().all(|m| m.need.role != Role::Source);
                unfit(&need, if sure { partitions } else { need.config.partitions }, info.config.compacted)
            }
            None if need.role == Role::Source => match topic(log, &need.topic) {
                Err(e) => Some(e.into()),
                // It has just been made.
                Ok(info) => {
                    partitions = u32::try_from(info.partitions.len()).unwrap_or(u32::MAX);
                    None
                }
            },
            None => {
                self.partitions.insert(need.topic.clone(), partitions);
                if !self.missing.iter().any(|n| n.topic == need.topic) {
                    self.missing.push(need);
                }
                return Ok(());
            }
        };
        self.partitions.insert(need.topic.clone(), partitions);
        match fault {
            Some(fault) => self.misfits.push(TopicMismatch { need, fault }),
            None => self.there.push(need),
        }
        Ok(())
    }

    /// What is missing although it was written to: made anew it would be empty, and nobody would know.
    fn lost(&mut self, plan: &Physical, log: &dyn Log, cancel: &CancelToken) -> Result<(), Fault> {
        let kept = |need: &TopicNeed| matches!(need.role, Role::State | Role::Repartition);
        if !self.missing.iter().any(kept) || !self.there.iter().any(|n| n.role == Role::Progress) {
            return Ok(());
        }
        let progress = progress::reports(log, &plan.name, cancel)?.tasks;
        let steps = || progress.values().flat_map(|t| &t.steps);
        let inputs = || progress.values().flat_map(|t| &t.inputs);
        let written = |need: &TopicNeed| match need.role {
            Role::State => steps().any(|s| s.name == need.of && s.keys > 0),
            _ => inputs().any(|i| *i.topic == *need.topic && i.next > 0),
        };
        let (lost, missing) = std::mem::take(&mut self.missing).into_iter().partition(|n| kept(n) && written(n));
        self.missing = missing;
        let lost: Vec<TopicNeed> = lost;
        self.misfits.extend(lost.into_iter().map(|need| {
            let TopicNeed { topic, .. } = &need;
            let fault = Fault::Fatal(format!(
                "topic `{topic}`, in which `{}` keeps {}, was deleted; start over with `--from earliest`, which makes it anew",
                plan.name,
                need.holds()
            ));
            TopicMismatch { need, fault }
        }));
        Ok(())
    }

    /// Inputs that meet in one task with state must have the same number of partitions.
    fn unequal(&self, sub: &SubTopology) -> Option<TopicMismatch> {
        let counts: Vec<(&Arc<str>, u32)> =
            sub.inputs.iter().map(|i| (i.topic(), self.partitions[i.topic()])).collect();
        // Where one is not there at all, that is what is said.
        let lost = counts.iter().any(|(t, _)| self.misfits.iter().any(|m| m.need.topic == **t));
        let differ = !lost && counts.iter().any(|(_, n)| *n != counts[0].1);
        let step = sub.nodes.iter().find(|n| n.op.stateful()).filter(|_| differ)?;
        let list: Vec<_> = counts.iter().map(|(t, n)| format!("`{t}` has {n}")).collect();
        let fault = Fault::Fatal(format!(
            "the inputs of `{}` do not have the same number of partitions: {}; make them equal, or put a `key_by` before it",
            step.name,
            list.join(", ")
        ));
        let config = TopicConfig { partitions: counts[0].1, ..TopicConfig::default() };
        Some(TopicMismatch {
            need: TopicNeed { topic: counts[0].0.clone(), role: Role::State, of: step.name.clone(), config },
            fault,
        })
    }
}

/// Why a topic that is there cannot be used.
fn unfit(need: &TopicNeed, partitions: u32, compacted: bool) -> Option<Fault> {
    let TopicNeed { topic, role, config, .. } = need;
    if matches!(role, Role::Source | Role::Sink | Role::Dead) {
        return None;
    }
    if config.compacted && !compacted {
        let why = "it must keep the latest record of each key; delete it, or rename the pipeline";
        return Some(Fault::Fatal(format!("topic `{topic}` is not compacted: {why}")));
    }
    if partitions != config.partitions {
        let wanted = config.partitions;
        let grown = if *role == Role::Progress { "" } else { ", as many as what is read has" };
        return Some(Fault::Fatal(format!(
            "topic `{topic}`, which holds {}, has {partitions} partitions where {wanted} are needed{grown}; start over with `--from earliest`, which makes it anew",
            need.holds()
        )));
    }
    None
}

/// Whether each source is there.
///
/// # Errors
/// One that is not, or faults of the backplane.
pub fn sources(plan: &Physical, log: &dyn Log) -> Result<(), Fault> {
    for input in plan.subs.iter().flat_map(|s| &s.inputs) {
        if let InputPlan::Source(source) = input {
            topic(log, &source.topic)?;
        }
    }
    Ok(())
}

/// What a fault says once every source was found: a topic that is not there has been removed since then, and
/// nothing that the user wrote is wrong.
#[must_use]
pub fn while_running(plan: &Physical, fault: Fault) -> Fault {
    let name = &plan.name;
    let (topic, what) = match fault {
        Fault::Backplane(LogError::UnknownTopic { topic, .. }) => (topic, "was deleted".to_owned()),
        Fault::Backplane(LogError::UnknownPartition { at, count }) => {
            (at.topic.to_string(), format!("was deleted and made again with {count} partitions"))
        }
        Fault::Backplane(e @ LogError::OffsetOutOfRange { .. }) => return Fault::Fatal(e.to_string()),
        other => return other,
    };
    let inputs = || plan.subs.iter().flat_map(|s| &s.inputs);
    let nodes = || plan.subs.iter().flat_map(|s| &s.nodes);
    let kept = plan.is_repartition(&topic)
        || topic == progress_topic(name)
        || nodes().any(|n| n.op.stateful() && topic == plan.state_topic(&n.name));
    let written =
        topic == plan.dead_topic() || nodes().any(|n| matches!(&n.op, Op::Sink(sink) if *sink.topic == *topic));
    let (does, advice) = if kept {
        ("keeps for itself", "start over with `--from earliest`, which makes it anew")
    } else if inputs().any(|i| **i.topic() == *topic) {
        ("reads", "make it again and start over with `--from earliest`")
    } else if written {
        ("writes", "run it again, which makes the topic anew")
    } else {
        ("needs", "make it again")
    };
    Fault::Fatal(format!("topic `{topic}`, which `{name}` {does}, {what} while it ran; {advice}"))
}

/// Finds the sources and makes what is missing of the rest.
///
/// # Errors
/// A source that is not there, or topics whose partitions do not fit together; [`Fault::Stopped`] where it was
/// given up.
pub fn prepare(plan: &Physical, log: &dyn Log, cancel: &CancelToken) -> Result<Partitions, Fault> {
    for _ in 0..LOOKS {
        let found = look(plan, log, cancel)?;
        if let Some(misfit) = found.misfits.into_iter().next() {
            return Err(misfit.fault);
        }
        let mut raced = false;
        for need in &found.missing {
            match log.create_topic(&need.topic, &need.config) {
                Ok(()) => {}
                // Another instance has just made it: it may take a while until all see it.
                Err(LogError::TopicExists(_)) => raced = true,
                Err(e) => return Err(e.into()),
            }
        }
        if !raced {
            return Ok(found.partitions);
        }
        std::thread::park_timeout(BETWEEN);
    }
    Err(Fault::Abort(format!("the topics that another instance of `{}` makes are not to be seen yet", plan.name)))
}

/// Deletes what earlier runs have left: positions, state, progress, repartitioned records.
///
/// # Errors
/// Faults of the backplane; [`Fault::Stopped`] where it was cancelled.
pub(in crate::runtime) fn reset(plan: &Physical, log: &dyn Log, cancel: &CancelToken) -> Result<(), Fault> {
    // An instance that runs would go on without what it remembers.
    log.delete_offsets(&plan.name, cancel.flag()).map_err(|e| match cancel.is_cancelled() {
        true => Fault::Stopped,
        false => e.into(),
    })?;
    let steps = plan.subs.iter().flat_map(|s| &s.nodes).filter(|n| n.op.stateful());
    let mut names: Vec<String> = steps.map(|n| plan.state_topic(&n.name)).collect();
    names.extend(plan.subs.iter().flat_map(|s| &s.inputs).filter_map(|i| match i {
        InputPlan::Repartition(r) => Some(r.topic.to_string()),
        InputPlan::Source(_) => None,
    }));
    names.push(progress_topic(&plan.name));
    for name in names {
        match log.delete_topic(&name) {
            Ok(()) | Err(LogError::UnknownTopic { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}
