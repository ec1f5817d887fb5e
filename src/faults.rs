//! Fail points at which a test kills the process, and mistakes that a test switches on.
//!
//! They are in one file so that each list is complete. Without the feature `failpoints`, which no release
//! has, every function here does nothing. `FASTDATA_FAIL=POINT:N` kills the process, as `kill -9` does, when
//! it reaches the fail point for the N-th time. `FASTDATA_MISTAKE=NAME` switches a mistake on, to prove that
//! the tests of the guarantees detect it.

/// Where a test can kill the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FailPoint {
    /// Records were polled and are not processed yet.
    AfterPoll,
    /// Some records of a commit interval are in the state, others are not.
    MidWindow,
    /// The records of a transaction are acknowledged.
    AfterProduce,
    /// The offsets are part of the transaction.
    AfterOffsets,
    /// The commit is about to be requested.
    BeforeCommit,
    /// The commit is acknowledged.
    AfterCommit,
    /// State is being restored.
    DuringRestore,
    /// The group has revoked partitions.
    InRevoke,
}

/// A mistake that a test can switch on.
#[cfg_attr(not(feature = "failpoints"), allow(dead_code, reason = "some are used only with the feature"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// Some polled records are skipped.
    SkipRecord,
    /// Some appends are sent twice.
    SendTwice,
    /// Offsets are committed outside the transaction, before the results.
    OffsetsFirst,
    /// Offsets are committed outside the transaction, after the results.
    OffsetsAfter,
    /// Offsets are sent without group metadata, and each instance has its own transactional id, so that no
    /// instance is ever fenced.
    Unfenced,
    /// Every third change of the state is not restored.
    RestoreShort,
    /// No state is restored.
    RestoreNothing,
    /// An aborted transaction counts as committed.
    IgnoreAbort,
    /// Readers see records that were never committed.
    ReadUncommitted,
    /// Changes of the state are written in a transaction of their own, after the results.
    StateApart,
    /// Polled records change their order.
    Reorder,
    /// Some repartitioned records go to the wrong partition.
    WrongTask,
}

#[cfg(feature = "failpoints")]
mod armed {
    use super::{FailPoint, Mistake};
    use crate::record::Fetched;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static FAIL: LazyLock<Option<(String, AtomicU64)>> = LazyLock::new(|| {
        let text = std::env::var("FASTDATA_FAIL").ok()?;
        let (point, count) = text.split_once(':')?;
        Some((point.to_owned(), AtomicU64::new(count.parse().ok()?)))
    });

    static MISTAKE: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("FASTDATA_MISTAKE").ok());

    /// Counts the chances to make a mistake that is made only sometimes.
    static CHANCES: AtomicU64 = AtomicU64::new(0);

    #[allow(clippy::disallowed_methods, reason = "a test asks for a death without cleanup")]
    pub(crate) fn fail_point(point: FailPoint) {
        if let Some((name, left)) = &*FAIL
            && *name == format!("{point:?}")
            && left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            std::process::abort();
        }
    }

    pub(crate) fn planted(mistake: Mistake) -> bool {
        MISTAKE.as_ref().is_some_and(|name| *name == format!("{mistake:?}"))
    }

    pub(crate) fn any_planted() -> bool {
        MISTAKE.is_some()
    }

    pub(crate) fn planted_one_in(count: u64, mistake: Mistake) -> bool {
        planted(mistake) && CHANCES.fetch_add(1, Ordering::Relaxed) % count == count - 1
    }

    pub(crate) fn tamper(fetched: &mut Fetched) {
        let rows = fetched.offsets.len();
        if rows > 1 && planted_one_in(20, Mistake::SkipRecord) {
            fetched.offsets = fetched.offsets.slice(1, rows - 1);
            fetched.records = fetched.records.slice(1, rows - 1);
        }
        if rows > 1 && planted_one_in(20, Mistake::Reorder) {
            let reversed: Vec<u32> = (0..fetched.records.len()).rev().map(|r| u32::try_from(r).unwrap_or(0)).collect();
            fetched.records = fetched.records.take(&reversed.into());
        }
    }
}

#[cfg(feature = "failpoints")]
pub(crate) use armed::{any_planted, fail_point, planted, planted_one_in, tamper};

/// Kills the process if a test armed this fail point.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) const fn fail_point(_: FailPoint) {}

/// Skips or reorders polled records if a test asks for it.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) const fn tamper(_: &mut crate::record::Fetched) {}

/// Whether a mistake is switched on.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) const fn planted(_: Mistake) -> bool {
    false
}

/// Whether any mistake is switched on. The program's own checks are then off, so that the tests must detect it.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) const fn any_planted() -> bool {
    false
}

/// Whether a mistake is switched on and is made this time, which is one time in `count`.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) const fn planted_one_in(_: u64, _: Mistake) -> bool {
    false
}
