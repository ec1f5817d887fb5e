//! Back to what was committed: the progress of each task, and whether all that belongs to it is there.
//!
//! Separate because after any fault, and at each start, the same thing happens here and nowhere else.

use super::fault::Fault;
use super::task::Task;
use crate::faults;
use crate::log::{Answer, Delivery, FetchLimit, Log, Reader, Start};
use crate::metrics::{Reports, TaskProgress, progress_topic};
use crate::plan::Physical;
use crate::record::{Fetched, Offset, TopicPartition};
use arrow_array::Array;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long to wait for records that must be there before it is looked whether to give up.
const PATIENCE: Duration = Duration::from_millis(200);

/// After so many waits in a row in which nothing came, it is said what is waited for; and after so many, what
/// to do.
const LONG: u32 = 15;
const TOO_LONG: u32 = 300;

/// Reads one partition from its beginning to where it ends now, unless that is given up.
///
/// # Errors
/// Faults of the backplane, those of `each`, and [`Fault::Stopped`] where it was given up.
pub fn read_all(
    log: &dyn Log,
    at: &TopicPartition,
    given_up: &AtomicBool,
    each: impl FnMut(&Fetched) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (from, end) = (log.resolve(at, Start::Earliest)?, log.resolve(at, Start::Latest)?);
    read_to(log.reader(&[(at.clone(), from)])?.as_mut(), end, given_up, each)
}

/// Reads on to an end. That may take as long as a broker is away, or a transaction is left open.
pub(super) fn read_to(
    reader: &mut dyn Reader,
    end: Offset,
    given_up: &AtomicBool,
    mut each: impl FnMut(&Fetched) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (mut last, mut quiet) = (None, 0);
    while let Some((at, next)) = reader.positions().into_iter().find(|(_, next)| *next < end) {
        if given_up.load(Ordering::Relaxed) {
            return Err(Fault::Stopped);
        }
        // Nothing may come where records were compacted away: then only the position moves.
        quiet = if last == Some(next) { quiet + 1 } else { 0 };
        last = Some(next);
        if quiet == LONG {
            tracing::info!(
                "waiting for offset {next} of `{at}`, which is to be read up to {end}: a broker is away, or a transaction in it is not decided yet"
            );
        }
        if quiet == TOO_LONG {
            tracing::warn!(
                "still waiting for offset {next} of `{at}`, which is to be read up to {end}; if all brokers are there, Kafka has left a transaction without an end: find it with `kafka-transactions.sh find-hanging`, and end it with `kafka-transactions.sh abort`"
            );
        }
        if let Some(fetched) = reader.poll(FetchLimit::default(), PATIENCE)? {
            each(&fetched)?;
        }
    }
    Ok(())
}

/// All that a pipeline has reported, unless the reading of it is given up.
///
/// # Errors
/// Faults of the backplane, or a topic that something else writes; [`Fault::Stopped`] where it was given up.
pub fn reports(log: &dyn Log, pipeline: &str, given_up: &AtomicBool) -> Result<Reports, Fault> {
    let mut found = Reports::default();
    let topic = progress_topic(pipeline);
    if log.topics(Some(&topic))?.is_empty() {
        return Ok(found);
    }
    read_all(log, &TopicPartition::new(topic.as_str(), 0), given_up, |fetched| {
        let records = &fetched.records;
        for row in (0..records.len()).filter(|r| records.keys.is_valid(*r)) {
            let value = records.values.is_valid(row).then(|| records.values.value(row));
            found
                .take(records.keys.value(row), value, records.timestamps[row])
                .map_err(|e| Fault::Fatal(format!("topic `{topic}` holds a record that is no progress: {e}")))?;
        }
        Ok(())
    })?;
    Ok(found)
}

/// Puts a task back to the position and the counters that were committed; its state comes from changelogs.
/// `offsets` are those of the group.
///
/// # Errors
/// Where progress and offsets disagree, beyond what committing them apart brings with it.
pub(super) fn position(
    plan: &Physical,
    task: &mut Task,
    progress: Option<TaskProgress>,
    offsets: &[(TopicPartition, Option<Offset>)],
) -> Result<(), Fault> {
    let own = task.partitions();
    // Where a mistake is planted, others are to find it.
    let together = plan.delivery == Delivery::ExactlyOnce && !faults::mistaken();
    let committed: Vec<_> = offsets.iter().filter(|(at, _)| own.contains(at)).collect();
    let Some(progress) = progress else {
        if together && committed.iter().any(|(_, o)| o.is_some()) {
            return Err(Fault::Fatal(format!(
                "the positions of task {} are there but its progress is not: topic `{}` was deleted or cut; start over with `--from earliest`",
                task.id(),
                progress_topic(&plan.name)
            )));
        }
        for (at, offset) in committed {
            task.go_to(at, offset.unwrap_or_default());
        }
        return Ok(());
    };
    let mut elsewhere = Vec::new();
    for (at, offset) in committed {
        let next = progress.inputs.iter().find(|i| *i.topic == *at.topic).map_or(0, |i| i.next);
        if offset.map_or(0, |o| o.0) == next {
            continue;
        }
        if offset.is_none() && !faults::mistaken() {
            return Err(Fault::Fatal(format!(
                "the position of `{at}` is gone, and the state was committed at {next}: the topic was deleted and made again, or the positions were removed; start over with `--from earliest`"
            )));
        }
        if together {
            let position = offset.map_or("none".to_owned(), |o| o.to_string());
            return Err(Fault::Fatal(format!(
                "the position of `{at}` is {position}, but the state was committed at {next}: they were written apart; start over with `--from earliest`"
            )));
        }
        elsewhere.push((at, offset.unwrap_or_default()));
    }
    task.restore_progress(progress)?;
    elsewhere.into_iter().for_each(|(at, offset)| task.go_to(at, offset));
    Ok(())
}

/// Whether a task remembers as many keys as were committed.
///
/// # Errors
/// A changelog that was cut.
pub(super) fn complete(plan: &Physical, task: &Task, progress: &TaskProgress) -> Result<(), Fault> {
    if faults::mistaken() {
        return Ok(());
    }
    for (step, found) in task.keys() {
        let committed = progress.steps.iter().find(|s| s.name == step).map_or(found, |s| s.keys);
        if found != committed {
            return Err(Fault::Fatal(format!(
                "the state of `{step}` in task {} was committed with {committed} keys, and its changelog `{}` holds {found}: it was cut, or something else writes to it; start over with `--from earliest`",
                task.id(),
                plan.state_topic(step)
            )));
        }
    }
    Ok(())
}

/// What a fault comes to that was found while the tasks of some partitions were built. An instance that was
/// asleep finds what others have committed since it was given the partitions: that is no fault of theirs.
/// `was` is the progress of these tasks as it was read.
pub(super) fn overtaken<'a>(
    plan: &Physical,
    log: &dyn Log,
    given: &[(TopicPartition, Option<Offset>)],
    was: impl IntoIterator<Item = (&'a Task, &'a Option<TaskProgress>)>,
    given_up: &AtomicBool,
    fault: Fault,
) -> Fault {
    if !matches!(fault, Fault::Fatal(_)) || plan.delivery != Delivery::ExactlyOnce {
        return fault;
    }
    let of: Vec<TopicPartition> = given.iter().map(|(at, _)| at.clone()).collect();
    let now = match log.committed(&plan.name, &of) {
        Ok(now) => now,
        Err(e) if e.answer() == Answer::Fatal => return fault,
        Err(e) => return Fault::Abort(e.to_string()),
    };
    // Nobody takes a position away by going on: where one is gone, the fault stands.
    let moved = given.iter().zip(now).find_map(|((at, was), now)| Some((at, was, now.filter(|_| *was != now)?)));
    if let Some((at, was, now)) = moved {
        let was = was.map_or("none".to_owned(), |o| o.to_string());
        return Fault::Abort(format!(
            "others have gone on while tasks were being built here: the position of `{at}` was {was} and is {now}"
        ));
    }
    // Windows that are closed by the clock move no position.
    let mut now = match reports(log, &plan.name, given_up) {
        Ok(now) => now.tasks,
        Err(why @ (Fault::Stopped | Fault::Abort(_))) => return why,
        Err(_) => return fault,
    };
    let differs = |(task, was): &(&Task, &Option<TaskProgress>)| now.remove(&task.id().to_string()) != **was;
    was.into_iter().find(differs).map_or(fault, |(task, _)| {
        Fault::Abort(format!(
            "others have gone on while tasks were being built here: the progress of task {} is another now",
            task.id()
        ))
    })
}
