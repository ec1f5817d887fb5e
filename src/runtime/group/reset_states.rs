//! Lets steps begin without the state that they cannot read, at the positions where the pipeline stands.

use super::topics::recorded_verdicts;
use crate::log::{Append, Log, LogError};
use crate::metrics::{Reports, TaskProgress, state_key};
use crate::plan::{Physical, StateVerdict};
use crate::record::RecordsBuilder;
use crate::runtime::cancel::CancelToken;
use crate::runtime::commit::instance_record::to_progress;
use crate::runtime::fault::Fault;
use crate::runtime::read::progress::reports;

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
    check(plan, steps, &reports, now)?;
    for step in steps {
        match log.delete_topic(&plan.state_topic(step)) {
            Ok(()) | Err(LogError::UnknownTopic { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
    log.appender()?.append(&[without_states(plan, steps, &reports, now)?])?;
    steps.iter().for_each(|step| tracing::info!("`{step}` starts over: its state was removed"));
    Ok(())
}

fn check(plan: &Physical, steps: &[String], reports: &Reports, now: i64) -> Result<(), Fault> {
    let (states, verdicts) = (plan.states(), recorded_verdicts(plan, reports));
    for step in steps {
        if !states.contains_key(step) {
            let known: Vec<String> = states.keys().map(|step| format!("`{step}`")).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            return Err(Fault::Fatal(format!("`{step}` is no step with state; steps with state: {known}")));
        }
        match verdicts.get(step) {
            Some(StateVerdict::Refused(_)) => {}
            Some(verdict) => {
                return Err(Fault::Fatal(format!(
                    "the state of `{step}` need not start over: {verdict}; `--from earliest` starts the whole pipeline over"
                )));
            }
            None => {}
        }
    }
    match reports.instances.values().find(|instance| instance.is_alive(now)) {
        Some(instance) => Err(Fault::Fatal(format!(
            "{} runs `{}` and would go on with the state; stop it first (one that was killed or has failed counts as running for ten seconds)",
            instance.name, plan.name
        ))),
        None => Ok(()),
    }
}

/// Progress that knows no state of these steps.
fn without_states(plan: &Physical, steps: &[String], reports: &Reports, now: i64) -> Result<Append, Fault> {
    let mut records = RecordsBuilder::default();
    let is_reset = |step: &str| steps.iter().any(|s| s == step);
    for (key, task) in &reports.tasks {
        if task.steps.iter().any(|step| is_reset(&step.name) && step.keys > 0) {
            let mut task: TaskProgress = task.clone();
            for step in task.steps.iter_mut().filter(|step| is_reset(&step.name)) {
                (step.keys, step.bytes) = (0, 0);
            }
            let value = serde_json::to_vec(&task).map_err(Fault::internal)?;
            records.push(Some(key.as_bytes()), Some(&value), now);
        }
    }
    steps.iter().for_each(|step| records.push(Some(state_key(step).as_bytes()), None, now));
    Ok(to_progress(&plan.name, records))
}
