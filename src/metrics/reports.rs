//! The latest records of a progress topic, sorted into pipeline, instances, tasks and states.
//!
//! Every reader of the topic (statistics, the start of a run) uses it, so that all read the keys alike.

use super::instance::INSTANCE_KEY_PREFIX;
use super::state_record::{STATE_KEY_PREFIX, STATE_VERSION};
use super::{InstanceInfo, PIPELINE_KEY, PipelineInfo, StateRecord, StepProgress, TaskProgress, instance_key};
use crate::record::{Fetched, KeyedRecord, Offset};
use serde::de::{DeserializeOwned, Error as _};
use std::collections::BTreeMap;

/// The reports of a pipeline that have been read.
#[derive(Clone, Debug, Default)]
pub struct Reports {
    /// The pipeline, and the time of its record.
    pub info: Option<(PipelineInfo, i64)>,
    /// Instances by name.
    pub instances: BTreeMap<String, InstanceInfo>,
    /// Tasks by key.
    pub tasks: BTreeMap<String, TaskProgress>,
    /// What each state means, by the name under which it is kept: the first name of its step.
    pub states: BTreeMap<String, StateRecord>,
}

impl Reports {
    /// Applies records of the topic: of each key the last one, as those before it are replaced.
    ///
    /// # Errors
    /// The offset of a record that no pipeline writes, and what is wrong with it.
    pub fn apply_all(&mut self, fetched: &Fetched) -> Result<(), (Offset, serde_json::Error)> {
        let mut last: BTreeMap<&[u8], KeyedRecord<'_>> = BTreeMap::new();
        last.extend(fetched.keyed().map(|record| (record.key, record)));
        let mut records = last.into_values();
        records.try_for_each(|r| self.apply(r.key, r.value, r.timestamp).map_err(|e| (r.offset, e)))
    }

    /// Applies one record of the topic, written `at`; a record without a value deletes.
    ///
    /// # Errors
    /// If the value is not one that a pipeline writes.
    pub fn apply(&mut self, key: &[u8], value: Option<&[u8]>, at: i64) -> serde_json::Result<()> {
        let key = String::from_utf8_lossy(key);
        if key == PIPELINE_KEY {
            self.info = value.map(serde_json::from_slice).transpose()?.map(|info| (info, at));
            return Ok(());
        }
        if let Some(step) = key.strip_prefix(STATE_KEY_PREFIX) {
            upsert(&mut self.states, step, value)?;
            return match self.states.get(step) {
                Some(state) if state.version > STATE_VERSION => Err(serde_json::Error::custom(format!(
                    "the state of `{step}` was committed by a later version of fastdata; use that one"
                ))),
                _ => Ok(()),
            };
        }
        match key.strip_prefix(INSTANCE_KEY_PREFIX) {
            Some(name) => upsert(&mut self.instances, name, value),
            None => upsert(&mut self.tasks, &key, value),
        }
    }

    /// What tasks hold of the state that is kept under a name, by partition. Where a task has left it to another one, what
    /// the other one holds.
    #[must_use]
    pub fn held(&self, state: &str) -> BTreeMap<u32, (&TaskProgress, &StepProgress)> {
        let mut held: BTreeMap<u32, (&TaskProgress, &StepProgress)> = BTreeMap::new();
        for task in self.tasks.values() {
            for step in task.steps.iter().filter(|step| step.state_name() == state) {
                let rank = |(task, step): (&TaskProgress, &StepProgress)| (!step.left, task.committed_at);
                if held.get(&task.partition).is_none_or(|known| rank(*known) < rank((task, step))) {
                    held.insert(task.partition, (task, step));
                }
            }
        }
        held
    }

    /// The number of keys of the state that is kept under a name.
    #[must_use]
    pub fn keys_of(&self, state: &str) -> u64 {
        self.held(state).values().filter(|(_, step)| !step.left).map(|(_, step)| step.keys).sum()
    }

    /// The keys of instances whose last report is more than an hour old; the next instance to start deletes
    /// their records.
    #[must_use]
    pub fn expired_instance_keys(&self, now: i64) -> Vec<String> {
        self.instances.iter().filter(|(_, i)| i.is_expired(now)).map(|(name, _)| instance_key(name)).collect()
    }
}

fn upsert<T: DeserializeOwned>(
    all: &mut BTreeMap<String, T>,
    key: &str,
    value: Option<&[u8]>,
) -> serde_json::Result<()> {
    match value {
        Some(value) => drop(all.insert(key.to_owned(), serde_json::from_slice(value)?)),
        None => drop(all.remove(key)),
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn records_are_sorted_by_key_and_deleted_by_a_null_value() {
        let mut reports = Reports::default();
        let state = br#"{"version":1,"identity":{"operator":"scan","by":[],"values":[]},"before":{}}"#;
        reports.apply(b"state/counted", Some(state), 5).unwrap();
        let later = br#"{"version":9,"identity":{"operator":"scan","by":[],"values":[]},"before":{}}"#;
        let refused = reports.clone().apply(b"state/counted", Some(later), 5).unwrap_err().to_string();
        assert!(refused.contains("later version"), "{refused}");
        assert_eq!(reports.states["counted"].identity.operator, "scan");
        for key in ["pipeline", "instance/process 7 on a/b", "1/0"] {
            reports.apply(key.as_bytes(), Some(b"{}"), 5).unwrap();
        }
        let names = |r: &Reports| (r.info.is_some(), r.instances.len(), r.tasks.len());
        assert_eq!(names(&reports), (true, 1, 1));
        assert!(reports.instances.contains_key("process 7 on a/b"));
        assert!(reports.apply(b"instance/x", Some(b"no"), 5).is_err());
        reports.apply(b"instance/process 7 on a/b", None, 6).unwrap();
        assert_eq!(names(&reports), (true, 0, 1));
    }

    #[test]
    fn instances_expire_an_hour_after_their_last_report() {
        let mut reports = Reports::default();
        let mut add = |name: &str, reported_at, stopped_at| {
            let info = InstanceInfo { name: name.into(), reported_at, stopped_at, ..InstanceInfo::default() };
            reports.instances.insert(name.into(), info);
        };
        add("killed", 0, None);
        add("stopped", 0, Some(0));
        add("later", 1, None);
        add("stopped later", 1, Some(1));
        assert_eq!(reports.expired_instance_keys(3_600_001), ["instance/killed", "instance/stopped"]);
        assert!(reports.expired_instance_keys(3_600_000).is_empty());
    }
}
