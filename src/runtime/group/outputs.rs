//! The outputs of a pipeline that starts over: which hold records that will be there twice, and which may be emptied.
//!
//! Only what this pipeline alone has written is emptied. Everything else is refused by name, and then nothing is. That
//! a pipeline writes what it reads is refused with its file.

use crate::log::Log;
use crate::metrics::{PROGRESS_SUFFIX, Reports, progress_topic};
use crate::plan::{PartitionCounts, Physical, TopicRole, layout};
use crate::runtime::cancel::CancelToken;
use crate::runtime::fault::Fault;
use crate::runtime::read::progress::reports;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the names of sinks begin with; the topic follows.
const SINK_PREFIX: &str = "sink:";

/// The outputs and dead letters of a pipeline that has run before, as far as they hold records; each with their number.
///
/// # Errors
/// Faults of the backplane.
pub fn filled_outputs(plan: &Physical, log: &dyn Log) -> Result<Vec<(Arc<str>, u64)>, Fault> {
    if log.topics(Some(&progress_topic(&plan.name)))?.is_empty() {
        return Ok(Vec::new());
    }
    filled(plan, log)
}

fn filled(plan: &Physical, log: &dyn Log) -> Result<Vec<(Arc<str>, u64)>, Fault> {
    let is_output = |role: TopicRole| matches!(role, TopicRole::Sink | TopicRole::DeadLetters);
    let topics = layout(plan, &PartitionCounts::new()).topics;
    let mut filled = Vec::new();
    for output in topics.into_iter().filter(|t| is_output(t.role)) {
        let Some(info) = log.topics(Some(&output.topic))?.pop() else { continue };
        let records: i64 = info.partitions.iter().map(|p| p.end.0 - p.earliest.0).sum();
        if records > 0 {
            filled.push((output.topic, records.unsigned_abs()));
        }
    }
    Ok(filled)
}

/// The outputs and dead letters with records, all of which may be emptied.
///
/// # Errors
/// One that may not, and faults of the backplane.
pub(in crate::runtime) fn replaceable(
    plan: &Physical,
    log: &dyn Log,
    cancel: &CancelToken,
) -> Result<Vec<Arc<str>>, Fault> {
    let filled: Vec<Arc<str>> = filled(plan, log)?.into_iter().map(|(topic, _)| topic).collect();
    let own = written_topics(&reports(log, &plan.name, cancel)?);
    let mut others: Vec<(String, BTreeSet<String>)> = Vec::new();
    for info in log.topics(None)?.iter().filter(|info| info.config.compacted) {
        let name = info.name.strip_suffix(PROGRESS_SUFFIX).filter(|name| *name != plan.name);
        if let Some(name) = name {
            let mut written = written_topics(&reports(log, name, cancel)?);
            written.insert(format!("{name}.dead"));
            others.push((name.to_owned(), written));
        }
    }
    for topic in &filled {
        let refusal = if let Some((other, _)) = others.iter().find(|(_, written)| written.contains(&**topic)) {
            format!("the pipeline `{other}` writes it too")
        } else if !own.contains(&**topic) && **topic != *plan.dead_topic() {
            format!("it holds records, and nothing shows that `{}` has written them", plan.name)
        } else {
            continue;
        };
        return Err(Fault::Fatal(format!(
            "`--replace-outputs` must not empty the topic `{topic}`: {refusal}; nothing was removed\nhint: leave the option out, or remove what may go with `fastdata topics delete TOPIC`"
        )));
    }
    Ok(filled)
}

/// The topics that a pipeline has written, as it reports.
fn written_topics(reports: &Reports) -> BTreeSet<String> {
    let plan = reports.info.iter().flat_map(|(info, _)| info.steps.iter().map(|s| &s.name));
    let counted = reports.tasks.values().flat_map(|t| t.steps.iter().map(|s| &s.name));
    plan.chain(counted).filter_map(|name| name.strip_prefix(SINK_PREFIX)).map(str::to_owned).collect()
}
