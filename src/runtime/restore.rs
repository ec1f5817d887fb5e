//! Back to what was committed: progress and state of each task, from their topics.
//!
//! Separate because after any fault, and at each start, the same thing happens here and nowhere else.

use super::fault::Fault;
use super::task::Task;
use crate::log::{FetchLimit, Log, Start};
use crate::metrics::{PIPELINE_KEY, TaskProgress, progress_topic};
use crate::plan::Physical;
use crate::record::{Fetched, Offset, TopicPartition};
use arrow_array::Array;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long to wait for records that must be there.
const PATIENCE: Duration = Duration::from_millis(200);

/// Reads one partition from its beginning to where it ends now.
///
/// # Errors
/// Faults of the backplane, and those of `each`.
pub fn read_all(
    log: &dyn Log,
    at: &TopicPartition,
    mut each: impl FnMut(&Fetched) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (from, end) = (log.resolve(at, Start::Earliest)?, log.resolve(at, Start::Latest)?);
    let mut reader = log.reader(&[(at.clone(), from)])?;
    while reader.positions().iter().any(|(_, next)| *next < end) {
        // Nothing may come where records were compacted away: then only the position moves.
        if let Some(fetched) = reader.poll(FetchLimit::default(), PATIENCE)? {
            each(&fetched)?;
        }
    }
    Ok(())
}

/// The progress of each task of a pipeline, as committed last.
///
/// # Errors
/// Faults of the backplane, or a topic that something else writes.
pub fn progress(log: &dyn Log, pipeline: &str) -> Result<BTreeMap<String, TaskProgress>, Fault> {
    let mut found = BTreeMap::new();
    let topic = progress_topic(pipeline);
    if log.topics(Some(&topic))?.is_empty() {
        return Ok(found);
    }
    read_all(log, &TopicPartition::new(topic.as_str(), 0), |fetched| {
        let records = &fetched.records;
        for row in (0..records.len()).filter(|r| records.keys.is_valid(*r) && records.values.is_valid(*r)) {
            let key = String::from_utf8_lossy(records.keys.value(row)).into_owned();
            if key != PIPELINE_KEY {
                let progress = serde_json::from_slice(records.values.value(row));
                let progress = progress
                    .map_err(|e| Fault::Fatal(format!("topic `{topic}` holds a record that is no progress: {e}")))?;
                found.insert(key, progress);
            }
        }
        Ok(())
    })?;
    Ok(found)
}

/// Puts a task back to what was committed. `offsets` are those of the group.
///
/// # Errors
/// Where progress and offsets disagree, or state is missing.
pub fn restore(
    log: &dyn Log,
    plan: &Physical,
    task: &mut Task,
    progress: Option<TaskProgress>,
    offsets: &[(TopicPartition, Option<Offset>)],
) -> Result<(), Fault> {
    let own = task.partitions();
    let committed: Vec<_> = offsets.iter().filter(|(at, _)| own.contains(at)).collect();
    match &progress {
        None if committed.iter().any(|(_, o)| o.is_some()) => {
            return Err(Fault::Fatal(format!(
                "the positions of task {} are there but its progress is not: topic `{}` was deleted or cut; start over with `--from earliest`",
                task.id(),
                progress_topic(&plan.name)
            )));
        }
        None => return Ok(()),
        Some(progress) => {
            for (at, offset) in committed {
                let next = progress.inputs.iter().find(|i| *i.topic == *at.topic).map_or(0, |i| i.next);
                if offset.map_or(0, |o| o.0) != next && !(offset.is_none() && next == 0) {
                    let position = offset.map_or("none".to_owned(), |o| o.to_string());
                    return Err(Fault::Fatal(format!(
                        "the position of `{at}` is {position}, but the state was committed at {next}: they were written apart; start over with `--from earliest`"
                    )));
                }
            }
        }
    }
    if let Some(progress) = progress {
        task.restore_progress(progress)?;
    }
    let sub = plan.subs.iter().find(|s| s.id.0 == task.id().sub);
    for node in sub.iter().flat_map(|s| &s.nodes).filter(|n| n.op.stateful()) {
        let at = TopicPartition { topic: plan.state_topic(&node.name).into(), partition: task.id().partition };
        read_all(log, &at, |fetched| {
            let records = &fetched.records;
            (0..records.len()).filter(|r| records.keys.is_valid(*r)).try_for_each(|r| {
                let value = records.values.is_valid(r).then(|| records.values.value(r));
                task.restore_state(&node.name, records.keys.value(r), value)
            })
        })?;
    }
    Ok(())
}
