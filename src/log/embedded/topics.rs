//! Topics and partitions: creates, deletes and describes them, and finds a partition by name.
//!
//! Partition numbers are never reused, so that a topic that is created again under an old name is never
//! taken for the old one.

use super::errors::{self, FileContext};
use super::schema;
use crate::log::{LogError, LogResult, PartitionInfo, TopicConfig, TopicInfo, naming};
use crate::record::{Offset, TopicPartition};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Creates a topic with its partitions.
pub(super) fn create(conn: &Connection, file: &Path, name: &str, config: &TopicConfig, now: i64) -> LogResult<()> {
    naming::check(name, config)?;
    let retention_ms = config.retention.map(|d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
    let retention_bytes = config.retention_bytes.map(|b| i64::try_from(b).unwrap_or(i64::MAX));
    let inserted = conn
        .execute(
            "INSERT INTO topics (name, created, compacted, retention_ms, retention_bytes) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO NOTHING",
            params![name, now, config.compacted, retention_ms, retention_bytes],
        )
        .at(file)?;
    if inserted == 0 {
        return Err(LogError::TopicExists(name.to_owned()));
    }
    let topic = conn.last_insert_rowid();
    let mut insert = conn.prepare_cached("INSERT INTO partitions (topic, partition) VALUES (?1, ?2)").at(file)?;
    for partition in 0..config.partitions {
        insert.execute(params![topic, partition]).at(file)?;
    }
    if conn.last_insert_rowid() > schema::MAX_PARTITION_ID {
        return Err(LogError::Unusable(format!(
            "`{}` has had too many partitions; start a new log in another folder",
            file.display()
        )));
    }
    Ok(())
}

/// Hides a topic; [`super::trim::delete_garbage`] removes its records later.
pub(super) fn delete(conn: &Connection, file: &Path, name: &str) -> LogResult<()> {
    let topic: Option<i64> =
        conn.query_row("DELETE FROM topics WHERE name = ?1 RETURNING id", [name], |r| r.get(0)).optional().at(file)?;
    let Some(topic) = topic else { return Err(unknown_topic(conn, file, name)?) };
    conn.execute("INSERT INTO garbage SELECT id FROM partitions WHERE topic = ?1", [topic]).at(file)?;
    conn.execute("DELETE FROM partitions WHERE topic = ?1", [topic]).at(file)?;
    Ok(())
}

/// The error for a topic that does not exist, with the names of those that do.
pub(super) fn unknown_topic(conn: &Connection, file: &Path, name: &str) -> LogResult<LogError> {
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
    let mut topics: Vec<TopicInfo> = Vec::new();
    while let Some(row) = rows.next().at(file)? {
        let (info, partition) = read_partition(row).at(file)?;
        match topics.last_mut() {
            Some(last) if last.name == info.name => last.partitions.push(partition),
            _ => topics.push(TopicInfo { partitions: vec![partition], ..info }),
        }
    }
    for info in &mut topics {
        info.config.partitions = u32::try_from(info.partitions.len()).unwrap_or(u32::MAX);
    }
    Ok(topics)
}

fn read_partition(row: &Row<'_>) -> rusqlite::Result<(TopicInfo, PartitionInfo)> {
    let unsigned = |n: i64| u64::try_from(n).unwrap_or(0);
    let info = TopicInfo {
        name: row.get::<_, String>(0)?.into(),
        id: format!("{}-{}", row.get::<_, i64>(1)?, row.get::<_, i64>(2)?),
        config: TopicConfig {
            partitions: 0,
            compacted: row.get(3)?,
            retention: row.get::<_, Option<i64>>(4)?.map(|ms| Duration::from_millis(unsigned(ms))),
            retention_bytes: row.get::<_, Option<i64>>(5)?.map(unsigned),
            ..TopicConfig::default()
        },
        partitions: Vec::new(),
        replication: None,
        settings: Vec::new(),
    };
    let partition =
        PartitionInfo { earliest: Offset(row.get(6)?), end: Offset(row.get(7)?), bytes: Some(unsigned(row.get(8)?)) };
    Ok((info, partition))
}

/// A partition as the tables have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartitionRow {
    pub(super) id: i64,
    pub(super) earliest: i64,
    pub(super) end: i64,
    pub(super) bytes: i64,
    pub(super) compacted: bool,
    pub(super) retention_ms: Option<i64>,
    pub(super) retention_bytes: Option<i64>,
}

/// Finds a partition by its name.
pub(super) fn find(conn: &Connection, file: &Path, at: &TopicPartition) -> LogResult<PartitionRow> {
    let mut query = conn
        .prepare_cached(
            "SELECT p.id, p.earliest, p.end, p.bytes, t.compacted, t.retention_ms, t.retention_bytes
             FROM topics t JOIN partitions p ON p.topic = t.id WHERE t.name = ?1 AND p.partition = ?2",
        )
        .at(file)?;
    let found = query
        .query_row(params![&*at.topic, at.partition.0], |r| {
            Ok(PartitionRow {
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
        Some(partition) => Ok(partition),
        None => Err(match list(conn, file, Some(&at.topic))?.pop() {
            Some(info) => LogError::UnknownPartition { at: at.clone(), count: info.config.partitions },
            None => unknown_topic(conn, file, &at.topic)?,
        }),
    }
}

/// All partitions of a topic in order.
pub(super) fn partitions(
    conn: &Connection,
    file: &Path,
    topic: &Arc<str>,
) -> LogResult<Vec<(TopicPartition, PartitionRow)>> {
    let Some(info) = list(conn, file, Some(topic))?.pop() else { return Err(unknown_topic(conn, file, topic)?) };
    crate::log::partitions(&info)
        .into_iter()
        .map(|at| {
            let partition = find(conn, file, &at)?;
            Ok((at, partition))
        })
        .collect()
}

/// Refuses a position that cannot have been read. One before the first record can: retention may have overtaken it.
pub(super) fn check_commit(at: &TopicPartition, partition: &PartitionRow, next: Offset) -> LogResult<()> {
    check_offset(at, &PartitionRow { earliest: 0, ..*partition }, next)
}

/// Fails for an offset outside the bounds of the partition.
pub(super) fn check_offset(at: &TopicPartition, partition: &PartitionRow, asked: Offset) -> LogResult<()> {
    if asked.0 < partition.earliest || asked.0 > partition.end {
        return Err(LogError::OffsetOutOfRange {
            at: at.clone(),
            asked,
            earliest: Offset(partition.earliest),
            end: Offset(partition.end),
        });
    }
    Ok(())
}

/// The error for a partition whose number no longer exists: its topic was deleted, or created again.
pub(super) fn partition_gone(conn: &Connection, file: &Path, at: &TopicPartition) -> LogError {
    match find(conn, file, at) {
        Ok(_) => LogError::TopicReplaced { topic: at.topic.to_string() },
        Err(e) => e,
    }
}

/// The error for a row of records that does not read back.
pub(super) fn damaged(file: &Path, at: &TopicPartition, offset: i64, what: &str) -> LogError {
    errors::damaged(file, &format!("records of `{at}` from offset {offset}: {what}"))
}
