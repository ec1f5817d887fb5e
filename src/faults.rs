//! Places where a test can make the program die, and mistakes that a test can switch on.
//!
//! Separate so that all of them stand in one list. Without the feature `failpoints`, which no release has,
//! every call here is nothing. A place is named by `FASTDATA_FAIL=PLACE:N`: the process dies, as by
//! `kill -9`, when it is passed for the N-th time. A mistake is named by `FASTDATA_MISTAKE=NAME`: what tests
//! of the promises must find is shown to be found.

/// Where the process can be made to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Records were read, and nothing is done with them yet.
    AfterPoll,
    /// Some records of a commit interval are in state, and others are not.
    MidWindow,
    /// The records of a transaction have arrived.
    AfterProduce,
    /// The positions are part of the transaction.
    AfterOffsets,
    /// The commit is about to be asked for.
    BeforeCommit,
    /// The commit was answered.
    AfterCommit,
    /// State is being read back.
    DuringRestore,
    /// The group has taken partitions back.
    InRevoke,
}

/// What can be done wrong.
#[cfg_attr(not(feature = "failpoints"), allow(dead_code, reason = "some are made only where tests ask for them"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// Now and then a record that was read is left out.
    SkipRecord,
    /// Now and then the records of an append are sent twice.
    SendTwice,
    /// Positions are committed apart, before what came of the records is.
    OffsetsFirst,
    /// Positions are committed apart, after what came of the records.
    OffsetsAfter,
    /// The positions of a transaction do not say which membership they belong to, and each instance writes
    /// under an id of its own: nobody is ever shut out.
    Unfenced,
    /// Every third change of state is not read back.
    RestoreShort,
    /// Nothing of the state is read back.
    RestoreNothing,
    /// A transaction that was refused counts as committed.
    IgnoreAbort,
    /// Readers see what was never committed.
    ReadUncommitted,
    /// Changes of state are written in a transaction of their own, after the results.
    StateApart,
    /// Two records change places.
    Reorder,
    /// Some records go to the task of another key.
    WrongTask,
}

#[cfg(feature = "failpoints")]
mod armed {
    use super::{Mistake, Place};
    use crate::record::Fetched;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static FAIL: LazyLock<Option<(String, AtomicU64)>> = LazyLock::new(|| {
        let text = std::env::var("FASTDATA_FAIL").ok()?;
        let (place, count) = text.split_once(':')?;
        Some((place.to_owned(), AtomicU64::new(count.parse().ok()?)))
    });

    static MISTAKE: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("FASTDATA_MISTAKE").ok());

    static PASSED: AtomicU64 = AtomicU64::new(0);

    #[allow(clippy::disallowed_methods, reason = "to die without a word is what is asked for")]
    pub(crate) fn pass(place: Place) {
        if let Some((name, left)) = &*FAIL
            && *name == format!("{place:?}")
            && left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            std::process::abort();
        }
    }

    pub(crate) fn planted(mistake: Mistake) -> bool {
        MISTAKE.as_ref().is_some_and(|name| *name == format!("{mistake:?}"))
    }

    pub(crate) fn mistaken() -> bool {
        MISTAKE.is_some()
    }

    pub(crate) fn one_in(count: u64, mistake: Mistake) -> bool {
        planted(mistake) && PASSED.fetch_add(1, Ordering::Relaxed) % count == count - 1
    }

    pub(crate) fn spoil(fetched: &mut Fetched) {
        let rows = fetched.offsets.len();
        if rows > 1 && one_in(20, Mistake::SkipRecord) {
            fetched.offsets = fetched.offsets.slice(1, rows - 1);
            fetched.records = fetched.records.slice(1, rows - 1);
        }
        if rows > 1 && one_in(20, Mistake::Reorder) {
            let turned: Vec<u32> = (0..fetched.records.len()).rev().map(|r| u32::try_from(r).unwrap_or(0)).collect();
            fetched.records = fetched.records.take(&turned.into());
        }
    }
}

#[cfg(feature = "failpoints")]
pub(crate) use armed::{mistaken, one_in, pass, planted, spoil};

/// Dies here where a test wants it.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) const fn pass(_: Place) {}

/// Does to records what a test wants done to them.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) const fn spoil(_: &mut crate::record::Fetched) {}

/// Whether a mistake is switched on.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) const fn planted(_: Mistake) -> bool {
    false
}

/// Whether any mistake is switched on: the program's own checks then leave it to be found by others.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) const fn mistaken() -> bool {
    false
}

/// Whether a mistake is switched on and this is one of the times it is made.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) const fn one_in(_: u64, _: Mistake) -> bool {
    false
}
