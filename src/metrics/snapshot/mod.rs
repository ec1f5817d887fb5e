//! The statistics of one pipeline at one moment, as `stats` shows them.
//!
//! Field names are a contract: programs read the JSON of `stats --output json`. Times are RFC 3339 in UTC;
//! names that end in `_ms` and `_us` are milliseconds and microseconds; an unknown value is null. Counters are
//! totals since the pipeline's first run.

mod build;
mod rates;
#[cfg(test)]
mod tests;

use super::{Counters, EdgeInfo, LatencySummary, Ledger, Reports, RestoreProgress};
use serde::{Serialize, Serializer};

/// The offsets of a partition that a pipeline reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OffsetBounds {
    /// The first offset that can be read.
    pub earliest: i64,
    /// The offset that the next record will get.
    pub end: i64,
}

/// The state of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PipelineState {
    /// It has not committed yet.
    Starting,
    /// It reported within the last ten seconds.
    Running,
    /// It has neither stopped nor reported for ten seconds: it has no input, or its process is gone.
    Quiet,
    /// It ended and said so.
    Stopped,
}

/// One pipeline at one moment, with the sums over its tasks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Snapshot {
    /// The pipeline's name.
    pub pipeline: String,
    /// The time of the snapshot.
    #[serde(serialize_with = "time")]
    pub at: i64,
    /// `starting`, `running`, `quiet` (no report for ten seconds) or `stopped`.
    pub state: PipelineState,
    /// The instance that reported last.
    pub instance: Option<String>,
    /// Start of its last run.
    #[serde(serialize_with = "optional_time")]
    pub started_at: Option<i64>,
    /// End of its last run, unless that was killed.
    #[serde(serialize_with = "optional_time")]
    pub stopped_at: Option<i64>,
    /// Why its last run ended: `stopped`, `reached the end`, or `failed: …`.
    pub ended: Option<String>,
    /// The time of its last report.
    #[serde(serialize_with = "optional_time")]
    pub reported_at: Option<i64>,
    /// Resident memory of its process at its last report.
    pub memory_bytes: Option<u64>,
    /// Its instances by name. A killed instance is listed for an hour; a stopped one until another starts
    /// an hour later.
    pub instances: Vec<InstanceStats>,
    /// The minimum over its tasks; tasks whose inputs are all idle do not count.
    #[serde(serialize_with = "optional_time")]
    pub watermark: Option<i64>,
    /// How far the watermark is behind the wall clock.
    pub watermark_behind_ms: Option<i64>,
    /// Records read per second over all sources; null in a first sample.
    pub rate: Option<f64>,
    /// From reading a batch to its commit, in the last run.
    pub latency: LatencySummary,
    /// Sources in the order of the file.
    pub sources: Vec<SourceStats>,
    /// Steps, sinks (`kind` is `sink`) and repartitions in the order of the graph.
    pub steps: Vec<StepStats>,
    /// Rows between sub-topologies.
    pub repartitions: Vec<RepartitionStats>,
    /// All records by what became of them.
    pub ledger: Ledger,
}

/// The state of an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// It reported within the last ten seconds.
    #[default]
    Running,
    /// It has neither stopped nor reported for ten seconds.
    Silent,
    /// It ended and said so.
    Stopped,
}

/// One of the processes that run a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InstanceStats {
    /// Process and host.
    pub name: String,
    /// `running`, `silent` (no report for ten seconds) or `stopped`.
    pub state: InstanceState,
    /// Its start.
    #[serde(serialize_with = "time")]
    pub started_at: i64,
    /// Its end, unless it was killed.
    #[serde(serialize_with = "optional_time")]
    pub stopped_at: Option<i64>,
    /// Why it ended: `stopped`, `reached the end`, or `failed: …`.
    pub ended: Option<String>,
    /// The time of its last report.
    #[serde(serialize_with = "time")]
    pub reported_at: i64,
    /// Resident memory of its process at its last report.
    pub memory_bytes: Option<u64>,
    /// Its tasks at its last report, `SUB/PARTITION`.
    pub tasks: Vec<String>,
    /// State that it must restore before its tasks can start.
    pub restoring: Vec<RestoreProgress>,
}

/// A source.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SourceStats {
    /// Its name in the file.
    pub name: String,
    /// Its topic.
    pub topic: String,
    /// Records read.
    pub read: u64,
    /// Records that cannot be decoded or are too far in the future.
    pub dead: u64,
    /// Records with a null value, where the source skips them.
    pub filtered: u64,
    /// Offsets (not records) that retention removed before they were read, and that were skipped.
    pub lost_offsets: u64,
    /// Records not read yet; null if the topic is gone.
    pub lag: Option<u64>,
    /// The minimum over its partitions that are not idle.
    #[serde(serialize_with = "optional_time")]
    pub watermark: Option<i64>,
    /// How far the watermark is behind the wall clock.
    pub watermark_behind_ms: Option<i64>,
    /// Records read per second; null in a first sample.
    pub rate: Option<f64>,
    /// Its partitions, in order.
    pub partitions: Vec<PartitionStats>,
}

/// One partition of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartitionStats {
    /// Its number.
    pub partition: u32,
    /// The next offset to read; null before the first commit.
    pub next: Option<i64>,
    /// The offset that the next record will get; null if the topic is gone.
    pub end: Option<i64>,
    /// Records not read yet.
    pub lag: Option<u64>,
    /// Records read.
    pub read: u64,
    /// Records that cannot be decoded or are too far in the future.
    pub dead: u64,
    /// Records with a null value, where the source skips them.
    pub filtered: u64,
    /// Offsets (not records) that retention removed before they were read, and that were skipped.
    pub lost_offsets: u64,
    /// Its watermark.
    #[serde(serialize_with = "optional_time")]
    pub watermark: Option<i64>,
    /// Greatest event time read.
    #[serde(serialize_with = "optional_time")]
    pub newest: Option<i64>,
    /// Whether it is idle: it does not hold the watermark back.
    pub idle: bool,
    /// The time of its task's last commit.
    #[serde(serialize_with = "optional_time")]
    pub committed_at: Option<i64>,
}

/// A step, sink or repartition.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StepStats {
    /// Its name in the file.
    pub name: String,
    /// The operator, or `sink` or `repartition`.
    pub kind: String,
    /// The outputs that it reads.
    pub from: Vec<EdgeInfo>,
    /// Its counters: `input`, `output`, `created`, `copied`, `filtered`, `late`, `dead`, `absorbed`, `written`.
    #[serde(flatten)]
    pub counters: Counters,
    /// Keys in its state.
    pub keys: u64,
    /// Bytes of its state.
    pub bytes: u64,
    /// Rows received per second; null in a first sample.
    pub rate_in: Option<f64>,
    /// Rows sent (counted once, however many steps read them) or written per second; null in a first sample.
    pub rate_out: Option<f64>,
    /// The model versions that it used in the last run, oldest first.
    pub models: Vec<ModelStats>,
}

/// The use of one model version by one step.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ModelStats {
    /// The model's name.
    pub name: String,
    /// The offset of its record: the version.
    pub version: i64,
    /// The data type that it serves.
    pub data_type: String,
    /// Its format.
    #[serde(rename = "type")]
    pub format: String,
    /// The description that its publisher gave.
    pub description: String,
    /// Its first use by the step.
    #[serde(serialize_with = "time")]
    pub since: i64,
    /// Whether a task scores with it now.
    pub active: bool,
    /// Records scored.
    pub usage: u64,
    /// Records that could not be scored.
    pub errors: u64,
    /// Records scored per second; null in a first sample.
    pub rate: Option<f64>,
    /// Durations of batches.
    pub duration: LatencySummary,
}

/// Rows that tasks send to the tasks of the next sub-topology by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RepartitionStats {
    /// `STEP.by`.
    pub name: String,
    /// The internal topic.
    pub topic: String,
    /// Rows sent.
    pub sent: u64,
    /// Rows received.
    pub received: u64,
    /// Rows sent and not received yet.
    pub in_transit: u64,
    /// Rows sent that can no longer be received, or, where negative, received but never sent. Anything but 0 is
    /// a fault of the program.
    pub lost: i64,
}

impl StepStats {
    /// Rows sent, counted once however many steps read them, and records written.
    #[must_use]
    pub fn out(&self) -> u64 {
        self.counters.output.saturating_sub(self.counters.copied) + self.counters.written
    }
}

impl ModelStats {
    /// `NAME@VERSION`, as scored records carry it.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

fn time<S: Serializer>(millis: &i64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&crate::time::rfc3339(*millis))
}

fn optional_time<S: Serializer>(millis: &Option<i64>, to: S) -> Result<S::Ok, S::Error> {
    match millis {
        Some(millis) => time(millis, to),
        None => to.serialize_none(),
    }
}
