//! Fail points at which a test kills the process or makes a thread panic, and the mistake that a test selects.
//!
//! They are in one file so that the list is complete. Without the feature `failpoints`, which no release has, every
//! function here does nothing. `FASTDATA_FAIL=POINT:N` kills the process, as `kill -9` does, when it reaches the fail
//! point for the N-th time, and `FASTDATA_PANIC=POINT:N` panics there. `FASTDATA_MISTAKE=NAME` selects a mistake,
//! which `log::mistaken` makes.

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
    /// The embedded log is about to copy commits into its file.
    AtCheckpoint,
}

#[cfg(feature = "failpoints")]
mod armed {
    use super::FailPoint;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A fail point by its name, and how often it is still to be reached.
    type Armed = LazyLock<Option<(String, AtomicU64)>>;

    static FAIL: Armed = LazyLock::new(|| armed("FASTDATA_FAIL"));

    static PANIC: Armed = LazyLock::new(|| armed("FASTDATA_PANIC"));

    static MISTAKE: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("FASTDATA_MISTAKE").ok());

    fn armed(variable: &str) -> Option<(String, AtomicU64)> {
        let text = std::env::var(variable).ok()?;
        let (point, count) = text.split_once(':')?;
        Some((point.to_owned(), AtomicU64::new(count.parse().ok()?)))
    }

    fn is_due(armed: &Armed, point: FailPoint) -> bool {
        let named = armed.as_ref().filter(|(name, _)| *name == format!("{point:?}"));
        named.is_some_and(|(_, left)| left.fetch_sub(1, Ordering::Relaxed) == 1)
    }

    #[allow(clippy::disallowed_methods, reason = "a test asks for a death without cleanup")]
    pub(crate) fn fail_point(point: FailPoint) {
        if is_due(&FAIL, point) {
            std::process::abort();
        }
        assert!(!is_due(&PANIC, point), "a test asks for a panic at {point:?}");
    }

    /// The name of the mistake that a test selects.
    pub(crate) fn mistake() -> Option<&'static str> {
        MISTAKE.as_deref()
    }

    pub(crate) fn makes_mistake() -> bool {
        mistake().is_some()
    }
}

#[cfg(feature = "failpoints")]
pub(crate) use armed::{fail_point, makes_mistake, mistake};

/// Kills the process, or panics, if a test armed this fail point.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) const fn fail_point(_: FailPoint) {}

/// Whether a test selects a mistake. The program's own checks are then off, so that the test must detect it.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) const fn makes_mistake() -> bool {
    false
}
