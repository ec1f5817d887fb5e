//! What this instance tells of itself with its commits, and what it takes back of instances long gone.
//!
//! Separate from the commit because it is said in a record of its own, beside those of the tasks: a group
//! has many instances, and each speaks for itself only.

use super::assignment::Given;
use super::commit::resident;
use super::fault::Fault;
use super::running::{JOIN, Stop};
use super::task::TaskId;
use crate::log::{Append, Appender, Committer, FetchLimit, GroupEvent, Member, Transaction};
use crate::metrics::{InstanceInfo, PipelineInfo, Restoring, instance_key, progress_topic};
use crate::record::{RecordsBuilder, TopicPartition};
use crate::time::Clock;
use std::sync::Arc;

/// How often an instance without tasks says that it is there, milliseconds.
const EVERY: i64 = 5_000;

/// Says that an instance reads state back, before it has anything to commit; or that it has ended, where
/// there is nothing to commit any more.
///
/// # Errors
/// Faults of the backplane.
pub(super) fn aside(
    through: &mut dyn Appender,
    of: &PipelineInfo,
    now: i64,
    restoring: Vec<Restoring>,
) -> Result<(), Fault> {
    let mut records = RecordsBuilder::default();
    push(&InstanceInfo { restoring, ..instance(of, now) }, now, &mut records)?;
    Ok(through.append(&[to_progress(of, records)]).map(drop)?)
}

/// What there is to say of every instance.
fn instance(of: &PipelineInfo, now: i64) -> InstanceInfo {
    let (name, memory) = (of.instance.clone(), of.memory);
    let (started_at, stopped_at) = (of.started_at, of.stopped_at);
    InstanceInfo { name, started_at, stopped_at, at: now, memory, ..InstanceInfo::default() }
}

fn push(info: &InstanceInfo, now: i64, to: &mut RecordsBuilder) -> Result<(), Fault> {
    let value = serde_json::to_vec(info).map_err(Fault::internal)?;
    to.push(Some(instance_key(&info.name).as_bytes()), Some(&value), now);
    Ok(())
}

fn to_progress(of: &PipelineInfo, mut records: RecordsBuilder) -> Append {
    Append { to: TopicPartition::new(progress_topic(&of.name), 0), records: records.finish() }
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
        // One of the same name is this one: its last word stands.
        let key = instance_key(&of.instance);
        let others = std::mem::take(&mut self.outdated).into_iter().filter(|k| *k != key);
        others.for_each(|k| to.push(Some(k.as_bytes()), None, now));
        push(&InstanceInfo { tasks: self.tasks.clone(), ..instance(of, now) }, now, to)
    }
}

/// This instance while the group has no partition for it.
pub(super) struct Idle {
    info: PipelineInfo,
    clock: Arc<dyn Clock>,
    said_at: Option<i64>,
}

impl Idle {
    /// One that has said nothing yet.
    pub(super) fn new(info: PipelineInfo, clock: Arc<dyn Clock>) -> Self {
        Self { info, clock, said_at: None }
    }

    /// Whether it has ever waited without a partition.
    pub(super) fn waited(&self) -> bool {
        self.said_at.is_some()
    }

    /// What the group gives this member; `None` where the run is told to stop first. Where there are more
    /// members than partitions that may be nothing: then it is idle, which is told again and again, and waits
    /// for others to leave.
    pub(super) fn given(
        &mut self,
        member: &mut dyn Member,
        committer: &mut dyn Committer,
        stop: &Stop,
        idle: &dyn Fn(),
    ) -> Result<Option<Given>, Fault> {
        let mut empty = false;
        while !stop.asked() {
            match member.poll(FetchLimit::default(), JOIN)? {
                GroupEvent::Assigned(given) if !given.is_empty() => return Ok(Some(given)),
                event => empty |= matches!(event, GroupEvent::Assigned(_)),
            }
            if empty {
                idle();
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
        let said = push(&instance(&self.info, now), now, &mut records).and_then(|()| {
            let appends = vec![to_progress(&self.info, records)];
            Ok(committer.commit(&Transaction { parts: Vec::new(), appends, offsets: Vec::new() })?)
        });
        if let Err(e) = said {
            tracing::debug!("an instance without partitions could not say that it is there: {e}");
        }
    }
}
