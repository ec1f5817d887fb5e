//! Appends records inside a transaction of the caller: each batch becomes one row or a few.

use super::database::Database;
use super::errors::FileContext;
use super::retention::Retention;
use super::row_codec::{self, MAX_RECORD_BYTES, MAX_ROW_RECORDS, TARGET_ROW_BYTES};
use super::schema::{self, row_id};
use super::topics::{self, PartitionRow};
use crate::log::record_limits::check_sizes;
use crate::log::{Append, Appender, LogError, LogResult};
use crate::record::{Offset, Records, TopicPartition};
use crate::time::{Clock as _, SystemClock};
use arrow_array::Array as _;
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Appends outside any group.
#[derive(Debug)]
pub(super) struct EmbeddedAppender {
    pub(super) database: Arc<Database>,
}

impl Appender for EmbeddedAppender {
    fn append(&mut self, appends: &[Append]) -> LogResult<Vec<Offset>> {
        self.database.write(|conn, retention| append(conn, &self.database, appends, retention))
    }
}

/// Appends everything in order; returns the first offset of each.
pub(super) fn append(
    conn: &Connection,
    database: &Database,
    appends: &[Append],
    retention: &mut Retention,
) -> LogResult<Vec<Offset>> {
    let file = database.file.as_path();
    let now = SystemClock.now();
    let mut partitions: HashMap<&TopicPartition, PartitionRow> = HashMap::new();
    let mut insert = RowInserter { conn, file, now, row: Vec::new() };
    let mut first_offsets = Vec::with_capacity(appends.len());
    let mut written = 0;
    for a in appends {
        let partition = match partitions.entry(&a.to) {
            std::collections::hash_map::Entry::Occupied(e) => e.into_mut(),
            std::collections::hash_map::Entry::Vacant(e) => e.insert(topics::find(conn, file, &a.to)?),
        };
        first_offsets.push(Offset(partition.end));
        let count = i64::try_from(a.records.len()).unwrap_or(i64::MAX);
        if partition.end.saturating_add(count) > schema::MAX_OFFSET {
            return Err(LogError::Unusable(format!("`{}` is full: no further offsets; use another topic", a.to)));
        }
        written += a.records.bytes();
        if partition.compacted && a.records.keys.null_count() > 0 {
            return Err(LogError::InvalidTopic(format!(
                "topic `{}` is compacted and takes no record without a key: give the sink a `key:`",
                a.to.topic
            )));
        }
        check_sizes(&a.to, &a.records, &database.record_limit)?;
        insert.records(partition, &a.records)?;
    }
    let mut update = conn.prepare_cached("UPDATE partitions SET end = ?2, bytes = ?3 WHERE id = ?1").at(file)?;
    for partition in partitions.values() {
        update.execute(params![partition.id, partition.end, partition.bytes]).at(file)?;
    }
    let partitions: Vec<_> = partitions.iter().map(|(at, partition)| (*at, partition)).collect();
    retention.apply(conn, file, &partitions, written, now)?;
    Ok(first_offsets)
}

struct RowInserter<'a> {
    conn: &'a Connection,
    file: &'a Path,
    now: i64,
    /// Reused for each encoded row.
    row: Vec<u8>,
}

impl RowInserter<'_> {
    fn records(&mut self, partition: &mut PartitionRow, records: &Records) -> LogResult<()> {
        let mut insert = self.conn.prepare_cached(schema::INSERT_ROW).at(self.file)?;
        let mut from = 0;
        while from < records.len() {
            let (count, bytes) = next_row(records, from);
            row_codec::encode(records, None, from, count, &mut self.row);
            let max_time = records.timestamps[from..from + count].iter().copied().max().unwrap_or(i64::MIN);
            from += count;
            let (count, bytes) = (i64::try_from(count).unwrap_or(0), i64::try_from(bytes).unwrap_or(0));
            let (id, last) = (row_id(partition.id, partition.end), partition.end + count - 1);
            insert.execute(params![id, last, max_time, bytes, self.now, self.row.as_slice()]).at(self.file)?;
            partition.end += count;
            partition.bytes += bytes;
        }
        Ok(())
    }
}

/// How many records from `from` on make one row, and the bytes of their keys, values and headers.
fn next_row(records: &Records, from: usize) -> (usize, usize) {
    let (mut count, mut bytes) = (0, 0);
    while from + count < records.len() && count < MAX_ROW_RECORDS && bytes < TARGET_ROW_BYTES {
        let record = records.record_bytes(from + count);
        if count > 0 && bytes + record > MAX_RECORD_BYTES {
            break;
        }
        bytes += record;
        count += 1;
    }
    (count, bytes)
}
