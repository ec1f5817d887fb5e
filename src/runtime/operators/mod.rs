//! The operators, one file each, and how a task is built of them.
//!
//! An operator knows neither threads nor topics nor commits; what all of them share is
//! [`Operator`](super::task::operator::Operator).

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

pub use branch::Branch;
pub use filter::Filter;
pub use flatten::Flatten;
pub use key_by::KeyBy;
pub use log::{Log, Samples};
pub use merge::Merge;
pub use project::Project;
pub use repartition::Repartition;
pub use scan::Scan;
pub use score::Score;
pub(crate) use score::bind;
pub use sink::Sink;
pub use window::Window;
