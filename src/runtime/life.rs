//! The lines that a run logs of its life: one for each turn of it, and none for a record, a batch or a commit.

/// Their target, by which a command that says itself what it has done leaves them out.
pub const LIFE_TARGET: &str = "fastdata::life";
