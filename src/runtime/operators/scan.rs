//! `scan: {by, init, next}` is a running fold: each row leaves with the state after it.
//!
//! A batch is folded in levels: the first row of every key, then the second of every key, and so on. So a batch of
//! many keys costs few evaluations. The state of a key is one row in `arrow-row` form.

use super::project::record_batch;
use crate::expr::Expr;
use crate::plan::{Port, ScanPlan};
use crate::record::{BadRow, Batch};
use crate::runtime::task::operator::{Operator, evaluate};
use crate::runtime::task::round::{Round, RoundClock};
use crate::runtime::{Collector, Fault};
use crate::state::StateChange;
use crate::state::{MemoryStore, StateEntries, StateSize, Store};
use arrow_array::{ArrayRef, RecordBatch, UInt32Array};
use arrow_cast::cast;
use arrow_row::{OwnedRow, RowConverter, SortField};
use arrow_schema::{Field, FieldRef, Schema};
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The operator of `scan`.
pub struct ScanOperator {
    plan: ScanPlan,
    keys: RowConverter,
    states: RowConverter,
    init: OwnedRow,
    store: MemoryStore,
}

fn converter<'a>(fields: impl IntoIterator<Item = &'a FieldRef>) -> Result<RowConverter, Fault> {
    let fields = fields.into_iter().map(|f| SortField::new(f.data_type().clone()));
    RowConverter::new(fields.collect()).map_err(Fault::internal)
}

impl ScanOperator {
    /// A fold without state.
    ///
    /// # Errors
    /// Where a key or state column's type has no row form.
    pub fn new(plan: ScanPlan) -> Result<Self, Fault> {
        let by = plan.by.iter().map(|e| SortField::new(e.data_type().clone())).collect();
        let keys = RowConverter::new(by).map_err(Fault::internal)?;
        let states = converter(&plan.state)?;
        let init: Result<Vec<ArrayRef>, _> = plan.init.iter().map(|v| v.to_array_of_size(1)).collect();
        let init = states.convert_columns(&init.map_err(Fault::internal)?).map_err(Fault::internal)?.row(0).owned();
        Ok(Self { plan, keys, states, init, store: MemoryStore::default() })
    }

    /// The columns of the key.
    #[must_use]
    pub fn by(&self) -> Vec<FieldRef> {
        let name = |e: &Expr| e.column().unwrap_or("_key").to_owned();
        self.plan.by.iter().map(|e| Arc::new(Field::new(name(e), e.data_type().clone(), true))).collect()
    }

    /// Encodes one row of key columns as a key of state.
    ///
    /// # Errors
    /// Where the columns are not those of the key.
    pub fn state_key(&self, by: &[ArrayRef]) -> Result<Vec<u8>, Fault> {
        Ok(self.keys.convert_columns(by).map_err(Fault::internal)?.row(0).data().to_vec())
    }

    /// Decodes rows of state: the columns of the key, then those of the state.
    ///
    /// # Errors
    /// Where a row was written by another step.
    pub fn results(&self, rows: &[(&[u8], &[u8])]) -> Result<RecordBatch, Fault> {
        let (keys, states) = (self.keys.parser(), self.states.parser());
        let states = rows.iter().map(|(_, state)| states.parse(state));
        let mut columns = self.states.convert_rows(states).map_err(Fault::internal)?;
        let mut fields = self.plan.state.clone();
        let by = self.by();
        let keys = rows.iter().map(|(key, _)| keys.parse(key));
        let keys = if by.is_empty() { Vec::new() } else { self.keys.convert_rows(keys).map_err(Fault::internal)? };
        for (i, (field, array)) in by.into_iter().zip(keys).enumerate() {
            // A state column hides a column of the key that has its name, as in the rows that leave.
            if !self.plan.state.iter().any(|s| s.name() == field.name()) {
                let at = i.min(fields.len());
                fields.insert(at, field);
                columns.insert(at, array);
            }
        }
        record_batch(&Arc::new(Schema::new(fields)), columns, rows.len())
    }

    fn fold_batch(&mut self, batch: Batch, out: &mut Collector<'_>) -> Result<(), Fault> {
        let by: Vec<&Expr> = self.plan.by.iter().collect();
        let (mut batch, keys) = evaluate(&by, batch, out);
        if batch.is_empty() {
            return Ok(());
        }
        if !keys.is_empty() {
            batch.meta.keys = crate::formats::keys(&keys);
        }
        let (group_of_row, group_keys) = self.groups(&keys, batch.len())?;
        let mut state: Vec<OwnedRow> = group_keys.iter().map(|k| self.load(k)).collect();
        let mut folded = vec![false; state.len()];
        let mut after: Vec<Option<OwnedRow>> = vec![None; batch.len()];
        let mut bad: Vec<BadRow> = Vec::new();
        for rows in levels(&group_of_row) {
            let before: Vec<&OwnedRow> = rows.iter().map(|r| &state[group_of_row[*r as usize] as usize]).collect();
            let state_columns = self.states.convert_rows(before.iter().map(|s| s.row())).map_err(Fault::internal)?;
            let part = batch.take(&UInt32Array::from(rows.clone()));
            let (next, failed) = self.next_states(&part, &state_columns)?;
            for (i, row) in rows.iter().enumerate() {
                match failed.get(&i) {
                    Some(error) => bad.push(BadRow { row: *row as usize, error: error.clone() }),
                    None => {
                        let (group, new_state) = (group_of_row[*row as usize] as usize, next.row(i).owned());
                        state[group] = new_state.clone();
                        folded[group] = true;
                        after[*row as usize] = Some(new_state);
                    }
                }
            }
        }
        // A key exists from its first row that could be folded on.
        for ((key, state), _) in group_keys.into_iter().zip(state).zip(folded).filter(|(_, folded)| *folded) {
            if self.store.get(&key) != Some(state.row().as_ref()) {
                self.store.put(key, Some(state.row().as_ref().to_vec()));
            }
        }
        bad.sort_by_key(|b| b.row);
        let good = out.without_bad(batch, &bad);
        let rows = after.iter().flatten().map(OwnedRow::row);
        let state_columns = self.states.convert_rows(rows).map_err(Fault::internal)?;
        let columns = overlay(&self.plan, good.columns.columns(), &state_columns);
        let columns = record_batch(&self.plan.seen, columns, good.len())?;
        out.emit(Port(0), good.with_columns(columns));
        Ok(())
    }

    /// The group of each row, and the key of each group.
    fn groups(&self, keys: &[ArrayRef], rows: usize) -> Result<(Vec<u32>, Vec<Vec<u8>>), Fault> {
        if keys.is_empty() {
            return Ok((vec![0; rows], vec![Vec::new()]));
        }
        let encoded = self.keys.convert_columns(keys).map_err(Fault::internal)?;
        let mut group_of_key: HashMap<&[u8], u32> = HashMap::new();
        let mut group_keys = Vec::new();
        let mut group_of_row = Vec::with_capacity(rows);
        for row in 0..rows {
            let key = encoded.row(row).data();
            let group = *group_of_key.entry(key).or_insert_with(|| {
                group_keys.push(key.to_vec());
                u32::try_from(group_keys.len() - 1).unwrap_or(u32::MAX)
            });
            group_of_row.push(group);
        }
        Ok((group_of_row, group_keys))
    }

    fn load(&self, key: &[u8]) -> OwnedRow {
        match self.store.get(key) {
            Some(bytes) => self.states.parser().parse(bytes).owned(),
            None => self.init.clone(),
        }
    }

    /// The states after rows of different keys, and the errors of rows on which an expression failed.
    fn next_states(
        &self,
        part: &Batch,
        state_columns: &[ArrayRef],
    ) -> Result<(arrow_row::Rows, BTreeMap<usize, String>), Fault> {
        let columns = overlay(&self.plan, part.columns.columns(), state_columns);
        let input = part.with_columns(record_batch(&self.plan.seen, columns, part.len())?);
        let mut failed = BTreeMap::new();
        let mut next = Vec::with_capacity(self.plan.next.len());
        for (expr, field) in self.plan.next.iter().zip(&self.plan.state) {
            let evaluated = expr.evaluate(&input);
            failed.extend(evaluated.bad.into_iter().map(|b| (b.row, b.error)));
            next.push(cast(&evaluated.array, field.data_type()).map_err(Fault::internal)?);
        }
        Ok((self.states.convert_columns(&next).map_err(Fault::internal)?, failed))
    }
}

/// Groups rows into levels. A level holds at most one row of each key, and the rows of a key keep their order.
fn levels(group_of_row: &[u32]) -> Vec<Vec<u32>> {
    let mut rows_of_group: HashMap<u32, usize> = HashMap::new();
    let mut levels: Vec<Vec<u32>> = Vec::new();
    for (row, group) in (0u32..).zip(group_of_row) {
        let level = rows_of_group.entry(*group).or_default();
        if *level == levels.len() {
            levels.push(Vec::new());
        }
        levels[*level].push(row);
        *level += 1;
    }
    levels
}

/// The columns of the rows, where those of the state replace columns of the same name or follow the others.
fn overlay(plan: &ScanPlan, columns: &[ArrayRef], state_columns: &[ArrayRef]) -> Vec<ArrayRef> {
    let fields = plan.seen.fields().iter().enumerate();
    let of_state = |name: &str| plan.state.iter().position(|s| s.name() == name);
    fields.map(|(i, f)| of_state(f.name()).map_or_else(|| columns[i].clone(), |s| state_columns[s].clone())).collect()
}

impl Operator for ScanOperator {
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault> {
        round.single().into_iter().try_for_each(|batch| self.fold_batch(batch, out))
    }

    fn barrier(
        &mut self,
        _clock: &RoundClock,
        _idle_if_changed: Option<bool>,
        _out: &mut Collector<'_>,
    ) -> Result<Vec<StateChange>, Fault> {
        Ok(self.store.changes())
    }

    fn restore(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), Fault> {
        self.store.restore(key, value);
        Ok(())
    }

    fn take_state(&mut self) -> Option<StateEntries> {
        Some(self.store.take_entries())
    }

    fn size(&self) -> StateSize {
        self.store.size()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::runtime::operators::build::fixture;

    #[test]
    fn state_is_written_for_keys_with_a_row_that_changed_it() {
        let text = "name: p
source: {topic: in, key: k, schema: {k: string, n: bigint}}
steps:
  - {name: greatest, scan: {by: [k], init: {m: 0}, next: {m: \"greatest(m, 12 / n)\"}}}
sink: out
";
        let mut task = fixture::task_of(text);
        let mut changed = |first, values: &[&str]| {
            fixture::run(&mut task, first, values, 0);
            let commit = task.barrier(0, false).unwrap();
            (commit.changes.iter().map(|(_, c)| c.len()).sum::<usize>(), commit.progress.steps[0].keys)
        };
        assert_eq!(changed(0, &[r#"{"k": "a", "n": 0}"#]), (0, 0), "its only row has failed");
        assert_eq!(changed(1, &[r#"{"k": "a", "n": 3}"#, r#"{"k": "b", "n": 0}"#]), (1, 1));
        assert_eq!(changed(3, &[r#"{"k": "a", "n": 4}"#]), (0, 1), "the state stays the same");
        assert_eq!(changed(4, &[r#"{"k": "a", "n": 2}"#, r#"{"k": "a", "n": 0}"#]), (1, 1));
    }
}
