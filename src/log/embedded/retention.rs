//! Housekeeping inside the transactions that append: deletes expired rows and advances compaction.
//!
//! Each transaction does a bounded amount of it. Rows are deleted only from the beginning of a partition.

use super::compaction::Compaction;
use super::errors::FileContext;
use super::schema::{partition_rows, row_id};
use super::topics::PartitionRow;
use crate::log::LogResult;
use crate::record::TopicPartition;
use rusqlite::Connection;
use std::collections::HashMap;
use std::path::Path;

/// Expired rows of a partition are searched for after this time ...
const CHECK_INTERVAL_MS: i64 = 2_000;
/// ... or after this many bytes were written to it, whichever comes first.
const CHECK_INTERVAL_BYTES: i64 = 64 << 20;
/// Maximum bytes of one partition that one transaction deletes: more than is written between two checks.
const MAX_EXPIRED_BYTES: i64 = 128 << 20;

/// Housekeeping state of one writer. It is reset after a failed transaction, because it describes work that
/// was rolled back.
#[derive(Debug, Default)]
pub(super) struct Retention {
    /// The last search in each partition with a retention. Each has its own, so that none waits behind a busier one.
    checks: HashMap<i64, Check>,
    compaction: Compaction,
}

/// When expired rows of a partition were searched for, and its size then.
#[derive(Debug)]
struct Check {
    at: i64,
    bytes: i64,
}

impl Check {
    fn is_due(&self, partition: &PartitionRow, now: i64) -> bool {
        (now - self.at).abs() >= CHECK_INTERVAL_MS || partition.bytes - self.bytes >= CHECK_INTERVAL_BYTES
    }
}

impl Retention {
    /// Does housekeeping on the partitions just written, if it is due.
    pub(super) fn apply(
        &mut self,
        conn: &Connection,
        file: &Path,
        partitions: &[(&TopicPartition, &PartitionRow)],
        written: usize,
        now: i64,
    ) -> LogResult<()> {
        let (compacted, plain): (Vec<_>, Vec<_>) = partitions.iter().partition(|(_, p)| p.compacted);
        if !compacted.is_empty() {
            self.compaction.step(conn, file, &compacted, written, now)?;
        }
        for (_, partition) in plain {
            let has_retention = partition.retention_ms.is_some() || partition.retention_bytes.is_some();
            if has_retention && self.checks.get(&partition.id).is_none_or(|check| check.is_due(partition, now)) {
                let bytes = delete_expired(conn, file, partition, now)?;
                self.checks.insert(partition.id, Check { at: now, bytes });
            }
        }
        Ok(())
    }
}

/// Returns the bytes that the partition has left.
fn delete_expired(conn: &Connection, file: &Path, partition: &PartitionRow, now: i64) -> LogResult<i64> {
    let (from, to) = partition_rows(partition.id);
    let min_time = partition.retention_ms.map_or(i64::MIN, |ms| now.saturating_sub(ms));
    let (mut bytes, mut through, mut deleted) = (partition.bytes, 0, 0);
    let mut query = conn
        .prepare_cached("SELECT last, max_time, bytes FROM batches WHERE id >= ?1 AND id < ?2 ORDER BY id")
        .at(file)?;
    let mut rows = query.query([from, to]).at(file)?;
    while let Some(row) = rows.next().at(file)? {
        let (last, max_time, size): (i64, i64, i64) =
            (row.get(0).at(file)?, row.get(1).at(file)?, row.get(2).at(file)?);
        let too_large = partition.retention_bytes.is_some_and(|limit| bytes > limit);
        // Rows that a trim has left behind go whatever their age.
        let trimmed = last < partition.earliest;
        // The last row stays: it may not have been read yet.
        let is_last = last + 1 >= partition.end;
        if deleted >= MAX_EXPIRED_BYTES || !(trimmed || !is_last && (too_large || max_time < min_time)) {
            break;
        }
        through = last + 1;
        bytes -= size;
        deleted += size;
    }
    drop(rows);
    if through > 0 {
        conn.prepare_cached("DELETE FROM batches WHERE id >= ?1 AND id < ?2")
            .at(file)?
            .execute([from, row_id(partition.id, through)])
            .at(file)?;
        conn.prepare_cached("UPDATE partitions SET earliest = ?2, bytes = ?3 WHERE id = ?1")
            .at(file)?
            .execute([partition.id, through.max(partition.earliest), bytes])
            .at(file)?;
    }
    Ok(bytes)
}
