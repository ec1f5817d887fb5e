//! The records that `fastdata seed` writes, and the settings that come with them.

use crate::cli::arguments::Rate;
use crate::record::RecordsBuilder;

/// What to write and how. An option beats the generator file.
pub(super) struct SeedPlan {
    pub(super) source: Box<dyn RecordSource>,
    /// The number of records, if it is known.
    pub(super) total: Option<u64>,
    pub(super) rate: Option<Rate>,
    pub(super) partitions: Option<u32>,
}

/// A sequence of records.
pub(super) trait RecordSource {
    /// Adds at most `max` records and returns their number, 0 at the end.
    fn fill(&mut self, max: usize, into: &mut RecordsBuilder) -> anyhow::Result<usize>;

    /// Lets event time go on after that of the last record of the topic. A file has its own times.
    fn start_after(&mut self, _time: i64) {}

    /// A warning about the records, once all are written.
    fn warning(&self) -> Option<String>;
}
