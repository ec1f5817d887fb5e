//! A model version that is ready to serve. Immutable: tasks share it while they score.

use super::{ModelFormat, Scorer, UniformOutputs};
use crate::record::Offset;
use std::sync::Arc;

/// A model version that is ready to score.
#[derive(Debug)]
pub struct ServedModel {
    /// Name of the model.
    pub name: String,
    /// A description for people.
    pub description: String,
    /// The data type that it serves.
    pub data_type: String,
    /// The offset of its record.
    pub version: Offset,
    /// Its format.
    pub format: ModelFormat,
    /// SHA-256 of its content, hexadecimal.
    pub sha256: String,
    /// When it became ready, milliseconds since the epoch.
    pub since: i64,
    /// Scores batches.
    pub scorer: Arc<dyn Scorer>,
    /// Builds the outputs that every scorer offers.
    pub outputs: UniformOutputs,
    /// A problem of the model that is no reason to refuse it.
    pub warning: Option<String>,
}

impl ServedModel {
    /// `NAME@VERSION`, the value of the header of scored records.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}
