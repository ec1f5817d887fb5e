//! Lets steps begin without the state that they cannot read, at the positions where the pipeline stands.

use super::topics::recorded_verdicts;
use crate::log::{Append, Log, LogError};
use crate::metrics::{Reports, StateRecord, TaskProgress, state_key};
use crate::plan::Physical;
use crate::record::RecordsBuilder;
use crate::runtime::cancel::CancelToken;
use crate::runtime::commit::instance_record::to_progress;
use crate::runtime::fault::Fault;
use crate::runtime::read::progress::reports;
use std::collections::BTreeMap;

/// States to remove, by the names under which they are kept, and what is recorded of each instead.
pub(super) type Removed = BTreeMap<String, Option<StateRecord>>;

/// Removes the committed state of some steps. Everything else of the pipeline stays as it is.
///
/// # Errors
/// A step that has no state or can read what it has, an instance that runs, and faults of the backplane.
pub(in crate::runtime) fn reset_states(
    plan: &Physical,
    log: &dyn Log,
    steps: &[String],
    now: i64,
    cancel: &CancelToken,
) -> Result<(), Fault> {
    let reports = reports(log, &plan.name, cancel)?;
    check_reset(plan, steps, &reports)?;
    check_stopped(plan, &reports, now, "go on with the state")?;
    let mut own = plan.states();
    // What the state means then is recorded with its removal, so that a run that is killed here is followed by one that
    // goes on without it.
    let removed: Removed =
        steps.iter().map(|step| plan.state_name(step)).map(|s| (s.to_owned(), own.remove(s))).collect();
    remove(plan, log, &removed, &reports, now)?;
    steps.iter().for_each(|step| tracing::info!("`{step}` starts over: its state was removed"));
    Ok(())
}

fn check_reset(plan: &Physical, steps: &[String], reports: &Reports) -> Result<(), Fault> {
    let (states, verdicts) = (plan.states(), recorded_verdicts(plan, reports));
    for step in steps {
        if !states.iter().any(|(state, record)| record.step(state) == step) {
            let known: Vec<String> = states.iter().map(|(state, r)| format!("`{}`", r.step(state))).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            return Err(Fault::Fatal(format!("`{step}` is no step with state; steps with state: {known}")));
        }
        // There is nothing to lose, and a run that was killed after it has removed the state is repeated.
        let is_empty = reports.keys_of(plan.state_name(step)) == 0;
        if let Some(verdict) = verdicts.get(step).filter(|v| !v.is_refused() && !is_empty) {
            return Err(Fault::Fatal(format!(
                "the state of `{step}` need not start over: {verdict}; `--from earliest` starts the whole pipeline over"
            )));
        }
    }
    Ok(())
}

/// Checks that no instance runs, which `would` do something else with the state.
pub(super) fn check_stopped(plan: &Physical, reports: &Reports, now: i64, would: &str) -> Result<(), Fault> {
    match reports.instances.values().find(|instance| instance.is_alive(now)) {
        Some(instance) => Err(Fault::Fatal(format!(
            "{} runs `{}` and would {would}; stop it first (one that was killed or has failed counts as running for ten seconds)",
            instance.name, plan.name
        ))),
        None => Ok(()),
    }
}

/// Deletes the changelogs of these states and what is recorded of them. Their counters stay.
pub(super) fn remove(
    plan: &Physical,
    log: &dyn Log,
    removed: &Removed,
    reports: &Reports,
    now: i64,
) -> Result<(), Fault> {
    for state in removed.keys() {
        match log.delete_topic(&plan.changelog_topic(state)) {
            Ok(()) | Err(LogError::UnknownTopic { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
    log.appender()?.append(&[without_states(plan, removed, reports, now)?])?;
    Ok(())
}

/// Progress that knows nothing of these states; its counters stay.
fn without_states(plan: &Physical, removed: &Removed, reports: &Reports, now: i64) -> Result<Append, Fault> {
    let mut records = RecordsBuilder::default();
    for (key, task) in &reports.tasks {
        if task.steps.iter().any(|step| removed.contains_key(step.state_name()) && step.keys > 0) {
            let mut task: TaskProgress = task.clone();
            for step in task.steps.iter_mut().filter(|step| removed.contains_key(step.state_name())) {
                (step.keys, step.bytes) = (0, 0);
            }
            let value = serde_json::to_vec(&task).map_err(Fault::internal)?;
            records.push(Some(key.as_bytes()), Some(&value), now);
        }
    }
    for (state, instead) in removed {
        let value = instead.as_ref().map(serde_json::to_vec).transpose().map_err(Fault::internal)?;
        records.push(Some(state_key(state).as_bytes()), value.as_deref(), now);
    }
    Ok(to_progress(&plan.name, records))
}
