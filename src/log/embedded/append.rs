//! Writing records inside a transaction: a batch becomes one row or a few.
//!
//! Separate because appenders and committers share it. It never begins or ends a transaction itself,
//! so that whatever it returns an error for leaves no trace.

use super::batch;
use super::errors::Named;
use super::retention::Retention;
use super::schema::{self, row_id};
use super::topics::{self, Part};
use super::{Store, now};
use crate::log::{Append, Appender, LogError, LogResult};
use crate::record::{Offset, Records, TopicPartition};
use arrow_array::{Array, BinaryArray};
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Appends outside any group.
#[derive(Debug)]
pub(super) struct EmbeddedAppender {
    pub(super) store: Arc<Store>,
}

impl Appender for EmbeddedAppender {
    fn append(&mut self, appends: &[Append]) -> LogResult<Vec<Offset>> {
        let file = &self.store.file;
        self.store.write(|conn, retention| append(conn, file, appends, retention))
    }
}

/// Appends everything in order; returns the first offset of each.
pub(super) fn append(
    conn: &Connection,
    file: &Path,
    appends: &[Append],
    retention: &mut Retention,
) -> LogResult<Vec<Offset>> {
    let mut parts: HashMap<&TopicPartition, Part> = HashMap::new();
    let mut row = Vec::new();
    let mut firsts = Vec::with_capacity(appends.len());
    let mut written = 0;
    for a in appends {
        let part = match parts.entry(&a.to) {
            std::collections::hash_map::Entry::Occupied(e) => e.into_mut(),
            std::collections::hash_map::Entry::Vacant(e) => e.insert(topics::find(conn, file, &a.to)?),
        };
        firsts.push(Offset(part.end));
        let count = i64::try_from(a.records.len()).unwrap_or(i64::MAX);
        if part.end.saturating_add(count) > schema::MAX_OFFSET {
            return Err(LogError::Unusable(format!("`{}` is full: no further offsets; make another topic", a.to)));
        }
        written += a.records.bytes();
        if part.compacted && a.records.keys.null_count() > 0 {
            return Err(LogError::InvalidTopic(format!(
                "topic `{}` is compacted and takes no record without a key: give the sink a `key:`",
                a.to.topic
            )));
        }
        batches(conn, file, &a.to, part, &a.records, &mut row)?;
    }
    let mut update = conn.prepare_cached("UPDATE partitions SET end = ?2, bytes = ?3 WHERE id = ?1").at(file)?;
    for part in parts.values() {
        update.execute(params![part.id, part.end, part.bytes]).at(file)?;
    }
    let parts: Vec<_> = parts.iter().map(|(at, part)| (*at, part)).collect();
    retention.apply(conn, file, &parts, written, now())?;
    Ok(firsts)
}

fn batches(
    conn: &Connection,
    file: &Path,
    to: &TopicPartition,
    part: &mut Part,
    records: &Records,
    row: &mut Vec<u8>,
) -> LogResult<()> {
    let mut insert = conn.prepare_cached(topics::INSERT).at(file)?;
    let now = now();
    let mut from = 0;
    while from < records.len() {
        let (count, bytes) = fitting(to, records, from)?;
        batch::encode(records, None, from, count, row);
        let newest = records.timestamps[from..from + count].iter().copied().max().unwrap_or(i64::MIN);
        let (count64, bytes) = (i64::try_from(count).unwrap_or(0), i64::try_from(bytes).unwrap_or(0));
        insert
            .execute(params![row_id(part.id, part.end), part.end + count64 - 1, newest, bytes, now, row.as_slice()])
            .at(file)?;
        part.end += count64;
        part.bytes += bytes;
        from += count;
    }
    Ok(())
}

/// How many records from `from` on make one row, and the bytes of their keys and values.
fn fitting(to: &TopicPartition, records: &Records, from: usize) -> LogResult<(usize, usize)> {
    let (mut count, mut bytes) = (0, 0);
    while from + count < records.len() && count < batch::ROW_RECORDS && bytes < batch::ROW_BYTES {
        let len = length(&records.keys, from + count) + length(&records.values, from + count);
        let with_headers = len + records.headers.as_ref().map_or(0, |h| length(h.encoded(), from + count));
        if with_headers > batch::MAX_RECORD {
            return Err(LogError::TooLarge { at: to.clone(), bytes: with_headers, limit: batch::MAX_RECORD });
        }
        if count > 0 && bytes + with_headers > batch::MAX_RECORD {
            break;
        }
        bytes += len;
        count += 1;
    }
    Ok((count, bytes))
}

fn length(column: &BinaryArray, row: usize) -> usize {
    usize::try_from(column.value_length(row)).unwrap_or(0)
}
