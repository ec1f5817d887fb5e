//! The size limit of the records of a topic.
//!
//! Every backplane measures a record in the same way: the bytes of its key, its value and its encoded headers.

use crate::record::Records;
use std::fmt;
use std::sync::Arc;

/// The largest record that a topic takes, and what the user can do about a larger one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordLimit {
    /// Bytes of key, value and encoded headers.
    pub bytes: usize,
    /// The setting that the limit comes from, and how to raise it.
    pub remedy: Arc<str>,
}

impl RecordLimit {
    /// The rows over the limit, with their sizes. Rows are measured only where a whole batch is over it.
    #[must_use]
    pub fn oversized(&self, records: &Records) -> Vec<(usize, usize)> {
        if records.payload_bytes() <= self.bytes {
            return Vec::new();
        }
        let sizes = (0..records.len()).map(|row| (row, records.record_bytes(row)));
        sizes.filter(|(_, bytes)| *bytes > self.bytes).collect()
    }

    /// Says that a record of this size is too large for a topic or partition, and what to do.
    #[must_use]
    pub fn describe(&self, at: &dyn fmt::Display, bytes: usize) -> String {
        let Self { bytes: limit, remedy } = self;
        format!("a record of {bytes} bytes for `{at}` is larger than the limit of {limit}: {remedy}")
    }
}
