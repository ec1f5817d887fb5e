//! Mistakes in reading back what was committed: changelogs and counters.

use super::mistake::{Mistake, Planted};
use super::rows;
use crate::log::{FetchLimit, LogResult, Reader};
use crate::metrics::PROGRESS_SUFFIX;
use crate::record::{Fetched, Offset, TopicPartition};
use arrow_array::Array;
use std::sync::Arc;
use std::time::Duration;

/// A reader that makes a mistake.
pub(super) struct MistakenReader {
    pub(super) reader: Box<dyn Reader>,
    pub(super) planted: Arc<Planted>,
}

impl MistakenReader {
    fn mistaken(&self, mut fetched: Fetched) -> Option<Fetched> {
        let topic = &fetched.origin.topic;
        let (changelog, progress) = (topic.ends_with(".state"), topic.ends_with(PROGRESS_SUFFIX));
        match self.planted.mistake() {
            Mistake::RestoreNothing if changelog => return None,
            Mistake::RestoreShort if changelog => {
                let kept = rows::matching(&fetched.records, |_| !self.planted.one_in(3, Mistake::RestoreShort));
                fetched = rows::take_fetched(&fetched, kept);
            }
            Mistake::RestoreDeleted if changelog => {
                let kept = rows::matching(&fetched.records, |row| fetched.records.values.is_valid(row));
                fetched = rows::take_fetched(&fetched, kept);
            }
            Mistake::RestoreStale if changelog => rows::reverse(&mut fetched),
            Mistake::RestoreOldProgress if progress => rows::reverse(&mut fetched),
            _ => {}
        }
        (!fetched.records.is_empty()).then_some(fetched)
    }
}

impl Reader for MistakenReader {
    fn poll(&mut self, limit: FetchLimit, wait: Duration) -> LogResult<Option<Fetched>> {
        Ok(self.reader.poll(limit, wait)?.and_then(|fetched| self.mistaken(fetched)))
    }

    fn positions(&self) -> Vec<(TopicPartition, Offset)> {
        self.reader.positions()
    }

    fn pause(&mut self, of: &[TopicPartition], paused: bool) -> LogResult<()> {
        self.reader.pause(of, paused)
    }
}
