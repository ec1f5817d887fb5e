//! What the tests share: records that can be compared and shown, and three ways to run a pipeline.
//!
//! A test says what goes in and what must come out; how it is run is here. Nothing here computes an expected
//! value.

pub mod case;
pub mod engine;
pub mod faulty_log;
pub mod ledger;
pub mod panicking_log;
pub mod program;
pub mod record;
pub mod scenario;
pub mod wait;
