//! The operators, one file each, and how a task is built from them.
//!
//! Every operator implements [`Operator`](super::task::operator::Operator). It has no access to threads, topics or
//! commits.

mod branch;
pub mod build;
mod filter;
mod flatten;
mod key_by;
mod log;
mod merge;
pub mod models;
mod project;
mod repartition;
mod scan;
mod score;
mod sink;
mod window;

pub use branch::BranchOperator;
pub use filter::FilterOperator;
pub use flatten::FlattenOperator;
pub use key_by::KeyByOperator;
pub use log::{LogOperator, SampleHandler};
pub use merge::MergeOperator;
pub use project::ProjectOperator;
pub use repartition::RepartitionOperator;
pub use scan::ScanOperator;
pub use score::ScoreOperator;
pub(crate) use score::bind;
pub use sink::SinkOperator;
pub use window::WindowOperator;
