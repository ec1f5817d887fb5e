//! The committing half of a pipeline: outputs, state, counters and offsets in one transaction, with any delivery.
//!
//! It commits only while this member holds the lease of the pipeline, and only offsets of the topics that
//! were read.

use super::append;
use super::database::Database;
use super::errors::FileContext;
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
    pub(super) database: Arc<Database>,
    pub(super) lease: Arc<Lease>,
    /// The number that each assigned partition had when the member joined.
    pub(super) partition_ids: HashMap<TopicPartition, i64>,
}

impl Committer for EmbeddedCommitter {
    fn commit(&mut self, transaction: &Transaction) -> LogResult<Vec<Option<Offset>>> {
        let file = &self.database.file;
        self.database.write(|conn, retention| {
            self.lease.check(conn)?;
            append::append(conn, &self.database, &transaction.results, retention)?;
            let first_offsets = append::append(conn, &self.database, &transaction.state, retention)?;
            let mut upsert = conn
                .prepare_cached(
                    "INSERT INTO offsets (pipeline, topic, partition, part, next) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT DO UPDATE SET part = ?4, next = ?5",
                )
                .at(file)?;
            for (at, next) in &transaction.offsets {
                let partition = topics::find(conn, file, at)?;
                if self.partition_ids.get(at).is_some_and(|id| *id != partition.id) {
                    return Err(LogError::TopicReplaced { topic: at.topic.to_string() });
                }
                topics::check_commit(at, &partition, *next)?;
                upsert.execute(params![self.lease.group, &*at.topic, at.partition.0, partition.id, next.0]).at(file)?;
            }
            let has_records = transaction.state.iter().map(|a| !a.records.is_empty());
            Ok(first_offsets.into_iter().zip(has_records).map(|(first, any)| any.then_some(first)).collect())
        })
    }
}
