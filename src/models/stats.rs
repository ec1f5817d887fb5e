//! What one model version has done so far: records, batches, errors and how long batches took.
//!
//! Separate because every task that scores writes here at once and `stats` reads: only counters that add
//! up without a lock, in buckets of fixed bounds. A quantile is right to within a sixteenth of its value.

use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Each power of two is cut into this many buckets.
const PARTS: u64 = 8;
const BUCKETS: usize = 8 + 61 * 8;

/// Counters of one model version.
#[derive(Debug)]
pub struct ScoreStats {
    records: AtomicU64,
    batches: AtomicU64,
    errors: AtomicU64,
    total: AtomicU64,
    least: AtomicU64,
    most: AtomicU64,
    buckets: Box<[AtomicU64]>,
}

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StatsSnapshot {
    /// Records scored, bad ones included.
    pub usage: u64,
    /// Batches scored.
    pub batches: u64,
    /// Records that could not be scored.
    pub errors: u64,
    /// How long a batch took; absent before the first.
    pub duration: Option<DurationSummary>,
}

/// How long batches took, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct DurationSummary {
    /// Mean.
    pub mean_us: f64,
    /// Shortest.
    pub min_us: f64,
    /// Longest.
    pub max_us: f64,
    /// Half of the batches took no longer.
    pub p50_us: f64,
    /// 99 of 100 took no longer.
    pub p99_us: f64,
}

impl Default for ScoreStats {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            records: zero(),
            batches: zero(),
            errors: zero(),
            total: zero(),
            least: AtomicU64::new(u64::MAX),
            most: zero(),
            buckets: (0..BUCKETS).map(|_| zero()).collect(),
        }
    }
}

impl ScoreStats {
    /// Counts one batch.
    pub fn record(&self, records: usize, errors: usize, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.records.fetch_add(records as u64, Relaxed);
        self.errors.fetch_add(errors as u64, Relaxed);
        self.total.fetch_add(nanos, Relaxed);
        self.least.fetch_min(nanos, Relaxed);
        self.most.fetch_max(nanos, Relaxed);
        self.buckets[bucket(nanos)].fetch_add(1, Relaxed);
        self.batches.fetch_add(1, Relaxed);
    }

    /// The counters as they are now.
    #[must_use]
    pub fn snapshot(&self) -> StatsSnapshot {
        let counts: Vec<u64> = self.buckets.iter().map(|b| b.load(Relaxed)).collect();
        let batches = counts.iter().sum();
        let (least, most) = (self.least.load(Relaxed), self.most.load(Relaxed));
        let micros = |nanos: f64| nanos / 1e3;
        let quantile = |q: f64| micros(quantile(&counts, batches, q).clamp(least.min(most), most) as f64);
        StatsSnapshot {
            usage: self.records.load(Relaxed),
            batches,
            errors: self.errors.load(Relaxed),
            duration: (batches > 0).then(|| DurationSummary {
                mean_us: micros(self.total.load(Relaxed) as f64 / batches as f64),
                min_us: micros(least as f64),
                max_us: micros(most as f64),
                p50_us: quantile(0.5),
                p99_us: quantile(0.99),
            }),
        }
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < PARTS {
        return usize::try_from(nanos).unwrap_or_default();
    }
    let exponent = u64::from(nanos.ilog2());
    let part = (nanos >> (exponent - 3)) & (PARTS - 1);
    usize::try_from((exponent - 2) * PARTS + part).unwrap_or(BUCKETS - 1)
}

/// The middle of a bucket.
fn middle(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < PARTS {
        return bucket;
    }
    let exponent = bucket / PARTS + 2;
    let width = 1u64 << (exponent - 3);
    (PARTS + bucket % PARTS) * width + width / 2
}

fn quantile(counts: &[u64], total: u64, q: f64) -> u64 {
    let rank = (total as f64 * q).ceil().max(1.0);
    let mut seen = 0;
    for (i, n) in counts.iter().enumerate() {
        seen += n;
        if seen as f64 >= rank {
            return middle(i);
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_recorded_is_no_duration() {
        assert_eq!(ScoreStats::default().snapshot(), StatsSnapshot::default());
    }

    #[test]
    fn counts_add_up_over_threads() {
        let stats = ScoreStats::default();
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| (0..1000).for_each(|_| stats.record(2, 1, Duration::from_micros(5))));
            }
        });
        let s = stats.snapshot();
        assert_eq!((s.usage, s.batches, s.errors), (8000, 4000, 4000));
        let d = s.duration.unwrap_or_default();
        assert_eq!((d.mean_us, d.min_us, d.p50_us, d.max_us), (5.0, 5.0, 5.0, 5.0));
    }

    proptest! {
        #[test]
        fn the_middle_of_a_bucket_is_near_its_values(nanos in 0u64..u64::MAX) {
            let m = middle(bucket(nanos));
            prop_assert!(m.abs_diff(nanos) <= nanos / 16 + 1, "{nanos} is far from {m}");
        }

        #[test]
        fn quantiles_are_near_those_of_the_sorted_values(mut took in prop::collection::vec(1u64..1_000_000_000, 1..200)) {
            let stats = ScoreStats::default();
            took.iter().for_each(|t| stats.record(1, 0, Duration::from_nanos(*t)));
            took.sort_unstable();
            let exact = took[took.len().div_ceil(2) - 1] as f64 / 1e3;
            let got = stats.snapshot().duration.map_or(0.0, |d| d.p50_us);
            prop_assert!((got - exact).abs() <= exact / 8.0, "{got} is far from {exact}");
        }
    }
}
