//! The consuming half of a pipeline: the one member of its group, with all partitions assigned to it.
//!
//! Nothing is read before a seek, and an offset that was committed for an older topic of the same name is
//! never used silently.

use super::commit::EmbeddedCommitter;
use super::database::Database;
use super::errors::FileContext;
use super::lease::Lease;
use super::reader::{PartitionCursor, PartitionCursors};
use super::topics::{self, PartitionRow};
use crate::log::{Committer, FetchLimit, GroupEvent, GroupSpec, LogError, LogResult, Member};
use crate::record::{Offset, TopicPartition};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The offset that a group has committed, with the number of the partition it was committed for.
pub(super) fn committed(
    conn: &Connection,
    file: &Path,
    group: &str,
    at: &TopicPartition,
) -> LogResult<Option<(Offset, i64)>> {
    conn.prepare_cached("SELECT next, part FROM offsets WHERE pipeline = ?1 AND topic = ?2 AND partition = ?3")
        .at(file)?
        .query_row(params![group, &*at.topic, at.partition.0], |r| Ok((Offset(r.get(0)?), r.get(1)?)))
        .optional()
        .at(file)
}

/// The one member of a group.
#[derive(Debug)]
pub(super) struct EmbeddedMember {
    lease: Arc<Lease>,
    cursors: PartitionCursors,
    /// Returned by the first poll.
    pending_assignment: Option<Vec<(TopicPartition, Option<Offset>)>>,
    /// Offsets committed for topics that have been replaced since.
    outdated_offsets: HashMap<TopicPartition, Offset>,
    /// The index of the cursor of each partition.
    cursor_of: HashMap<TopicPartition, usize>,
    has_committer: bool,
}

impl EmbeddedMember {
    pub(super) fn join(database: &Arc<Database>, spec: &GroupSpec) -> LogResult<Self> {
        let file = &database.file;
        let lease = Lease::acquire(database, &spec.group, &spec.instance)?;
        let mut cursors = PartitionCursors::new(database.clone())?;
        let (mut assignment, mut outdated_offsets, mut cursor_of) = (Vec::new(), HashMap::new(), HashMap::new());
        for topic in &spec.topics {
            for (at, partition) in topics::partitions(&cursors.conn, file, topic)? {
                let committed = committed(&cursors.conn, file, &spec.group, &at)?;
                if let Some((offset, id)) = committed
                    && id != partition.id
                {
                    outdated_offsets.insert(at.clone(), offset);
                }
                assignment.push((at.clone(), committed.map(|(offset, _)| offset)));
                cursor_of.insert(at.clone(), cursors.cursors.len());
                cursors.cursors.push(PartitionCursor::new(at, &partition));
            }
        }
        let (lease, pending_assignment) = (Arc::new(lease), Some(assignment));
        Ok(Self { lease, cursors, pending_assignment, outdated_offsets, cursor_of, has_committer: false })
    }

    /// The index of the cursor of an assigned partition.
    fn find_cursor(&self, at: &TopicPartition) -> LogResult<usize> {
        self.cursor_of.get(at).copied().ok_or_else(|| {
            let count = self.cursor_of.keys().filter(|known| known.topic == at.topic).count();
            LogError::UnknownPartition { at: at.clone(), count: u32::try_from(count).unwrap_or(u32::MAX) }
        })
    }

    fn find_partition(&self, at: &TopicPartition) -> LogResult<PartitionRow> {
        topics::find(&self.cursors.conn, &self.cursors.database.file, at)
    }
}

impl Member for EmbeddedMember {
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<GroupEvent> {
        if let Some(assignment) = self.pending_assignment.take() {
            return Ok(GroupEvent::Assigned(assignment));
        }
        Ok(self.cursors.poll(limit, wait)?.map_or(GroupEvent::Idle, GroupEvent::Records))
    }

    fn seek(&mut self, to: &[(TopicPartition, Offset)]) -> LogResult<()> {
        let mut sought = Vec::with_capacity(to.len());
        for (at, to) in to {
            let cursor = self.find_cursor(at)?;
            let partition = self.find_partition(at)?;
            let outdated = to.0 > partition.earliest && self.outdated_offsets.get(at) == Some(to);
            if partition.id != self.cursors.cursors[cursor].partition_id() || outdated {
                return Err(LogError::TopicReplaced { topic: at.topic.to_string() });
            }
            topics::check_offset(at, &partition, *to)?;
            sought.push((cursor, *to));
        }
        sought.into_iter().for_each(|(cursor, to)| self.cursors.cursors[cursor].seek(to));
        self.cursors.invalidate_ends();
        Ok(())
    }

    fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        self.cursors.positions()
    }

    fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()> {
        of.iter().try_for_each(|at| self.find_cursor(at).map(drop))?;
        self.cursors.pause(of, paused);
        Ok(())
    }

    fn committer(&mut self) -> LogResult<Box<dyn Committer>> {
        if self.has_committer {
            return Err(LogError::Unusable(format!("pipeline `{}` has a committer already", self.lease.group)));
        }
        self.has_committer = true;
        let cursors = &self.cursors.cursors;
        let partition_ids = cursors.iter().map(|c| (TopicPartition::clone(&c.at), c.partition_id())).collect();
        let (database, lease) = (self.cursors.database.clone(), self.lease.clone());
        Ok(Box::new(EmbeddedCommitter { database, lease, partition_ids }))
    }

    fn leave(self: Box<Self>) -> LogResult<()> {
        self.lease.release()
    }
}
