//! What this instance tells of itself with its commits, and what it takes back of instances long gone.
//!
//! Separate from the commit because it is said in a record of its own, beside those of the tasks: a group
//! has many instances, and each speaks for itself only.

use crate::log::{Append, Appender};
use crate::metrics::{InstanceInfo, PipelineInfo, Restoring, instance_key, progress_topic};
use crate::record::{RecordsBuilder, TopicPartition};
use crate::runtime::fault::Fault;
use crate::runtime::task::TaskId;

/// Says that an instance reads state back, before it has anything to commit; or that it has ended, where
/// there is nothing to commit any more.
///
/// # Errors
/// Faults of the backplane.
pub(in crate::runtime) fn aside(
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
pub(in crate::runtime) fn instance(of: &PipelineInfo, now: i64) -> InstanceInfo {
    let (name, memory) = (of.instance.clone(), of.memory);
    let (started_at, stopped_at) = (of.started_at, of.stopped_at);
    InstanceInfo { name, started_at, stopped_at, at: now, memory, ..InstanceInfo::default() }
}

pub(in crate::runtime) fn push(info: &InstanceInfo, now: i64, to: &mut RecordsBuilder) -> Result<(), Fault> {
    let value = serde_json::to_vec(info).map_err(Fault::internal)?;
    to.push(Some(instance_key(&info.name).as_bytes()), Some(&value), now);
    Ok(())
}

pub(in crate::runtime) fn to_progress(of: &PipelineInfo, mut records: RecordsBuilder) -> Append {
    Append { to: TopicPartition::new(progress_topic(&of.name), 0), records: records.finish() }
}

/// This instance, between two decisions of its group.
pub(in crate::runtime) struct Presence {
    tasks: Vec<String>,
    /// The keys of instances that nobody asks for any more.
    outdated: Vec<String>,
}

impl Presence {
    /// An instance with these tasks.
    pub(in crate::runtime) fn new(tasks: impl Iterator<Item = TaskId>, outdated: Vec<String>) -> Self {
        Self { tasks: tasks.map(|t| t.to_string()).collect(), outdated }
    }

    /// How many tasks it has.
    pub(in crate::runtime) fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Adds what there is to say, next to what the pipeline says of itself.
    pub(in crate::runtime) fn say(
        &mut self,
        of: &PipelineInfo,
        now: i64,
        to: &mut RecordsBuilder,
    ) -> Result<(), Fault> {
        // One of the same name is this one: its last word stands.
        let key = instance_key(&of.instance);
        let others = std::mem::take(&mut self.outdated).into_iter().filter(|k| *k != key);
        others.for_each(|k| to.push(Some(k.as_bytes()), None, now));
        push(&InstanceInfo { tasks: self.tasks.clone(), ..instance(of, now) }, now, to)
    }
}
