//! The record that an instance keeps of itself in the progress topic, and the removal of those of instances long
//! gone. An instance writes about itself only.

use crate::log::{Append, Appender};
use crate::metrics::{InstanceInfo, Latency, PipelineInfo, RestoreProgress, instance_key, progress_topic};
use crate::record::{RecordsBuilder, TopicPartition};
use crate::runtime::fault::Fault;
use crate::runtime::task::TaskId;

/// Writes the record of this instance outside of a commit: while it restores state and has nothing to commit yet,
/// or when it has ended and has nothing to commit any more.
///
/// # Errors
/// Faults of the backplane.
pub(in crate::runtime) fn write_instance_record(
    appender: &mut dyn Appender,
    pipeline: &PipelineInfo,
    now: i64,
    restoring: Vec<RestoreProgress>,
) -> Result<(), Fault> {
    let mut records = RecordsBuilder::default();
    push_instance(&InstanceInfo { restoring, ..instance_info(pipeline, now) }, now, &mut records)?;
    Ok(appender.append(&[to_progress(&pipeline.name, records)]).map(drop)?)
}

/// What is known of this instance beside its tasks.
pub(in crate::runtime) fn instance_info(pipeline: &PipelineInfo, now: i64) -> InstanceInfo {
    let (name, memory) = (pipeline.instance.clone(), pipeline.memory);
    let (started_at, stopped_at, ended) = (pipeline.started_at, pipeline.stopped_at, pipeline.ended.clone());
    InstanceInfo { name, started_at, stopped_at, ended, reported_at: now, memory, ..InstanceInfo::default() }
}

/// Adds the record of an instance.
pub(in crate::runtime) fn push_instance(
    info: &InstanceInfo,
    now: i64,
    records: &mut RecordsBuilder,
) -> Result<(), Fault> {
    let value = serde_json::to_vec(info).map_err(Fault::internal)?;
    records.push(Some(instance_key(&info.name).as_bytes()), Some(&value), now);
    Ok(())
}

/// Records for the progress topic of a pipeline.
pub(in crate::runtime) fn to_progress(pipeline: &str, mut records: RecordsBuilder) -> Append {
    Append { to: TopicPartition::new(progress_topic(pipeline), 0), records: records.finish() }
}

/// What this instance writes about itself with its commits, between two assignments.
pub(in crate::runtime) struct InstanceRecord {
    tasks: Vec<String>,
    /// Keys of the records of instances that ended long ago, until they are removed.
    expired: Vec<String>,
}

impl InstanceRecord {
    /// An instance with these tasks.
    pub(in crate::runtime) fn new(tasks: impl Iterator<Item = TaskId>, expired: Vec<String>) -> Self {
        Self { tasks: tasks.map(|t| t.to_string()).collect(), expired }
    }

    /// How many tasks it has.
    pub(in crate::runtime) fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Adds the record, and the removal of expired ones.
    pub(in crate::runtime) fn push_to(
        &mut self,
        pipeline: &PipelineInfo,
        latency: Latency,
        now: i64,
        records: &mut RecordsBuilder,
    ) -> Result<(), Fault> {
        // An expired record under this instance's own name is replaced, not removed.
        let own = instance_key(&pipeline.instance);
        let others = std::mem::take(&mut self.expired).into_iter().filter(|k| *k != own);
        others.for_each(|k| records.push(Some(k.as_bytes()), None, now));
        let own = instance_info(pipeline, now);
        push_instance(&InstanceInfo { tasks: self.tasks.clone(), latency, ..own }, now, records)
    }
}

/// Resident memory of this process in bytes; 0 if the system does not report it.
pub(in crate::runtime) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").trim().parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
}
