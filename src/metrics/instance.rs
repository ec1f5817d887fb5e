//! What one instance of a pipeline tells of itself: a record of its own among those of the tasks.
//!
//! Separate because instances share everything else that they report: tasks move between them, and what
//! the pipeline is they all say alike. It counts no records; what was done is in the progress of tasks.

use serde::{Deserialize, Serialize};

/// What the keys of instances begin with.
pub(super) const PREFIX: &str = "instance/";

/// An instance that was heard last longer ago is silent, milliseconds. One without input reports every five
/// seconds.
pub(super) const SILENT: i64 = 10_000;

/// What is said of an instance that has ended is kept for so long, milliseconds.
pub(super) const KEPT: i64 = 3_600_000;

/// The key of the record of an instance.
#[must_use]
pub fn instance_key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// One instance of a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InstanceInfo {
    /// Process and host: no two instances of a group have the same.
    pub name: String,
    /// When it began, epoch milliseconds.
    pub started_at: i64,
    /// When it ended, where that was in good order.
    pub stopped_at: Option<i64>,
    /// When it said so, epoch milliseconds.
    pub at: i64,
    /// Its tasks, `SUB/PARTITION`.
    pub tasks: Vec<String>,
    /// Resident memory of the process, bytes.
    pub memory: u64,
    /// State that it reads before its tasks can go on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restoring: Vec<Restoring>,
}

/// How much of one partition of a changelog has been read back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Restoring {
    /// The step whose state it is.
    pub step: String,
    /// The partition.
    pub partition: u32,
    /// Offsets read.
    pub done: u64,
    /// Offsets to read.
    pub total: u64,
}

impl Restoring {
    /// The share that is done, in percent, rounded down: 100 is all of it.
    #[must_use]
    pub fn percent(&self) -> u64 {
        if self.total == 0 {
            return 100;
        }
        let share = u128::from(self.done.min(self.total)) * 100 / u128::from(self.total);
        u64::try_from(share).unwrap_or(100)
    }
}

impl std::fmt::Display for Restoring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{} {} %", self.step, self.partition, self.percent())
    }
}

impl InstanceInfo {
    /// When it was heard last, where that is so long ago that nobody asks for it.
    #[must_use]
    pub(super) fn outdated(&self, now: i64) -> bool {
        now.saturating_sub(self.stopped_at.unwrap_or(self.at)) > KEPT
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_to_restore_is_never_rounded_to_nothing() {
        let shown = |done, total| Restoring { step: "w".into(), partition: 3, done, total }.to_string();
        assert_eq!([shown(45, 100), shown(999, 1_000), shown(7, 7)], ["w/3 45 %", "w/3 99 %", "w/3 100 %"]);
        assert_eq!([shown(0, 0), shown(9, 7), shown(u64::MAX / 2, u64::MAX)], ["w/3 100 %", "w/3 100 %", "w/3 49 %"]);
    }

    #[test]
    fn a_record_without_the_newer_fields_is_read_too() {
        let info: InstanceInfo = serde_json::from_str(r#"{"name":"a","restoring":[{"step":"w","done":3}]}"#).unwrap();
        assert_eq!(info.restoring, [Restoring { step: "w".into(), done: 3, ..Restoring::default() }]);
        assert!(!serde_json::to_string(&InstanceInfo::default()).unwrap().contains("restoring"));
    }
}
