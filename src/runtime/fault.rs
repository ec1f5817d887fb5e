//! The faults of a run, by what is done about them. A bad record is not among them: it becomes a dead
//! letter and the run goes on.
//!
//! Separate so that every layer answers the same way and none by reading a text.

use crate::log::{LogError, Recovery};
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
    /// Nothing helps but a person.
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
