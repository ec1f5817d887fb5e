//! The consuming half of a pipeline on the embedded log: all partitions are its own.
//!
//! Separate because positions of a group have rules of their own: nothing is read before a seek, and
//! an offset that was committed for an older topic of the same name is never used silently.

use super::Store;
use super::commit::EmbeddedCommitter;
use super::errors::Named;
use super::lease::Lease;
use super::reader::{Cursor, Cursors};
use super::topics::{self, Part};
use crate::log::{Committer, FetchLimit, GroupEvent, GroupSpec, LogError, LogResult, Member};
use crate::record::{Offset, TopicPartition};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The offset a group has committed, with the number of the partition that it was for.
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
    cursors: Cursors,
    /// Told by the first poll; then empty.
    news: Option<Vec<(TopicPartition, Option<Offset>)>>,
    /// Offsets committed for topics that have since been replaced.
    stale: Vec<(TopicPartition, Offset)>,
    committing: bool,
}

impl EmbeddedMember {
    pub(super) fn join(store: &Arc<Store>, spec: &GroupSpec) -> LogResult<Self> {
        let file = &store.file;
        let lease = Lease::take(store, &spec.group, &spec.instance)?;
        let mut cursors = Cursors::new(store.clone(), Vec::new())?;
        let (mut news, mut stale) = (Vec::new(), Vec::new());
        for topic in &spec.topics {
            for (at, part) in topics::parts(&cursors.conn, file, topic)? {
                let committed = committed(&cursors.conn, file, &spec.group, &at)?;
                if let Some((offset, id)) = committed
                    && id != part.id
                {
                    stale.push((at.clone(), offset));
                }
                news.push((at.clone(), committed.map(|(offset, _)| offset)));
                cursors.cursors.push(Cursor::new(at, &part));
            }
        }
        Ok(Self { lease: Arc::new(lease), cursors, news: Some(news), stale, committing: false })
    }

    fn cursor(&mut self, at: &TopicPartition) -> LogResult<&mut Cursor> {
        let count = self.cursors.cursors.iter().filter(|c| c.at.topic == at.topic).count();
        self.cursors.cursors.iter_mut().find(|c| *c.at == *at).ok_or_else(|| LogError::UnknownPartition {
            at: at.clone(),
            count: u32::try_from(count).unwrap_or(u32::MAX),
        })
    }

    fn bounds(&self, at: &TopicPartition) -> LogResult<Part> {
        topics::find(&self.cursors.conn, &self.cursors.store.file, at)
    }
}

impl Member for EmbeddedMember {
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<GroupEvent> {
        if let Some(news) = self.news.take() {
            return Ok(GroupEvent::Assigned(news));
        }
        Ok(self.cursors.poll(limit, wait)?.map_or(GroupEvent::Idle, GroupEvent::Records))
    }

    fn seek(&mut self, at: &TopicPartition, to: Offset) -> LogResult<()> {
        let known = self.cursor(at)?.part();
        let part = self.bounds(at)?;
        let stale = to.0 > part.earliest && self.stale.iter().any(|(a, offset)| a == at && *offset == to);
        if part.id != known || stale {
            return Err(LogError::TopicReplaced { topic: at.topic.to_string() });
        }
        topics::within(at, &part, to)?;
        self.cursor(at)?.seek(to);
        self.cursors.look_again();
        Ok(())
    }

    fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        self.cursors.positions()
    }

    fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()> {
        for at in of {
            self.cursor(at)?.paused = paused;
        }
        self.cursors.look_again();
        Ok(())
    }

    fn committer(&mut self) -> LogResult<Box<dyn Committer>> {
        if self.committing {
            return Err(LogError::Unusable(format!("pipeline `{}` commits already", self.lease.group)));
        }
        self.committing = true;
        let parts = self.cursors.cursors.iter().map(|c| (TopicPartition::clone(&c.at), c.part())).collect();
        Ok(Box::new(EmbeddedCommitter { store: self.cursors.store.clone(), lease: self.lease.clone(), parts }))
    }

    fn leave(self: Box<Self>) -> LogResult<()> {
        self.lease.release()
    }
}
