//! Reading partitions in turns, each from its own position.
//!
//! Separate because readers and members share it. A reader holds no transaction between calls, so that
//! the write-ahead log can always be copied back. It never skips a record: where one is missing it
//! says so.

use super::Store;
use super::batch::Gather;
use super::errors::Named;
use super::notify::Wait;
use super::schema::{self, offset_of, row_id};
use super::topics::{self, Part};
use crate::log::{FetchLimit, LogError, LogResult, Reader};
use crate::record::{Fetched, Offset, Records, TopicPartition};
use rusqlite::{Connection, OptionalExtension};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Bytes that one batch may hold: its lengths are 31 bits.
const MAX_BYTES: usize = 512 << 20;
/// One partition being read.
#[derive(Debug)]
pub(super) struct Cursor {
    pub(super) at: Arc<TopicPartition>,
    part: i64,
    compacted: bool,
    /// The next offset to return, where reading has begun.
    pub(super) next: Option<i64>,
    pub(super) paused: bool,
    end: i64,
    /// The rest of a row that was larger than the limit; begins at `next`.
    rest: Option<Fetched>,
}

impl Cursor {
    pub(super) fn new(at: TopicPartition, part: &Part) -> Self {
        let (id, compacted) = (part.id, part.compacted);
        Self { at: Arc::new(at), part: id, compacted, next: None, paused: false, end: 0, rest: None }
    }

    pub(super) fn part(&self) -> i64 {
        self.part
    }

    pub(super) fn seek(&mut self, to: Offset) {
        self.next = Some(to.0);
        self.rest = None;
    }

    fn ready(&self) -> bool {
        !self.paused && self.next.is_some_and(|next| next < self.end)
    }
}

/// Reads some partitions over a connection of its own.
#[derive(Debug)]
pub(super) struct Cursors {
    pub(super) store: Arc<Store>,
    pub(super) conn: Connection,
    pub(super) cursors: Vec<Cursor>,
    turn: usize,
    version: Option<i64>,
    commits: u64,
    idle: Duration,
}

impl Cursors {
    /// Where each partition is.
    pub(super) fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        let place = |c: &Cursor| (TopicPartition::clone(&c.at), Offset(c.next.unwrap_or(0)));
        self.cursors.iter().map(place).collect()
    }

    pub(super) fn new(store: Arc<Store>, cursors: Vec<Cursor>) -> LogResult<Self> {
        let conn = store.connect()?;
        Ok(Self { store, conn, cursors, turn: 0, version: None, commits: 0, idle: Duration::ZERO })
    }

    /// Stops or resumes reading those that are among them.
    pub(super) fn pause(&mut self, of: &[TopicPartition], paused: bool) {
        self.cursors.iter_mut().filter(|c| of.contains(&c.at)).for_each(|c| c.paused = paused);
    }

    /// Ends of partitions are looked up again before the next wait.
    pub(super) fn look_again(&mut self) {
        self.version = None;
    }

    /// The next records, `None` after `wait`, or sooner where only positions moved.
    pub(super) fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<Option<Fetched>> {
        let waiting = Wait::new(wait, self.idle);
        loop {
            let commits = self.store.notify.commits();
            if let Some(i) = self.turn() {
                let fetched = self.fetch(i, limit)?;
                self.idle = Duration::ZERO;
                return Ok(fetched);
            }
            if self.refresh(commits)? {
                continue;
            }
            if !waiting.pause(&self.store.notify, commits) {
                self.idle = waiting.idle();
                return Ok(None);
            }
        }
    }

    fn turn(&mut self) -> Option<usize> {
        let n = self.cursors.len();
        let found = (self.turn..self.turn + n).map(|i| i % n).find(|i| self.cursors[*i].ready())?;
        self.turn = (found + 1) % n;
        Some(found)
    }

    /// Looks up how far partitions reach if anybody committed; true if one now has more to read.
    fn refresh(&mut self, commits: u64) -> LogResult<bool> {
        let file = &self.store.file;
        let version = self.conn.prepare_cached("PRAGMA data_version").at(file)?.query_row([], |r| r.get(0)).at(file)?;
        if self.version == Some(version) && self.commits == commits {
            return Ok(false);
        }
        let mut bounds = self.conn.prepare_cached("SELECT earliest, end FROM partitions WHERE id = ?1").at(file)?;
        let mut more = false;
        for cursor in &mut self.cursors {
            let found: Option<(i64, i64)> =
                bounds.query_row([cursor.part], |r| Ok((r.get(0)?, r.get(1)?))).optional().at(file)?;
            let Some((earliest, end)) = found else { return Err(topics::gone(&self.conn, file, &cursor.at)) };
            cursor.end = end;
            if let Some(next) = cursor.next {
                let buffered = cursor.rest.is_some();
                if next > end || (next < earliest && !buffered) {
                    return Err(out_of_range(cursor, next, earliest));
                }
            }
            more |= cursor.ready();
        }
        self.version = Some(version);
        self.commits = commits;
        Ok(more)
    }

    fn fetch(&mut self, i: usize, limit: FetchLimit) -> LogResult<Option<Fetched>> {
        let file = &self.store.file;
        let cursor = &mut self.cursors[i];
        let Some(next) = cursor.next else { return Ok(None) };
        let gathered = match cursor.rest.take() {
            Some(rest) => rest,
            None => batches(&self.conn, file, cursor, next, limit)?,
        };
        let n = fitting(&gathered.records, limit);
        let (fetched, rest) = if n < gathered.offsets.len() {
            let rest = part_of(&gathered, n, gathered.offsets.len() - n);
            (part_of(&gathered, 0, n), Some(rest))
        } else {
            (gathered, None)
        };
        cursor.next = match (&rest, fetched.offsets.last()) {
            (Some(rest), _) => rest.offsets.first().copied(),
            (None, Some(last)) => Some(last + 1),
            // Every record up to the end was replaced by a later one or its deletion forgotten.
            (None, None) => Some(cursor.end),
        };
        cursor.rest = rest;
        Ok((!fetched.offsets.is_empty()).then_some(fetched))
    }
}

fn out_of_range(cursor: &Cursor, asked: i64, earliest: i64) -> LogError {
    LogError::OffsetOutOfRange {
        at: TopicPartition::clone(&cursor.at),
        asked: Offset(asked),
        earliest: Offset(earliest),
        end: Offset(cursor.end),
    }
}

/// Why a record within the bounds is not there: gone since they were looked up, or lost.
fn missing(conn: &Connection, file: &Path, cursor: &Cursor, next: i64) -> LogError {
    match topics::find(conn, file, &cursor.at) {
        Err(e) => e,
        Ok(part) if part.id != cursor.part => LogError::TopicReplaced { topic: cursor.at.topic.to_string() },
        Ok(part) if part.earliest > next => out_of_range(cursor, next, part.earliest),
        Ok(_) => topics::damaged(file, &cursor.at, next, "they are not there"),
    }
}

fn batches(conn: &Connection, file: &Path, cursor: &Cursor, next: i64, limit: FetchLimit) -> LogResult<Fetched> {
    let bounds = [row_id(cursor.part, 0), row_id(cursor.part, next), row_id(cursor.part, cursor.end)];
    let mut query = conn.prepare_cached(schema::ROWS).at(file)?;
    let mut rows = query.query(bounds).at(file)?;
    let mut gather = Gather::default();
    let mut skip = 0;
    while gather.len() <= skip
        || (gather.len() < limit.records.saturating_add(skip) && gather.bytes() < limit.bytes.min(MAX_BYTES))
    {
        let Some(row) = rows.next().at(file)? else { break };
        if row.get::<_, i64>(1).at(file)? < next {
            continue;
        }
        let base = offset_of(row.get(0).at(file)?);
        match gather.last() {
            Some(last) if base != last + 1 && !cursor.compacted => {
                return Err(topics::damaged(file, &cursor.at, last + 1, "the next batch is not there"));
            }
            None if base > next && !cursor.compacted => return Err(missing(conn, file, cursor, next)),
            _ => {}
        }
        let data = row.get_ref(2).at(file)?.as_blob();
        let data = data.map_err(|_| topics::damaged(file, &cursor.at, base, "they are not bytes"))?;
        gather.add(base, data).map_err(|what| topics::damaged(file, &cursor.at, base, what))?;
        if base < next {
            skip = gather.before(next);
        }
    }
    if gather.len() <= skip && !cursor.compacted {
        return Err(missing(conn, file, cursor, next));
    }
    let all = gather.finish(cursor.at.clone());
    Ok(if skip == 0 { all } else { part_of(&all, skip, all.offsets.len() - skip) })
}

/// The first offset with this time or a later one, the end where there is none.
pub(super) fn at_time(
    conn: &Connection,
    file: &Path,
    at: &TopicPartition,
    part: &Part,
    time: i64,
) -> LogResult<Offset> {
    // A trim may have put the beginning into a row, and have left rows before it.
    let bounds = [row_id(part.id, part.earliest), row_id(part.id, part.end), part.earliest, time, row_id(part.id, 0)];
    let sql = "SELECT id, data FROM batches WHERE id < ?2 AND last >= ?3 AND max_time >= ?4
        AND id >= (SELECT COALESCE(MAX(id), ?5) FROM batches WHERE id BETWEEN ?5 AND ?1) ORDER BY id";
    let mut query = conn.prepare_cached(sql).at(file)?;
    let mut rows = query.query(bounds).at(file)?;
    let of = Arc::new(at.clone());
    while let Some(row) = rows.next().at(file)? {
        let base = offset_of(row.get(0).at(file)?);
        let damaged = |what| topics::damaged(file, at, base, what);
        let data = row.get_ref(1).at(file)?.as_blob().map_err(|_| damaged("they are not bytes"))?;
        let mut gather = Gather::default();
        gather.add(base, data).map_err(damaged)?;
        let found = gather.finish(of.clone());
        let mut records = found.offsets.iter().zip(&found.records.timestamps[..]);
        if let Some((offset, _)) = records.find(|(offset, t)| **offset >= part.earliest && **t >= time) {
            return Ok(Offset(*offset));
        }
    }
    Ok(Offset(part.end))
}

/// How many of the first records are within the limit, at least one.
fn fitting(records: &Records, limit: FetchLimit) -> usize {
    let n = records.len().min(limit.records.max(1));
    let (keys, values) = (records.keys.value_offsets(), records.values.value_offsets());
    let bytes = |n: usize| usize::try_from(keys[n] - keys[0] + (values[n] - values[0])).unwrap_or(usize::MAX);
    if n == 0 || bytes(n) <= limit.bytes {
        return n;
    }
    let (mut low, mut high) = (1, n);
    while low < high {
        let mid = low + (high - low) / 2;
        if bytes(mid) < limit.bytes { low = mid + 1 } else { high = mid }
    }
    low
}

fn part_of(fetched: &Fetched, from: usize, len: usize) -> Fetched {
    Fetched {
        origin: fetched.origin.clone(),
        offsets: fetched.offsets.slice(from, len),
        records: fetched.records.slice(from, len),
    }
}

/// Reads outside any group.
#[derive(Debug)]
pub(super) struct EmbeddedReader {
    pub(super) cursors: Cursors,
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
