//! The groups of one window that received rows since the last barrier, and their encoding in state.
//!
//! An accumulator of many groups cannot export the state of some of them only, so each commit interval starts with
//! new accumulators. When a group receives its first row, its stored state is merged in before that row; at the
//! barrier the state of all groups is stored. So a floating-point sum is one fold in log order, and its bits do not
//! depend on where batches or commits were cut.

use crate::expr::AggregateCall;
use crate::plan::WindowPlan;
use crate::runtime::Fault;
use crate::state::{MemoryStore, Store};
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_row::{RowConverter, SortField};
use datafusion_expr::{EmitTo, GroupsAccumulator};
use hashbrown::HashMap;

/// The encoding of keys and states.
pub(super) struct StateLayout {
    calls: Vec<AggregateCall>,
    by: usize,
    keys: RowConverter,
    states: RowConverter,
    /// The number of values in a row of state.
    state_values: usize,
}

/// The first part of a state key: the end of the window, in bytes that sort like it.
pub(super) fn window_prefix(end: i64) -> [u8; 8] {
    (end.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// The end of the window in a state key.
pub(super) fn window_end(key: &[u8]) -> Option<i64> {
    let bytes: [u8; 8] = key.get(..8)?.try_into().ok()?;
    Some((u64::from_be_bytes(bytes) ^ (1 << 63)).cast_signed())
}

impl StateLayout {
    pub(super) fn new(plan: &WindowPlan) -> Result<Self, Fault> {
        let calls = plan.aggregates.calls().to_vec();
        let by = plan.by_fields.iter().map(|f| SortField::new(f.data_type().clone())).collect();
        let states = calls.iter().flat_map(AggregateCall::state_fields);
        let states: Vec<SortField> = states.map(|f| SortField::new(f.data_type().clone())).collect();
        Ok(Self {
            state_values: states.len(),
            by: plan.by_fields.len(),
            keys: RowConverter::new(by).map_err(Fault::internal)?,
            states: RowConverter::new(states).map_err(Fault::internal)?,
            calls,
        })
    }

    /// Encodes a group as the part of a state key that follows the end of the window.
    pub(super) fn group_key(&self, by: &[ArrayRef]) -> Result<Vec<u8>, Fault> {
        Ok(self.keys.convert_columns(by).map_err(Fault::internal)?.row(0).data().to_vec())
    }

    pub(super) fn calls(&self) -> impl Iterator<Item = &AggregateCall> {
        self.calls.iter()
    }

    pub(super) fn open(&self, end: i64) -> OpenWindow {
        let accumulators = self.calls.iter().map(AggregateCall::accumulator).collect();
        OpenWindow { end, groups: HashMap::new(), keys: Vec::new(), accumulators, loaded: 0, key_bytes: 0 }
    }
}

/// The accumulators of one window.
pub(super) struct OpenWindow {
    end: i64,
    groups: HashMap<Vec<u8>, usize>,
    /// State keys by group.
    keys: Vec<Vec<u8>>,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// The number of groups whose stored state was merged in.
    loaded: usize,
    /// Bytes of `keys`.
    key_bytes: usize,
}

/// The size of open windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OpenSize {
    /// Groups without stored state.
    pub(super) new_groups: usize,
    /// Approximate bytes of state that saving the windows writes.
    pub(super) changed_bytes: usize,
}

impl OpenSize {
    /// One of the windows has grown.
    pub(super) fn grow(&mut self, before: Self, after: Self) {
        self.new_groups += after.new_groups - before.new_groups;
        self.changed_bytes += after.changed_bytes - before.changed_bytes;
    }

    /// One of the windows is no longer open.
    pub(super) fn shrink(&mut self, by: Self) {
        self.new_groups -= by.new_groups;
        self.changed_bytes -= by.changed_bytes;
    }
}

/// Approximate bytes of one value in a row of state.
const STATE_VALUE_BYTES: usize = 10;

impl OpenWindow {
    /// Adds rows: `arrays` are the group columns, then the arguments of each call.
    pub(super) fn add_rows(
        &mut self,
        layout: &StateLayout,
        store: &MemoryStore,
        arrays: &[ArrayRef],
        filters: &[Option<BooleanArray>],
        rows: usize,
    ) -> Result<(), Fault> {
        let (by, mut arguments) = arrays.split_at(layout.by);
        let mut loaded: Vec<(usize, Vec<u8>)> = Vec::new();
        let mut group_of_row = Vec::with_capacity(rows);
        if by.is_empty() {
            let group = self.group(&[], store, &mut loaded);
            group_of_row.resize(rows, group);
        } else {
            let encoded = layout.keys.convert_columns(by).map_err(Fault::internal)?;
            // Groups with stored state are numbered and merged first: to an accumulator, every group below the
            // total of a merge has a value.
            let mut pending = Vec::new();
            for row in 0..rows {
                let key = encoded.row(row).data();
                if self.groups.contains_key(key) || self.is_stored(key, store) {
                    group_of_row.push(self.group(key, store, &mut loaded));
                } else {
                    pending.push(row);
                    group_of_row.push(0);
                }
            }
            self.merge(layout, &loaded)?;
            loaded.clear();
            for row in pending {
                group_of_row[row] = self.group(encoded.row(row).data(), store, &mut loaded);
            }
        }
        self.merge(layout, &loaded)?;
        let total = self.keys.len();
        for ((call, accumulator), filter) in layout.calls.iter().zip(&mut self.accumulators).zip(filters) {
            let (own, rest) = arguments.split_at(call.args().len());
            accumulator.update_batch(own, &group_of_row, filter.as_ref(), total).map_err(Fault::internal)?;
            arguments = rest;
        }
        Ok(())
    }

    fn is_stored(&self, key: &[u8], store: &MemoryStore) -> bool {
        store.get(&[&window_prefix(self.end), key].concat()).is_some()
    }

    /// The number of a group. The stored state of a group that gets its number here is added to `loaded`.
    fn group(&mut self, key: &[u8], store: &MemoryStore, loaded: &mut Vec<(usize, Vec<u8>)>) -> usize {
        if let Some(group) = self.groups.get(key) {
            return *group;
        }
        let group = self.keys.len();
        let state_key = [&window_prefix(self.end), key].concat();
        if let Some(state) = store.get(&state_key) {
            loaded.push((group, state.to_vec()));
        }
        self.groups.insert(key.to_vec(), group);
        self.key_bytes += state_key.len();
        self.keys.push(state_key);
        group
    }

    fn merge(&mut self, layout: &StateLayout, stored: &[(usize, Vec<u8>)]) -> Result<(), Fault> {
        if stored.is_empty() {
            return Ok(());
        }
        self.loaded += stored.len();
        let parser = layout.states.parser();
        let rows = stored.iter().map(|(_, bytes)| parser.parse(bytes));
        let columns = layout.states.convert_rows(rows).map_err(Fault::internal)?;
        let groups: Vec<usize> = stored.iter().map(|(g, _)| *g).collect();
        let (total, mut columns) = (self.keys.len(), columns.as_slice());
        for (call, accumulator) in layout.calls.iter().zip(&mut self.accumulators) {
            let (own, rest) = columns.split_at(call.state_fields().len());
            accumulator.merge_batch(own, &groups, total).map_err(Fault::internal)?;
            columns = rest;
        }
        Ok(())
    }

    /// The number of groups without stored state.
    pub(super) fn new_groups(&self) -> usize {
        self.keys.len() - self.loaded
    }

    pub(super) fn size(&self, layout: &StateLayout) -> OpenSize {
        let changed_bytes = self.key_bytes + self.keys.len() * layout.state_values * STATE_VALUE_BYTES;
        OpenSize { new_groups: self.new_groups(), changed_bytes }
    }

    /// Stores the state of all groups.
    pub(super) fn save(mut self, layout: &StateLayout, store: &mut MemoryStore) -> Result<(), Fault> {
        let mut columns = Vec::new();
        for accumulator in &mut self.accumulators {
            columns.extend(accumulator.state(EmitTo::All).map_err(Fault::internal)?);
        }
        if columns.is_empty() {
            self.keys.into_iter().for_each(|k| store.put(k, Some(Vec::new())));
            return Ok(());
        }
        let rows = layout.states.convert_columns(&columns).map_err(Fault::internal)?;
        for (key, row) in self.keys.into_iter().zip(rows.iter()) {
            store.put(key, Some(row.data().to_vec()));
        }
        Ok(())
    }

    /// Evaluates rows of state, each a key and a value: the group columns and the values of the calls, in their order.
    pub(super) fn values(
        mut self,
        layout: &StateLayout,
        rows: &[(&[u8], &[u8])],
    ) -> Result<(Vec<ArrayRef>, Vec<ArrayRef>), Fault> {
        self.keys = rows.iter().map(|(key, _)| key.to_vec()).collect();
        let stored: Vec<(usize, Vec<u8>)> = rows.iter().map(|(_, state)| state.to_vec()).enumerate().collect();
        self.merge(layout, &stored)?;
        let evaluated = self.accumulators.iter_mut().map(|a| a.evaluate(EmitTo::All).map_err(Fault::internal));
        let values = evaluated.collect::<Result<_, _>>()?;
        let parser = layout.keys.parser();
        let keys = rows.iter().map(|(key, _)| parser.parse(&key[8..]));
        let by = if layout.by == 0 { Vec::new() } else { layout.keys.convert_rows(keys).map_err(Fault::internal)? };
        Ok((by, values))
    }

    /// Closes the window: deletes its state, and returns the group columns and the values of the calls in order of
    /// key. Of more than `max_groups` groups only the first ones; the state of the others stays.
    pub(super) fn results(
        mut self,
        layout: &StateLayout,
        store: &mut MemoryStore,
        max_groups: usize,
    ) -> Result<(Vec<ArrayRef>, Vec<ArrayRef>), Fault> {
        let (from, to) = (window_prefix(self.end), window_prefix(self.end.saturating_add(1)));
        let stored = store.range(&from, &to).take(max_groups + 1).count();
        if stored + self.new_groups() > max_groups {
            let first = layout.open(self.end);
            self.save(layout, store)?;
            let rows: Vec<(&[u8], &[u8])> = store.range(&from, &to).take(max_groups).collect();
            let results = first.values(layout, &rows)?;
            let keys: Vec<Vec<u8>> = rows.into_iter().map(|(key, _)| key.to_vec()).collect();
            keys.into_iter().for_each(|key| store.put(key, None));
            return Ok(results);
        }
        self.all_results(layout, store)
    }

    fn all_results(
        &mut self,
        layout: &StateLayout,
        store: &mut MemoryStore,
    ) -> Result<(Vec<ArrayRef>, Vec<ArrayRef>), Fault> {
        let stored_keys: Vec<Vec<u8>> = store
            .range(&window_prefix(self.end), &window_prefix(self.end.saturating_add(1)))
            .map(|(k, _)| k.to_vec())
            .collect();
        let mut stored = Vec::new();
        for key in &stored_keys {
            self.group(&key[8..], store, &mut stored);
        }
        self.merge(layout, &stored)?;
        stored_keys.into_iter().for_each(|k| store.put(k, None));
        let mut order: Vec<u32> = (0u32..).take(self.keys.len()).collect();
        order.sort_unstable_by(|a, b| self.keys[*a as usize].cmp(&self.keys[*b as usize]));
        let order = arrow_array::UInt32Array::from(order);
        let mut values = Vec::new();
        for accumulator in &mut self.accumulators {
            let all = accumulator.evaluate(EmitTo::All).map_err(Fault::internal)?;
            values.push(arrow_select::take::take(&all, &order, None).map_err(Fault::internal)?);
        }
        let parser = layout.keys.parser();
        let keys = order.values().iter().map(|g| parser.parse(&self.keys[*g as usize][8..]));
        let by = if layout.by == 0 { Vec::new() } else { layout.keys.convert_rows(keys).map_err(Fault::internal)? };
        debug_assert!(values.iter().all(|v| v.len() == order.len()));
        Ok((by, values))
    }
}
