//! Reads partitions in turn, each from its own position; readers and members share it.
//!
//! No transaction stays open between calls, so that checkpoints are never blocked. A record is never
//! skipped: where one is missing, reading fails.

use super::commit_signal::PollWait;
use super::database::Database;
use super::errors::FileContext;
use super::row_codec::FetchedBuilder;
use super::schema::{self, first_offset, row_id};
use super::topics::{self, PartitionRow};
use crate::log::{FetchLimit, LogError, LogResult, Reader};
use crate::record::{Fetched, Offset, TopicPartition};
use rusqlite::{Connection, OptionalExtension};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the ends of partitions are read while some partition has more to read: new records of the others must not
/// wait for its last one.
const REFRESH_INTERVAL: Duration = Duration::from_millis(20);

/// Maximum bytes of one batch: Arrow's offsets have 31 bits.
const MAX_BATCH_BYTES: usize = 512 << 20;

/// The position in one partition.
#[derive(Debug)]
pub(super) struct PartitionCursor {
    pub(super) at: Arc<TopicPartition>,
    partition_id: i64,
    compacted: bool,
    /// The next offset to return; `None` before the first seek.
    next: Option<i64>,
    pub(super) paused: bool,
    end: i64,
    /// What is left of a row that was larger than the limit; begins at `next`.
    remainder: Option<Fetched>,
}

impl PartitionCursor {
    pub(super) fn new(at: TopicPartition, partition: &PartitionRow) -> Self {
        let (partition_id, compacted) = (partition.id, partition.compacted);
        Self { at: Arc::new(at), partition_id, compacted, next: None, paused: false, end: 0, remainder: None }
    }

    pub(super) fn partition_id(&self) -> i64 {
        self.partition_id
    }

    pub(super) fn seek(&mut self, to: Offset) {
        self.next = Some(to.0);
        self.remainder = None;
    }

    fn is_ready(&self) -> bool {
        !self.paused && self.next.is_some_and(|next| next < self.end)
    }
}

/// Reads some partitions over a connection of its own.
#[derive(Debug)]
pub(super) struct PartitionCursors {
    pub(super) conn: Connection,
    pub(super) database: Arc<Database>,
    pub(super) cursors: Vec<PartitionCursor>,
    /// Index of the cursor that is read next.
    next_index: usize,
    /// SQLite's data version and the number of commits at which `end` was read.
    data_version: Option<i64>,
    commits: u64,
    refreshed_at: Instant,
    idle: Duration,
}

impl PartitionCursors {
    /// No partitions yet.
    pub(super) fn new(database: Arc<Database>) -> LogResult<Self> {
        let conn = database.connect()?;
        let (cursors, idle) = (Vec::new(), Duration::ZERO);
        let refreshed_at = Instant::now();
        Ok(Self { conn, database, cursors, next_index: 0, data_version: None, commits: 0, refreshed_at, idle })
    }

    /// The next offset of each partition.
    pub(super) fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        let position = |c: &PartitionCursor| (TopicPartition::clone(&c.at), Offset(c.next.unwrap_or(0)));
        self.cursors.iter().map(position).collect()
    }

    /// Pauses or resumes those of the partitions that are read here.
    pub(super) fn pause(&mut self, of: &[TopicPartition], paused: bool) {
        let mut resumed = false;
        let of: HashSet<&TopicPartition> = of.iter().collect();
        for cursor in self.cursors.iter_mut().filter(|c| c.paused != paused && of.contains(&*c.at)) {
            cursor.paused = paused;
            resumed |= !paused;
        }
        // While it was paused, a position was not checked against the bounds of its partition.
        if resumed {
            self.invalidate_ends();
        }
    }

    /// Makes the next poll read the ends of partitions again.
    pub(super) fn invalidate_ends(&mut self) {
        self.data_version = None;
    }

    /// The next records; `None` after `wait`, or sooner where only positions moved.
    pub(super) fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<Option<Fetched>> {
        let wait = PollWait::new(wait, self.idle);
        loop {
            self.database.check()?;
            let commits = self.database.signal.commits();
            if self.refreshed_at.elapsed() >= REFRESH_INTERVAL {
                self.refresh_ends(commits)?;
            }
            if let Some(index) = self.next_ready() {
                let fetched = self.fetch(index, limit)?;
                self.idle = Duration::ZERO;
                return Ok(fetched);
            }
            if self.refresh_ends(commits)? {
                continue;
            }
            if !wait.next(&self.database.signal, commits) {
                self.idle = wait.idle();
                return Ok(None);
            }
        }
    }

    fn next_ready(&mut self) -> Option<usize> {
        let n = self.cursors.len();
        let found = (self.next_index..self.next_index + n).map(|i| i % n).find(|i| self.cursors[*i].is_ready())?;
        self.next_index = (found + 1) % n;
        Some(found)
    }

    /// Reads the ends of partitions if anything was committed; true if a partition has more to read.
    fn refresh_ends(&mut self, commits: u64) -> LogResult<bool> {
        self.refreshed_at = Instant::now();
        let file = &self.database.file;
        let version = self.conn.prepare_cached("PRAGMA data_version").at(file)?.query_row([], |r| r.get(0)).at(file)?;
        if self.data_version == Some(version) && self.commits == commits {
            return Ok(false);
        }
        let mut bounds = self.conn.prepare_cached("SELECT earliest, end FROM partitions WHERE id = ?1").at(file)?;
        let mut ready = false;
        for cursor in &mut self.cursors {
            let found: Option<(i64, i64)> =
                bounds.query_row([cursor.partition_id], |r| Ok((r.get(0)?, r.get(1)?))).optional().at(file)?;
            let Some((earliest, end)) = found else {
                return Err(topics::partition_gone(&self.conn, file, &cursor.at));
            };
            cursor.end = end;
            // A paused partition may be trimmed past its position: that is checked once it is resumed.
            if let Some(next) = cursor.next.filter(|_| !cursor.paused) {
                let buffered = cursor.remainder.is_some();
                if next > end || (next < earliest && !buffered) {
                    return Err(out_of_range(cursor, next, earliest));
                }
            }
            ready |= cursor.is_ready();
        }
        self.data_version = Some(version);
        self.commits = commits;
        Ok(ready)
    }

    fn fetch(&mut self, index: usize, limit: FetchLimit) -> LogResult<Option<Fetched>> {
        let file = &self.database.file;
        let cursor = &mut self.cursors[index];
        let Some(next) = cursor.next else { return Ok(None) };
        let available = match cursor.remainder.take() {
            Some(remainder) => remainder,
            None => read_rows(&self.conn, file, cursor, next, limit)?,
        };
        let n = limit.rows_of(&available.records);
        let (fetched, remainder) = if n < available.offsets.len() {
            let remainder = slice(&available, n, available.offsets.len() - n);
            (slice(&available, 0, n), Some(remainder))
        } else {
            (available, None)
        };
        cursor.next = match (&remainder, fetched.offsets.last()) {
            (Some(remainder), _) => remainder.offsets.first().copied(),
            (None, Some(last)) => Some(last + 1),
            // Compaction has removed every record up to the end.
            (None, None) => Some(cursor.end),
        };
        cursor.remainder = remainder;
        Ok((!fetched.offsets.is_empty()).then_some(fetched))
    }
}

fn out_of_range(cursor: &PartitionCursor, asked: i64, earliest: i64) -> LogError {
    LogError::OffsetOutOfRange {
        at: TopicPartition::clone(&cursor.at),
        asked: Offset(asked),
        earliest: Offset(earliest),
        end: Offset(cursor.end),
    }
}

/// The error for a record within the bounds that is not there: deleted since the bounds were read, or lost.
fn missing_record(conn: &Connection, file: &Path, cursor: &PartitionCursor, next: i64) -> LogError {
    match topics::find(conn, file, &cursor.at) {
        Err(e) => e,
        Ok(partition) if partition.id != cursor.partition_id => {
            LogError::TopicReplaced { topic: cursor.at.topic.to_string() }
        }
        Ok(partition) if partition.earliest > next => out_of_range(cursor, next, partition.earliest),
        Ok(_) => topics::damaged(file, &cursor.at, next, "they are not there"),
    }
}

/// Reads whole rows from an offset on until the limit is reached.
fn read_rows(
    conn: &Connection,
    file: &Path,
    cursor: &PartitionCursor,
    next: i64,
    limit: FetchLimit,
) -> LogResult<Fetched> {
    let id = cursor.partition_id;
    let mut query = conn.prepare_cached(schema::SELECT_ROWS).at(file)?;
    let mut rows = query.query([row_id(id, 0), row_id(id, next), row_id(id, cursor.end)]).at(file)?;
    let mut builder = FetchedBuilder::default();
    // Records of the first row that lie before `next`.
    let mut skip = 0;
    while builder.len() <= skip
        || (builder.len() < limit.records.saturating_add(skip) && builder.bytes() < limit.bytes.min(MAX_BATCH_BYTES))
    {
        let Some(row) = rows.next().at(file)? else { break };
        if row.get::<_, i64>(1).at(file)? < next {
            continue;
        }
        let base = first_offset(row.get(0).at(file)?);
        match builder.last_offset() {
            Some(last) if base != last + 1 && !cursor.compacted => {
                return Err(topics::damaged(file, &cursor.at, last + 1, "the next batch is not there"));
            }
            None if base > next && !cursor.compacted => return Err(missing_record(conn, file, cursor, next)),
            _ => {}
        }
        let data = row.get_ref(2).at(file)?.as_blob();
        let data = data.map_err(|_| topics::damaged(file, &cursor.at, base, "they are not bytes"))?;
        let is_first = builder.len() == 0;
        builder.add(base, data).map_err(|what| topics::damaged(file, &cursor.at, base, what))?;
        if is_first {
            builder.reserve_like(expected_records(&builder, cursor.end - base, limit));
        }
        if base < next {
            skip = builder.count_before(next);
        }
    }
    if builder.len() <= skip && !cursor.compacted {
        return Err(missing_record(conn, file, cursor, next));
    }
    let fetched = builder.finish(cursor.at.clone());
    Ok(if skip == 0 { fetched } else { slice(&fetched, skip, fetched.offsets.len() - skip) })
}

/// How many records a read will return, judged by those of its first row.
fn expected_records(first: &FetchedBuilder, available: i64, limit: FetchLimit) -> usize {
    let of_limit = limit.bytes.min(MAX_BATCH_BYTES) / (first.bytes() / first.len().max(1)).max(1);
    // The last row may go beyond the limit.
    let most = of_limit.min(limit.records).saturating_add(first.len());
    most.min(usize::try_from(available).unwrap_or(0))
}

/// The first offset with this time or a later one; the end where there is none.
pub(super) fn offset_at_time(
    conn: &Connection,
    file: &Path,
    at: &TopicPartition,
    partition: &PartitionRow,
    time: i64,
) -> LogResult<Offset> {
    let PartitionRow { id, earliest, end, .. } = *partition;
    // The earliest offset may lie within a row, and rows before it may still be there.
    let sql = "SELECT id, data FROM batches WHERE id < ?2 AND last >= ?3 AND max_time >= ?4
        AND id >= (SELECT COALESCE(MAX(id), ?5) FROM batches WHERE id BETWEEN ?5 AND ?1) ORDER BY id";
    let mut query = conn.prepare_cached(sql).at(file)?;
    let mut rows = query.query([row_id(id, earliest), row_id(id, end), earliest, time, row_id(id, 0)]).at(file)?;
    let origin = Arc::new(at.clone());
    while let Some(row) = rows.next().at(file)? {
        let base = first_offset(row.get(0).at(file)?);
        let damaged = |what| topics::damaged(file, at, base, what);
        let data = row.get_ref(1).at(file)?.as_blob().map_err(|_| damaged("they are not bytes"))?;
        let mut builder = FetchedBuilder::default();
        builder.add(base, data).map_err(damaged)?;
        let fetched = builder.finish(origin.clone());
        let mut records = fetched.offsets.iter().zip(&fetched.records.timestamps[..]);
        if let Some((offset, _)) = records.find(|(offset, t)| **offset >= earliest && **t >= time) {
            return Ok(Offset(*offset));
        }
    }
    Ok(Offset(end))
}

fn slice(fetched: &Fetched, from: usize, len: usize) -> Fetched {
    Fetched {
        origin: fetched.origin.clone(),
        offsets: fetched.offsets.slice(from, len),
        records: fetched.records.slice(from, len),
    }
}

/// Reads outside any group.
#[derive(Debug)]
pub(super) struct EmbeddedReader {
    cursors: PartitionCursors,
}

impl EmbeddedReader {
    /// Reads no partition yet.
    pub(super) fn new(database: Arc<Database>) -> LogResult<Self> {
        Ok(Self { cursors: PartitionCursors::new(database)? })
    }

    /// Reads a partition from an offset on.
    pub(super) fn add(&mut self, at: &TopicPartition, from: Offset) -> LogResult<()> {
        let partition = topics::find(&self.cursors.conn, &self.cursors.database.file, at)?;
        topics::check_offset(at, &partition, from)?;
        let mut cursor = PartitionCursor::new(at.clone(), &partition);
        cursor.seek(from);
        self.cursors.cursors.push(cursor);
        Ok(())
    }
}

impl Reader for EmbeddedReader {
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<Option<Fetched>> {
        self.cursors.poll(limit, wait)
    }

    fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        self.cursors.positions()
    }

    fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()> {
        self.cursors.pause(of, paused);
        Ok(())
    }
}
