//! The list of mistakes, each of which breaks a promise of the program.

use crate::log::LogError;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use std::sync::atomic::{AtomicU64, Ordering};

/// A mistake that a test switches on by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Mistake {
    /// The first input record of some batches is skipped.
    SkipRecord,
    /// Some batches of input records are reversed.
    Reorder,
    /// The first input record of some batches is read twice.
    ReadTwice,
    /// Readers and members see records of transactions that are open or aborted.
    ReadUncommitted,
    /// The committed offsets of an assignment are ignored.
    IgnoreCommitted,
    /// Reading starts one record after the position.
    SeekTooFar,
    /// The first row of some batches of a repartition topic is skipped.
    SkipRepartitioned,
    /// Every third record of a changelog is not restored.
    RestoreShort,
    /// No record of a changelog is restored.
    RestoreNothing,
    /// An older value of a key wins over a newer one.
    RestoreStale,
    /// Deletions in a changelog are not restored.
    RestoreDeleted,
    /// Older counters win over newer ones.
    RestoreOldProgress,
    /// Offsets are committed in a transaction of their own, before the rest.
    OffsetsFirst,
    /// Offsets are committed in a transaction of their own, after the rest.
    OffsetsAfter,
    /// Changelogs are written in a transaction of their own, after the rest.
    StateApart,
    /// Results are written in a transaction of their own, before the rest.
    ResultsFirst,
    /// Results are written in a transaction of their own, after the rest.
    ResultsAfter,
    /// Some commits report a failure although they succeeded, so that they are tried again.
    RetryCommitted,
    /// Some transactions are not committed but reported as committed.
    IgnoreAbort,
    /// Appends are written outside the group, so that no instance is ever fenced.
    Unfenced,
    /// Offsets are committed one too high.
    OffsetTooFar,
    /// Offsets are committed one too low.
    OffsetTooShort,
    /// Some appends of results hold each record twice.
    SendTwice,
    /// The last record of some appends of results is not written.
    DropLast,
    /// The second half of some appends of results is not written.
    DropSecondHalf,
    /// Results lose their headers.
    HeaderLost,
    /// Results lose their keys.
    KeyLost,
    /// Results of one append exchange their keys.
    KeysExchanged,
    /// Results get another timestamp.
    TimestampChanged,
    /// Some dead letters are not written.
    DeadLetterDropped,
    /// Some dead letters are written twice.
    DeadLetterTwice,
    /// Some repartitioned rows are written to the next partition.
    WrongTask,
    /// The first row of some appends to a repartition topic is written twice.
    RowSentTwice,
    /// The watermark of a sender is written before the rows that it follows.
    WatermarkEarly,
    /// Changelog records of one append exchange their keys.
    ChangelogKeysExchanged,
    /// The last record of each append to a changelog is not written.
    ChangelogShort,
    /// Deletions are not written to changelogs.
    DeletionNotWritten,
    /// The counters of most commits are not written.
    ProgressNotWritten,
}

impl Mistake {
    /// The mistake with this name.
    pub(super) fn named(name: &str) -> Result<Self, LogError> {
        let name: StrDeserializer<'_, Error> = name.into_deserializer();
        Self::deserialize(name).map_err(|e| LogError::Unusable(format!("FASTDATA_MISTAKE: {e}")))
    }
}

/// The selected mistake, and how many opportunities to make it there were.
#[derive(Debug)]
pub(super) struct Planted {
    mistake: Mistake,
    chances: AtomicU64,
}

impl Planted {
    pub(super) fn new(mistake: Mistake) -> Self {
        Self { mistake, chances: AtomicU64::new(0) }
    }

    pub(super) fn mistake(&self) -> Mistake {
        self.mistake
    }

    pub(super) fn is(&self, mistake: Mistake) -> bool {
        self.mistake == mistake
    }

    /// Whether this is the selected mistake and it is made now: at one in `count` opportunities.
    pub(super) fn one_in(&self, count: u64, mistake: Mistake) -> bool {
        self.is(mistake) && self.chances.fetch_add(1, Ordering::Relaxed) % count == count - 1
    }
}
