//! The only integration crate: everything that is tested from outside the library.
//!
//! | module | tests |
//! | --- | --- |
//! | [`add_operator`] | the recipe for a new operator: which files it touches |
//! | [`architecture`] | the shape of the source: order of modules, sizes, who may read the clock |
//! | [`golden`] | every operator and format, on the cases under `tests/cases/` |
//! | [`properties`] | windows, folds and repartitions against naive models |
//! | [`program`] | the binary: exit codes, messages, shipped files |
//! | [`kafka`] | a real Apache Kafka, started by the tests if Java and Maven are installed |
//! | [`bounded_commits`] | how much one commit carries |
//! | [`kill`] | exactly-once on the embedded log: runs that are killed at any moment |
//! | [`zombies_at_restore`] | instances that were suspended while others committed |
//! | [`unequal_partitions`] | merges and folds of topics that differ in their partition counts |
//! | [`record_limits`] | results, dead letters and state that are too large for their topics |
//! | [`injected_faults`] | operators that panic, a log that fails or does not answer |
//! | [`panics`] | a panic in each thread of a run |
//!
//! What they share is in [`harness`]. No test sleeps to wait for a condition. Expected values were worked out by hand
//! or come from a naive model. The exceptions are comparisons of two runs, as in [`kill`] and [`zombies_at_restore`],
//! and of shipped files with what the program writes, as in [`program`].
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, unreachable_pub, reason = "nothing outside this crate can use it")]

mod add_operator;
mod architecture;
mod bounded_commits;
mod edits;
mod golden;
mod harness;
mod injected_faults;
mod kafka;
mod kill;
mod panics;
mod program;
mod properties;
mod record_limits;
mod trimming;
mod unequal_partitions;
mod zombies_at_restore;
