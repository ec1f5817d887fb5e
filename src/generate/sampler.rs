//! Draws the values of one field of a generator file as JSON text.
//!
//! [`super::distribution`] checks the parameters before it creates a sampler.

use super::wine::write_quoted_timestamp;
use super::{Random, write_fixed};
use rand::RngExt as _;
use rand_distr::weighted::WeightedIndex;
use rand_distr::{Distribution as _, Exp, Normal, Zipf};

/// The words of generated sentences.
const WORDS: [&str; 32] = [
    "amber", "barrel", "bloom", "cellar", "cherry", "clay", "cork", "dawn", "dry", "field", "fruit", "glass", "grape",
    "harvest", "hill", "honey", "late", "leaf", "mellow", "oak", "plum", "press", "rain", "ripe", "river", "silk",
    "smoke", "stone", "sun", "vine", "warm", "yeast",
];

/// Draws the values of one field.
#[derive(Clone, Debug)]
pub(super) enum FieldSampler {
    Sequence {
        next: i64,
        step: i64,
    },
    Uniform {
        min: f64,
        max: f64,
        decimals: u32,
    },
    Normal {
        normal: Normal<f64>,
        min: f64,
        max: f64,
        decimals: u32,
    },
    Exponential {
        exponential: Exp<f64>,
        max: f64,
        decimals: u32,
    },
    /// Values as JSON, drawn by weight.
    Choice {
        values: Vec<String>,
        weights: WeightedIndex<f64>,
    },
    /// Ranks from 1; rank 1 is the most frequent.
    Zipf {
        zipf: Zipf<f64>,
        prefix: Option<String>,
    },
    /// A value as JSON.
    Constant(String),
    Hex(usize),
    Uuid,
    Words {
        min: usize,
        max: usize,
    },
    Timestamp {
        millis: bool,
    },
}

impl FieldSampler {
    /// Appends the next value as JSON; `at` is the record's event time.
    pub(super) fn write(&mut self, at: i64, random: &mut Random, out: &mut Vec<u8>) {
        match self {
            Self::Sequence { next, step } => {
                out.extend_from_slice(itoa::Buffer::new().format(*next).as_bytes());
                *next = next.wrapping_add(*step);
            }
            Self::Uniform { min, max, decimals } => {
                let value = if min < max { random.random_range(*min..*max) } else { *min };
                write_number(out, value, *decimals);
            }
            Self::Normal { normal, min, max, decimals } => {
                write_number(out, normal.sample(random).clamp(*min, *max), *decimals);
            }
            Self::Exponential { exponential, max, decimals } => {
                write_number(out, exponential.sample(random).min(*max), *decimals);
            }
            Self::Choice { values, weights } => out.extend_from_slice(values[weights.sample(random)].as_bytes()),
            Self::Zipf { zipf, prefix } => {
                let rank = zipf.sample(random);
                match prefix {
                    // The prefix is JSON-escaped already.
                    Some(prefix) => {
                        out.push(b'"');
                        out.extend_from_slice(prefix.as_bytes());
                        write_number(out, rank, 0);
                        out.push(b'"');
                    }
                    None => write_number(out, rank, 0),
                }
            }
            Self::Constant(value) => out.extend_from_slice(value.as_bytes()),
            Self::Hex(digits) => {
                out.push(b'"');
                write_hex(out, *digits, random);
                out.push(b'"');
            }
            Self::Uuid => {
                out.push(b'"');
                for (i, digits) in [8, 4, 4, 4, 12].into_iter().enumerate() {
                    if i > 0 {
                        out.push(b'-');
                    }
                    write_hex(out, digits, random);
                }
                out.push(b'"');
            }
            Self::Words { min, max } => {
                out.push(b'"');
                for i in 0..random.random_range(*min..=*max) {
                    if i > 0 {
                        out.push(b' ');
                    }
                    out.extend_from_slice(WORDS[random.random_range(0..WORDS.len())].as_bytes());
                }
                out.push(b'"');
            }
            Self::Timestamp { millis: true } => out.extend_from_slice(itoa::Buffer::new().format(at).as_bytes()),
            Self::Timestamp { millis: false } => write_quoted_timestamp(out, at),
        }
    }
}

fn write_hex(out: &mut Vec<u8>, digits: usize, random: &mut Random) {
    out.extend((0..digits).map(|_| b"0123456789abcdef"[random.random_range(0..16)]));
}

/// Appends a number rounded to `decimals` decimals.
fn write_number(out: &mut Vec<u8>, value: f64, decimals: u32) {
    #[allow(clippy::cast_possible_truncation, reason = "saturates; the limits of a field are far below")]
    write_fixed(out, (value * 10f64.powi(i32::try_from(decimals).unwrap_or(0))).round() as i64, decimals);
}
