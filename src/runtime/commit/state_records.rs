//! What a run records of the state of its steps with its first commit: what the bytes mean, and which state no step has
//! any more. The next run compares it with its own steps before it reads a byte.

use crate::metrics::{StateRecord, state_key};
use crate::record::RecordsBuilder;
use crate::runtime::fault::Fault;
use std::collections::BTreeMap;

/// The records that are not committed yet, by step.
#[derive(Debug, Default)]
pub(in crate::runtime) struct StateRecords(Vec<(String, StateRecord)>);

impl StateRecords {
    /// Those that differ from what was `recorded`.
    pub(in crate::runtime) fn new(
        own: BTreeMap<String, StateRecord>,
        recorded: &BTreeMap<String, StateRecord>,
        now: i64,
    ) -> Self {
        let is_left = |(step, record): &(&String, &StateRecord)| !own.contains_key(*step) && record.left_at.is_none();
        let left = recorded.iter().filter(is_left);
        let left = left.map(|(step, record)| (step.clone(), StateRecord { left_at: Some(now), ..record.clone() }));
        let mut changed: Vec<(String, StateRecord)> = left.collect();
        changed.extend(own.into_iter().filter(|(step, record)| recorded.get(step) != Some(record)));
        Self(changed)
    }

    /// Adds what is not committed yet.
    pub(super) fn push_to(&mut self, now: i64, records: &mut RecordsBuilder) -> Result<(), Fault> {
        for (step, record) in std::mem::take(&mut self.0) {
            let value = serde_json::to_vec(&record).map_err(Fault::internal)?;
            records.push(Some(state_key(&step).as_bytes()), Some(&value), now);
        }
        Ok(())
    }
}
