//! fastdata runs stream pipelines from a YAML file over a log and treats models as data.
//!
//! A pipeline passes through a chain of types, each proving more than the one before: [`spec`] parses the
//! file, [`plan`] resolves and compiles it, [`runtime`] runs it over a [`log`].
//!
//! A module may use only the modules above it in this list; `tests/architecture.rs` checks that.

pub mod diagnostics;

pub mod time;

pub mod record;

mod faults;

mod files;

pub mod metrics;

pub mod expr;

pub mod formats;

pub mod generate;

pub mod state;

pub mod models;

pub mod log;

pub mod spec;

pub mod plan;

pub mod runtime;

pub mod cli;
