//! Errors of state queries. Most are mistakes of the user and carry a hint.

use crate::diagnostics::nearest;
use crate::log::LogError;
use crate::runtime::Fault;
use thiserror::Error;

/// Why the state of a step could not be read.
#[derive(Debug, Error)]
pub enum QueryError {
    /// No step has this name.
    #[error("pipeline `{pipeline}` has no step `{step}`")]
    UnknownStep {
        /// The pipeline.
        pipeline: String,
        /// The name in the query.
        step: String,
        /// The steps of the pipeline.
        known: Vec<String>,
        /// The steps with state.
        stateful: Vec<String>,
    },
    /// The step has no state.
    #[error("`{step}` keeps no state: it is a `{kind}`")]
    Stateless {
        /// The step.
        step: String,
        /// Its operator.
        kind: &'static str,
        /// The steps with state.
        stateful: Vec<String>,
    },
    /// The changelog does not exist.
    #[error("there is no state of `{step}` on {log}: pipeline `{pipeline}` has not run there (no topic `{topic}`)")]
    NeverRan {
        /// The pipeline.
        pipeline: String,
        /// The step.
        step: String,
        /// The changelog.
        topic: String,
        /// The backplane.
        log: String,
    },
    /// The query has a key, but the step has no `by`.
    #[error("`{0}` keeps no state by key: it has no `by`")]
    NoKey(String),
    /// The text is no key of the step.
    #[error("`{key}` is no key of `{step}`: {reason}")]
    WrongKey {
        /// The text.
        key: String,
        /// The step.
        step: String,
        /// The columns of its key.
        by: Vec<String>,
        /// Why it is no key.
        reason: String,
    },
    /// The query selects windows of a step without windows.
    #[error("`{0}` is a `scan`, which has no windows")]
    NoWindows(String),
    /// Only the program that provides the operator can decode its state.
    #[error("the state of `{step}` can be read only by the program that brings the operator `{kind}`")]
    Foreign {
        /// The step.
        step: String,
        /// Its operator.
        kind: &'static str,
    },
    /// A fault of the backplane, or of the program.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<LogError> for QueryError {
    fn from(e: LogError) -> Self {
        Self::Fault(e.into())
    }
}

impl QueryError {
    pub(super) fn internal(what: impl std::fmt::Display) -> Self {
        Self::Fault(Fault::internal(what))
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownStep { step, known, stateful, .. } => match nearest(step, known.iter().map(String::as_str)) {
                Some(near) => Some(format!("did you mean `{near}`?")),
                None => Some(with_state(stateful)),
            },
            Self::Stateless { stateful, .. } => Some(with_state(stateful)),
            Self::NeverRan { .. } => {
                Some("run the pipeline first; `--data-dir` or `--brokers` name another log".to_owned())
            }
            Self::NoKey(_) => Some("leave `--key` out".to_owned()),
            Self::NoWindows(_) => Some("leave `--window`, `--from` and `--to` out".to_owned()),
            Self::WrongKey { by, .. } if by.len() > 1 => Some(format!(
                "write the values of {} as a JSON array, such as '[\"red\",3]'",
                by.iter().map(|b| format!("`{b}`")).collect::<Vec<_>>().join(", ")
            )),
            Self::WrongKey { by, .. } => Some(format!("write a value of `{}` as it is", by.concat())),
            Self::Foreign { .. } | Self::Fault(_) => None,
        }
    }
}

fn with_state(steps: &[String]) -> String {
    match steps {
        [] => "no step of this pipeline keeps state: `window` and `scan` do".to_owned(),
        some => format!("state is kept by `{}`", some.join("`, `")),
    }
}
