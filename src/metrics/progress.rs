//! What a pipeline tells the world with each commit: one record a task on the progress topic, beside one of
//! itself and those of its instances.
//!
//! Separate because the writer (the commit) and the readers (`stats`, restore, another machine) must
//! agree on it. It is JSON, so that any Kafka tool can read it. Counters are totals since the pipeline's
//! first run.

use super::{Counters, Latency};
use crate::time::TaskWatermark;
use serde::{Deserialize, Serialize};

/// The key of the record that describes the pipeline itself; tasks have the keys `SUB/PARTITION`, instances
/// those of [`super::instance_key`].
pub const PIPELINE_KEY: &str = "pipeline";

/// What the name of a pipeline's progress topic ends with.
pub const PROGRESS_SUFFIX: &str = ".progress";

/// The kind of a step that sends rows on to the tasks that own their key.
pub(super) const REPARTITION: &str = "repartition";

/// The topic on which a pipeline reports: compacted, one record a task.
#[must_use]
pub fn progress_topic(pipeline: &str) -> String {
    format!("{pipeline}{PROGRESS_SUFFIX}")
}

/// The shape of a pipeline, as far as its statistics need it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PipelineInfo {
    /// Its name.
    pub name: String,
    /// Who said so: process and host. Several instances say the same in turn.
    pub instance: String,
    /// Start of this run, epoch milliseconds.
    pub started_at: i64,
    /// End of this run, where it ended in good order.
    pub stopped_at: Option<i64>,
    /// Sources in the order of the file.
    pub sources: Vec<SourceInfo>,
    /// Steps, sinks and repartitions in the order of the graph.
    pub steps: Vec<StepInfo>,
    /// Resident memory of the process, bytes.
    pub memory: u64,
}

/// A source, as statistics name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceInfo {
    /// Its name in the file.
    pub name: String,
    /// Its topic.
    pub topic: String,
}

/// A step, sink or repartition, as statistics name it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepInfo {
    /// Its name in the file.
    pub name: String,
    /// The operator; `source`, `sink` and `repartition` too.
    pub kind: String,
    /// What it reads.
    pub from: Vec<EdgeInfo>,
}

/// An output that a step reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeInfo {
    /// The step before.
    pub step: String,
    /// Its extra output, where it is one.
    pub output: Option<String>,
}

/// How far one task has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskProgress {
    /// Sub-topology.
    pub sub: u32,
    /// Partition.
    pub partition: u32,
    /// When it was committed, epoch milliseconds.
    pub at: i64,
    /// The input partitions, in the order of the plan.
    pub inputs: Vec<InputProgress>,
    /// The task's clock.
    pub watermark: TaskWatermark,
    /// The steps, in the order of the plan.
    pub steps: Vec<StepProgress>,
    /// From reading a batch to its commit.
    pub latency: Latency,
}

/// One input partition of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InputProgress {
    /// Source name, or the repartition that feeds it.
    pub name: String,
    /// The topic.
    pub topic: String,
    /// The next offset to read.
    pub next: i64,
    /// The same for each sender of a repartition, where they differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub senders: Vec<i64>,
    /// Records read.
    pub read: u64,
    /// Records that could not be decoded, or lie too far in the future.
    pub dead: u64,
    /// Further hand-overs of the same row, where several steps read the input.
    pub copied: u64,
}

/// One step of a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepProgress {
    /// Its name.
    pub name: String,
    /// What became of its rows.
    #[serde(flatten)]
    pub counters: Counters,
    /// Keys it holds in state.
    pub keys: u64,
    /// Bytes of state.
    pub bytes: u64,
    /// Models it has used since this run began.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelUse>,
}

/// The use of one model version by one step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelUse {
    /// The model's name.
    pub name: String,
    /// What it serves.
    pub data_type: String,
    /// Its format.
    pub format: String,
    /// The offset of its record.
    pub version: i64,
    /// What its publisher says of it.
    pub description: String,
    /// When it was first served here, epoch milliseconds.
    pub since: i64,
    /// Records scored.
    pub usage: u64,
    /// Records that it could not score.
    pub errors: u64,
    /// Duration of a batch.
    pub duration: Latency,
    /// Whether it is the one served now.
    pub active: bool,
}
