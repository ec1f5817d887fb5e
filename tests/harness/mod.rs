//! What the tests share: records that can be compared and shown, and three ways to run a pipeline.
//!
//! Separate from the tests so that a case says what goes in and what must come out, and nothing else.
//! It never computes an expected value.

pub mod case;
pub mod drive;
pub mod engine;
pub mod ledger;
pub mod program;
pub mod record;
pub mod troubled;
pub mod wait;
