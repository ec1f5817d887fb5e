//! Looks at pipelines from outside: their reports and their committed state. Nothing here runs one or writes.

pub mod observe;
pub mod query;
