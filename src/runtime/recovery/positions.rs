//! Back to what was committed: the progress of each task, and whether all that belongs to it is there.
//!
//! Separate because after any fault, and at each start, the same thing happens here and nowhere else.

use crate::faults;
use crate::log::{Delivery, Log, Recovery};
use crate::metrics::{TaskProgress, progress_topic};
use crate::plan::Physical;
use crate::record::{Offset, TopicPartition};
use crate::runtime::fault::Fault;
use crate::runtime::recovery::progress::reports;
use crate::runtime::task::Task;
use std::sync::atomic::AtomicBool;

/// Puts a task back to the position and the counters that were committed; its state comes from changelogs.
/// `offsets` are those of the group.
///
/// # Errors
/// Where progress and offsets disagree, beyond what committing them apart brings with it.
pub(in crate::runtime) fn position(
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
pub(in crate::runtime) fn complete(plan: &Physical, task: &Task, progress: &TaskProgress) -> Result<(), Fault> {
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
pub(in crate::runtime) fn overtaken<'a>(
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
        Err(e) if e.recovery() == Recovery::Fatal => return fault,
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
