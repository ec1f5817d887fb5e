//! One pipeline at one moment: what `stats` shows, `stats --output json` writes, and `/stats` answers.
//!
//! Separate from the reports it is made of, which are written a task at a time, and from reading them,
//! which takes a backplane. The field names are a contract with programs that read the JSON. Times are
//! RFC 3339 in UTC; names that end in `_ms` and `_us` are milliseconds and microseconds; what is not
//! known, or not known yet, is null. Counters are totals since the pipeline's first run.

mod build;
mod rates;
#[cfg(test)]
mod tests;

use super::{Counters, EdgeInfo, Ledger, Reports, Restoring, Summary};
use serde::{Serialize, Serializer};

/// The bounds of a partition that a pipeline reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// First offset that can still be read.
    pub earliest: i64,
    /// The offset that the next record will get.
    pub end: i64,
}

/// Whether a pipeline is at work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PipelineState {
    /// It has committed nothing yet.
    Starting,
    /// It reported within the last ten seconds.
    Running,
    /// It has not said that it stopped, and has not reported for ten seconds: there is nothing to read, or
    /// it is gone.
    Quiet,
    /// It ended in good order.
    Stopped,
}

/// One pipeline at one moment, all its tasks together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Snapshot {
    /// The pipeline's name.
    pub pipeline: String,
    /// When this was read.
    #[serde(serialize_with = "time")]
    pub at: i64,
    /// `starting`, `running`, `quiet` (no report for ten seconds) or `stopped`.
    pub state: PipelineState,
    /// Who runs it, or ran it last; of several instances the one that reported last.
    pub instance: Option<String>,
    /// Start of its last run.
    #[serde(serialize_with = "optional_time")]
    pub started_at: Option<i64>,
    /// End of its last run, where that ended in good order.
    #[serde(serialize_with = "optional_time")]
    pub stopped_at: Option<i64>,
    /// When it reported last.
    #[serde(serialize_with = "optional_time")]
    pub reported_at: Option<i64>,
    /// Resident memory of its process when it reported last.
    pub memory_bytes: Option<u64>,
    /// Its instances, oldest first; one that was killed is there for an hour, one that stopped until another
    /// starts an hour later.
    pub instances: Vec<InstanceStats>,
    /// The least watermark of its tasks; tasks whose inputs are all idle hold nothing back.
    #[serde(serialize_with = "optional_time")]
    pub watermark: Option<i64>,
    /// How far the watermark is behind the wall clock.
    pub watermark_behind_ms: Option<i64>,
    /// Records read from all sources, a second; null in a first sample.
    pub rate: Option<f64>,
    /// From reading a batch to its commit, in the last run.
    pub latency: Summary,
    /// Sources in the order of the file.
    pub sources: Vec<SourceStats>,
    /// Steps, sinks (`kind` is `sink`) and repartitions in the order of the graph.
    pub steps: Vec<StepStats>,
    /// What travels between sub-topologies.
    pub repartitions: Vec<RepartitionStats>,
    /// Where all records are.
    pub ledger: Ledger,
}

/// Whether an instance is at work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// It reported within the last ten seconds.
    #[default]
    Running,
    /// It has not said that it stopped, and has not reported for ten seconds.
    Silent,
    /// It ended in good order.
    Stopped,
}

/// One of the processes that run a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct InstanceStats {
    /// Process and host.
    pub name: String,
    /// `running`, `silent` (no report for ten seconds) or `stopped`.
    pub state: InstanceState,
    /// When it began.
    #[serde(serialize_with = "time")]
    pub started_at: i64,
    /// When it ended, where that was in good order.
    #[serde(serialize_with = "optional_time")]
    pub stopped_at: Option<i64>,
    /// When it was heard last.
    #[serde(serialize_with = "time")]
    pub reported_at: i64,
    /// Resident memory of its process then.
    pub memory_bytes: Option<u64>,
    /// Its tasks then, `SUB/PARTITION`.
    pub tasks: Vec<String>,
    /// State that it reads before its tasks can go on.
    pub restoring: Vec<Restoring>,
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
    /// Records that could not be decoded, or lie too far in the future.
    pub dead: u64,
    /// Records that are there and not read yet; null where the topic is gone.
    pub lag: Option<u64>,
    /// The least watermark of its partitions that are not idle.
    #[serde(serialize_with = "optional_time")]
    pub watermark: Option<i64>,
    /// How far the watermark is behind the wall clock.
    pub watermark_behind_ms: Option<i64>,
    /// Records read a second; null in a first sample.
    pub rate: Option<f64>,
    /// Its partitions, in order.
    pub partitions: Vec<PartitionStats>,
}

/// One partition of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartitionStats {
    /// Its number.
    pub partition: u32,
    /// The next offset to read; null before the first.
    pub next: Option<i64>,
    /// The offset that the next record will get; null where the topic is gone.
    pub end: Option<i64>,
    /// Records that are there and not read yet.
    pub lag: Option<u64>,
    /// Records read.
    pub read: u64,
    /// Records that could not be decoded, or lie too far in the future.
    pub dead: u64,
    /// Its watermark.
    #[serde(serialize_with = "optional_time")]
    pub watermark: Option<i64>,
    /// Greatest event time read.
    #[serde(serialize_with = "optional_time")]
    pub newest: Option<i64>,
    /// Whether it has been silent for so long that it holds nothing back.
    pub idle: bool,
    /// When its task committed last.
    #[serde(serialize_with = "optional_time")]
    pub committed_at: Option<i64>,
}

/// A step, sink or repartition.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StepStats {
    /// Its name in the file.
    pub name: String,
    /// The operator; `sink` and `repartition` too.
    pub kind: String,
    /// What it reads.
    pub from: Vec<EdgeInfo>,
    /// What became of its rows: `input`, `output`, `created`, `copied`, `filtered`, `late`, `dead`,
    /// `absorbed`, `written`.
    #[serde(flatten)]
    pub counters: Counters,
    /// Keys that it holds in state.
    pub keys: u64,
    /// Bytes of state.
    pub bytes: u64,
    /// Rows taken in a second; null in a first sample.
    pub rate_in: Option<f64>,
    /// Rows handed on (once, however many steps read them) or written, a second; null in a first sample.
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
    /// What its publisher says of it.
    pub description: String,
    /// When the step used it first.
    #[serde(serialize_with = "time")]
    pub since: i64,
    /// Whether a task scores with it now.
    pub active: bool,
    /// Records scored.
    pub usage: u64,
    /// Records that it could not score.
    pub errors: u64,
    /// Records scored a second; null in a first sample.
    pub rate: Option<f64>,
    /// How long a batch took.
    pub duration: Summary,
}

/// Rows that go by key from the tasks of one sub-topology to those of another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RepartitionStats {
    /// `STEP.by`.
    pub name: String,
    /// The internal topic.
    pub topic: String,
    /// Rows sent.
    pub sent: u64,
    /// Rows taken in.
    pub received: u64,
    /// Rows under way.
    pub in_transit: u64,
    /// Rows that should have come in and did not (or came in and were never sent); anything but 0 is a
    /// fault of the program.
    pub lost: i64,
}

impl StepStats {
    /// Rows handed on, once however many steps read them, and records written.
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
