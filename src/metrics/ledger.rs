//! The ledger: accounts for every record that a pipeline has read.
//!
//! Invariant: the remainder is 0 after every commit, however a run ended.
//!
//! ```text
//! read + created + copied = written + filtered + late + dead + absorbed + in transit
//! ```

use super::{Counters, RepartitionStats, TaskProgress};
use serde::Serialize;
use std::collections::BTreeMap;

/// All records of a pipeline by what became of them. Totals since its first run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// Records read from the sources.
    pub read: u64,
    /// Rows that steps created: results of windows, elements of lists.
    pub created: u64,
    /// Further copies of a sent row, where several steps read one output.
    pub copied: u64,
    /// Records written by sinks.
    pub written: u64,
    /// Rows that a condition rejected, or that no step reads; records with a null value, where the source skips them.
    pub filtered: u64,
    /// Rows that arrived after their window had closed and that no step reads.
    pub late: u64,
    /// Records that failed and became dead letters.
    pub dead: u64,
    /// Rows that went into state.
    pub absorbed: u64,
    /// Rows sent to the tasks that own their key and not yet received there.
    pub in_transit: u64,
    /// The difference between the two sides; anything but 0 is a fault of the program.
    pub remainder: i64,
    /// Offsets of sources that retention removed before they were read. Offsets, not records, so they are on neither
    /// side.
    pub lost_offsets: u64,
}

impl Ledger {
    /// Adds up the tasks of a pipeline.
    pub fn of<'a>(tasks: impl IntoIterator<Item = &'a TaskProgress>, repartitions: &[RepartitionStats]) -> Self {
        let (mut c, mut read, mut written, mut unbalanced) = (Counters::default(), 0, 0, 0i128);
        let mut lost_offsets = 0;
        // Of repartitions of earlier plans: what was sent and never received.
        let mut left: BTreeMap<&str, i128> = BTreeMap::new();
        let is_left = |name: &str| repartitions.iter().all(|r| r.name != name);
        for task in tasks {
            for input in &task.inputs {
                if !input.repartition {
                    read += input.read;
                } else if is_left(&input.name) {
                    *left.entry(&input.name).or_default() -= i128::from(input.read);
                }
                c.dead += input.dead;
                c.filtered += input.filtered;
                c.copied += input.copied;
                lost_offsets += input.lost;
            }
            for step in &task.steps {
                c += step.counters;
                unbalanced += step.counters.remainder().abs();
                if !step.repartition {
                    written += step.counters.written;
                } else if is_left(&step.name) {
                    *left.entry(&step.name).or_default() += i128::from(step.counters.written);
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
            in_transit: repartitions.iter().map(|r| r.in_transit).sum::<u64>()
                + left.into_values().map(|n| u64::try_from(n).unwrap_or(0)).sum::<u64>(),
            remainder: 0,
            lost_offsets,
        };
        let sum = |terms: &[(&str, u64)]| terms.iter().map(|(_, n)| i128::from(*n)).sum::<i128>();
        let total = sum(&ledger.inflows()) - sum(&ledger.outflows());
        // Faults of two steps may cancel each other out in the total.
        unbalanced += repartitions.iter().map(|r| i128::from(r.lost).abs()).sum::<i128>();
        let remainder = if total == 0 { unbalanced } else { total };
        ledger.remainder = i64::try_from(remainder).unwrap_or(if remainder < 0 { i64::MIN } else { i64::MAX });
        ledger
    }

    /// How rows came into being, with a name for each term.
    #[must_use]
    pub fn inflows(&self) -> [(&'static str, u64); 3] {
        [("read", self.read), ("created", self.created), ("copied", self.copied)]
    }

    /// Where rows went, with a name for each term.
    #[must_use]
    pub fn outflows(&self) -> [(&'static str, u64); 6] {
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
