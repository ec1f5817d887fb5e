//! The commit: what tasks hand over at a barrier becomes one transaction.

pub(in crate::runtime) mod changelog_position;
pub(in crate::runtime) mod commit_loop;
pub(in crate::runtime) mod commits;
pub(in crate::runtime) mod dead_reasons;
pub(in crate::runtime) mod instance_record;
pub(in crate::runtime) mod run_gauge;
mod state_limit;
pub(in crate::runtime) mod state_records;
mod transaction;
pub(in crate::runtime) mod trimming;
