//! Runs a physical plan: tasks of operators, fed by an intake, committed by a commit loop.
//!
//! Each module uses only those before it in this file; `tests/architecture.rs` enforces that. The same tasks run
//! under [`Driver`], synchronously and without a backplane.

mod cancel;

mod fault;

mod life;

pub mod task;

pub mod operators;

mod read;

mod commit;

mod recovery;

mod group;

pub mod inspect;

mod run;

mod driver;

pub mod preview;

pub use cancel::{CancelReason, CancelToken};
pub use commit::dead_reasons::DeadReason;
pub use commit::run_gauge::{RunGauge, SourcePosition};
pub use driver::{Driver, DriverOptions};
pub use fault::Fault;
pub use group::drop_state::{DropError, DroppedState, drop_state};
pub use group::engine::{Engine, RunOptions, StartFrom};
pub use group::outputs::filled_outputs;
pub use group::topics;
pub use life::LIFE_TARGET;
pub use read::model_feed::MODELS_TOPIC;
pub use read::progress::reports;
pub use recovery::changelogs::RestoreGauge;
pub use recovery::lost_input::LostInput;
pub use task::collector::{Collector, DeadRow};
pub use task::outbox::Outbox;
pub use task::round::{Round, RoundClock};
pub use task::{Task, TaskCommit, TaskId};
