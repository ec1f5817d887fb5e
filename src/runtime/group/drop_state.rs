//! Drops committed state that no step goes on with, or that its step cannot read.

use super::reset_states::{Removed, check_stopped, remove};
use super::topics::recorded_verdicts;
use crate::log::Log;
use crate::metrics::Reports;
use crate::plan::Physical;
use crate::runtime::cancel::CancelToken;
use crate::runtime::fault::Fault;
use crate::runtime::read::progress::reports;

/// State that was dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DroppedState {
    /// The changelog that was deleted.
    pub topic: String,
    /// The keys that the state had.
    pub keys: u64,
    /// The bytes that it had.
    pub bytes: u64,
}

/// Why state was not dropped.
#[derive(Debug, thiserror::Error)]
pub enum DropError {
    /// There is no such state, or a step goes on with it.
    #[error("{message}")]
    Refused {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// An instance runs, or a fault of the backplane.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Drops state that no step of the plan goes on with, or that its step cannot read. `state` is the name of a step, or the
/// name under which the state is kept.
///
/// # Errors
/// See [`DropError`].
pub fn drop_state(plan: &Physical, log: &dyn Log, state: &str, now: i64) -> Result<DroppedState, DropError> {
    let reports = reports(log, &plan.name, &CancelToken::default())?;
    let state = droppable(plan, &reports, state)?;
    check_stopped(plan, &reports, now, "write the state again")?;
    let held = reports.held(state);
    let (keys, bytes) = held.values().fold((0, 0), |(keys, bytes), (_, s)| (keys + s.keys, bytes + s.bytes));
    remove(plan, log, &Removed::from([(state.to_owned(), None)]), &reports, now)?;
    Ok(DroppedState { topic: plan.changelog_topic(state), keys, bytes })
}

/// The name under which a state is kept that may be dropped.
fn droppable<'a>(plan: &'a Physical, reports: &Reports, state: &'a str) -> Result<&'a str, DropError> {
    let own = plan.states();
    let is_kept = |state: &str| reports.states.contains_key(state) || !reports.held(state).is_empty();
    // State that no step goes on with comes before that of a step which has taken the name.
    let name = if is_kept(state) && !own.contains_key(state) { state } else { plan.state_name(state) };
    if !is_kept(name) {
        let known: Vec<&str> = reports.states.keys().map(String::as_str).collect();
        let message = format!("`{}` has no state of `{state}`", plan.name);
        let hint = match known.is_empty() {
            true => "it has committed no state".to_owned(),
            false => format!("there is `{}`", known.join("`, `")),
        };
        return Err(DropError::Refused { message, hint });
    }
    let Some(record) = own.get(name) else { return Ok(name) };
    match recorded_verdicts(plan, reports).get(record.step(name)) {
        Some(verdict) if !verdict.is_refused() => Err(DropError::Refused {
            message: format!("the state of `{state}` is in use: {verdict}"),
            hint: "name a file without the step, or start the whole pipeline over with `run --from earliest`".into(),
        }),
        _ => Ok(name),
    }
}
