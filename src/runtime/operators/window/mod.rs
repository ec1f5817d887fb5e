//! `window` groups rows by key and time and gives each group's result when its window closes.
//!
//! A row belongs to the window of its event time. It is late if its window's end plus `grace` is not after
//! the watermark that was in force when the row was read. Windows that close together leave in the order
//! of their end, then of their key. State is one row a window and key; see `open.rs`, and `view.rs` for how
//! others read it.

mod open;
mod view;

use super::project::columns_of;
use crate::expr::Expr;
use crate::plan::{Port, WindowPlan};
use crate::record::{BadRow, Batch, Meta, Origins, TopicPartition};
use crate::runtime::task::operator::{Operator, evaluate};
use crate::runtime::task::round::{Round, RoundClock};
use crate::runtime::{Collector, Fault};
use crate::state::StateChange;
use crate::state::{MemoryStore, StateEntries, StateSize, Store};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, TimestampMillisecondArray, UInt32Array};
use arrow_select::take::take;
use open::{Layout, Open, end_of, prefix};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The operator of `window`.
pub struct Window {
    plan: WindowPlan,
    /// Results come from the step itself, not from one record.
    origin: Arc<TopicPartition>,
    layout: Layout,
    /// Windows touched since the last barrier, by end.
    open: BTreeMap<i64, Open>,
    store: MemoryStore,
    /// When the newest row came, on the wall clock.
    newest_at: Option<i64>,
    /// Windows up to here were closed on the wall clock.
    floor: i64,
}

/// The state key under which `floor` is kept; windows' keys are longer.
const FLOOR: &[u8] = b"floor";

impl Window {
    /// No windows yet.
    ///
    /// # Errors
    /// Where a column's type has no row form.
    pub fn new(plan: WindowPlan, origin: TopicPartition) -> Result<Self, Fault> {
        let origin = Arc::new(origin);
        let layout = Layout::new(&plan)?;
        let store = MemoryStore::default();
        Ok(Self { plan, origin, layout, open: BTreeMap::new(), store, newest_at: None, floor: i64::MIN })
    }

    fn take_in(&mut self, batch: Batch, out: &mut Collector<'_>) -> Result<(), Fault> {
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
        let ends: Vec<i64> = batch.meta.event_times.iter().map(|t| self.plan.tumbling.end(*t)).collect();
        let distinct: BTreeSet<i64> = ends.iter().copied().collect();
        for end in &distinct {
            let open = self.open.entry(*end).or_insert_with(|| self.layout.open(*end));
            if distinct.len() == 1 {
                open.take_in(&self.layout, &self.store, &arrays, &filters, batch.len())?;
                continue;
            }
            let rows: UInt32Array = (0u32..).zip(&ends).filter(|(_, e)| *e == end).map(|(r, _)| r).collect();
            let part = |a: &ArrayRef| take(a, &rows, None).map_err(Fault::internal);
            let arrays = arrays.iter().map(part).collect::<Result<Vec<_>, _>>()?;
            let mask = |f: &Option<BooleanArray>| -> Option<BooleanArray> {
                f.as_ref().map(|f| {
                    rows.values().iter().map(|r| Some(f.is_valid(*r as usize) && f.value(*r as usize))).collect()
                })
            };
            let filters: Vec<_> = filters.iter().map(mask).collect();
            open.take_in(&self.layout, &self.store, &arrays, &filters, rows.len())?;
        }
        Ok(())
    }

    /// Sends rows whose window has closed to the `late` output.
    fn without_late(&self, batch: Batch, out: &mut Collector<'_>) -> Batch {
        let times = batch.meta.event_times.iter().zip(batch.meta.watermarks.iter());
        let late = times.map(|(t, w)| self.closes_at(self.plan.tumbling.end(*t)) <= (*w).max(self.floor));
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

    /// Closes every window whose time has come.
    fn close(&mut self, clock: &RoundClock, upto: i64, out: &mut Collector<'_>) -> Result<(), Fault> {
        let first_open = self.open.first_key_value().map(|(e, _)| *e);
        let first_stored = self.store.range(&prefix(i64::MIN), &prefix(i64::MAX)).find_map(|(k, _)| end_of(k));
        let Some(first) = [first_open, first_stored].into_iter().flatten().min() else { return Ok(()) };
        if self.closes_at(first) > upto {
            return Ok(());
        }
        let last = upto.saturating_sub(self.plan.grace);
        let stored =
            self.store.range(&prefix(i64::MIN), &prefix(last.saturating_add(1))).filter_map(|(k, _)| end_of(k));
        let ends: BTreeSet<i64> = stored.chain(self.open.range(..=last).map(|(e, _)| *e)).collect();
        for end in ends {
            let mut open = self.open.remove(&end).unwrap_or_else(|| self.layout.open(end));
            let (keys, values) = open.results(&self.layout, &mut self.store)?;
            let (batch, bad) = self.result(clock, end, keys, values)?;
            out.created(batch.len());
            let good = out.without_bad(batch, &bad);
            out.emit(Port(0), good);
        }
        Ok(())
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
        let (order, offset, watermark) = clock.moved_by(self.closes_at(end));
        let meta = Meta {
            origins: Origins::one(self.origin.clone()),
            order: vec![order; n].into(),
            offsets: vec![offset; n].into(),
            timestamps: vec![end - 1; n].into(),
            event_times: vec![end - 1; n].into(),
            watermarks: vec![watermark; n].into(),
            keys: keys(n),
            headers: None,
        };
        Ok((Batch { columns, meta }, bad))
    }

    /// The columns that leave for some groups of a window, and the rows of which one could not be computed.
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
        Ok((columns_of(&self.plan.schema, columns, n)?, bad))
    }
}

impl Operator for Window {
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault> {
        let clock = round.clock;
        for batch in round.single() {
            if !batch.is_empty() {
                self.newest_at = Some(clock.now);
                self.take_in(batch, out)?;
            }
        }
        if clock.drain {
            return self.close(clock, i64::MAX, out);
        }
        let quiet = |after: i64| self.newest_at.is_some_and(|at| clock.now.saturating_sub(at) >= after);
        if self.plan.close_after.is_some_and(quiet) {
            self.newest_at = None;
            let newest = self.open.last_key_value().map(|(e, _)| *e);
            let stored = self.store.range(&prefix(i64::MIN), &prefix(i64::MAX)).filter_map(|(k, _)| end_of(k)).last();
            if let Some(end) = newest.max(stored) {
                self.floor = self.floor.max(self.closes_at(end));
                self.store.put(FLOOR.to_vec(), Some(self.floor.to_be_bytes().to_vec()));
                return self.close(clock, self.floor, out);
            }
        }
        self.close(clock, clock.after, out)
    }

    fn barrier(
        &mut self,
        _clock: &RoundClock,
        _moved: Option<bool>,
        _out: &mut Collector<'_>,
    ) -> Result<Vec<StateChange>, Fault> {
        for (_, open) in std::mem::take(&mut self.open) {
            open.save(&self.layout, &mut self.store)?;
        }
        Ok(self.store.changes())
    }

    fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), Fault> {
        if key == FLOOR {
            let bytes = value.and_then(|v| v.try_into().ok());
            self.floor = bytes.map(i64::from_be_bytes).ok_or_else(|| Fault::internal("a floor of another form"))?;
        }
        self.store.restore(key, value);
        Ok(())
    }

    fn take_state(&mut self) -> Option<StateEntries> {
        Some(self.store.take_entries())
    }

    fn size(&self) -> StateSize {
        let fresh: usize = self.open.values().map(Open::fresh).sum();
        let stored = self.store.size();
        StateSize { keys: stored.keys + fresh as u64, ..stored }
    }
}
