//! Up to which offset a changelog is known, and since when.

use crate::record::{Offset, TopicPartition};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How old a copy may be, in memory or in a file. A changelog keeps deletions for a day only, which is a setting of
/// its topic: an older copy would miss some.
pub(in crate::runtime) const MAX_COPY_AGE_MS: i64 = 12 * 60 * 60 * 1000;

/// With fewer new changes than this, reading them takes less time than writing a file.
const MIN_CHANGES_WORTH_A_FILE: i64 = 1_000;

/// Up to where a changelog is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::runtime) struct ChangelogPosition {
    /// The identity of the topic: another one of the same name is another changelog.
    pub(in crate::runtime) id: Arc<str>,
    /// Everything before this offset.
    pub(in crate::runtime) next: Offset,
    /// When that was true. Every deletion from `next` on was in the changelog then, or was written later.
    pub(in crate::runtime) at: i64,
    /// The same two for the copy in the file.
    pub(in crate::runtime) filed: Option<(Offset, i64)>,
}

impl ChangelogPosition {
    /// A changelog that is known up to an offset, at a time.
    pub(in crate::runtime) fn new(id: &str, next: Offset, at: i64) -> Self {
        Self { id: id.into(), next, at, filed: None }
    }

    /// Whether every deletion since is still in the changelog.
    pub(in crate::runtime) fn is_fresh(&self, now: i64) -> bool {
        (self.at..=self.at.saturating_add(MAX_COPY_AGE_MS)).contains(&now)
    }

    /// Whether its file need not be written again: few changes came since.
    pub(in crate::runtime) fn is_filed(&self, rows: usize, now: i64) -> bool {
        let max_changes = i64::try_from(rows / 10).unwrap_or(0).max(MIN_CHANGES_WORTH_A_FILE);
        self.filed.is_some_and(|(next, at)| {
            self.next.0 - next.0 <= max_changes && now.saturating_sub(at) < MAX_COPY_AGE_MS / 2
        })
    }
}

/// How far each changelog is known.
pub(in crate::runtime) type ChangelogPositions = BTreeMap<TopicPartition, ChangelogPosition>;
