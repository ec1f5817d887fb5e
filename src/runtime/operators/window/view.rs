//! What rows of state say, for who reads them outside of a run.
//!
//! Separate because it changes nothing: rows come from a changelog, and the windows that they belong to stay
//! open.

use super::Window;
use super::open::end_of;
use crate::record::BadRow;
use crate::runtime::Fault;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{FieldRef, SchemaRef};
use std::ops::RangeInclusive;

impl Window {
    /// The columns of the key.
    #[must_use]
    pub fn by(&self) -> &[FieldRef] {
        &self.plan.by_fields
    }

    /// The columns that leave.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.plan.schema
    }

    /// The end of the window that a row of state belongs to; none of what is kept beside windows.
    #[must_use]
    pub fn end_of(key: &[u8]) -> Option<i64> {
        end_of(key)
    }

    /// The ends of the windows that hold a moment and begin at or after `from` and before `to`.
    #[must_use]
    pub fn ends(&self, holds: Option<i64>, from: Option<i64>, to: Option<i64>) -> RangeInclusive<i64> {
        let size = self.plan.tumbling.size;
        let held = holds.map(|t| self.plan.tumbling.end(t));
        let first = from.map_or(i64::MIN, |from| from.saturating_add(size));
        let last = to.map_or(i64::MAX, |to| to.saturating_add(size).saturating_sub(1));
        first.max(held.unwrap_or(first))..=last.min(held.unwrap_or(last))
    }

    /// A group of one row of key columns, as the keys of state name it behind the end of the window.
    ///
    /// # Errors
    /// Where the columns are not those of the key.
    pub fn group(&self, by: &[ArrayRef]) -> Result<Vec<u8>, Fault> {
        self.layout.group(by)
    }

    /// What rows of state, in order of key, would give if their windows closed now: the columns of each
    /// window, and the rows of which one could not be computed.
    ///
    /// # Errors
    /// Where a row was written by another step.
    pub fn results(&self, rows: &[(&[u8], &[u8])]) -> Result<Vec<(RecordBatch, Vec<BadRow>)>, Fault> {
        let mut results = Vec::new();
        for rows in rows.chunk_by(|(a, _), (b, _)| end_of(a) == end_of(b)) {
            let Some(end) = end_of(rows[0].0) else { continue };
            let (by, values) = self.layout.open(end).values(&self.layout, rows)?;
            results.push(self.columns(end, &by, &values)?);
        }
        Ok(results)
    }
}
