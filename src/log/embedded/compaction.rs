//! Compaction: of each key only the latest record stays, and a deletion only until it has been read.
//!
//! Separate because it is done little by little inside the transactions that write: a compacted topic is
//! appended to like any other and thinned out later. (Measured: one row a key, replaced in place, costs
//! two 32 KiB pages a record; this costs the record a few times over.) It never removes a record unless
//! a later one of its key, or its deletion, is in the log.
//!
//! A round learns the latest offset of each key among the records that came since the last round, then
//! goes through the partition from its beginning and drops what they replace.

use super::batch::{self, Gather};
use super::errors::Named;
use super::retention::DELETIONS_MS;
use super::schema::{self, offset_of, row_id};
use super::topics::{self, Part};
use crate::log::LogResult;
use crate::record::{Fetched, TopicPartition};
use arrow_array::{Array, UInt32Array};
use rapidhash::v3::{RapidSecrets, rapidhash_v3, rapidhash_v3_seeded};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// A round begins when more records came since the last one than it left, and more than this ...
const RECORDS: i64 = 20_000;
/// ... or more bytes than it left, and more than this.
const BYTES: i64 = 64 << 20;
/// Keys that one round learns at most: some 100 MB.
const KEYS: usize = 2_000_000;
/// Each transaction works on so many bytes at least ...
const WORK: usize = 1 << 20;
/// ... or on so many times what it wrote: more than what a round costs for each byte.
const TIMES: usize = 8;
/// A key is known by 128 bits of two hashes: two keys that agree in both do not happen.
const SECOND: RapidSecrets = RapidSecrets::seed(0x9e37_79b9_7f4a_7c15);

type Key = (u64, u64);

fn key(bytes: &[u8]) -> Key {
    (rapidhash_v3(bytes), rapidhash_v3_seeded(bytes, &SECOND))
}

/// The round in progress, one at a time so that one map of keys is the most there is.
#[derive(Debug, Default)]
pub(super) struct Compaction {
    round: Option<Round>,
}

#[derive(Debug)]
struct Round {
    part: i64,
    at: Arc<TopicPartition>,
    latest: HashMap<Key, i64>,
    /// Records from here to `end` are learnt next.
    learn: i64,
    /// The round goes up to here.
    end: i64,
    /// Records from here on are thinned out next, once all is learnt.
    thin: i64,
    kept_records: i64,
    kept_bytes: i64,
}

impl Compaction {
    /// Does some work on the round in progress, or begins one where a written partition has grown enough.
    pub(super) fn step(
        &mut self,
        conn: &Connection,
        file: &Path,
        parts: &[(&TopicPartition, &Part)],
        written: usize,
        now: i64,
    ) -> LogResult<()> {
        if self.round.is_none() {
            self.round = begin(conn, file, parts)?;
        }
        let Some(round) = &mut self.round else { return Ok(()) };
        let there = conn.prepare_cached("SELECT 1 FROM partitions WHERE id = ?1").at(file)?.exists([round.part]);
        if !there.at(file)? {
            self.round = None;
            return Ok(());
        }
        let mut work = WORK.max(written.saturating_mul(TIMES));
        round.learn(conn, file, &mut work)?;
        if round.thin(conn, file, &mut work, now)? {
            self.round = None;
        }
        Ok(())
    }
}

fn begin(conn: &Connection, file: &Path, parts: &[(&TopicPartition, &Part)]) -> LogResult<Option<Round>> {
    let mut query =
        conn.prepare_cached("SELECT clean, clean_records, clean_bytes FROM partitions WHERE id = ?1").at(file)?;
    for (at, part) in parts {
        let (clean, records, bytes): (i64, i64, i64) =
            query.query_row([part.id], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).at(file)?;
        if part.end - clean > records.max(RECORDS) || part.bytes - bytes > bytes.max(BYTES) {
            return Ok(Some(Round {
                part: part.id,
                at: Arc::new(TopicPartition::clone(at)),
                latest: HashMap::new(),
                learn: clean,
                end: part.end,
                thin: 0,
                kept_records: 0,
                kept_bytes: 0,
            }));
        }
    }
    Ok(None)
}

/// Some rows as one batch.
struct Chunk {
    records: Fetched,
    /// First and last row.
    rows: (i64, i64),
    count: usize,
    bytes: i64,
    newest: i64,
    written: i64,
}

impl Round {
    /// The next rows up to the end of the round, as many as make one good row.
    fn chunk(&self, conn: &Connection, file: &Path, from: i64) -> LogResult<Option<Chunk>> {
        let mut query = conn.prepare_cached(schema::ROWS).at(file)?;
        let bounds = [row_id(self.part, 0), row_id(self.part, from), row_id(self.part, self.end)];
        let mut rows = query.query(bounds).at(file)?;
        let mut gather = Gather::default();
        let (mut first, mut last, mut count, mut bytes, mut newest, mut written) = (None, 0, 0, 0, i64::MIN, 0);
        while gather.len() < batch::ROW_RECORDS && gather.bytes() < batch::ROW_BYTES {
            let Some(row) = rows.next().at(file)? else { break };
            if row.get::<_, i64>(1).at(file)? < from {
                continue;
            }
            let size: i64 = row.get(3).at(file)?;
            let large = gather.bytes().saturating_add(usize::try_from(size).unwrap_or(0)) > batch::MAX_RECORD;
            if count > 0 && large {
                break;
            }
            last = row.get(0).at(file)?;
            first.get_or_insert(last);
            bytes += size;
            newest = newest.max(row.get(4).at(file)?);
            written = written.max(row.get(5).at(file)?);
            let damaged = |what| topics::damaged(file, &self.at, offset_of(last), what);
            let data = row.get_ref(2).at(file)?.as_blob().map_err(|_| damaged("they are not bytes"))?;
            gather.add(offset_of(last), data).map_err(damaged)?;
            count += 1;
        }
        let Some(first) = first else { return Ok(None) };
        let records = gather.finish(self.at.clone());
        Ok(Some(Chunk { records, rows: (first, last), count, bytes, newest, written }))
    }

    fn learn(&mut self, conn: &Connection, file: &Path, work: &mut usize) -> LogResult<()> {
        while *work > 0 && self.learn < self.end {
            let Some(chunk) = self.chunk(conn, file, self.learn)? else {
                self.learn = self.end;
                return Ok(());
            };
            let keys = &chunk.records.records.keys;
            for (i, offset) in chunk.records.offsets.iter().enumerate() {
                self.latest.insert(key(keys.value(i)), *offset);
            }
            self.learn = chunk.records.offsets.last().map_or(self.end, |last| last + 1);
            if self.latest.len() >= KEYS {
                self.end = self.learn;
            }
            *work = work.saturating_sub(chunk.records.records.bytes());
        }
        Ok(())
    }

    /// True when the round is over.
    fn thin(&mut self, conn: &Connection, file: &Path, work: &mut usize, now: i64) -> LogResult<bool> {
        let unread: Option<i64> = conn
            .prepare_cached("SELECT min(next) FROM offsets WHERE part = ?1")
            .at(file)?
            .query_row([self.part], |r| r.get(0))
            .optional()
            .at(file)?
            .flatten();
        let unread = unread.unwrap_or(i64::MAX);
        while *work > 0 && self.learn >= self.end {
            let Some(chunk) = self.chunk(conn, file, self.thin)? else {
                conn.prepare_cached(
                    "UPDATE partitions SET clean = ?2, clean_records = ?3, clean_bytes = ?4 WHERE id = ?1",
                )
                .at(file)?
                .execute([self.part, self.end, self.kept_records, self.kept_bytes])
                .at(file)?;
                return Ok(true);
            };
            self.thin = chunk.records.offsets.last().map_or(self.end, |last| last + 1);
            *work = work.saturating_sub(chunk.records.records.bytes());
            self.replace(conn, file, chunk, unread, now)?;
        }
        Ok(false)
    }

    /// Puts what stays of some rows in their place.
    fn replace(&mut self, conn: &Connection, file: &Path, chunk: Chunk, unread: i64, now: i64) -> LogResult<()> {
        let Fetched { offsets, records, .. } = &chunk.records;
        let forgotten = chunk.written < now - DELETIONS_MS;
        let stays = |i: &usize| {
            let offset = offsets[*i];
            let replaced = self.latest.get(&key(records.keys.value(*i))).is_some_and(|latest| *latest > offset);
            !replaced && (records.values.is_valid(*i) || !forgotten || offset >= unread)
        };
        let kept: Vec<usize> = (0..offsets.len()).filter(stays).collect();
        self.kept_records += i64::try_from(kept.len()).unwrap_or(0);
        if kept.len() == offsets.len() && chunk.count == 1 {
            self.kept_bytes += chunk.bytes;
            return Ok(());
        }
        conn.prepare_cached("DELETE FROM batches WHERE id BETWEEN ?1 AND ?2")
            .at(file)?
            .execute([chunk.rows.0, chunk.rows.1])
            .at(file)?;
        let mut bytes = 0;
        if let Some(first) = kept.first() {
            let rows: UInt32Array = kept.iter().filter_map(|i| u32::try_from(*i).ok()).collect::<Vec<_>>().into();
            let places: Vec<i64> = kept.iter().map(|i| offsets[*i]).collect();
            let kept = records.take(&rows);
            bytes = i64::try_from(kept.bytes() - 8 * kept.len()).unwrap_or(0);
            let mut row = Vec::new();
            batch::encode(&kept, Some(&places), 0, kept.len(), &mut row);
            conn.prepare_cached(topics::INSERT)
                .at(file)?
                .execute(params![
                    row_id(self.part, offsets[*first]),
                    places.last(),
                    chunk.newest,
                    bytes,
                    chunk.written,
                    row
                ])
                .at(file)?;
        }
        self.kept_bytes += bytes;
        conn.prepare_cached("UPDATE partitions SET bytes = bytes - ?2 WHERE id = ?1")
            .at(file)?
            .execute([self.part, chunk.bytes - bytes])
            .at(file)?;
        Ok(())
    }
}
