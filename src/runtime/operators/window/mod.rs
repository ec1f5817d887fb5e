//! `window` groups rows by key and event time and emits the result of each group when its window closes.
//!
//! A row is late if the end of its window plus `grace` is at or before the watermark at that row. Results of windows
//! that close together leave in order of window end, then of key, over several rounds where they are many. State is
//! one row per window and key: `open_window.rs` writes it, `view.rs` reads it for queries.

mod open_window;
mod view;

use super::project::record_batch;
use crate::expr::Expr;
use crate::plan::{Port, WindowPlan};
use crate::record::{BadRow, Batch, Meta, Origins, TopicPartition};
use crate::runtime::task::operator::{Operator, evaluate};
use crate::runtime::task::round::{Round, RoundClock};
use crate::runtime::{Collector, Fault};
use crate::state::StateChange;
use crate::state::{MemoryStore, StateEntries, StateSize, Store};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, TimestampMillisecondArray, UInt32Array};
use arrow_select::take::take;
use open_window::{OpenSize, OpenWindow, StateLayout, window_end, window_prefix};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The operator of `window`.
pub struct WindowOperator {
    plan: WindowPlan,
    /// The origin of results: the step itself, as no single record is their source.
    origin: Arc<TopicPartition>,
    layout: StateLayout,
    /// Windows touched since the last barrier, by end.
    open: BTreeMap<i64, OpenWindow>,
    /// The size of the open windows, kept up to date because every batch needs it.
    open_size: OpenSize,
    store: MemoryStore,
    /// When the last row arrived, on the wall clock; for restored windows, when the task has started.
    last_row_at: Option<i64>,
    /// Windows that close at or before this time are closed whatever the watermark: `close_after` has closed them.
    closed_until: i64,
}

/// The state key of `closed_until`. It is shorter than the key of any window.
const CLOSED_UNTIL_KEY: &[u8] = b"floor";

impl WindowOperator {
    /// Starts without windows.
    ///
    /// # Errors
    /// Where a column's type has no row form.
    pub fn new(plan: WindowPlan, origin: TopicPartition) -> Result<Self, Fault> {
        let origin = Arc::new(origin);
        let layout = StateLayout::new(&plan)?;
        let store = MemoryStore::default();
        let (open, open_size) = (BTreeMap::new(), OpenSize::default());
        Ok(Self { plan, origin, layout, open, open_size, store, last_row_at: None, closed_until: i64::MIN })
    }

    fn add_rows(&mut self, batch: Batch, out: &mut Collector<'_>) -> Result<(), Fault> {
        let batch = self.without_late(batch, out);
        let exprs: Vec<&Expr> = self.plan.by.iter().chain(self.layout.calls().flat_map(|c| c.args())).collect();
        let (batch, arrays) = evaluate(&exprs, batch, out);
        let mut filters: Vec<Option<BooleanArray>> = Vec::new();
        for call in self.layout.calls() {
            // A row on which only the condition of an aggregate fails is left out of that aggregate.
            filters.push(call.filter().map(|f| f.evaluate(&batch).0));
        }
        if batch.is_empty() {
            return Ok(());
        }
        out.absorbed(batch.len());
        let mut ends: Vec<i64> = batch.meta.event_times.iter().map(|t| self.plan.tumbling.end(*t)).collect();
        if ends.is_sorted() {
            return self.add_sorted(&ends, &arrays, &filters);
        }
        // Rows of one window keep their order.
        let mut order: Vec<u32> = (0u32..).take(ends.len()).collect();
        order.sort_by_key(|row| ends[*row as usize]);
        ends.sort_unstable();
        let order = UInt32Array::from(order);
        let sorted = |a: &ArrayRef| take(a, &order, None).map_err(Fault::internal);
        let arrays = arrays.iter().map(sorted).collect::<Result<Vec<_>, _>>()?;
        let filters = filters.iter().map(|f| {
            let Some(f) = f else { return Ok(None) };
            Ok(Some(take(f, &order, None).map_err(Fault::internal)?.as_boolean().clone()))
        });
        let filters = filters.collect::<Result<Vec<_>, Fault>>()?;
        self.add_sorted(&ends, &arrays, &filters)
    }

    /// Adds rows that are sorted by the end of their window.
    fn add_sorted(&mut self, ends: &[i64], arrays: &[ArrayRef], filters: &[Option<BooleanArray>]) -> Result<(), Fault> {
        let mut start = 0;
        for same in ends.chunk_by(|a, b| a == b) {
            let (end, rows) = (same[0], same.len());
            let open = self.open.entry(end).or_insert_with(|| self.layout.open(end));
            let before = open.size(&self.layout);
            let arrays: Vec<ArrayRef> = arrays.iter().map(|a| a.slice(start, rows)).collect();
            let filters: Vec<_> = filters.iter().map(|f| f.as_ref().map(|f| f.slice(start, rows))).collect();
            open.add_rows(&self.layout, &self.store, &arrays, &filters, rows)?;
            self.open_size.grow(before, open.size(&self.layout));
            start += rows;
        }
        Ok(())
    }

    /// Sends rows whose window has closed to the `late` output.
    fn without_late(&self, batch: Batch, out: &mut Collector<'_>) -> Batch {
        let times = batch.meta.event_times.iter().zip(batch.meta.watermarks.iter());
        let late = times.map(|(t, w)| self.closes_at(self.plan.tumbling.end(*t)) <= (*w).max(self.closed_until));
        let late: Vec<bool> = late.collect();
        if !late.contains(&true) {
            return batch;
        }
        out.emit(Port(1), batch.filter(&BooleanArray::from(late.clone())));
        batch.filter(&late.iter().map(|l| Some(!l)).collect())
    }

    fn closes_at(&self, end: i64) -> i64 {
        end.saturating_add(self.plan.grace)
    }

    /// The end of the first window that has rows.
    fn first_end(&self) -> Option<i64> {
        let first_open = self.open.first_key_value().map(|(e, _)| *e);
        let first_stored = self.stored_until(i64::MAX).find_map(|(k, _)| window_end(k));
        [first_open, first_stored].into_iter().flatten().min()
    }

    /// The state of windows that end at or before `last`.
    fn stored_until(&self, last: i64) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.store.range(&window_prefix(i64::MIN), &window_prefix(last.saturating_add(1)))
    }

    /// Closes every window that ends, with its grace, at or before `upto`, within the row limit of a round.
    fn close(&mut self, clock: &RoundClock, upto: i64, out: &mut Collector<'_>) -> Result<(), Fault> {
        let mut left = out.max_released_rows();
        while let Some(end) = self.first_end().filter(|end| self.closes_at(*end) <= upto) {
            if left == 0 {
                out.more_due();
                return Ok(());
            }
            let open = self.open.remove(&end).unwrap_or_else(|| self.layout.open(end));
            self.open_size.shrink(open.size(&self.layout));
            let (keys, values) = open.results(&self.layout, &mut self.store, left)?;
            let (batch, bad) = self.result(clock, end, keys, values)?;
            left = left.saturating_sub(batch.len());
            out.created(batch.len());
            let good = out.without_bad(batch, &bad);
            out.emit(Port(0), good);
        }
        Ok(())
    }

    /// Closes all windows once no row has arrived for `close_after` on the wall clock.
    fn close_on_silence(&mut self, clock: &RoundClock) {
        let Some(after) = self.plan.close_after else { return };
        let since = *self.last_row_at.get_or_insert(clock.now);
        if clock.now.saturating_sub(since) < after {
            return;
        }
        self.last_row_at = None;
        let last_open = self.open.last_key_value().map(|(e, _)| *e);
        let last_stored = self.stored_until(i64::MAX).filter_map(|(k, _)| window_end(k)).last();
        if let Some(end) = last_open.max(last_stored) {
            self.closed_until = self.closed_until.max(self.closes_at(end));
            self.store.put(CLOSED_UNTIL_KEY.to_vec(), Some(self.closed_until.to_be_bytes().to_vec()));
        }
    }

    fn result(
        &self,
        clock: &RoundClock,
        end: i64,
        by: Vec<ArrayRef>,
        values: Vec<ArrayRef>,
    ) -> Result<(Batch, Vec<BadRow>), Fault> {
        let keys = |n| if by.is_empty() { arrow_array::BinaryArray::new_null(n) } else { crate::formats::keys(&by) };
        let (columns, bad) = self.columns(end, &by, &values)?;
        let n = columns.num_rows();
        let (order, offset, watermark) = clock.record_reaching(self.closes_at(end));
        let meta = Meta {
            origins: Origins::one(self.origin.clone()),
            order: vec![order; n].into(),
            offsets: vec![offset; n].into(),
            timestamps: vec![end - 1; n].into(),
            event_times: vec![end - 1; n].into(),
            watermarks: vec![watermark; n].into(),
            keys: keys(n),
            headers: None,
            value_nulls: None,
        };
        Ok((Batch { columns, meta }, bad))
    }

    /// The output columns of some groups of a window, and the rows on which an expression failed.
    fn columns(&self, end: i64, by: &[ArrayRef], values: &[ArrayRef]) -> Result<(RecordBatch, Vec<BadRow>), Fault> {
        let n = values.first().or(by.first()).map_or(0, |a| a.len());
        let time = |t: i64| Arc::new(TimestampMillisecondArray::from_value(t, n).with_timezone("UTC")) as ArrayRef;
        let bounds = [time(end - self.plan.tumbling.size), time(end)];
        let mut bad = Vec::new();
        let selected = self.plan.aggregates.finish(by, &bounds, values).into_iter().map(|evaluated| {
            bad.extend(evaluated.bad);
            evaluated.array
        });
        let selected: Vec<ArrayRef> = selected.collect();
        let columns = by.iter().cloned().chain(selected).chain(bounds).collect();
        Ok((record_batch(&self.plan.schema, columns, n)?, bad))
    }
}

impl Operator for WindowOperator {
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault> {
        let clock = round.clock;
        for batch in round.single() {
            if !batch.is_empty() {
                self.last_row_at = Some(clock.now);
                self.add_rows(batch, out)?;
            }
        }
        if clock.drain {
            return self.close(clock, i64::MAX, out);
        }
        self.close_on_silence(clock);
        self.close(clock, clock.after.max(self.closed_until), out)
    }

    fn mass_release(&self, upto: i64, max_rows: usize) -> Option<i64> {
        if self.size().keys <= max_rows as u64 {
            return None;
        }
        let first = self.closes_at(self.first_end()?);
        let last = upto.saturating_sub(self.plan.grace);
        let open: usize = self.open.range(..=last).map(|(_, open)| open.new_groups()).sum();
        let due = open + self.stored_until(last).take(max_rows + 1).count();
        (first <= upto && due > max_rows).then_some(first)
    }

    fn barrier(
        &mut self,
        _clock: &RoundClock,
        _idle_if_changed: Option<bool>,
        _out: &mut Collector<'_>,
    ) -> Result<Vec<StateChange>, Fault> {
        self.open_size = OpenSize::default();
        for (_, open) in std::mem::take(&mut self.open) {
            open.save(&self.layout, &mut self.store)?;
        }
        Ok(self.store.changes())
    }

    fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), Fault> {
        if key == CLOSED_UNTIL_KEY {
            let bytes = value.and_then(|v| v.try_into().ok());
            self.closed_until = bytes
                .map(i64::from_be_bytes)
                .ok_or_else(|| Fault::internal("the state of `closed_until` is not an integer"))?;
        }
        self.store.restore(key, value);
        Ok(())
    }

    fn take_state(&mut self) -> Option<StateEntries> {
        Some(self.store.take_entries())
    }

    fn size(&self) -> StateSize {
        let (stored, open) = (self.store.size(), self.open_size);
        let changed_bytes = stored.changed_bytes + open.changed_bytes;
        StateSize { keys: stored.keys + open.new_groups as u64, changed_bytes, ..stored }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::runtime::operators::build::fixture;

    #[test]
    fn the_clock_closes_windows_that_were_restored() {
        let text = "name: p
source: {topic: in, key: k, schema: {k: string, ts: timestamp}, timestamp: ts}
steps:
  - {name: counted, window: {tumbling: 1s, by: [k], select: {n: count(*)}, close_after: 30s}}
sink: out
";
        let mut before = fixture::task_of(text);
        fixture::run(&mut before, 0, &[r#"{"k": "a", "ts": 1}"#], 0);
        let mut task = fixture::task_of(text);
        for (step, changes) in before.barrier(0, false).unwrap().changes {
            changes.iter().for_each(|(k, v)| task.restore_state(&step, k, v.as_deref()).unwrap());
        }
        let mut results = |now| {
            task.tick(now, &mut |_| Ok(())).unwrap();
            task.barrier(now, false).unwrap().appends.len()
        };
        assert_eq!([results(100_000), results(129_999), results(130_000)], [0, 0, 1]);
    }
}
