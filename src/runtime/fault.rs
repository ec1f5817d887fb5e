//! The faults of a run, by how it recovers from them. A bad record is not among them: it becomes a dead letter
//! and the run continues.

use super::cancel::{CancelReason, CancelToken};
use crate::log::{LogError, Recovery};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Scope, ScopedJoinHandle};
use thiserror::Error;

/// Parts of a run, as faults of them name them.
pub(super) const GROUP_POLLING: &str = "the polling of the group";
pub(super) const STANDBY_THREAD: &str = "the standby thread";

/// Why a task or a commit failed.
#[derive(Debug, Error)]
pub enum Fault {
    /// The transaction is lost: recover from the last commit.
    #[error("{0}")]
    Abort(String),
    /// The backplane cannot be used as it is.
    #[error(transparent)]
    Backplane(LogError),
    /// Only a person can help.
    #[error("{0}")]
    Fatal(String),
    /// A part of the run has panicked: other parts may not end any more.
    #[error("{0}")]
    Panic(String),
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
    catch(part, run).unwrap_or_else(Err)
}

/// Like [`catch_panic`], for a part of a run beside which others run: they may not end by themselves, so a panic is
/// also reported to the run.
pub(super) fn report_panic<T>(
    part: &str,
    token: &CancelToken,
    run: impl FnOnce() -> Result<T, Fault>,
) -> Result<T, Fault> {
    catch(part, run).unwrap_or_else(|fault| {
        token.report_panic(fault.to_string());
        Err(fault)
    })
}

/// The outer error is a panic.
fn catch<T>(part: &str, run: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| panicked(part, panic_message(&*panic)))
}

fn panicked(part: &str, message: &str) -> Fault {
    Fault::Panic(format!("internal error: {part} has panicked: {message}"))
}

/// Runs a part of a run beside which threads run that end with the token. Where the part fails, by a panic too, the
/// token is cancelled: a scope waits for all its threads, however its own thread leaves it.
pub(super) fn supervise<T>(
    part: &str,
    token: &CancelToken,
    run: impl FnOnce() -> Result<T, Fault>,
) -> Result<T, Fault> {
    let outcome = report_panic(part, token, run);
    if outcome.is_err() {
        token.cancel(CancelReason::Ended);
    }
    outcome
}

/// A supervised thread of a run. Its starter joins it, so that no fault is lost.
#[must_use]
pub(super) struct Supervised<'scope, T> {
    part: &'static str,
    thread: ScopedJoinHandle<'scope, Result<T, Fault>>,
}

/// Starts a part of a run on a thread of its own. Where it fails, by a panic too, the token is cancelled.
pub(super) fn spawn_supervised<'scope, T: Send + 'scope>(
    threads: &'scope Scope<'scope, '_>,
    part: &'static str,
    token: &CancelToken,
    run: impl FnOnce() -> Result<T, Fault> + Send + 'scope,
) -> Supervised<'scope, T> {
    let token = token.clone();
    Supervised { part, thread: threads.spawn(move || supervise(part, &token, run)) }
}

impl<T> Supervised<'_, T> {
    pub(super) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until it has ended.
    pub(super) fn join(self) -> Result<T, Fault> {
        let Self { part, thread } = self;
        thread.join().unwrap_or_else(|panic| Err(panicked(part, panic_message(&*panic))))
    }
}

/// The fault to report of several that ended parts of a run together. One that ends the run comes before one that
/// the run recovers from, and that before [`Fault::Stopped`], which is only a consequence; of equals, the first.
pub(super) fn root_fault(faults: impl IntoIterator<Item = Option<Fault>>) -> Option<Fault> {
    faults.into_iter().flatten().min_by_key(|fault| match fault {
        Fault::Fatal(_) | Fault::Panic(_) | Fault::Backplane(_) => 0,
        Fault::Abort(_) => 1,
        Fault::Stopped => 2,
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fault_that_ends_the_run_is_reported_and_of_equals_the_first() {
        let root = |faults: Vec<Fault>| root_fault(faults.into_iter().map(Some)).map(|fault| fault.to_string());
        let (abort, fatal) = (|| Fault::Abort("lost".into()), |why: &str| Fault::Fatal(why.into()));
        assert_eq!(root(vec![Fault::Stopped, abort(), fatal("first"), fatal("second")]), Some("first".into()));
        assert_eq!(root(vec![Fault::Stopped, abort()]), Some("lost".into()));
        assert_eq!(root_fault([None, Some(Fault::Stopped)]).map(|fault| fault.to_string()), Some("stopped".into()));
        assert!(root_fault([None, None]).is_none());
    }

    #[test]
    fn a_supervised_thread_that_panics_cancels_the_token_and_names_its_part() {
        let token = CancelToken::default();
        let joined = std::thread::scope(|threads| {
            spawn_supervised(threads, "the part", &token, || -> Result<(), Fault> { panic!("why") }).join()
        });
        assert_eq!(joined.map_err(|fault| fault.to_string()), Err("internal error: the part has panicked: why".into()));
        assert!(token.is_cancelled_for(CancelReason::Ended));
    }
}
