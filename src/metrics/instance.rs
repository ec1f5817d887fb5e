//! The record in which one instance of a pipeline describes itself on the progress topic.
//!
//! Separate from the progress of tasks because tasks move between instances. It counts no records.

use super::Latency;
use serde::{Deserialize, Serialize};

/// The prefix of the keys of instance records.
pub(super) const INSTANCE_KEY_PREFIX: &str = "instance/";

/// An instance without a report for longer than this is silent. One without input reports every five seconds.
pub(super) const SILENT_AFTER_MILLIS: i64 = 10_000;

/// How long the record of an instance is kept after its last report.
pub(super) const INSTANCE_RETENTION_MILLIS: i64 = 3_600_000;

/// How the reason begins for which a run has ended that failed.
pub const FAILED: &str = "failed: ";

/// The key of the record of an instance.
#[must_use]
pub fn instance_key(name: &str) -> String {
    format!("{INSTANCE_KEY_PREFIX}{name}")
}

/// One instance of a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InstanceInfo {
    /// Process and host; unique in a group.
    pub name: String,
    /// Its start, epoch milliseconds.
    pub started_at: i64,
    /// Its end, epoch milliseconds; none if it was killed.
    pub stopped_at: Option<i64>,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// The time of this report, epoch milliseconds.
    #[serde(rename = "at")]
    pub reported_at: i64,
    /// Its tasks, `SUB/PARTITION`.
    pub tasks: Vec<String>,
    /// Resident memory of the process, bytes.
    pub memory: u64,
    /// State that it must restore before its tasks can start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restoring: Vec<RestoreProgress>,
    /// From reading a batch to its commit, of all its tasks. A task reports the same one commit later.
    #[serde(skip_serializing_if = "Latency::is_empty")]
    pub latency: Latency,
}

/// How much of one partition of a changelog has been restored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RestoreProgress {
    /// The step that owns the state.
    pub step: String,
    /// The partition.
    pub partition: u32,
    /// Offsets read so far.
    pub done: u64,
    /// Offsets to read.
    pub total: u64,
}

impl RestoreProgress {
    /// The share that is done in percent, rounded down: 100 means that nothing is left.
    #[must_use]
    pub fn percent(&self) -> u64 {
        if self.total == 0 {
            return 100;
        }
        let share = u128::from(self.done.min(self.total)) * 100 / u128::from(self.total);
        u64::try_from(share).unwrap_or(100)
    }
}

impl std::fmt::Display for RestoreProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{} {} %", self.step, self.partition, self.percent())
    }
}

impl InstanceInfo {
    /// Whether it has reported within the last ten seconds and not stopped.
    #[must_use]
    pub fn is_alive(&self, now: i64) -> bool {
        self.stopped_at.is_none() && now.saturating_sub(self.reported_at) <= SILENT_AFTER_MILLIS
    }

    /// Whether its last report is too old to be kept.
    #[must_use]
    pub(super) fn is_expired(&self, now: i64) -> bool {
        now.saturating_sub(self.stopped_at.unwrap_or(self.reported_at)) > INSTANCE_RETENTION_MILLIS
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_100_only_when_nothing_is_left() {
        let shown = |done, total| RestoreProgress { step: "w".into(), partition: 3, done, total }.to_string();
        assert_eq!([shown(45, 100), shown(999, 1_000), shown(7, 7)], ["w/3 45 %", "w/3 99 %", "w/3 100 %"]);
        assert_eq!([shown(0, 0), shown(9, 7), shown(u64::MAX / 2, u64::MAX)], ["w/3 100 %", "w/3 100 %", "w/3 49 %"]);
    }

    #[test]
    fn missing_fields_have_defaults() {
        let info: InstanceInfo = serde_json::from_str(r#"{"name":"a","restoring":[{"step":"w","done":3}]}"#).unwrap();
        assert_eq!(info.restoring, [RestoreProgress { step: "w".into(), done: 3, ..RestoreProgress::default() }]);
        let json = serde_json::to_string(&InstanceInfo { reported_at: 7, ..InstanceInfo::default() }).unwrap();
        assert!(json.contains("\"at\":7") && !json.contains("restoring"), "{json}");
    }
}
