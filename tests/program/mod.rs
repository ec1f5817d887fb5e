//! The program from outside: arguments, exit codes, stdout and stderr.
//!
//! Messages are compared as a whole: a message that is half right misleads.

mod dead;
mod edits;
mod ended;
mod first_hour;
mod formats;
mod idle;
mod life;
mod limits;
mod lost_input;
mod mistakes;
mod models;
pub mod online;
mod preview;
mod promises;
mod query;
mod readme;
mod replace_outputs;
mod round_trip;
mod secrets;
mod shared_folder;
mod shipped;
mod signals;
mod sql;
mod start_offsets;
mod swap;
mod tail;
mod terminal;
mod terminals;
mod waiting;
