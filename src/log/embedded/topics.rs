//! Topics and partitions: making, removing, describing, and finding a partition by name.
//!
//! Separate because every other part asks here which number a partition has. A number is never used
//! again, so that a topic made anew under an old name is never taken for the old one.

use super::errors::{self, Named};
use super::schema;
use crate::log::{LogError, LogResult, PartitionInfo, TopicConfig, TopicInfo, naming};
use crate::record::{Offset, TopicPartition};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Makes a topic with its partitions.
pub(super) fn create(conn: &Connection, file: &Path, name: &str, config: &TopicConfig, now: i64) -> LogResult<()> {
    naming::check(name, config)?;
    let age = config.retention.map(|d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
    let bytes = config.retention_bytes.map(|b| i64::try_from(b).unwrap_or(i64::MAX));
    let made = conn
        .execute(
            "INSERT INTO topics (name, created, compacted, retention_ms, retention_bytes) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO NOTHING",
            params![name, now, config.compacted, age, bytes],
        )
        .at(file)?;
    if made == 0 {
        return Err(LogError::TopicExists(name.to_owned()));
    }
    let topic = conn.last_insert_rowid();
    let mut insert = conn.prepare_cached("INSERT INTO partitions (topic, partition) VALUES (?1, ?2)").at(file)?;
    for partition in 0..config.partitions {
        insert.execute(params![topic, partition]).at(file)?;
    }
    if conn.last_insert_rowid() > schema::MAX_PART {
        return Err(LogError::Unusable(format!("`{}` has had too many partitions; begin a new one", file.display())));
    }
    Ok(())
}

/// Takes a topic out of sight; its records are removed later, by [`super::retention::collect`].
pub(super) fn delete(conn: &Connection, file: &Path, name: &str) -> LogResult<()> {
    let topic: Option<i64> =
        conn.query_row("DELETE FROM topics WHERE name = ?1 RETURNING id", [name], |r| r.get(0)).optional().at(file)?;
    let Some(topic) = topic else { return Err(unknown(conn, file, name)?) };
    conn.execute("INSERT INTO garbage SELECT id FROM partitions WHERE topic = ?1", [topic]).at(file)?;
    conn.execute("DELETE FROM partitions WHERE topic = ?1", [topic]).at(file)?;
    Ok(())
}

/// The fault that a topic is not there, with the names that are.
pub(super) fn unknown(conn: &Connection, file: &Path, name: &str) -> LogResult<LogError> {
    let mut names = conn.prepare_cached("SELECT name FROM topics ORDER BY name").at(file)?;
    let known = names.query_map([], |r| r.get(0)).at(file)?.collect::<Result<_, _>>().at(file)?;
    Ok(LogError::UnknownTopic { topic: name.to_owned(), known })
}

/// All topics in order of their names, or just one.
pub(super) fn list(conn: &Connection, file: &Path, only: Option<&str>) -> LogResult<Vec<TopicInfo>> {
    let mut query = conn
        .prepare_cached(
            "SELECT t.name, t.id, t.created, t.compacted, t.retention_ms, t.retention_bytes, p.earliest, p.end, p.bytes
             FROM topics t JOIN partitions p ON p.topic = t.id
             WHERE ?1 IS NULL OR t.name = ?1 ORDER BY t.name, p.partition",
        )
        .at(file)?;
    let mut rows = query.query([only]).at(file)?;
    let mut found: Vec<TopicInfo> = Vec::new();
    while let Some(row) = rows.next().at(file)? {
        let (info, partition) = described(row).at(file)?;
        match found.last_mut() {
            Some(last) if last.name == info.name => last.partitions.push(partition),
            _ => found.push(TopicInfo { partitions: vec![partition], ..info }),
        }
    }
    for info in &mut found {
        info.config.partitions = u32::try_from(info.partitions.len()).unwrap_or(u32::MAX);
    }
    Ok(found)
}

fn described(row: &Row<'_>) -> rusqlite::Result<(TopicInfo, PartitionInfo)> {
    let unsigned = |n: i64| u64::try_from(n).unwrap_or(0);
    let info = TopicInfo {
        name: row.get::<_, String>(0)?.into(),
        id: format!("{}-{}", row.get::<_, i64>(1)?, row.get::<_, i64>(2)?),
        config: TopicConfig {
            partitions: 0,
            compacted: row.get(3)?,
            retention: row.get::<_, Option<i64>>(4)?.map(|ms| Duration::from_millis(unsigned(ms))),
            retention_bytes: row.get::<_, Option<i64>>(5)?.map(unsigned),
        },
        partitions: Vec::new(),
    };
    let partition =
        PartitionInfo { earliest: Offset(row.get(6)?), end: Offset(row.get(7)?), bytes: Some(unsigned(row.get(8)?)) };
    Ok((info, partition))
}

/// Adds a row of records.
pub(super) const INSERT: &str =
    "INSERT INTO batches (id, last, max_time, bytes, written, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// What a partition is in the tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) id: i64,
    pub(super) earliest: i64,
    pub(super) end: i64,
    pub(super) bytes: i64,
    pub(super) compacted: bool,
    pub(super) retention_ms: Option<i64>,
    pub(super) retention_bytes: Option<i64>,
}

/// Finds a partition by its name.
pub(super) fn find(conn: &Connection, file: &Path, at: &TopicPartition) -> LogResult<Part> {
    let mut query = conn
        .prepare_cached(
            "SELECT p.id, p.earliest, p.end, p.bytes, t.compacted, t.retention_ms, t.retention_bytes
             FROM topics t JOIN partitions p ON p.topic = t.id WHERE t.name = ?1 AND p.partition = ?2",
        )
        .at(file)?;
    let found = query
        .query_row(params![&*at.topic, at.partition.0], |r| {
            Ok(Part {
                id: r.get(0)?,
                earliest: r.get(1)?,
                end: r.get(2)?,
                bytes: r.get(3)?,
                compacted: r.get(4)?,
                retention_ms: r.get(5)?,
                retention_bytes: r.get(6)?,
            })
        })
        .optional()
        .at(file)?;
    match found {
        Some(part) => Ok(part),
        None => Err(match list(conn, file, Some(&at.topic))?.pop() {
            Some(info) => LogError::UnknownPartition { at: at.clone(), count: info.config.partitions },
            None => unknown(conn, file, &at.topic)?,
        }),
    }
}

/// All partitions of a topic in their order.
pub(super) fn parts(conn: &Connection, file: &Path, topic: &Arc<str>) -> LogResult<Vec<(TopicPartition, Part)>> {
    let Some(info) = list(conn, file, Some(topic))?.pop() else { return Err(unknown(conn, file, topic)?) };
    crate::log::partitions(&info)
        .into_iter()
        .map(|at| {
            let part = find(conn, file, &at)?;
            Ok((at, part))
        })
        .collect()
}

/// Refuses an offset that the partition does not reach to.
pub(super) fn within(at: &TopicPartition, part: &Part, asked: Offset) -> LogResult<()> {
    if asked.0 < part.earliest || asked.0 > part.end {
        return Err(LogError::OffsetOutOfRange {
            at: at.clone(),
            asked,
            earliest: Offset(part.earliest),
            end: Offset(part.end),
        });
    }
    Ok(())
}

/// The fault that a partition that was known by its number is gone.
pub(super) fn gone(conn: &Connection, file: &Path, at: &TopicPartition) -> LogError {
    match find(conn, file, at) {
        Ok(_) => LogError::TopicReplaced { topic: at.topic.to_string() },
        Err(e) => e,
    }
}

/// The fault behind a row that does not read back.
pub(super) fn damaged(file: &Path, at: &TopicPartition, offset: i64, what: &str) -> LogError {
    errors::damaged(file, &format!("records of `{at}` from offset {offset}: {what}"))
}
