//! Removing what may go: old and trimmed batches, what compaction replaces, records of deleted topics.
//!
//! Separate because it runs inside other people's transactions and must stay small there. It never
//! removes from the middle of a partition, nor what a pipeline has still to read of a compacted topic.

use super::Store;
use super::compaction::Compaction;
use super::errors::Named;
use super::schema::{row_id, rows_of};
use super::topics::{self, Part};
use crate::log::{LogError, LogResult};
use crate::record::{Offset, TopicPartition};
use rusqlite::{Connection, OptionalExtension};
use std::path::Path;

/// Runs after so many milliseconds ...
const EVERY_MS: i64 = 2_000;
/// ... or so many bytes, whichever comes first.
const EVERY_BYTES: usize = 64 << 20;
/// Removes at most so many bytes of a partition at a time: more than what came since the last time.
const AT_ONCE: i64 = 128 << 20;
/// One transaction of a trim removes so many bytes, counting each row for a page of other work ...
const TRIM_BYTES: i64 = 16 << 20;
const TRIM_ROW: i64 = 4096;
/// ... and one trim is so many transactions at most.
const TRIM_ROUNDS: usize = 8;
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
    let (mut bytes, mut through, mut removed) = (part.bytes, 0, 0);
    let mut query = conn
        .prepare_cached("SELECT last, max_time, bytes FROM batches WHERE id >= ?1 AND id < ?2 ORDER BY id")
        .at(file)?;
    let mut rows = query.query([from, to]).at(file)?;
    while let Some(row) = rows.next().at(file)? {
        let (last, newest, size): (i64, i64, i64) = (row.get(0).at(file)?, row.get(1).at(file)?, row.get(2).at(file)?);
        let over = part.retention_bytes.is_some_and(|limit| bytes > limit);
        // What a trim has left behind goes whatever its age is.
        let trimmed = last < part.earliest;
        // The last batch stays: nobody may have read it yet.
        let newer = last + 1 < part.end;
        if removed >= AT_ONCE || !(trimmed || newer && (over || newest < oldest)) {
            break;
        }
        through = last + 1;
        bytes -= size;
        removed += size;
    }
    drop(rows);
    if through > 0 {
        conn.prepare_cached("DELETE FROM batches WHERE id >= ?1 AND id < ?2")
            .at(file)?
            .execute([from, row_id(part.id, through)])
            .at(file)?;
        conn.prepare_cached("UPDATE partitions SET earliest = ?2, bytes = ?3 WHERE id = ?1")
            .at(file)?
            .execute([part.id, through.max(part.earliest), bytes])
            .at(file)?;
    }
    Ok(())
}

/// Moves the beginnings of partitions at once, then removes the rows that lie before them, a little in each
/// transaction so that others get their turn. Rows that one call leaves go with the next one, or with
/// retention; nobody can read them.
pub(super) fn trim(store: &Store, before: &[(TopicPartition, Offset)]) -> LogResult<()> {
    let file = &store.file;
    if before.is_empty() {
        return Ok(());
    }
    for round in 0..TRIM_ROUNDS {
        let mut left = TRIM_BYTES;
        store.write(|conn, _| {
            for (at, offset) in before {
                let part = topics::find(conn, file, at)?;
                if part.compacted {
                    return Err(LogError::InvalidTopic(format!(
                        "topic `{}` is compacted and cannot be trimmed: it keeps the latest record of each key",
                        at.topic
                    )));
                }
                // Only once: records that come while this goes on are not behind an offset past the end.
                let earliest = if round == 0 { offset.0.min(part.end).max(part.earliest) } else { part.earliest };
                if earliest > part.earliest {
                    conn.prepare_cached("UPDATE partitions SET earliest = ?2 WHERE id = ?1")
                        .at(file)?
                        .execute([part.id, earliest])
                        .at(file)?;
                }
                remove(conn, file, part.id, earliest, &mut left)?;
            }
            Ok(())
        })?;
        if left > 0 {
            break;
        }
    }
    Ok(())
}

/// Removes whole rows that lie before the beginning of a partition, while anything is left to spend.
pub(super) fn remove(conn: &Connection, file: &Path, part: i64, earliest: i64, left: &mut i64) -> LogResult<()> {
    let from = row_id(part, 0);
    let mut query = conn
        .prepare_cached("SELECT id, bytes FROM batches WHERE id >= ?1 AND id < ?2 AND last < ?3 ORDER BY id")
        .at(file)?;
    let mut rows = query.query([from, row_id(part, earliest), earliest]).at(file)?;
    let (mut through, mut bytes) = (None, 0);
    while *left > 0 {
        let Some(row) = rows.next().at(file)? else { break };
        let size: i64 = row.get(1).at(file)?;
        through = Some(row.get::<_, i64>(0).at(file)?);
        bytes += size;
        *left -= size + TRIM_ROW;
    }
    drop(rows);
    if let Some(through) = through {
        conn.prepare_cached("DELETE FROM batches WHERE id BETWEEN ?1 AND ?2")
            .at(file)?
            .execute([from, through])
            .at(file)?;
        conn.prepare_cached("UPDATE partitions SET bytes = bytes - ?2 WHERE id = ?1")
            .at(file)?
            .execute([part, bytes])
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
