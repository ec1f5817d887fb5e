//! Why state could not be read, in the words of who asked for it.
//!
//! Separate because most of it is a person's mistake and carries its own advice.

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
        /// The name that was asked for.
        step: String,
        /// The names that are there.
        known: Vec<String>,
        /// Those of steps with state.
        stateful: Vec<String>,
    },
    /// The step remembers nothing.
    #[error("`{step}` keeps no state: it is a `{kind}`")]
    Stateless {
        /// The step.
        step: String,
        /// What it does.
        kind: &'static str,
        /// The steps with state.
        stateful: Vec<String>,
    },
    /// There is no changelog.
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
    /// A key is asked for where the step has no `by`.
    #[error("`{0}` keeps no state by key: it has no `by`")]
    NoKey(String),
    /// What was written is no key of the step.
    #[error("`{key}` is no key of `{step}`: {reason}")]
    WrongKey {
        /// What was written.
        key: String,
        /// The step.
        step: String,
        /// The columns of its key.
        by: Vec<String>,
        /// What is wrong.
        reason: String,
    },
    /// Windows are asked for where there are none.
    #[error("`{0}` is a `scan`, which has no windows")]
    NoWindows(String),
    /// Only the program that brought the operator knows what its state means.
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
