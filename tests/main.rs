//! The one integration crate: everything that is tested from outside the library.
//!
//! | module | judges |
//! | --- | --- |
//! | [`architecture`] | the shape of the source: order of modules, sizes, who may read the clock |
//! | [`golden`] | every operator and format, on the cases under `tests/cases/` |
//! | [`properties`] | windows, folds and repartitions against naive models |
//! | [`program`] | the binary: exit codes, messages, what is shipped with it |
//! | [`kafka`] | the same over a real Apache Kafka, started by the tests where Java and Maven are there |
//! | [`kill`] | exactly-once: runs that are killed at any moment |
//! | [`overtaken`] | runs that were asleep while others went on |
//! | [`trouble`] | runs whose operators panic, and whose backplane fails or falls silent |
//!
//! What they share is in [`harness`]. No test sleeps to wait for something, and no expected value was
//! taken from the program.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, unreachable_pub, reason = "nothing outside can use what is here")]

mod architecture;
mod golden;
mod harness;
mod kafka;
mod kill;
mod overtaken;
mod program;
mod properties;
mod trouble;
