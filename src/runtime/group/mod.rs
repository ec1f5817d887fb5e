//! The group: what this instance is assigned, from the moment it joins until it leaves.

pub(super) mod assignment;
pub(super) mod drop_state;
pub(super) mod engine;
pub(super) mod idle;
mod others;
pub(in crate::runtime) mod outputs;
mod own_tasks;
mod rebuild_poll;
pub(super) mod reset_states;
mod restore_record;
pub(super) mod session;
pub mod topics;
mod watch_others;
