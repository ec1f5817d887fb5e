//! Reads the reports and the committed state of pipelines from any process. Nothing here runs a pipeline or writes.

pub mod observe;
pub mod query;
