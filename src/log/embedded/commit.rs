//! The committing half of a pipeline: outputs, state, counters and offsets in one transaction.
//!
//! Separate because exactly-once is this one function. It never commits for a pipeline whose lease
//! another instance has taken, nor an offset of a topic that is not the one that was read.

use super::Store;
use super::append;
use super::errors::Named;
use super::lease::Lease;
use super::topics;
use crate::log::{Committer, LogError, LogResult, Transaction};
use crate::record::{Offset, TopicPartition};
use rusqlite::params;
use std::collections::HashMap;
use std::sync::Arc;

/// Commits for the holder of a lease.
#[derive(Debug)]
pub(super) struct EmbeddedCommitter {
    pub(super) store: Arc<Store>,
    pub(super) lease: Arc<Lease>,
    /// The number that each assigned partition had when the group was joined.
    pub(super) parts: HashMap<TopicPartition, i64>,
}

impl Committer for EmbeddedCommitter {
    fn commit(&mut self, transaction: &Transaction) -> LogResult<Vec<Option<Offset>>> {
        let file = &self.store.file;
        self.store.write(|conn, retention| {
            self.lease.check(conn)?;
            let firsts = append::append(conn, file, &transaction.appends, retention)?;
            let mut put = conn
                .prepare_cached(
                    "INSERT INTO offsets (pipeline, topic, partition, part, next) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT DO UPDATE SET part = ?4, next = ?5",
                )
                .at(file)?;
            for (at, next) in &transaction.offsets {
                let part = topics::find(conn, file, at)?;
                if self.parts.get(at).is_some_and(|known| *known != part.id) {
                    return Err(LogError::TopicReplaced { topic: at.topic.to_string() });
                }
                topics::within(at, &part, *next)?;
                put.execute(params![self.lease.group, &*at.topic, at.partition.0, part.id, next.0]).at(file)?;
            }
            let written = transaction.appends.iter().map(|a| !a.records.is_empty());
            Ok(firsts.into_iter().zip(written).map(|(first, any)| any.then_some(first)).collect())
        })
    }
}
