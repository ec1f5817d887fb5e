//! What a run counts: per step, per input, per model, and the ledger that adds it all up.
//!
//! Separate because counters are data: they commit in the same transaction as offsets and are read by
//! other processes from the progress topic. Nothing here locks or counts per record.

mod counters;
mod instance;
mod latency;
mod ledger;
mod progress;
mod reports;
mod snapshot;

pub use counters::Counters;
pub use instance::{InstanceInfo, Restoring, instance_key};
pub use latency::{Latency, Summary};
pub use ledger::Ledger;
pub use progress::{
    EdgeInfo, InputProgress, ModelUse, PIPELINE_KEY, PROGRESS_SUFFIX, PipelineInfo, SourceInfo, StepInfo, StepProgress,
    TaskProgress, progress_topic,
};
pub use reports::Reports;
pub use snapshot::{
    Bounds, InstanceState, InstanceStats, ModelStats, PartitionStats, PipelineState, RepartitionStats, Snapshot,
    SourceStats, StepStats,
};
