//! Errors of a backplane, and how the caller recovers from each.
//!
//! Callers decide by [`Recovery`], never by the text. Fields carry the facts; the text says what happened,
//! where, and what to do.

use crate::record::{Offset, TopicPartition};
use thiserror::Error;

/// The result of a call to a backplane.
pub type LogResult<T> = Result<T, LogError>;

/// A fault of the backplane.
#[derive(Debug, Error)]
pub enum LogError {
    /// No such topic.
    #[error("topic `{topic}` does not exist{}", hint(topic, known))]
    UnknownTopic {
        /// The name that was asked for.
        topic: String,
        /// The names that are there.
        known: Vec<String>,
    },
    /// A topic of that name is there already.
    #[error("topic `{0}` exists already")]
    TopicExists(String),
    /// A name or setting that no topic can have.
    #[error("{0}")]
    InvalidTopic(String),
    /// A partition that the topic does not have.
    #[error("topic `{}` has no partition {}: it has {count}", at.topic, at.partition)]
    UnknownPartition {
        /// What was asked for.
        at: TopicPartition,
        /// How many partitions there are.
        count: u32,
    },
    /// Records that should be there were removed, or the topic is shorter than what was read of it.
    #[error(
        "offset {asked} of `{at}` cannot be read: the partition holds {earliest} to {end}; start over with `--from earliest` or `--from latest`"
    )]
    OffsetOutOfRange {
        /// Where.
        at: TopicPartition,
        /// The offset asked for.
        asked: Offset,
        /// First offset held.
        earliest: Offset,
        /// End offset.
        end: Offset,
    },
    /// The topic was deleted and made again: offsets of the old one mean nothing in the new one.
    #[error(
        "topic `{topic}` was deleted and made again since it was read last; start over with `--from earliest` or `--from latest`"
    )]
    TopicReplaced {
        /// The topic.
        topic: String,
    },
    /// Another instance of the same pipeline runs.
    #[error("pipeline `{group}` is already running: {holder}; stop it, or give this one another `name:`")]
    GroupTaken {
        /// The group.
        group: String,
        /// Who has it, and since when.
        holder: String,
    },
    /// This member is no longer the one that may commit.
    #[error("pipeline `{group}` was taken over by another instance; this one stops without committing")]
    Fenced {
        /// The group.
        group: String,
    },
    /// The partitions of this member went to others, or it was taken for dead: its transaction is undone,
    /// and it goes on with what the group gives it next.
    #[error("the transaction of pipeline `{group}` is undone: {why}; it goes on from what was committed last")]
    Undone {
        /// The group.
        group: String,
        /// What happened.
        why: String,
    },
    /// A record larger than the backplane takes.
    #[error("a record of {bytes} bytes for `{at}` is larger than the limit of {limit}")]
    TooLarge {
        /// Where to.
        at: TopicPartition,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The store holds something that it must not hold, or is not ours.
    #[error("{0}")]
    Corrupt(String),
    /// No room, no permission, no access: a person has to act.
    #[error("{0}")]
    Unusable(String),
    /// It may go well when tried again.
    #[error("{0}")]
    Busy(String),
}

/// How a caller recovers from an error of the backplane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Try the same call again.
    Retry,
    /// Drop the transaction, go back to what was committed, go on from there.
    Abort,
    /// Stop with the message.
    Fatal,
}

impl LogError {
    /// How to recover from it.
    #[must_use]
    pub fn recovery(&self) -> Recovery {
        match self {
            Self::Busy(_) => Recovery::Retry,
            Self::Undone { .. } => Recovery::Abort,
            _ => Recovery::Fatal,
        }
    }
}

fn hint(topic: &str, known: &[String]) -> String {
    match crate::diagnostics::nearest(topic, known.iter().map(String::as_str)) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => {
            format!("; make it with `fastdata topics create {topic}` or fill it with `fastdata seed --topic {topic}`")
        }
    }
}
