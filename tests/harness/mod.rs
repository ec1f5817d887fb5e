//! What the tests share: records that can be compared and printed, ways to run a pipeline, and logs with faults.
//!
//! A test states the input and the expected output. Nothing here computes an expected value.

pub mod case;
pub mod engine;
pub mod faulty_log;
pub mod forward;
pub mod ledger;
pub mod panicking_log;
pub mod program;
pub mod record;
pub mod run;
pub mod scenario;
pub mod slow_commits;
pub mod topics;
pub mod wait;
