//! Recovery: restores the committed positions, counters and state of tasks.

pub(super) mod changelogs;
pub(in crate::runtime) mod lost_input;
mod positions;
pub(in crate::runtime) mod rebuild;
mod recorded;
pub(in crate::runtime) mod standby;
pub(in crate::runtime) mod state_copies;
