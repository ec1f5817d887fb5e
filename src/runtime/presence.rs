//! What this instance tells of itself with its commits, and what it takes back of instances long gone.
//!
//! Separate from the commit because it is said in a record of its own, beside those of the tasks: a group
//! has many instances, and each speaks for itself only.

use super::assignment::Given;
use super::commit::resident;
use super::fault::Fault;
use super::running::{JOIN, Stop};
use super::task::TaskId;
use crate::log::{Append, Committer, FetchLimit, GroupEvent, Log, LogResult, Member, Transaction};
use crate::metrics::{InstanceInfo, PipelineInfo, Restoring, instance_key, progress_topic};
use crate::record::{RecordsBuilder, TopicPartition};
use crate::time::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How often an instance without tasks says that it is there, milliseconds.
const EVERY: i64 = 5_000;

/// Says that an instance reads state back, before it has anything to commit; or that it has ended, where
/// there is nothing to commit any more.
///
/// # Errors
/// Faults of the backplane.
pub(super) fn aside(log: &dyn Log, of: &PipelineInfo, now: i64, restoring: Vec<Restoring>) -> LogResult<()> {
    let (name, started_at, stopped_at) = (of.instance.clone(), of.started_at, of.stopped_at);
    let info = InstanceInfo { name, started_at, stopped_at, at: now, restoring, ..InstanceInfo::default() };
    let mut records = RecordsBuilder::default();
    let value = serde_json::to_vec(&info).unwrap_or_default();
    records.push(Some(instance_key(&info.name).as_bytes()), Some(&value), now);
    let to = TopicPartition::new(progress_topic(&of.name), 0);
    log.appender()?.append(&[Append { to, records: records.finish() }]).map(drop)
}

/// This instance, between two decisions of its group.
pub(super) struct Presence {
    tasks: Vec<String>,
    /// The keys of instances that nobody asks for any more.
    outdated: Vec<String>,
}

impl Presence {
    /// An instance with these tasks.
    pub(super) fn new(tasks: impl Iterator<Item = TaskId>, outdated: Vec<String>) -> Self {
        Self { tasks: tasks.map(|t| t.to_string()).collect(), outdated }
    }

    /// How many tasks it has.
    pub(super) fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Adds what there is to say, next to what the pipeline says of itself.
    pub(super) fn say(&mut self, of: &PipelineInfo, now: i64, to: &mut RecordsBuilder) -> Result<(), Fault> {
        let info = InstanceInfo {
            name: of.instance.clone(),
            started_at: of.started_at,
            stopped_at: of.stopped_at,
            at: now,
            tasks: self.tasks.clone(),
            memory: of.memory,
            restoring: Vec::new(),
        };
        let value = serde_json::to_vec(&info).map_err(Fault::internal)?;
        let key = instance_key(&info.name);
        // One of the same name is this one: its last word stands.
        let others = std::mem::take(&mut self.outdated).into_iter().filter(|k| *k != key);
        others.for_each(|k| to.push(Some(k.as_bytes()), None, now));
        to.push(Some(key.as_bytes()), Some(&value), now);
        Ok(())
    }
}

/// This instance while the group has no partition for it.
pub(super) struct StandBy {
    info: PipelineInfo,
    clock: Arc<dyn Clock>,
    said_at: Option<i64>,
}

impl StandBy {
    /// One that has said nothing yet.
    pub(super) fn new(info: PipelineInfo, clock: Arc<dyn Clock>) -> Self {
        Self { info, clock, said_at: None }
    }

    /// What the group gives this member; `None` where the run is told to stop first. Where there are more
    /// members than partitions that may be nothing: then it is `idle`, and waits for others to leave.
    pub(super) fn given(
        &mut self,
        member: &mut dyn Member,
        committer: &mut dyn Committer,
        stop: &Stop,
        idle: &AtomicBool,
    ) -> Result<Option<Given>, Fault> {
        let mut empty = false;
        while !stop.asked() {
            match member.poll(FetchLimit::default(), JOIN)? {
                GroupEvent::Assigned(given) if !given.is_empty() => return Ok(Some(given)),
                event => empty |= matches!(event, GroupEvent::Assigned(_)),
            }
            if empty {
                idle.store(true, Ordering::Relaxed);
                self.say(committer);
            }
        }
        Ok(None)
    }

    /// Says that it is there, now and then.
    fn say(&mut self, committer: &mut dyn Committer) {
        let now = self.clock.now();
        if self.said_at.is_none_or(|at| now.saturating_sub(at) >= EVERY) {
            self.said_at = Some(now);
            self.tell(committer, now);
        }
    }

    /// Not to be heard is worth no fault: nothing depends on it.
    fn tell(&mut self, committer: &mut dyn Committer, now: i64) {
        self.info.memory = resident();
        let mut records = RecordsBuilder::default();
        let said = Presence::new(std::iter::empty(), Vec::new()).say(&self.info, now, &mut records).and_then(|()| {
            let to = TopicPartition::new(progress_topic(&self.info.name), 0);
            let appends = vec![Append { to, records: records.finish() }];
            Ok(committer.commit(&Transaction { appends, offsets: Vec::new() })?)
        });
        if let Err(e) = said {
            tracing::debug!("an instance without partitions could not say that it is there: {e}");
        }
    }
}
