//! The faults of a run, by how it recovers from them. A bad record is not among them: it becomes a dead letter
//! and the run goes on.

use super::cancel::{CancelReason, CancelToken};
use crate::log::{LogError, Recovery};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use thiserror::Error;

/// Why a task or a commit could not go on.
#[derive(Debug, Error)]
pub enum Fault {
    /// The transaction is lost: go back to what was committed and go on from there.
    #[error("{0}")]
    Abort(String),
    /// The backplane cannot be used as it is.
    #[error(transparent)]
    Backplane(LogError),
    /// Only a person can help.
    #[error("{0}")]
    Fatal(String),
    /// The run is ending; what was not committed is left for the next one.
    #[error("stopped")]
    Stopped,
}

impl From<LogError> for Fault {
    fn from(e: LogError) -> Self {
        match e.recovery() {
            Recovery::Retry | Recovery::Abort => Self::Abort(e.to_string()),
            Recovery::Fatal => Self::Backplane(e),
        }
    }
}

impl Fault {
    /// A fault of the program: something that an earlier stage has ruled out.
    pub(crate) fn internal(what: impl std::fmt::Display) -> Self {
        Self::Fatal(format!("internal error: {what}"))
    }
}

/// Runs a part of the program; a panic in it becomes a fault that names the part. Nothing that the part has
/// changed may be used afterwards.
pub(super) fn catch_panic<T>(part: &str, run: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|panic| Err(Fault::internal(format!("{part} has panicked: {}", panic_message(&*panic)))))
}

/// Runs a thread of a run. Where it fails, by a panic too, the token is cancelled, so that the other threads end
/// as well.
pub(super) fn supervise<T>(
    part: &str,
    token: &CancelToken,
    run: impl FnOnce() -> Result<T, Fault>,
) -> Result<T, Fault> {
    let outcome = catch_panic(part, run);
    if outcome.is_err() {
        token.cancel(CancelReason::Ended);
    }
    outcome
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
