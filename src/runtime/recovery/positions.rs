//! The positions and counters that a task returns to, and whether they agree with the group and the state.

use crate::faults;
use crate::log::{Log, Recovery};
use crate::metrics::{TaskProgress, progress_topic};
use crate::plan::Physical;
use crate::record::{Offset, TopicPartition};
use crate::runtime::cancel::CancelToken;
use crate::runtime::fault::Fault;
use crate::runtime::read::progress::reports;
use crate::runtime::task::Task;
use std::collections::BTreeMap;

/// Partitions with the position that the group has committed for each.
pub(in crate::runtime) type AssignedPartitions = BTreeMap<TopicPartition, Option<Offset>>;

/// Whether restored state is checked. If a test has planted a mistake, the test must find it and not this check.
fn is_checked() -> bool {
    !faults::makes_mistake()
}

/// Restores the committed position and counters of a task; its state comes from changelogs. Returns the partitions that do
/// not go on where the task stood.
///
/// # Errors
/// The progress and the positions of the group disagree; with any delivery they are committed together.
pub(super) fn restore_position(
    plan: &Physical,
    task: &mut Task,
    progress: Option<TaskProgress>,
    assigned: &AssignedPartitions,
) -> Result<Vec<TopicPartition>, Fault> {
    let position = |at: TopicPartition| assigned.get(&at).map(|offset| (at, *offset));
    let committed: Vec<_> = task.partitions().into_iter().filter_map(position).collect();
    let keeps_state = plan.subs.iter().flat_map(|sub| &sub.nodes).any(|node| node.op.stateful());
    let Some(progress) = progress else {
        if is_checked() && keeps_state && committed.iter().any(|(_, o)| o.is_some()) {
            return Err(Fault::Fatal(format!(
                "the positions of task {} are there but its progress is not: topic `{}` was deleted or cut, or something else has set them; start over with `--from earliest`, `--from TIME` or `--from FILE`",
                task.id(),
                progress_topic(&plan.name)
            )));
        }
        for (at, offset) in committed {
            task.seek(&at, offset.unwrap_or_default());
        }
        return Ok(Vec::new());
    };
    let mut elsewhere = Vec::new();
    for (at, offset) in committed {
        let next = progress.inputs.iter().find(|i| *i.topic == *at.topic).map_or(0, |i| i.next);
        if offset.map_or(0, |o| o.0) == next {
            continue;
        }
        match offset {
            // Nothing but its position says where a pipeline without state stands, so that another program may move it.
            Some(position) if !keeps_state => {
                tracing::info!(
                    "`{at}` goes on at {position}, which something else has set; it was committed at {next}"
                );
            }
            _ if is_checked() => return Err(Fault::Fatal(elsewhere_than_recorded(&at, offset, next))),
            _ => {}
        }
        elsewhere.push((at, offset.unwrap_or_default()));
    }
    task.restore_progress(progress)?;
    elsewhere.iter().for_each(|(at, offset)| task.seek(at, *offset));
    Ok(elsewhere.into_iter().map(|(at, _)| at).collect())
}

/// Checks that the group still has these positions, which differ from what was recorded. Those of an instance that was
/// suspended meanwhile are old.
pub(super) fn check_unmoved(
    (plan, log): (&Physical, &dyn Log),
    assigned: &AssignedPartitions,
    of: &[TopicPartition],
) -> Result<(), Fault> {
    let now = if of.is_empty() { Vec::new() } else { log.committed(&plan.name, of)? };
    for (at, now) in of.iter().zip(now) {
        if now != assigned.get(at).copied().flatten() {
            return Err(Fault::Abort(format!(
                "another instance has gone on in `{at}` while tasks were being built here"
            )));
        }
    }
    Ok(())
}

/// Why a run does not begin where the group stands.
fn elsewhere_than_recorded(at: &TopicPartition, group: Option<Offset>, next: i64) -> String {
    match group {
        None => format!(
            "the position of `{at}` is gone, and the state was committed at {next}: the positions of the group were deleted or have expired, or the topic was deleted and made again\nhint: `--from recorded` goes on at {next}, if the topic is still the same; `--from earliest` starts over"
        ),
        Some(position) => format!(
            "the position of `{at}` is {position}, but the state was committed at {next}: something else has set it, and state fits one position only\nhint: `--from recorded` goes on at {next} with the state kept; `--from earliest`, `--from TIME` and `--from FILE` start over without it"
        ),
    }
}

/// Checks that a task holds as many keys as were committed.
///
/// # Errors
/// A changelog that was cut.
pub(super) fn check_complete(plan: &Physical, task: &Task, progress: &TaskProgress) -> Result<(), Fault> {
    if !is_checked() {
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

/// Classifies a fault that was found while tasks were built. An instance that was suspended finds later commits of
/// others, which is no fault of the data. `was` is the progress of these tasks as it was read.
pub(super) fn explain_overtaken<'a>(
    (plan, log): (&Physical, &dyn Log),
    assigned: &AssignedPartitions,
    was: impl IntoIterator<Item = (&'a Task, Option<&'a TaskProgress>)>,
    fault: Fault,
    cancel: &CancelToken,
) -> Fault {
    if !matches!(fault, Fault::Fatal(_)) {
        return fault;
    }
    let partitions: Vec<TopicPartition> = assigned.keys().cloned().collect();
    let now = match log.committed(&plan.name, &partitions) {
        Ok(now) => now,
        Err(e) if e.recovery() == Recovery::Fatal => return fault,
        Err(e) => return Fault::Abort(e.to_string()),
    };
    // A later commit never removes a position: if one is missing, the fault stands.
    let moved = assigned.iter().zip(now).find_map(|((at, was), now)| Some((at, was, now.filter(|_| *was != now)?)));
    if let Some((at, was, now)) = moved {
        let was = was.map_or("none".to_owned(), |o| o.to_string());
        return Fault::Abort(format!(
            "another instance has gone on while tasks were being built here: the position of `{at}` was {was} and is {now}"
        ));
    }
    // A window that the clock closes advances no position.
    let mut now = match reports(log, &plan.name, cancel) {
        Ok(now) => now.tasks,
        Err(why @ (Fault::Stopped | Fault::Abort(_))) => return why,
        Err(_) => return fault,
    };
    let differs = |(task, was): &(&Task, Option<&TaskProgress>)| now.remove(&task.id().to_string()).as_ref() != *was;
    was.into_iter().find(differs).map_or(fault, |(task, _)| {
        Fault::Abort(format!(
            "another instance has gone on while tasks were being built here: the progress of task {} has changed",
            task.id()
        ))
    })
}
