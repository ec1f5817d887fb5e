//! Compaction: keeps the latest record of each key, and deletions for [`DELETION_RETENTION`].
//!
//! A compacted topic is appended to like any other and rewritten later, a bounded amount in each transaction
//! that writes. (Measured: replacing one row per key in place writes two 32 KiB pages a record; this writes
//! each record a few times.) A record is removed only if a later record of its key is in the log, or if it is
//! an old deletion that every group has read.
//!
//! A round first indexes the latest offset of each key among the records that came since the last round,
//! then rewrites the partition from its beginning without the records that these replace.

use super::errors::FileContext;
use super::row_codec::{self, FetchedBuilder, MAX_RECORD_BYTES, MAX_ROW_RECORDS, TARGET_ROW_BYTES};
use super::schema::{self, first_offset, row_id};
use super::topics::{self, PartitionRow};
use crate::log::LogResult;
use crate::record::{Fetched, TopicPartition};
use arrow_array::{Array, UInt32Array};
use rapidhash::v3::{RapidSecrets, rapidhash_v3, rapidhash_v3_seeded};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Deletions are kept for at least this time after they were written. Longer costs: a dedup or a join writes a
/// deletion for every record, some 40 bytes each, and a restore reads all of them.
pub(super) const DELETION_RETENTION: Duration = Duration::from_secs(5 * 60);
/// A round begins when more records were added since the last round than that round left, and more than this ...
const MIN_ROUND_RECORDS: i64 = 20_000;
/// ... or more bytes than that round left, and more than this.
const MIN_ROUND_BYTES: i64 = 64 << 20;
/// Maximum keys that one round indexes: about 100 MB of memory.
const MAX_INDEXED_KEYS: usize = 2_000_000;
/// Bytes that each transaction indexes or rewrites at least ...
const MIN_WORK_BYTES: usize = 1 << 20;
/// ... or this multiple of what it wrote, which is more than a round costs for each byte written.
const WORK_PER_WRITTEN_BYTE: usize = 8;
/// The second of the two hashes that identify a key.
const SECOND_HASH: RapidSecrets = RapidSecrets::seed(0x9e37_79b9_7f4a_7c15);

/// 128 bits of two hashes: collisions are not expected.
type KeyHash = (u64, u64);

fn hash_key(bytes: &[u8]) -> KeyHash {
    (rapidhash_v3(bytes), rapidhash_v3_seeded(bytes, &SECOND_HASH))
}

/// The round in progress. There is one at a time, which bounds the memory of the index.
#[derive(Debug, Default)]
pub(super) struct Compaction {
    round: Option<CompactionRound>,
}

#[derive(Debug)]
struct CompactionRound {
    partition_id: i64,
    at: Arc<TopicPartition>,
    latest: HashMap<KeyHash, i64>,
    /// The next offset to index, up to `end`.
    next_indexed: i64,
    /// The round goes up to here.
    end: i64,
    /// The next offset to rewrite, once all is indexed.
    next_rewritten: i64,
    kept_records: i64,
    kept_bytes: i64,
}

impl Compaction {
    /// Advances the round in progress, or begins one where a written partition has grown enough.
    pub(super) fn step(
        &mut self,
        conn: &Connection,
        file: &Path,
        partitions: &[(&TopicPartition, &PartitionRow)],
        written: usize,
        now: i64,
    ) -> LogResult<()> {
        if self.round.is_none() {
            self.round = due_round(conn, file, partitions)?;
        }
        let Some(round) = &mut self.round else { return Ok(()) };
        let mut exists = conn.prepare_cached("SELECT 1 FROM partitions WHERE id = ?1").at(file)?;
        if !exists.exists([round.partition_id]).at(file)? {
            self.round = None;
            return Ok(());
        }
        let mut budget = MIN_WORK_BYTES.max(written.saturating_mul(WORK_PER_WRITTEN_BYTE));
        round.index(conn, file, &mut budget)?;
        if round.rewrite(conn, file, &mut budget, now)? {
            self.round = None;
        }
        Ok(())
    }
}

fn due_round(
    conn: &Connection,
    file: &Path,
    partitions: &[(&TopicPartition, &PartitionRow)],
) -> LogResult<Option<CompactionRound>> {
    let mut query =
        conn.prepare_cached("SELECT clean, clean_records, clean_bytes FROM partitions WHERE id = ?1").at(file)?;
    for (at, partition) in partitions {
        let (clean, records, bytes): (i64, i64, i64) =
            query.query_row([partition.id], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?))).at(file)?;
        let new_records = partition.end - clean;
        if new_records > records.max(MIN_ROUND_RECORDS) || partition.bytes - bytes > bytes.max(MIN_ROUND_BYTES) {
            return Ok(Some(CompactionRound {
                partition_id: partition.id,
                at: Arc::new(TopicPartition::clone(at)),
                latest: HashMap::new(),
                next_indexed: clean,
                end: partition.end,
                next_rewritten: 0,
                kept_records: 0,
                kept_bytes: 0,
            }));
        }
    }
    Ok(None)
}

/// Adjacent rows decoded as one batch.
struct Chunk {
    records: Fetched,
    first_row: i64,
    last_row: i64,
    rows: usize,
    bytes: i64,
    max_time: i64,
    /// When the newest of them was written.
    written: i64,
}

impl CompactionRound {
    /// The next rows before the end of the round, as many as make one full row.
    fn read_chunk(&self, conn: &Connection, file: &Path, from: i64) -> LogResult<Option<Chunk>> {
        let id = self.partition_id;
        let mut query = conn.prepare_cached(schema::SELECT_ROWS).at(file)?;
        let mut rows = query.query([row_id(id, 0), row_id(id, from), row_id(id, self.end)]).at(file)?;
        let mut builder = FetchedBuilder::default();
        let (mut first_row, mut last_row, mut count) = (None, 0, 0);
        let (mut bytes, mut max_time, mut written) = (0, i64::MIN, 0);
        while builder.len() < MAX_ROW_RECORDS && builder.bytes() < TARGET_ROW_BYTES {
            let Some(row) = rows.next().at(file)? else { break };
            if row.get::<_, i64>(1).at(file)? < from {
                continue;
            }
            let size: i64 = row.get(3).at(file)?;
            let total = builder.bytes().saturating_add(usize::try_from(size).unwrap_or(0));
            if count > 0 && total > MAX_RECORD_BYTES {
                break;
            }
            last_row = row.get(0).at(file)?;
            first_row.get_or_insert(last_row);
            bytes += size;
            max_time = max_time.max(row.get(4).at(file)?);
            written = written.max(row.get(5).at(file)?);
            let damaged = |what| topics::damaged(file, &self.at, first_offset(last_row), what);
            let data = row.get_ref(2).at(file)?.as_blob().map_err(|_| damaged("they are not bytes"))?;
            builder.add(first_offset(last_row), data).map_err(damaged)?;
            count += 1;
        }
        let Some(first_row) = first_row else { return Ok(None) };
        let records = builder.finish(self.at.clone());
        Ok(Some(Chunk { records, first_row, last_row, rows: count, bytes, max_time, written }))
    }

    fn index(&mut self, conn: &Connection, file: &Path, budget: &mut usize) -> LogResult<()> {
        while *budget > 0 && self.next_indexed < self.end {
            let Some(chunk) = self.read_chunk(conn, file, self.next_indexed)? else {
                self.next_indexed = self.end;
                return Ok(());
            };
            let keys = &chunk.records.records.keys;
            for (i, offset) in chunk.records.offsets.iter().enumerate() {
                self.latest.insert(hash_key(keys.value(i)), *offset);
            }
            self.next_indexed = chunk.records.offsets.last().map_or(self.end, |last| last + 1);
            if self.latest.len() >= MAX_INDEXED_KEYS {
                self.end = self.next_indexed;
            }
            *budget = budget.saturating_sub(chunk.records.records.bytes());
        }
        Ok(())
    }

    /// True when the round is complete.
    fn rewrite(&mut self, conn: &Connection, file: &Path, budget: &mut usize, now: i64) -> LogResult<bool> {
        let min_committed: Option<i64> = conn
            .prepare_cached("SELECT min(next) FROM offsets WHERE part = ?1")
            .at(file)?
            .query_row([self.partition_id], |r| r.get(0))
            .optional()
            .at(file)?
            .flatten();
        let keep = DeletionBounds {
            written_since: now.saturating_sub(crate::time::millis(DELETION_RETENTION)),
            from_offset: min_committed.unwrap_or(i64::MAX),
        };
        while *budget > 0 && self.next_indexed >= self.end {
            let Some(chunk) = self.read_chunk(conn, file, self.next_rewritten)? else {
                conn.prepare_cached(
                    "UPDATE partitions SET clean = ?2, clean_records = ?3, clean_bytes = ?4 WHERE id = ?1",
                )
                .at(file)?
                .execute([self.partition_id, self.end, self.kept_records, self.kept_bytes])
                .at(file)?;
                return Ok(true);
            };
            self.next_rewritten = chunk.records.offsets.last().map_or(self.end, |last| last + 1);
            *budget = budget.saturating_sub(chunk.records.records.bytes());
            self.rewrite_chunk(conn, file, &chunk, &keep)?;
        }
        Ok(false)
    }

    /// Replaces rows by one row with the records that are kept.
    fn rewrite_chunk(&mut self, conn: &Connection, file: &Path, chunk: &Chunk, keep: &DeletionBounds) -> LogResult<()> {
        let Fetched { offsets, records, .. } = &chunk.records;
        let is_kept = |i: &usize| {
            let offset = offsets[*i];
            let replaced = self.latest.get(&hash_key(records.keys.value(*i))).is_some_and(|latest| *latest > offset);
            !replaced && (records.values.is_valid(*i) || keep.contains(offset, chunk.written))
        };
        let kept: Vec<usize> = (0..offsets.len()).filter(is_kept).collect();
        self.kept_records += i64::try_from(kept.len()).unwrap_or(0);
        if kept.len() == offsets.len() && chunk.rows == 1 {
            self.kept_bytes += chunk.bytes;
            return Ok(());
        }
        conn.prepare_cached("DELETE FROM batches WHERE id BETWEEN ?1 AND ?2")
            .at(file)?
            .execute([chunk.first_row, chunk.last_row])
            .at(file)?;
        let bytes = self.insert_kept(conn, file, chunk, &kept)?;
        self.kept_bytes += bytes;
        conn.prepare_cached("UPDATE partitions SET bytes = bytes - ?2 WHERE id = ?1")
            .at(file)?
            .execute([self.partition_id, chunk.bytes - bytes])
            .at(file)?;
        Ok(())
    }

    /// Inserts the kept records of a chunk as one row; returns the bytes of their keys, values and headers.
    fn insert_kept(&self, conn: &Connection, file: &Path, chunk: &Chunk, kept: &[usize]) -> LogResult<i64> {
        let indices: UInt32Array = kept.iter().filter_map(|i| u32::try_from(*i).ok()).collect::<Vec<_>>().into();
        let offsets: Vec<i64> = kept.iter().map(|i| chunk.records.offsets[*i]).collect();
        let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return Ok(0) };
        let records = chunk.records.records.take(&indices);
        let bytes = i64::try_from(records.payload_bytes()).unwrap_or(0);
        let mut row = Vec::new();
        row_codec::encode(&records, Some(&offsets), 0, kept.len(), &mut row);
        conn.prepare_cached(schema::INSERT_ROW)
            .at(file)?
            .execute(params![row_id(self.partition_id, *first), last, chunk.max_time, bytes, chunk.written, row])
            .at(file)?;
        Ok(bytes)
    }
}

/// Which deletions must be kept.
struct DeletionBounds {
    /// Those written at this time or later ...
    written_since: i64,
    /// ... and those that some group has not read yet.
    from_offset: i64,
}

impl DeletionBounds {
    fn contains(&self, offset: i64, written: i64) -> bool {
        written >= self.written_since || offset >= self.from_offset
    }
}
