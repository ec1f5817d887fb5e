//! Errors of a backplane, and how the caller recovers from each.
//!
//! Callers decide by [`Recovery`], never by the text. The text says what happened, where, and what to do.

use super::record_limit::RecordLimit;
use crate::record::{Offset, TopicPartition};
use thiserror::Error;

/// The result of a call to a backplane.
pub type LogResult<T> = Result<T, LogError>;

/// An error of the backplane.
#[derive(Debug, Error)]
pub enum LogError {
    /// No such topic.
    #[error("topic `{topic}` does not exist{}", hint(topic, known))]
    UnknownTopic {
        /// The requested name.
        topic: String,
        /// The topics that exist.
        known: Vec<String>,
    },
    /// A topic of that name exists.
    #[error("topic `{0}` exists already")]
    TopicExists(String),
    /// A name, setting or operation that the topic does not allow.
    #[error("{0}")]
    InvalidTopic(String),
    /// A partition that the topic does not have.
    #[error("topic `{}` has no partition {}: it has {count}", at.topic, at.partition)]
    UnknownPartition {
        /// The requested partition.
        at: TopicPartition,
        /// The number of partitions.
        count: u32,
    },
    /// The offset is outside the bounds of the partition: records were removed, or the partition was truncated.
    #[error(
        "offset {asked} of `{at}` cannot be read: the partition holds {earliest} to {end}; start over with `--from earliest` or `--from latest`"
    )]
    OffsetOutOfRange {
        /// The partition.
        at: TopicPartition,
        /// The requested offset.
        asked: Offset,
        /// The first offset that can be read.
        earliest: Offset,
        /// The end offset.
        end: Offset,
    },
    /// The topic was deleted and created again: offsets of the old one mean nothing in the new one.
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
        /// The instance that runs, and since when where that is known.
        holder: String,
    },
    /// Another member has taken over: this one may not commit any more.
    #[error("pipeline `{group}` was taken over by another instance; this one stops without committing")]
    Fenced {
        /// The group.
        group: String,
    },
    /// The transaction was aborted, for instance because partitions were revoked or the member was declared
    /// dead. The member continues from the committed offsets with its next assignment.
    #[error("the transaction of pipeline `{group}` is undone: {why}; it goes on from what was committed last")]
    Undone {
        /// The group.
        group: String,
        /// The cause.
        why: String,
    },
    /// A record over the size limit of its topic.
    #[error("{}", limit.describe(at, *bytes))]
    TooLarge {
        /// The partition.
        at: TopicPartition,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: RecordLimit,
    },
    /// The folder of an embedded log holds none.
    #[error(
        "there is no log in `{0}`: nothing was written there yet; `fastdata seed --topic raw` writes first records, and `--data-dir` names another folder"
    )]
    NoLog(String),
    /// The store is damaged or belongs to another program.
    #[error("{0}")]
    Corrupt(String),
    /// No space, no permission, no access: the user has to act.
    #[error("{0}")]
    Unusable(String),
    /// Settings of the connection that cannot work: what the user wrote is wrong.
    #[error("{0}")]
    InvalidSettings(String),
    /// The user lacks a right on the cluster.
    #[error("{0}")]
    Denied(String),
    /// A temporary failure: the call may succeed when it is repeated.
    #[error("{0}")]
    Busy(String),
}

/// How a caller recovers from an error of the backplane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Try the same call again.
    Retry,
    /// Drop the transaction and continue from the committed offsets and state.
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
