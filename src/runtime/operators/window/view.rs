//! Decodes the state of a `window` step for queries.
//!
//! The rows come from a changelog. Nothing here changes state or closes a window.

use super::WindowOperator;
use super::open_window::window_end;
use crate::record::BadRow;
use crate::runtime::Fault;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{FieldRef, SchemaRef};
use std::ops::RangeInclusive;

impl WindowOperator {
    /// The columns of the key.
    #[must_use]
    pub fn by(&self) -> &[FieldRef] {
        &self.plan.by_fields
    }

    /// The columns of the results.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.plan.schema
    }

    /// The end of the window that a key of state belongs to; `None` for state of the step itself.
    #[must_use]
    pub fn window_end(key: &[u8]) -> Option<i64> {
        window_end(key)
    }

    /// The ends of the windows that contain a time and begin at or after `from` and before `to`.
    #[must_use]
    pub fn ends(&self, contains: Option<i64>, from: Option<i64>, to: Option<i64>) -> RangeInclusive<i64> {
        let size = self.plan.tumbling.size;
        let containing = contains.map(|t| self.plan.tumbling.end(t));
        let first = from.map_or(i64::MIN, |from| from.saturating_add(size));
        let last = to.map_or(i64::MAX, |to| to.saturating_add(size).saturating_sub(1));
        first.max(containing.unwrap_or(first))..=last.min(containing.unwrap_or(last))
    }

    /// Encodes one row of key columns as the part of a state key that follows the end of the window.
    ///
    /// # Errors
    /// Where the columns are not those of the key.
    pub fn group_key(&self, by: &[ArrayRef]) -> Result<Vec<u8>, Fault> {
        self.layout.group_key(by)
    }

    /// The results of rows of state, in order of key, if their windows closed: the columns of each window, and the
    /// rows on which an expression failed.
    ///
    /// # Errors
    /// Where a row was written by another step.
    pub fn results(&self, rows: &[(&[u8], &[u8])]) -> Result<Vec<(RecordBatch, Vec<BadRow>)>, Fault> {
        let mut results = Vec::new();
        for rows in rows.chunk_by(|(a, _), (b, _)| window_end(a) == window_end(b)) {
            let Some(end) = window_end(rows[0].0) else { continue };
            let (by, values) = self.layout.open(end).values(&self.layout, rows)?;
            results.push(self.columns(end, &by, &values)?);
        }
        Ok(results)
    }
}
