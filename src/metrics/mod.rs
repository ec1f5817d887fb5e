//! Metrics of a pipeline: counters per step, input and model, and the ledger that adds them up.
//!
//! Counters are data: they commit in the same transaction as offsets, and other processes read them from the
//! progress topic. Nothing here takes a lock or counts record by record.

mod counters;
mod instance;
mod latency;
mod ledger;
mod progress;
mod reports;
mod snapshot;
mod state_record;
mod work;

pub use counters::Counters;
pub use instance::{FAILED, InstanceInfo, RestoreProgress, instance_key};
pub use latency::{Latency, LatencySummary};
pub use ledger::Ledger;
pub use progress::{
    EdgeInfo, InputProgress, LeftInput, ModelUse, PIPELINE_KEY, PROGRESS_SUFFIX, PipelineInfo, SourceInfo, StepInfo,
    StepProgress, TaskProgress, UnfinishedRound, progress_topic,
};
pub use reports::Reports;
pub use snapshot::{
    InstanceState, InstanceStats, ModelStats, OffsetBounds, PartitionStats, PipelineState, RepartitionStats, Snapshot,
    SourceStats, StepStats,
};
pub use state_record::{STATE_VERSION, StateColumn, StateIdentity, StateRecord, state_key};
pub use work::WorkDone;
