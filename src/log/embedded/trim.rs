//! Deletes records on request: those before an offset, and those of deleted topics.
//!
//! The work is divided into small transactions, so that other writers do not wait long.

use super::database::Database;
use super::errors::FileContext;
use super::schema::{partition_rows, row_id};
use super::topics;
use crate::log::{LogError, LogResult};
use crate::record::{Offset, TopicPartition};
use rusqlite::{Connection, OptionalExtension};
use std::path::Path;

/// Maximum bytes that one transaction deletes, with [`ROW_OVERHEAD_BYTES`] added for each row.
const MAX_TRANSACTION_BYTES: i64 = 16 << 20;
/// Cost of deleting a row, in addition to the bytes of its records.
const ROW_OVERHEAD_BYTES: i64 = 4096;
/// Maximum transactions of one call.
const MAX_TRANSACTIONS: usize = 8;
/// Maximum rows of a deleted topic that one transaction deletes.
const MAX_GARBAGE_ROWS: usize = 256;

/// Advances the earliest offsets in the first transaction, then deletes the rows before them. Rows that one call
/// leaves can no longer be read; the next call or retention deletes them.
pub(super) fn delete_records(database: &Database, before: &[(TopicPartition, Offset)]) -> LogResult<()> {
    let file = &database.file;
    if before.is_empty() {
        return Ok(());
    }
    for round in 0..MAX_TRANSACTIONS {
        let mut budget = MAX_TRANSACTION_BYTES;
        database.write(|conn, _| {
            for (at, offset) in before {
                let partition = topics::find(conn, file, at)?;
                if partition.compacted {
                    return Err(LogError::InvalidTopic(format!(
                        "topic `{}` is compacted and cannot be trimmed: it keeps the latest record of each key",
                        at.topic
                    )));
                }
                // Only in the first round: an offset past the end must not delete records that are appended meanwhile.
                let earliest = match round {
                    0 => offset.0.min(partition.end).max(partition.earliest),
                    _ => partition.earliest,
                };
                if earliest > partition.earliest {
                    conn.prepare_cached("UPDATE partitions SET earliest = ?2 WHERE id = ?1")
                        .at(file)?
                        .execute([partition.id, earliest])
                        .at(file)?;
                }
                delete_rows(conn, file, partition.id, earliest, &mut budget)?;
            }
            Ok(())
        })?;
        if budget > 0 {
            break;
        }
    }
    Ok(())
}

/// Deletes whole rows before an offset of a partition until the budget of bytes is used up.
pub(super) fn delete_rows(
    conn: &Connection,
    file: &Path,
    partition_id: i64,
    before: i64,
    budget: &mut i64,
) -> LogResult<()> {
    let from = row_id(partition_id, 0);
    let mut query = conn
        .prepare_cached("SELECT id, bytes FROM batches WHERE id >= ?1 AND id < ?2 AND last < ?3 ORDER BY id")
        .at(file)?;
    let mut rows = query.query([from, row_id(partition_id, before), before]).at(file)?;
    let (mut through, mut bytes) = (None, 0);
    while *budget > 0 {
        let Some(row) = rows.next().at(file)? else { break };
        let size: i64 = row.get(1).at(file)?;
        through = Some(row.get::<_, i64>(0).at(file)?);
        bytes += size;
        *budget -= size + ROW_OVERHEAD_BYTES;
    }
    drop(rows);
    if let Some(through) = through {
        conn.prepare_cached("DELETE FROM batches WHERE id BETWEEN ?1 AND ?2")
            .at(file)?
            .execute([from, through])
            .at(file)?;
        conn.prepare_cached("UPDATE partitions SET bytes = bytes - ?2 WHERE id = ?1")
            .at(file)?
            .execute([partition_id, bytes])
            .at(file)?;
    }
    Ok(())
}

/// Deletes the records of deleted topics.
pub(super) fn delete_garbage(database: &Database) -> LogResult<()> {
    let file = &database.file;
    let delete = format!(
        "DELETE FROM batches WHERE id IN
         (SELECT id FROM batches WHERE id >= ?1 AND id < ?2 LIMIT {MAX_GARBAGE_ROWS})"
    );
    loop {
        let more = database.write(|conn, _| {
            let partition_id: Option<i64> =
                conn.query_row("SELECT part FROM garbage LIMIT 1", [], |r| r.get(0)).optional().at(file)?;
            let Some(partition_id) = partition_id else { return Ok(false) };
            let (from, to) = partition_rows(partition_id);
            let deleted = conn.execute(&delete, [from, to]).at(file)?;
            if deleted == 0 {
                conn.execute("DELETE FROM garbage WHERE part = ?1", [partition_id]).at(file)?;
            }
            Ok(true)
        })?;
        if !more {
            return Ok(());
        }
    }
}
