//! A histogram of durations in logarithmic buckets: a few hundred bytes, merged by adding.
//!
//! A doubling has eight buckets, so a quantile is within a sixteenth of the true value. The unit is the
//! microsecond.
//!
//! As JSON: `{"count": 2, "sum": 300, "min": 100, "max": 200, "buckets": [[36, 1], [44, 1]], "per_doubling": 8}`,
//! where a bucket is its index and its count. An index below 8 is the duration itself; the bucket `8 k + p` starts
//! at `(8 + p) * 2^(k - 1)`. A record without `per_doubling` has four buckets per doubling.

use serde::{Deserialize, Serialize};

const PER_DOUBLING: u64 = 8;
/// One bucket for each value below `PER_DOUBLING`, then eight for each doubling of a `u64`.
const BUCKETS: usize = 8 + 61 * 8;

/// Durations in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "LatencyRecord", into = "LatencyRecord")]
pub struct Latency {
    /// The number of durations.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// The shortest.
    pub min: u64,
    /// The longest.
    pub max: u64,
    /// Index and count of each bucket that is not empty, in order.
    buckets: Vec<(u16, u64)>,
}

/// The serialised form.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct LatencyRecord {
    count: u64,
    sum: u64,
    min: u64,
    max: u64,
    buckets: Vec<(u16, u64)>,
    per_doubling: u64,
}

impl Latency {
    /// Whether nothing was measured.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl From<Latency> for LatencyRecord {
    fn from(latency: Latency) -> Self {
        let Latency { count, sum, min, max, buckets } = latency;
        Self { count, sum, min, max, buckets, per_doubling: PER_DOUBLING }
    }
}

impl From<LatencyRecord> for Latency {
    fn from(record: LatencyRecord) -> Self {
        let LatencyRecord { count, sum, min, max, buckets, per_doubling } = record;
        let mut latency = Self { count, sum, min, max, buckets: Vec::new() };
        match per_doubling {
            0 => buckets.into_iter().for_each(|(i, n)| latency.add(bucket(middle_of_four(i)), n)),
            PER_DOUBLING => buckets.into_iter().for_each(|(i, n)| latency.add(i, n)),
            // Without buckets of a known width there are no quantiles; the other figures are valid.
            _ => {}
        }
        latency
    }
}

/// The index of the bucket of a duration.
fn bucket(micros: u64) -> u16 {
    let index = if micros < PER_DOUBLING {
        micros
    } else {
        let exponent = u64::from(micros.ilog2());
        (exponent - 2) * PER_DOUBLING + ((micros >> (exponent - 3)) & (PER_DOUBLING - 1))
    };
    u16::try_from(index).unwrap_or(u16::MAX)
}

/// The middle of a bucket.
fn middle(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    if bucket < PER_DOUBLING {
        return bucket;
    }
    let width = 1u64 << (bucket / PER_DOUBLING - 1);
    (PER_DOUBLING + bucket % PER_DOUBLING) * width + width / 2
}

/// The middle of a bucket of a record that has four buckets per doubling, the first doubling being 1 to 2.
fn middle_of_four(bucket: u16) -> u64 {
    const LAST: u16 = 159;
    let (doublings, part) = (bucket.min(LAST) / 4, u64::from(bucket.min(LAST) % 4));
    ((2 * part + 9) << doublings) / 8
}

impl Latency {
    /// Adds a duration in microseconds `n` times.
    pub fn record(&mut self, micros: u64, n: u64) {
        if n == 0 {
            return;
        }
        self.min = if self.count == 0 { micros } else { self.min.min(micros) };
        self.max = self.max.max(micros);
        self.count += n;
        self.sum = self.sum.saturating_add(micros.saturating_mul(n));
        self.add(bucket(micros), n);
    }

    /// Adds another histogram.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.min = if self.count == 0 { other.min } else { self.min.min(other.min) };
        self.max = self.max.max(other.max);
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        other.buckets.iter().for_each(|(b, n)| self.add(*b, *n));
    }

    fn add(&mut self, bucket: u16, n: u64) {
        let bucket = bucket.min(u16::try_from(BUCKETS - 1).unwrap_or(u16::MAX));
        match self.buckets.binary_search_by_key(&bucket, |(b, _)| *b) {
            Ok(i) => self.buckets[i].1 += n,
            Err(i) => self.buckets.insert(i, (bucket, n)),
        }
    }

    /// The duration that the share `q` (0 to 1) does not exceed, microseconds; `None` for an empty histogram.
    #[must_use]
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let rank = ((self.count as f64 * q).ceil() as u64).max(1);
        let mut seen = 0;
        for (b, n) in &self.buckets {
            seen += n;
            if seen >= rank {
                return Some(middle(*b).max(self.min).min(self.max));
            }
        }
        None
    }

    /// The mean, microseconds.
    #[must_use]
    pub fn mean(&self) -> Option<u64> {
        self.sum.checked_div(self.count)
    }

    /// The figures that `stats` shows.
    #[must_use]
    pub fn summary(&self) -> LatencySummary {
        let any = self.count > 0;
        LatencySummary {
            count: self.count,
            mean_us: self.mean(),
            min_us: any.then_some(self.min),
            max_us: any.then_some(self.max),
            p50_us: self.quantile(0.5),
            p99_us: self.quantile(0.99),
        }
    }
}

/// Durations in a few figures, microseconds; all but `count` are null while there is no duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LatencySummary {
    /// The number of durations.
    pub count: u64,
    /// Their mean.
    pub mean_us: Option<u64>,
    /// The shortest.
    pub min_us: Option<u64>,
    /// The longest.
    pub max_us: Option<u64>,
    /// The median.
    pub p50_us: Option<u64>,
    /// The 99th percentile.
    pub p99_us: Option<u64>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_serialised_form_is_stable() {
        let mut latency = Latency::default();
        [3, 100, 200, 200].iter().for_each(|v| latency.record(*v, 1));
        let json = r#"{"count":4,"sum":503,"min":3,"max":200,"buckets":[[3,1],[36,1],[44,2]],"per_doubling":8}"#;
        assert_eq!(serde_json::to_string(&latency).unwrap(), json);
        assert_eq!(serde_json::from_str::<Latency>(json).unwrap(), latency);
        assert_eq!(serde_json::from_str::<Latency>("{}").unwrap(), Latency::default());
    }

    #[test]
    fn records_with_four_buckets_a_doubling_are_read() {
        let old = r#"{"count":4,"sum":503,"min":3,"max":200,"buckets":[[6,1],[26,1],[30,2]]}"#;
        let latency: Latency = serde_json::from_str(old).unwrap();
        assert_eq!((latency.quantile(0.1), latency.quantile(0.5), latency.mean()), (Some(3), Some(108), Some(125)));
        let later = r#"{"count":1,"sum":5,"min":5,"max":5,"buckets":[[80,1]],"per_doubling":16}"#;
        let summary = serde_json::from_str::<Latency>(later).unwrap().summary();
        assert_eq!((summary.max_us, summary.p50_us), (Some(5), None));
        let damaged = r#"{"count":2,"buckets":[[65535,2]],"per_doubling":8}"#;
        assert_eq!(serde_json::from_str::<Latency>(damaged).unwrap().quantile(0.5), Some(0));
    }

    proptest! {
        #[test]
        fn the_middle_of_a_bucket_is_near_its_values(micros in prop_oneof![0..20_000u64, 0..=u64::MAX]) {
            let middle = middle(bucket(micros));
            prop_assert!(middle.abs_diff(micros) <= micros / 16, "{} for {}", middle, micros);
            prop_assert!(usize::from(bucket(micros)) < BUCKETS);
        }

        #[test]
        fn a_quantile_is_near_the_sorted_one(mut all in prop::collection::vec(1u64..5_000_000, 1..200), q in 0.01f64..1.0) {
            let mut h = Latency::default();
            all.iter().for_each(|v| h.record(*v, 1));
            all.sort_unstable();
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let exact = all[((all.len() as f64 * q).ceil() as usize).max(1) - 1];
            let got = h.quantile(q).expect("not empty");
            prop_assert!(got.abs_diff(exact) <= exact / 16, "{} for {}", got, exact);
        }
    }
}
