//! The records of a progress topic: one for each task, one for the pipeline, one for each instance.
//!
//! The commit writes them; `stats`, the restore and other machines read them. They are JSON, so that any Kafka
//! tool can read them. Field names are a contract. Counters are totals since the pipeline's first run.

use super::{Counters, Latency};
use crate::time::{PartitionWatermark, TaskWatermark};
use serde::{Deserialize, Serialize};

/// The key of the pipeline's own record. The keys of tasks are `SUB/PARTITION`, those of instances
/// [`super::instance_key`].
pub const PIPELINE_KEY: &str = "pipeline";

/// The suffix of the name of a progress topic.
pub const PROGRESS_SUFFIX: &str = ".progress";

/// The kind of a step that sends rows to the tasks that own their key.
pub(super) const REPARTITION_KIND: &str = "repartition";

/// The progress topic of a pipeline: compacted, one partition.
#[must_use]
pub fn progress_topic(pipeline: &str) -> String {
    format!("{pipeline}{PROGRESS_SUFFIX}")
}

/// The shape of a pipeline, as far as statistics need it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PipelineInfo {
    /// Its name.
    pub name: String,
    /// The instance that wrote the record, process and host. All instances write the same record.
    pub instance: String,
    /// Start of this run, epoch milliseconds.
    pub started_at: i64,
    /// End of this run, epoch milliseconds.
    pub stopped_at: Option<i64>,
    /// Why this run ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// Sources in the order of the file.
    pub sources: Vec<SourceInfo>,
    /// Steps, sinks and repartitions in the order of the graph.
    pub steps: Vec<StepInfo>,
    /// Resident memory of the process, bytes.
    pub memory: u64,
}

/// A source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceInfo {
    /// Its name in the file.
    pub name: String,
    /// Its topic.
    pub topic: String,
}

/// A step, sink or repartition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepInfo {
    /// Its name in the file.
    pub name: String,
    /// The operator, or `sink` or `repartition`.
    pub kind: String,
    /// The outputs that it reads.
    pub from: Vec<EdgeInfo>,
}

/// An output that a step reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeInfo {
    /// The step that sends it.
    pub step: String,
    /// The name of an extra output; `None` is the main output.
    pub output: Option<String>,
}

/// The progress of one task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskProgress {
    /// Sub-topology.
    pub sub: u32,
    /// Partition.
    pub partition: u32,
    /// The time of the commit, epoch milliseconds.
    #[serde(rename = "at")]
    pub committed_at: i64,
    /// The input partitions, in the order of the plan.
    pub inputs: Vec<InputProgress>,
    /// Its watermark.
    pub watermark: TaskWatermark,
    /// The steps, in the order of the plan.
    pub steps: Vec<StepProgress>,
    /// From reading a batch to its commit.
    pub latency: Latency,
    /// The watermark has moved and was not sent downstream.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub watermark_unsent: bool,
    /// All of its input was processed, and everything that this released has left: a bounded run is at its end here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
    /// A round that is not complete: some of what its watermark releases is still in state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<UnfinishedRound>,
}

/// A round of which a commit carries only a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfinishedRound {
    /// The order within the round of the record at which the watermark releases rows.
    pub order: i64,
    /// The offset of that record.
    pub offset: i64,
    /// The watermark before that record.
    pub watermark: i64,
    /// The watermark before the round.
    pub before: i64,
}

/// One input partition of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InputProgress {
    /// The source or the repartition that it reads.
    pub name: String,
    /// The topic.
    pub topic: String,
    /// The next offset to read.
    pub next: i64,
    /// The next offset for each sender of a repartition, where they differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub senders: Vec<i64>,
    /// Whether it is a repartition and no source.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repartition: bool,
    /// How many entries of the task's watermark are its own.
    pub slots: usize,
    /// An input of an earlier plan: no task reads it now, and its counters belong to the totals all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<LeftInput>,
    /// Records read.
    pub read: u64,
    /// Records that cannot be decoded or are too far in the future.
    pub dead: u64,
    /// Records with a null value, where the source skips them.
    pub filtered: u64,
    /// Further copies of a row, where several steps read the input.
    pub copied: u64,
    /// Offsets that retention removed before they were read, and that were skipped. Offsets, not records: some may
    /// have held no record.
    pub lost: u64,
}

/// What an input of an earlier plan needs to be read again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeftInput {
    /// Its entries of the task's watermark.
    pub watermarks: Vec<PartitionWatermark>,
    /// The watermark of the task.
    pub at: Option<i64>,
}

/// One step of a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepProgress {
    /// Its name.
    pub name: String,
    /// The name under which its state is kept, where that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// Whether it sends rows to the tasks that own their key.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub repartition: bool,
    /// A step of an earlier plan: it runs no more, and its counters belong to the totals all the same.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
    /// Its counters.
    #[serde(flatten)]
    pub counters: Counters,
    /// Keys in its state.
    pub keys: u64,
    /// Bytes of its state.
    pub bytes: u64,
    /// Models that it has used since the start of the run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelUse>,
}

impl StepProgress {
    /// The name under which its state is kept.
    #[must_use]
    pub fn state_name(&self) -> &str {
        self.was.as_deref().unwrap_or(&self.name)
    }
}

/// The use of one model version by one step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelUse {
    /// The model's name.
    pub name: String,
    /// The data type that it serves.
    pub data_type: String,
    /// Its format.
    pub format: String,
    /// The offset of its record: its version.
    pub version: i64,
    /// The description that its publisher gave.
    pub description: String,
    /// Its first use in this run, epoch milliseconds.
    pub since: i64,
    /// Records scored.
    pub usage: u64,
    /// Records that could not be scored.
    pub errors: u64,
    /// Durations of batches.
    pub duration: Latency,
    /// Whether it serves now.
    pub active: bool,
}
