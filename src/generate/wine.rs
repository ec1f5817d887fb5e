//! The built-in wine records, as `pipelines/wine.yaml` reads them.
//!
//! Means and deviations are near those of the public wine quality data (Cortez et al., 2009). The records are
//! built in because `seed`, `demo` and the benchmarks must work without any file, and because the sample
//! models learn [`quality`], which the records do not contain.

use super::event_times::{DEFAULT_START_MS, EventTimes, Shift};
use super::{Generate, Random, write_fixed};
use crate::record::RecordsBuilder;
use crate::time::rfc3339::write_timestamp;
use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, StandardNormal};

/// The measured features, in the order of the record.
pub const FEATURES: [&str; 11] = [
    "fixed_acidity",
    "volatile_acidity",
    "citric_acid",
    "residual_sugar",
    "chlorides",
    "free_sulfur_dioxide",
    "total_sulfur_dioxide",
    "density",
    "ph",
    "sulphates",
    "alcohol",
];

/// Values of [`FEATURES`], in that order.
pub type Features = [f64; 11];

/// Milliseconds of event time from one record to the next.
const STEP_MS: f64 = 100.0;
/// One record in twenty is up to 1.5 s early or late.
const DISORDER: Shift = Shift { share: 0.05, by_ms: 1_500 };

/// The distribution of one feature of one kind of wine.
struct Spread {
    mean: f64,
    deviation: f64,
    /// Whether the logarithm of the value is normally distributed, which gives a long right tail.
    log_normal: bool,
}

const fn normal(mean: f64, deviation: f64) -> Spread {
    Spread { mean, deviation, log_normal: false }
}

const fn log_normal(mean: f64, deviation: f64) -> Spread {
    Spread { mean, deviation, log_normal: true }
}

/// The kinds of wine: name, percentage of the records, and the distribution of each feature.
static KINDS: [(&str, u32, [Spread; 11]); 3] = [
    (
        "red",
        40,
        [
            normal(8.32, 1.74),
            normal(0.528, 0.179),
            normal(0.271, 0.195),
            log_normal(2.54, 1.41),
            log_normal(0.0875, 0.047),
            log_normal(15.9, 10.5),
            log_normal(46.5, 32.9),
            normal(0.996_75, 0.001_89),
            normal(3.31, 0.154),
            normal(0.658, 0.17),
            normal(10.42, 1.07),
        ],
    ),
    (
        "white",
        45,
        [
            normal(6.85, 0.844),
            normal(0.278, 0.101),
            normal(0.334, 0.121),
            log_normal(6.39, 5.07),
            log_normal(0.0458, 0.0218),
            log_normal(35.3, 17.0),
            log_normal(138.4, 42.5),
            normal(0.994_03, 0.002_99),
            normal(3.19, 0.151),
            normal(0.49, 0.114),
            normal(10.51, 1.23),
        ],
    ),
    (
        "rose",
        15,
        [
            normal(7.1, 0.9),
            normal(0.33, 0.12),
            normal(0.31, 0.13),
            log_normal(4.5, 3.2),
            log_normal(0.055, 0.027),
            log_normal(28.0, 14.0),
            log_normal(105.0, 38.0),
            normal(0.994_6, 0.002_4),
            normal(3.24, 0.15),
            normal(0.54, 0.13),
            normal(11.3, 1.1),
        ],
    ),
];

/// The minimum and maximum of each feature, in units of its last decimal, and its number of decimals.
const LIMITS: [(i64, i64, u32); 11] = [
    (38, 159, 1),
    (80, 1_580, 3),
    (0, 1_660, 3),
    (6, 658, 1),
    (9, 611, 3),
    (10, 2_890, 1),
    (60, 4_400, 1),
    (98_711, 103_898, 5),
    (272, 401, 2),
    (22, 200, 2),
    (80, 149, 1),
];

/// The index of the earlier feature that each feature correlates with, and the correlation; 0 is none.
const CORRELATIONS: [(usize, f64); 11] = [
    (0, 0.0),
    (0, 0.0),
    (1, -0.4),
    (0, 0.0),
    (0, 0.0),
    (0, 0.0),
    (5, 0.65),
    (3, 0.55),
    (0, -0.5),
    (0, 0.0),
    (7, -0.55),
];

/// The true quality of a wine, from 0 to 10, which no record contains and which models learn:
///
/// `5.8 + 0.35 (alcohol − 10.5) − 2 (volatile_acidity − 0.35) + 0.9 (sulphates − 0.53)
/// − 2 (chlorides − 0.06) − 0.003 (total_sulfur_dioxide − 100) + 0.005 (free_sulfur_dioxide − 27)
/// − 0.4 (ph − 3.23) + 0.03 (fixed_acidity − 7.4) − 0.0015 (residual_sugar − 5)²`, clamped to 0..10.
#[must_use]
pub fn quality(features: &Features) -> f64 {
    let [fixed, volatile, _citric, sugar, chlorides, free, total, _density, ph, sulphates, alcohol] = *features;
    let quality = 5.8 + 0.35 * (alcohol - 10.5) - 2.0 * (volatile - 0.35) + 0.9 * (sulphates - 0.53)
        - 2.0 * (chlorides - 0.06)
        - 0.003 * (total - 100.0)
        + 0.005 * (free - 27.0)
        - 0.4 * (ph - 3.23)
        + 0.03 * (fixed - 7.4)
        - 0.0015 * (sugar - 5.0).powi(2);
    quality.clamp(0.0, 10.0)
}

/// One wine before it is encoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bottle {
    /// `red`, `white` or `rose`.
    pub kind: &'static str,
    /// The features, rounded as in the record.
    pub features: Features,
    units: [i64; 11],
}

/// Wine records: JSON objects with the record key `kind`. Event time starts at 2026-01-01T00:00:00Z and
/// advances 100 ms a record; one record in twenty is up to 1.5 s out of order.
#[derive(Clone, Debug)]
pub struct Wine {
    random: Random,
    event_times: EventTimes,
    next_id: u64,
    text: Vec<u8>,
}

impl Wine {
    /// The records of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let event_times = EventTimes {
            start_ms: DEFAULT_START_MS,
            step_ms: STEP_MS,
            disorder: DISORDER,
            late: Shift::default(),
            count: 0,
        };
        Self { random: Random::seed_from_u64(seed), event_times, next_id: 1, text: Vec::with_capacity(320) }
    }

    /// The next wine, without a record around it.
    pub fn bottle(&mut self) -> Bottle {
        let (kind, _, spreads) = self.draw_kind();
        let (mut z, mut units, mut features) = ([0.0f64; 11], [0i64; 11], [0.0; 11]);
        for (i, spread) in spreads.iter().enumerate() {
            let own: f64 = StandardNormal.sample(&mut self.random);
            let (other, r) = CORRELATIONS[i];
            z[i] = if r == 0.0 { own } else { r * z[other] + (1.0 - r * r).sqrt() * own };
            let value = if spread.log_normal {
                let variance = (1.0 + (spread.deviation / spread.mean).powi(2)).ln();
                (spread.mean.ln() - variance / 2.0 + variance.sqrt() * z[i]).exp()
            } else {
                spread.mean + spread.deviation * z[i]
            };
            let (min, max, decimals) = LIMITS[i];
            let scale = f64::from(10u32.pow(decimals));
            #[allow(clippy::cast_possible_truncation, reason = "saturates, and is clamped to the limits")]
            let rounded = ((value * scale).round() as i64).clamp(min, max);
            units[i] = rounded;
        }
        // Free sulfur dioxide is part of the total.
        units[6] = units[6].max(units[5]);
        for i in 0..units.len() {
            #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
            let value = units[i] as f64 / f64::from(10u32.pow(LIMITS[i].2));
            features[i] = value;
        }
        Bottle { kind, features, units }
    }

    fn draw_kind(&mut self) -> &'static (&'static str, u32, [Spread; 11]) {
        let mut at = self.random.random_range(0..100);
        let mut drawn = &KINDS[0];
        for kind in &KINDS {
            drawn = kind;
            if at < kind.1 {
                break;
            }
            at -= kind.1;
        }
        drawn
    }

    fn write(&mut self, bottle: &Bottle, at: i64) {
        let out = &mut self.text;
        out.clear();
        out.extend_from_slice(b"{\"id\":");
        out.extend_from_slice(itoa::Buffer::new().format(self.next_id).as_bytes());
        out.extend_from_slice(b",\"kind\":\"");
        out.extend_from_slice(bottle.kind.as_bytes());
        out.push(b'"');
        for (i, name) in FEATURES.iter().enumerate() {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            write_fixed(out, bottle.units[i], LIMITS[i].2);
        }
        out.extend_from_slice(b",\"ts\":");
        write_quoted_timestamp(out, at);
        out.push(b'}');
        self.next_id += 1;
    }
}

/// Appends a quoted RFC 3339 time, or the plain milliseconds of a time that RFC 3339 cannot express.
pub(super) fn write_quoted_timestamp(out: &mut Vec<u8>, at: i64) {
    let start = out.len();
    out.push(b'"');
    if write_timestamp(out, at) {
        out.push(b'"');
    } else {
        out.truncate(start);
        out.extend_from_slice(itoa::Buffer::new().format(at).as_bytes());
    }
}

impl Generate for Wine {
    fn start_after(&mut self, time: i64) {
        self.event_times.start_after(time);
    }

    fn fill(&mut self, count: usize, out: &mut RecordsBuilder) {
        for _ in 0..count {
            let at = self.event_times.next(&mut self.random);
            let bottle = self.bottle();
            self.write(&bottle, at);
            out.push(Some(bottle.kind.as_bytes()), Some(&self.text), at);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn records(seed: u64, batches: &[usize]) -> Vec<(String, i64, Value)> {
        let (mut wine, mut out) = (Wine::new(seed), RecordsBuilder::default());
        batches.iter().for_each(|n| wine.fill(*n, &mut out));
        let r = out.finish();
        let row = |i: usize| {
            let key = String::from_utf8(r.keys.value(i).to_vec()).unwrap();
            (key, r.timestamps[i], serde_json::from_slice(r.values.value(i)).unwrap())
        };
        (0..r.len()).map(row).collect()
    }

    #[test]
    fn a_seed_gives_the_same_records_in_any_batches() {
        assert_eq!(records(7, &[100]), records(7, &[1, 0, 98, 1]));
        assert_ne!(records(7, &[10]), records(8, &[10]));
    }

    #[test]
    fn records_have_exactly_the_documented_fields() {
        for (i, (key, at, value)) in records(1, &[50]).into_iter().enumerate() {
            let fields: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
            let expected: Vec<_> = ["id", "kind"].into_iter().chain(FEATURES).chain(["ts"]).collect();
            assert_eq!(fields, expected);
            assert_eq!(value["kind"], key);
            assert_eq!(value["id"], i + 1);
            assert_eq!(crate::time::rfc3339::parse_timestamp(value["ts"].as_str().unwrap().as_bytes()), Some(at));
        }
    }

    #[test]
    fn times_advance_with_slight_disorder() {
        let times: Vec<i64> = records(3, &[20_000]).into_iter().map(|r| r.1).collect();
        let moved = (0i64..).zip(&times).filter(|(i, t)| **t != DEFAULT_START_MS + i * 100).count();
        assert!((600..1_400).contains(&moved), "{moved}");
        assert!((0i64..).zip(&times).all(|(i, t)| (*t - DEFAULT_START_MS - i * 100).abs() <= 1_500));
    }

    #[test]
    fn features_have_the_documented_means_and_quality_varies() {
        let mut wine = Wine::new(11);
        let bottles: Vec<Bottle> = (0..40_000).map(|_| wine.bottle()).collect();
        for (kind, percent, spreads) in &KINDS {
            let of_kind: Vec<_> = bottles.iter().filter(|b| b.kind == *kind).collect();
            let n = of_kind.len() as f64;
            assert!((n / 400.0 - f64::from(*percent)).abs() < 1.5, "{kind}: {n}");
            for (i, spread) in spreads.iter().enumerate() {
                let mean = of_kind.iter().map(|b| b.features[i]).sum::<f64>() / n;
                // The limits cut the tails, which moves the mean a little.
                assert!((mean - spread.mean).abs() < 0.2 * spread.deviation, "{kind} {}: {mean}", FEATURES[i]);
            }
        }
        let all: Vec<f64> = bottles.iter().map(|b| quality(&b.features)).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        assert!((5.5..6.3).contains(&mean), "{mean}");
        assert!(all.iter().filter(|q| **q < 5.0).count() > 2_000 && all.iter().filter(|q| **q > 6.5).count() > 2_000);
    }
}
