//! The topics of a pipeline at start: what must be there, what is made, what fits together.
//!
//! Separate because it is the first thing that can go wrong on a real backplane, and must say so by name.

use super::build::width;
use super::fault::Fault;
use crate::log::{Log, LogError, TopicConfig, topic};
use crate::metrics::progress_topic;
use crate::plan::{InputPlan, Op, Physical, SubTopology};
use crate::spec::ErrorPolicy;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often, and after which pause, a topic is looked for that must be there.
const LOOKS: u32 = 200;
const BETWEEN: Duration = Duration::from_millis(50);

/// The number of partitions of each topic that a pipeline reads or writes.
pub type Partitions = BTreeMap<Arc<str>, u32>;

/// Finds the sources and makes what is missing of the rest.
///
/// # Errors
/// A source that is not there, or topics whose partitions do not fit together.
pub fn prepare(plan: &Physical, log: &dyn Log) -> Result<Partitions, Fault> {
    let mut known = Partitions::new();
    for sub in &plan.subs {
        for input in &sub.inputs {
            let count = match input {
                InputPlan::Source(s) => count(log, &s.topic)?,
                InputPlan::Repartition(r) => {
                    let from = plan.subs.iter().find(|s| s.id == r.from);
                    let wanted = if r.single { 1 } else { from.map_or(1, |s| width(s, &known)) };
                    ensure(log, &r.topic, &TopicConfig { partitions: wanted, ..TopicConfig::default() })?
                }
            };
            known.insert(input.topic().clone(), count);
        }
        check_partitions(sub, &known)?;
        for node in &sub.nodes {
            if let Op::Sink(sink) = &node.op {
                let partitions = sink.partitions.unwrap_or_else(|| width(sub, &known));
                let config = TopicConfig { partitions, ..TopicConfig::default() };
                known.insert(sink.topic.clone(), ensure(log, &sink.topic, &config)?);
            }
            if node.op.stateful() {
                let config = TopicConfig { partitions: width(sub, &known), compacted: true, ..TopicConfig::default() };
                let name = plan.state_topic(&node.name);
                known.insert(name.as_str().into(), ensure(log, &name, &config)?);
            }
        }
    }
    if plan.errors == ErrorPolicy::DeadLetter {
        let dead = plan.dead_topic();
        known.insert(
            dead.as_str().into(),
            ensure(log, &dead, &TopicConfig { partitions: 1, ..TopicConfig::default() })?,
        );
    }
    let progress = progress_topic(&plan.name);
    ensure(log, &progress, &TopicConfig { partitions: 1, compacted: true, ..TopicConfig::default() })?;
    Ok(known)
}

/// Forgets what earlier runs have left: state, progress, repartitioned records.
///
/// # Errors
/// Faults of the backplane.
pub fn forget(plan: &Physical, log: &dyn Log) -> Result<(), Fault> {
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

fn count(log: &dyn Log, name: &str) -> Result<u32, Fault> {
    Ok(u32::try_from(topic(log, name)?.partitions.len()).unwrap_or(u32::MAX))
}

fn ensure(log: &dyn Log, name: &str, config: &TopicConfig) -> Result<u32, Fault> {
    if let Some(info) = log.topics(Some(name))?.pop() {
        if config.compacted && !info.config.compacted {
            let why = "it must keep the latest record of each key; delete it, or rename the pipeline";
            return Err(Fault::Fatal(format!("topic `{name}` is not compacted: {why}")));
        }
        return Ok(u32::try_from(info.partitions.len()).unwrap_or(u32::MAX));
    }
    match log.create_topic(name, config) {
        Ok(()) => Ok(config.partitions),
        Err(LogError::TopicExists(_)) => made_by_another(log, name),
        Err(e) => Err(e.into()),
    }
}

/// Another instance has just made it: it may take a while until all see it.
fn made_by_another(log: &dyn Log, name: &str) -> Result<u32, Fault> {
    for _ in 0..LOOKS {
        match count(log, name) {
            Err(Fault::Backplane(LogError::UnknownTopic { .. })) => std::thread::park_timeout(BETWEEN),
            counted => return counted,
        }
    }
    count(log, name)
}

/// Inputs that meet in one task with state must have the same number of partitions.
fn check_partitions(sub: &SubTopology, known: &Partitions) -> Result<(), Fault> {
    let counts: Vec<(&str, u32)> = sub.inputs.iter().map(|i| (&**i.topic(), known[i.topic()])).collect();
    let differ = counts.iter().any(|(_, n)| *n != counts[0].1);
    let Some(step) = sub.nodes.iter().find(|n| n.op.stateful()).filter(|_| differ) else { return Ok(()) };
    let list: Vec<_> = counts.iter().map(|(t, n)| format!("`{t}` has {n}")).collect();
    Err(Fault::Fatal(format!(
        "the inputs of `{}` do not have the same number of partitions: {}; make them equal, or put a `key_by` before it",
        step.name,
        list.join(", ")
    )))
}
