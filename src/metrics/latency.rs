//! A histogram of durations in logarithmic buckets: a few hundred bytes, merged by adding.
//!
//! Separate because batches, models and steps all report durations the same way. Buckets are a quarter
//! of a power of two wide, so a percentile is within 10 % of the truth.

use serde::{Deserialize, Serialize};

const PER_DOUBLING: u32 = 4;
const BUCKETS: usize = 160;

/// Durations in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// How many.
    pub count: u64,
    /// Their sum, microseconds.
    pub sum: u64,
    /// The shortest, microseconds.
    pub min: u64,
    /// The longest, microseconds.
    pub max: u64,
    buckets: Vec<(u16, u64)>,
}

fn bucket(micros: u64) -> u16 {
    let m = micros.max(1);
    let doublings = m.ilog2();
    let within = if doublings >= 2 { (m >> (doublings - 2)) & 3 } else { (m << (2 - doublings)) & 3 };
    let index = (doublings * PER_DOUBLING) as usize + usize::try_from(within).unwrap_or(0);
    u16::try_from(index.min(BUCKETS - 1)).unwrap_or(0)
}

/// The greatest value of a bucket.
fn upper(bucket: u16) -> u64 {
    let (doublings, within) = (u32::from(bucket) / PER_DOUBLING, u64::from(u32::from(bucket) % PER_DOUBLING));
    let quarters = (within + 5) << doublings;
    (quarters / 4).max(1)
}

impl Latency {
    /// Takes in one duration, `n` times.
    pub fn record(&mut self, micros: u64, n: u64) {
        if n == 0 {
            return;
        }
        self.min = if self.count == 0 { micros } else { self.min.min(micros) };
        self.max = self.max.max(micros);
        self.count += n;
        self.sum += micros * n;
        let b = bucket(micros);
        match self.buckets.binary_search_by_key(&b, |(b, _)| *b) {
            Ok(i) => self.buckets[i].1 += n,
            Err(i) => self.buckets.insert(i, (b, n)),
        }
    }

    /// Adds another histogram.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.min = if self.count == 0 { other.min } else { self.min.min(other.min) };
        self.max = self.max.max(other.max);
        self.count += other.count;
        self.sum += other.sum;
        for (b, n) in &other.buckets {
            match self.buckets.binary_search_by_key(b, |(b, _)| *b) {
                Ok(i) => self.buckets[i].1 += n,
                Err(i) => self.buckets.insert(i, (*b, *n)),
            }
        }
    }

    /// The duration that the share `q` (0 to 1) does not exceed, microseconds.
    #[must_use]
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let rank = ((self.count as f64 * q).ceil() as u64).max(1);
        let mut seen = 0;
        for (b, n) in &self.buckets {
            seen += n;
            if seen >= rank {
                return Some(upper(*b).clamp(self.min, self.max));
            }
        }
        None
    }

    /// The mean, microseconds.
    #[must_use]
    pub fn mean(&self) -> Option<u64> {
        self.sum.checked_div(self.count)
    }

    /// The figures that a person reads.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let any = self.count > 0;
        Summary {
            count: self.count,
            mean_us: self.mean(),
            min_us: any.then_some(self.min),
            max_us: any.then_some(self.max),
            p50_us: self.quantile(0.5),
            p99_us: self.quantile(0.99),
        }
    }
}

/// Durations in a few figures, microseconds; all but `count` are null where there was none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How many durations.
    pub count: u64,
    /// Their mean.
    pub mean_us: Option<u64>,
    /// The shortest.
    pub min_us: Option<u64>,
    /// The longest.
    pub max_us: Option<u64>,
    /// Half of them were no longer.
    pub p50_us: Option<u64>,
    /// 99 of 100 were no longer.
    pub p99_us: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_quantile_is_near_the_sorted_one(mut all in prop::collection::vec(1u64..5_000_000, 1..200), q in 0.01f64..1.0) {
            let mut h = Latency::default();
            all.iter().for_each(|v| h.record(*v, 1));
            all.sort_unstable();
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let exact = all[((all.len() as f64 * q).ceil() as usize).max(1) - 1];
            let got = h.quantile(q).expect("not empty");
            prop_assert!(got >= exact && got <= exact + exact / 4 + 1, "{} for {}", got, exact);
        }
    }
}
