//! Rounds in which a watermark releases more rows than one commit should carry.
//!
//! The task repeats such a round without input until every due row has left, and may hand over between repetitions.
//! Until then it reads nothing, later steps keep the time before the releasing row, and the watermark sent downstream
//! is the one before the round. So the results equal those of a single round, wherever a commit cuts it. Invariant: a
//! part contains the rows up to the one that advanced the watermark, and none after it.

use super::{HandOver, Task};
use crate::metrics::UnfinishedRound;
use crate::record::Batch;
use crate::runtime::fault::Fault;
use crate::runtime::task::round::RoundClock;

impl Task {
    /// Sets how many rows a step may release by time alone in one round.
    pub(in crate::runtime) fn set_max_released_rows(&mut self, rows: usize) {
        self.max_released_rows = rows;
    }

    /// Whether a round is unfinished.
    pub(in crate::runtime) fn is_unfinished(&self) -> bool {
        self.unfinished.is_some()
    }

    /// Continues an unfinished round to its end.
    ///
    /// # Errors
    /// Faults that are not those of single records.
    pub(in crate::runtime) fn resume(&mut self, now: i64, hand_over: &mut HandOver<'_>) -> Result<(), Fault> {
        while let Some(clock) = self.unfinished.clone() {
            self.dirty = true;
            hand_over(self)?;
            self.round(Vec::new(), &RoundClock { now, ..clock }, &[], &[])?;
        }
        Ok(())
    }

    /// The watermark up to which every due row has left.
    pub(super) fn settled_time(&self) -> i64 {
        self.unfinished.as_ref().map_or(self.time.now(), |clock| clock.before)
    }

    /// Advances the watermark by rows of one input. Returns the clock of the round and the index after its last row.
    /// The round ends at a row that releases many rows, so that no commit with a part of them has later input too.
    pub(super) fn advance_time(
        &mut self,
        input: usize,
        batch: &Batch,
        runs: &[(usize, usize)],
        start: usize,
        now: i64,
    ) -> (RoundClock, usize) {
        let (before, mut end) = (self.time.now(), batch.len());
        let saved = self.may_release_much().then(|| self.time.clone());
        let mut watermarks = self.watermarks_of(input, batch, runs, start..end);
        if let Some(saved) = saved
            && let Some(rows) = self.rows_before_mass_release(&watermarks)
        {
            end = start + rows;
            self.time = saved;
            watermarks = self.watermarks_of(input, batch, runs, start..end);
        }
        let rows = end - start;
        if rows > 0 {
            self.origin = batch.meta.origins.row(end - 1).clone();
        }
        let clock = RoundClock {
            origin: self.origin.clone(),
            order: batch.meta.order.slice(start, rows),
            offsets: batch.meta.offsets.slice(start, rows),
            watermarks: watermarks.into(),
            before,
            after: self.time.now(),
            now,
            drain: false,
        };
        (clock, end)
    }

    /// The watermark at each row of a range.
    fn watermarks_of(
        &mut self,
        input: usize,
        batch: &Batch,
        runs: &[(usize, usize)],
        range: std::ops::Range<usize>,
    ) -> Vec<i64> {
        let (mut watermarks, mut start) = (Vec::with_capacity(range.len()), 0);
        for (slot, n) in runs {
            let rows = start.max(range.start)..(start + n).min(range.end);
            if !rows.is_empty() {
                self.inputs[input].advance_watermark(&mut self.time, *slot, batch, rows, &mut watermarks);
            }
            start += n;
        }
        watermarks
    }

    /// Whether any step holds more than a round may release.
    pub(super) fn may_release_much(&self) -> bool {
        self.operators.iter().any(|o| o.size().keys > self.bulk_rows() as u64)
    }

    /// The number of rows up to and including the one whose watermark releases many rows; `None` if no row does, or
    /// only the last one.
    pub(super) fn rows_before_mass_release(&self, watermarks: &[i64]) -> Option<usize> {
        let upto = *watermarks.last()?;
        let released = self.operators.iter().filter_map(|o| o.mass_release(upto, self.bulk_rows()));
        let first = released.min()?;
        let rows = watermarks.partition_point(|w| *w < first) + 1;
        (rows < watermarks.len()).then_some(rows)
    }

    /// Half of what a round may release; the other half is for groups that the rows of this round create.
    fn bulk_rows(&self) -> usize {
        self.max_released_rows / 2
    }

    /// What a later run needs to continue the round.
    pub(super) fn unfinished_round(&self) -> Option<UnfinishedRound> {
        let clock = self.unfinished.as_ref()?;
        // The last record of such a round releases all its due rows.
        let (order, offset, watermark) = clock.record_reaching(clock.after);
        Some(UnfinishedRound { order, offset, before: clock.before, watermark })
    }

    /// Restores an unfinished round from committed progress.
    pub(super) fn restore_unfinished(&mut self, round: UnfinishedRound) {
        let UnfinishedRound { order, offset, before, watermark } = round;
        self.unfinished = Some(RoundClock {
            order: vec![order; 2].into(),
            offsets: vec![offset; 2].into(),
            watermarks: vec![watermark, self.time.now()].into(),
            ..self.clock(before, self.time.now(), 0, false)
        });
    }
}
