//! The program from outside: what a person types, reads and gets back.
//!
//! Messages are compared as a whole, because a message that is half right misleads.

mod from;
mod limits;
mod mistakes;
mod models;
pub mod online;
mod query;
mod readme;
mod round_trip;
mod shipped;
mod signals;
mod silence;
