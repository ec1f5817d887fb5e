//! What this instance tells of itself with its commits, and what it takes back of instances long gone.
//!
//! Separate from the commit because it is said in a record of its own, beside those of the tasks: a group
//! has many instances, and each speaks for itself only.

use super::fault::Fault;
use super::task::TaskId;
use crate::log::{Append, Log, LogResult};
use crate::metrics::{InstanceInfo, PipelineInfo, Restoring, instance_key, progress_topic};
use crate::record::{RecordsBuilder, TopicPartition};

/// Says that an instance reads state back, before it has anything to commit.
///
/// # Errors
/// Faults of the backplane.
pub(super) fn restoring(log: &dyn Log, of: &PipelineInfo, now: i64, restoring: Vec<Restoring>) -> LogResult<()> {
    let (name, started_at) = (of.instance.clone(), of.started_at);
    let info = InstanceInfo { name, started_at, at: now, restoring, ..InstanceInfo::default() };
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
