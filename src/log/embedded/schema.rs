//! The format on disk: tables, row ids, and the numbers that mark the file as ours.
//!
//! Any change here needs a new [`FORMAT`].
//!
//! A row of records is identified by one integer: the partition's number in the high bits, the first offset
//! in the low bits. A partition is therefore one range of the primary tree and needs no index of its own,
//! which halves the pages that a small commit writes (measured).

use std::time::Duration;

/// Name of the file in the data folder.
pub(super) const DATABASE_FILE: &str = "fastdata.db";
/// Application id in the file's header: "fast".
pub(super) const APPLICATION_ID: u32 = 0x6661_7374;
/// Version of the tables and of the rows in them.
pub(super) const FORMAT: u32 = 1;
/// How long a connection waits for locks of another process before it reports the log busy.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a connection that waits for a lock tries again.
pub(super) const LOCK_RETRY_INTERVAL: Duration = Duration::from_micros(300);
/// Size at which writers wait for the write-ahead log to be restarted. It grows beyond this only by the
/// transactions that fill it, or while a reader of another process keeps a transaction open.
pub(super) const MAX_WAL_BYTES: i64 = 128 << 20;

const OFFSET_BITS: u32 = 40;
/// Largest offset of a partition: a trillion records.
pub(super) const MAX_OFFSET: i64 = (1 << OFFSET_BITS) - 1;
/// Largest partition number; numbers are never reused.
pub(super) const MAX_PARTITION_ID: i64 = (1 << (63 - OFFSET_BITS)) - 1;

pub(super) const CREATE_TABLES: &str = "
CREATE TABLE topics (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL,
    compacted INTEGER NOT NULL, retention_ms INTEGER, retention_bytes INTEGER);
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, topic INTEGER NOT NULL, partition INTEGER NOT NULL,
    earliest INTEGER NOT NULL DEFAULT 0, end INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
    clean INTEGER NOT NULL DEFAULT 0, clean_records INTEGER NOT NULL DEFAULT 0, clean_bytes INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX partitions_of ON partitions (topic, partition);
CREATE TABLE batches (
    id INTEGER PRIMARY KEY, last INTEGER NOT NULL, max_time INTEGER NOT NULL, bytes INTEGER NOT NULL,
    written INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE garbage (part INTEGER PRIMARY KEY);
CREATE TABLE offsets (
    pipeline TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, part INTEGER NOT NULL,
    next INTEGER NOT NULL, PRIMARY KEY (pipeline, topic, partition)) WITHOUT ROWID;
CREATE TABLE leases (
    pipeline TEXT PRIMARY KEY, epoch INTEGER NOT NULL, pid INTEGER, instance TEXT, since INTEGER) WITHOUT ROWID;
";

/// Inserts a row of records.
pub(super) const INSERT_ROW: &str =
    "INSERT INTO batches (id, last, max_time, bytes, written, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// Selects the rows of a partition that may hold records from one row id (?2) up to another, exclusive (?3);
/// ?1 is the partition's first row id. The first row returned may end before ?2.
pub(super) const SELECT_ROWS: &str = "SELECT id, last, data, bytes, max_time, written FROM batches WHERE id < ?3
    AND id >= (SELECT COALESCE(MAX(id), ?1) FROM batches WHERE id BETWEEN ?1 AND ?2) ORDER BY id";

/// Id of the row that begins with an offset of a partition.
pub(super) fn row_id(partition_id: i64, offset: i64) -> i64 {
    partition_id << OFFSET_BITS | offset.clamp(0, MAX_OFFSET)
}

/// First offset in a row.
pub(super) fn first_offset(row_id: i64) -> i64 {
    row_id & MAX_OFFSET
}

/// Row ids of a whole partition: first, and end (exclusive).
pub(super) fn partition_rows(partition_id: i64) -> (i64, i64) {
    (row_id(partition_id, 0), row_id(partition_id, MAX_OFFSET))
}
