//! The group: what this instance is assigned, from the moment it joins until it leaves.

pub(in crate::runtime) mod assignment;
pub(super) mod engine;
pub(in crate::runtime) mod idle;
pub mod topics;
