//! The records of a progress topic by what they speak of: the pipeline, its instances, its tasks.
//!
//! Separate because whoever reads the topic (statistics, a start after a stop) must understand its keys
//! alike. It never judges what the records say.

use super::instance::PREFIX;
use super::{InstanceInfo, PIPELINE_KEY, PipelineInfo, TaskProgress, instance_key};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// What a pipeline has reported, as far as it was read.
#[derive(Clone, Debug, Default)]
pub struct Reports {
    /// The pipeline itself, and when it said so.
    pub info: Option<(PipelineInfo, i64)>,
    /// Each instance, by its name.
    pub instances: BTreeMap<String, InstanceInfo>,
    /// Each task, by its key.
    pub tasks: BTreeMap<String, TaskProgress>,
}

impl Reports {
    /// Takes in one record of the topic, written `at`; one without a value takes back what was said.
    ///
    /// # Errors
    /// A value that no pipeline wrote.
    pub fn take(&mut self, key: &[u8], value: Option<&[u8]>, at: i64) -> serde_json::Result<()> {
        let key = String::from_utf8_lossy(key);
        if key == PIPELINE_KEY {
            self.info = value.map(serde_json::from_slice).transpose()?.map(|info| (info, at));
            return Ok(());
        }
        match key.strip_prefix(PREFIX) {
            Some(name) => put(&mut self.instances, name, value),
            None => put(&mut self.tasks, &key, value),
        }
    }

    /// The keys of instances that ended, or were heard last, more than an hour ago: who starts next takes
    /// them back.
    #[must_use]
    pub fn outdated(&self, now: i64) -> Vec<String> {
        self.instances.iter().filter(|(_, i)| i.outdated(now)).map(|(name, _)| instance_key(name)).collect()
    }
}

fn put<T: DeserializeOwned>(all: &mut BTreeMap<String, T>, key: &str, value: Option<&[u8]>) -> serde_json::Result<()> {
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
    fn each_key_has_its_place_and_is_taken_back_there() {
        let mut reports = Reports::default();
        for key in ["pipeline", "instance/process 7 on a/b", "1/0"] {
            reports.take(key.as_bytes(), Some(b"{}"), 5).unwrap();
        }
        let names = |r: &Reports| (r.info.is_some(), r.instances.len(), r.tasks.len());
        assert_eq!(names(&reports), (true, 1, 1));
        assert!(reports.instances.contains_key("process 7 on a/b"));
        assert!(reports.take(b"instance/x", Some(b"no"), 5).is_err());
        reports.take(b"instance/process 7 on a/b", None, 6).unwrap();
        assert_eq!(names(&reports), (true, 0, 1));
    }

    #[test]
    fn instances_are_outdated_an_hour_after_their_end() {
        let mut reports = Reports::default();
        let mut add = |name: &str, at, stopped_at| {
            let info = InstanceInfo { name: name.into(), at, stopped_at, ..InstanceInfo::default() };
            reports.instances.insert(name.into(), info);
        };
        add("killed", 0, None);
        add("stopped", 0, Some(0));
        add("later", 1, None);
        add("stopped later", 1, Some(1));
        assert_eq!(reports.outdated(3_600_001), ["instance/killed", "instance/stopped"]);
        assert!(reports.outdated(3_600_000).is_empty());
    }
}
