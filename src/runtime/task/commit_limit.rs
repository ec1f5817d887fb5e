//! Limits the bytes of one commit by the throughput of recent ones: a backplane undoes a commit that takes too long,
//! and the next commit grows while it waits.
//!
//! The limit is what the throughput over [`RATE_WINDOW`] writes in [`TARGET_COMMIT_TIME`]. The rate of a single commit
//! is no measure: a broker with a quota accepts a burst before it throttles.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The largest limit.
const MAX_COMMIT_BYTES: usize = 16 << 20;

/// The smallest limit.
const MIN_COMMIT_BYTES: usize = 4 << 10;

/// The limit before anything is known, for a backplane with a commit timeout.
const FIRST_COMMIT_BYTES: usize = 1 << 20;

/// The longest time that a commit should take.
pub(in crate::runtime) const TARGET_COMMIT_TIME: Duration = Duration::from_secs(2);

/// The time over which the rate is measured; longer than the window of Kafka's quotas.
const RATE_WINDOW: Duration = Duration::from_secs(12);

/// The limit on the bytes of output and state changes in one commit. A commit may exceed it by one batch, which is
/// processed in one piece.
#[derive(Debug)]
pub(in crate::runtime) struct CommitLimit {
    bytes: AtomicUsize,
    rate: Mutex<CommitRate>,
}

/// The measured throughput of commits.
#[derive(Debug)]
struct CommitRate {
    /// The time and the bytes of each commit of the last [`RATE_WINDOW`].
    committed: VecDeque<(Instant, usize)>,
    committed_bytes: usize,
    /// The lower bound of the limit: a low rate may only mean that there is little input.
    base: usize,
    /// The largest value of `base`.
    max_base: usize,
}

impl Default for CommitLimit {
    fn default() -> Self {
        let rate = CommitRate {
            committed: VecDeque::new(),
            committed_bytes: 0,
            base: FIRST_COMMIT_BYTES,
            max_base: FIRST_COMMIT_BYTES,
        };
        Self { bytes: AtomicUsize::new(FIRST_COMMIT_BYTES), rate: Mutex::new(rate) }
    }
}

impl CommitLimit {
    /// The limit in bytes.
    pub(in crate::runtime) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether the limit is at its minimum.
    pub(in crate::runtime) fn is_least(&self) -> bool {
        self.bytes() == MIN_COMMIT_BYTES
    }

    /// Starts at the largest limit, for a backplane without a commit timeout.
    pub(in crate::runtime) fn begin_with_most(&self) {
        self.learn(|rate| (rate.base, rate.max_base) = (MAX_COMMIT_BYTES, MAX_COMMIT_BYTES));
    }

    /// Adapts the limit to a commit of `bytes` that took from `start` to `end`.
    pub(in crate::runtime) fn on_committed(&self, bytes: usize, start: Instant, end: Instant) {
        self.learn(|rate| rate.on_committed(bytes, end.duration_since(start), end));
    }

    /// Adapts the limit to a commit that was undone.
    pub(in crate::runtime) fn on_undone(&self, bytes: usize, start: Instant, end: Instant) {
        // A commit that fails at once, or is small, does not fail because of its size.
        if end.duration_since(start) > TARGET_COMMIT_TIME && bytes >= MIN_COMMIT_BYTES {
            let limit = self.bytes();
            self.learn(|rate| rate.on_undone(bytes.min(limit)));
        }
    }

    fn learn(&self, learn: impl FnOnce(&mut CommitRate)) {
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        learn(&mut rate);
        self.bytes.store(rate.limit(), Ordering::Relaxed);
    }
}

impl CommitRate {
    fn on_committed(&mut self, bytes: usize, took: Duration, now: Instant) {
        self.committed.push_back((now, bytes));
        self.committed_bytes += bytes;
        while let Some((_, old)) = self.committed.pop_front_if(|(at, _)| now.duration_since(*at) > RATE_WINDOW) {
            self.committed_bytes -= old;
        }
        // If a small commit is slow, its size is not the cause.
        if took > TARGET_COMMIT_TIME && bytes >= MIN_COMMIT_BYTES {
            self.base = self.base.min(in_target_time(bytes, took).max(MIN_COMMIT_BYTES));
        } else if took < TARGET_COMMIT_TIME / 2 && bytes >= self.base / 2 {
            self.base = (self.base * 2).min(self.max_base);
        }
    }

    fn on_undone(&mut self, bytes: usize) {
        self.committed.clear();
        self.committed_bytes = 0;
        self.base = self.base.min((bytes / 4).max(MIN_COMMIT_BYTES));
    }

    fn limit(&self) -> usize {
        let at_rate = in_target_time(self.committed_bytes, RATE_WINDOW);
        self.base.max(at_rate).clamp(MIN_COMMIT_BYTES, MAX_COMMIT_BYTES)
    }
}

/// How many of `bytes`, which took `took`, fit into [`TARGET_COMMIT_TIME`].
fn in_target_time(bytes: usize, took: Duration) -> usize {
    let fitting = bytes as u128 * TARGET_COMMIT_TIME.as_millis() / took.as_millis().max(1);
    usize::try_from(fitting).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(20);

    /// Makes full commits for a time over a connection that passes a burst and then so many bytes per second; returns
    /// how long the longest took.
    fn longest_commit(limit: &CommitLimit, for_seconds: u64, rate: f64, burst: f64) -> Duration {
        let begin = Instant::now();
        let (mut now, mut sent, mut longest) = (begin, 0.0, Duration::ZERO);
        while now.duration_since(begin) < Duration::from_secs(for_seconds) {
            let bytes = limit.bytes();
            sent += bytes as f64;
            let passed = begin + Duration::from_secs_f64((sent - burst).max(0.0) / rate);
            let end = passed.max(now + QUICK);
            longest = longest.max(end.duration_since(now));
            limit.on_committed(bytes, now, end);
            now = end;
        }
        longest
    }

    #[test]
    fn a_quick_connection_soon_carries_the_most() {
        let limit = CommitLimit::default();
        longest_commit(&limit, 3, 1e9, 0.0);
        assert_eq!(limit.bytes(), MAX_COMMIT_BYTES);
    }

    #[test]
    fn over_a_connection_with_a_burst_no_commit_takes_too_long() {
        for rate in [200_000.0, 1_000_000.0, 5_000_000.0] {
            for burst in [0.0, 10.0 * rate] {
                let limit = CommitLimit::default();
                let longest = longest_commit(&limit, 60, rate, burst);
                assert!(longest < Duration::from_secs(6), "{rate} B/s after {burst}: {longest:?}");
                let seconds = limit.bytes() as f64 / rate;
                assert!(seconds > 0.9 && seconds < 2.5, "{rate} B/s after {burst}: {seconds} s a commit");
            }
        }
    }

    #[test]
    fn a_commit_that_was_undone_for_its_duration_makes_the_next_ones_smaller() {
        let (limit, start) = (CommitLimit::default(), Instant::now());
        limit.on_undone(1 << 20, start, start + QUICK);
        assert_eq!(limit.bytes(), 1 << 20, "its size was not the reason");
        let long = start + Duration::from_secs(10);
        limit.on_undone(1 << 20, start, long);
        assert_eq!((limit.bytes(), limit.is_least()), (1 << 18, false));
        for _ in 0..4 {
            limit.on_undone(limit.bytes(), start, long);
        }
        assert!(limit.is_least());
    }

    #[test]
    fn small_commits_leave_the_limit_as_it_is() {
        let (limit, start) = (CommitLimit::default(), Instant::now());
        (0..100).for_each(|i| limit.on_committed(1000, start + QUICK * i, start + QUICK * (i + 1)));
        assert_eq!(limit.bytes(), FIRST_COMMIT_BYTES);
    }
}
