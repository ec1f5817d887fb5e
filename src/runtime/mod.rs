//! Runs a physical plan: tasks of operators, fed by an intake, committed by a committer.
//!
//! Separate from the plan, which opens nothing, and from the backplanes, which know no pipeline. The same
//! tasks run under [`Driver`], synchronously and without a backplane.

mod assignment;
mod bounded;
pub mod build;
mod changelogs;
mod collector;
mod commit;
mod copies;
mod cursors;
mod dead;
mod driver;
mod fault;
mod input;
mod intake;
pub mod models;
pub mod observe;
pub mod operators;
mod ordered;
mod outbox;
mod presence;
pub mod query;
mod readers;
pub mod restore;
mod round;
mod running;
mod settling;
mod standby;
mod task;
pub mod topics;
mod trim;
mod worker;

pub use changelogs::RestoreGauge;
pub use collector::{Collector, DeadRow};
pub use driver::{Driver, DriverOptions};
pub use fault::Fault;
pub use outbox::Outbox;
pub use round::{Round, RoundClock};
pub use running::{Engine, From, RunOptions, Stop};
pub use task::{Task, TaskCommit, TaskId};
