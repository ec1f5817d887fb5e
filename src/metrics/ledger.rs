//! The ledger: every record that was read, and what became of it.
//!
//! Separate because it is a promise: the remainder is 0, always, in whatever state a run was left.
//!
//! ```text
//! read + created + copied = written + filtered + late + dead + absorbed + in transit
//! ```

use super::{Counters, RepartitionStats, TaskProgress};
use serde::Serialize;

/// Where all records are. Totals since the pipeline's first run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// Records read from the sources.
    pub read: u64,
    /// Rows that steps made themselves: results of windows, elements of lists.
    pub created: u64,
    /// Further hand-overs of the same row, where several steps read one output.
    pub copied: u64,
    /// Records written by sinks.
    pub written: u64,
    /// Rows that a condition turned away, or that no step reads.
    pub filtered: u64,
    /// Rows that came after their window had closed and that no step reads.
    pub late: u64,
    /// Records that could not be handled.
    pub dead: u64,
    /// Rows taken into state.
    pub absorbed: u64,
    /// Rows sent to the tasks that own their key and not yet taken in there.
    pub in_transit: u64,
    /// What does not add up; anything but 0 is a fault of the program.
    pub remainder: i64,
}

impl Ledger {
    /// Adds up the tasks of a pipeline.
    pub fn of<'a>(tasks: impl IntoIterator<Item = &'a TaskProgress>, repartitions: &[RepartitionStats]) -> Self {
        let repartition = |name: &str| repartitions.iter().any(|r| r.name == name);
        let (mut c, mut read, mut written, mut unbalanced) = (Counters::default(), 0, 0, 0i128);
        for task in tasks {
            for input in &task.inputs {
                if !repartition(&input.name) {
                    read += input.read;
                }
                c.dead += input.dead;
                c.copied += input.copied;
            }
            for step in &task.steps {
                c += step.counters;
                unbalanced += step.counters.remainder().abs();
                if !repartition(&step.name) {
                    written += step.counters.written;
                }
            }
        }
        let mut ledger = Self {
            read,
            created: c.created,
            copied: c.copied,
            written,
            filtered: c.filtered,
            late: c.late,
            dead: c.dead,
            absorbed: c.absorbed,
            in_transit: repartitions.iter().map(|r| r.in_transit).sum(),
            remainder: 0,
        };
        let sum = |terms: &[(&str, u64)]| terms.iter().map(|(_, n)| i128::from(*n)).sum::<i128>();
        let total = sum(&ledger.came()) - sum(&ledger.went());
        // Faults that cancel each other out are faults all the same.
        unbalanced += repartitions.iter().map(|r| i128::from(r.lost).abs()).sum::<i128>();
        let remainder = if total == 0 { unbalanced } else { total };
        ledger.remainder = i64::try_from(remainder).unwrap_or(if remainder < 0 { i64::MIN } else { i64::MAX });
        ledger
    }

    /// How records came into being, by the words of a person.
    #[must_use]
    pub fn came(&self) -> [(&'static str, u64); 3] {
        [("read", self.read), ("created", self.created), ("copied", self.copied)]
    }

    /// Where they went.
    #[must_use]
    pub fn went(&self) -> [(&'static str, u64); 6] {
        [
            ("written", self.written),
            ("filtered", self.filtered),
            ("late", self.late),
            ("dead", self.dead),
            ("into state", self.absorbed),
            ("in transit", self.in_transit),
        ]
    }
}
