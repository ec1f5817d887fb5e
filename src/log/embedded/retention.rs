//! Removing what may go: old batches, what compaction replaces, records of deleted topics.
//!
//! Separate because it runs inside other people's transactions and must stay small there. It never
//! removes from the middle of a partition, nor what a pipeline has still to read of a compacted topic.

use super::Store;
use super::compaction::Compaction;
use super::errors::Named;
use super::schema::{row_id, rows_of};
use super::topics::Part;
use crate::log::LogResult;
use crate::record::TopicPartition;
use rusqlite::{Connection, OptionalExtension};
use std::path::Path;

/// Runs after so many milliseconds ...
const EVERY_MS: i64 = 2_000;
/// ... or so many bytes, whichever comes first.
const EVERY_BYTES: usize = 64 << 20;
/// Removes at most so many bytes of a partition at a time: more than what came since the last time.
const AT_ONCE: i64 = 128 << 20;
/// Deletions in compacted topics are kept for so long at least.
pub(super) const DELETIONS_MS: i64 = 5 * 60 * 1000;

/// What one writer remembers of its housekeeping. After a transaction that failed it must be forgotten:
/// it speaks of work that was undone.
#[derive(Debug, Default)]
pub(super) struct Retention {
    ran: i64,
    written: usize,
    compaction: Compaction,
}

impl Retention {
    /// Removes what may go from the partitions just written, some of it, or nothing if it is not time yet.
    pub(super) fn apply(
        &mut self,
        conn: &Connection,
        file: &Path,
        parts: &[(&TopicPartition, &Part)],
        written: usize,
        now: i64,
    ) -> LogResult<()> {
        let (compacted, plain): (Vec<_>, Vec<_>) = parts.iter().partition(|(_, part)| part.compacted);
        if !compacted.is_empty() {
            self.compaction.step(conn, file, &compacted, written, now)?;
        }
        self.written = self.written.saturating_add(written);
        if self.written < EVERY_BYTES && (now - self.ran).abs() < EVERY_MS {
            return Ok(());
        }
        (self.ran, self.written) = (now, 0);
        for (_, part) in plain {
            if part.retention_ms.is_some() || part.retention_bytes.is_some() {
                expire(conn, file, part, now)?;
            }
        }
        Ok(())
    }
}

fn expire(conn: &Connection, file: &Path, part: &Part, now: i64) -> LogResult<()> {
    let (from, to) = rows_of(part.id);
    let oldest = part.retention_ms.map_or(i64::MIN, |ms| now.saturating_sub(ms));
    let (mut bytes, mut earliest, mut removed) = (part.bytes, part.earliest, 0);
    let mut query = conn
        .prepare_cached("SELECT last, max_time, bytes FROM batches WHERE id >= ?1 AND id < ?2 ORDER BY id")
        .at(file)?;
    let mut rows = query.query([from, to]).at(file)?;
    while let Some(row) = rows.next().at(file)? {
        let (last, newest, size): (i64, i64, i64) = (row.get(0).at(file)?, row.get(1).at(file)?, row.get(2).at(file)?);
        let over = part.retention_bytes.is_some_and(|limit| bytes > limit);
        // The last batch stays: nobody may have read it yet.
        let newer = last + 1 < part.end;
        if !newer || removed >= AT_ONCE || !(over || newest < oldest) {
            break;
        }
        earliest = last + 1;
        bytes -= size;
        removed += size;
    }
    drop(rows);
    if earliest > part.earliest {
        conn.prepare_cached("DELETE FROM batches WHERE id >= ?1 AND id < ?2")
            .at(file)?
            .execute([from, row_id(part.id, earliest)])
            .at(file)?;
        conn.prepare_cached("UPDATE partitions SET earliest = ?2, bytes = ?3 WHERE id = ?1")
            .at(file)?
            .execute([part.id, earliest, bytes])
            .at(file)?;
    }
    Ok(())
}

/// Removes the records of deleted topics, a little in each transaction so that others get their turn.
pub(super) fn collect(store: &Store) -> LogResult<()> {
    let file = &store.file;
    loop {
        let more = store.write(|conn, _| {
            let part: Option<i64> =
                conn.query_row("SELECT part FROM garbage LIMIT 1", [], |r| r.get(0)).optional().at(file)?;
            let Some(part) = part else { return Ok(false) };
            let (from, to) = rows_of(part);
            let removed = conn
                .execute(
                    "DELETE FROM batches WHERE id IN (SELECT id FROM batches WHERE id >= ?1 AND id < ?2 LIMIT 256)",
                    [from, to],
                )
                .at(file)?;
            if removed == 0 {
                conn.execute("DELETE FROM garbage WHERE part = ?1", [part]).at(file)?;
            }
            Ok(true)
        })?;
        if !more {
            return Ok(());
        }
    }
}
