//! The distributions of a generator file, and the checks of their parameters.
//!
//! Samplers are created here only, so that they never have invalid parameters.

use super::sampler::FieldSampler;
use rand_distr::weighted::WeightedIndex;
use rand_distr::{Exp, Normal, Zipf};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Distribution {
    Sequence {
        #[serde(default)]
        start: i64,
        #[serde(default = "one")]
        step: i64,
    },
    Uniform {
        min: f64,
        max: f64,
        #[serde(default)]
        decimals: u32,
    },
    Normal {
        mean: f64,
        sd: f64,
        min: Option<f64>,
        max: Option<f64>,
        #[serde(default = "two")]
        decimals: u32,
    },
    Exponential {
        mean: f64,
        max: Option<f64>,
        #[serde(default = "two")]
        decimals: u32,
    },
    Choice {
        of: Vec<serde_json::Value>,
        weights: Option<Vec<f64>>,
        skew: Option<f64>,
    },
    Zipf {
        values: u64,
        skew: f64,
        prefix: Option<String>,
    },
    Constant(serde_json::Value),
    Hex {
        digits: usize,
    },
    Uuid {},
    Words {
        min: usize,
        max: usize,
    },
    Timestamp(TimestampForm),
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum TimestampForm {
    Rfc3339,
    Millis,
}

fn one() -> i64 {
    1
}

fn two() -> u32 {
    2
}

/// The units of the last decimal that a number may have: numbers are written as 64-bit counts of these units.
const MAX_UNITS: f64 = 1e15;
const MAX_DECIMALS: u32 = 9;

fn check_numbers(values: &[f64], decimals: u32) -> Result<(), String> {
    if decimals > MAX_DECIMALS {
        return Err(format!("`decimals` is {decimals}; at most {MAX_DECIMALS} are written"));
    }
    let largest = largest_number(decimals);
    match values.iter().find(|v| v.is_nan() || v.abs() > largest) {
        Some(value) => Err(format!("{value} is too large to be written with {decimals} decimals")),
        None => Ok(()),
    }
}

/// The largest number that can be written with `decimals` decimals.
fn largest_number(decimals: u32) -> f64 {
    MAX_UNITS / 10f64.powi(i32::try_from(decimals.min(MAX_DECIMALS)).unwrap_or(0))
}

fn check_range(min: f64, max: f64) -> Result<(), String> {
    if min <= max { Ok(()) } else { Err(format!("`min` {min} is greater than `max` {max}")) }
}

impl Distribution {
    /// The sampler, or the error in the parameters.
    pub(super) fn sampler(self) -> Result<FieldSampler, String> {
        Ok(match self {
            Self::Sequence { start, step } => FieldSampler::Sequence { next: start, step },
            Self::Uniform { min, max, decimals } => {
                check_numbers(&[min, max], decimals)?;
                check_range(min, max)?;
                FieldSampler::Uniform { min, max, decimals }
            }
            Self::Normal { mean, sd, min, max, decimals } => {
                let (min, max) = (min.unwrap_or(-largest_number(decimals)), max.unwrap_or(largest_number(decimals)));
                check_numbers(&[mean, sd, min, max], decimals)?;
                check_range(min, max)?;
                if sd < 0.0 {
                    return Err(format!("`sd` is {sd}; a deviation is not negative"));
                }
                let normal = Normal::new(mean, sd).map_err(|e| e.to_string())?;
                FieldSampler::Normal { normal, min, max, decimals }
            }
            Self::Exponential { mean, max, decimals } => {
                let max = max.unwrap_or(largest_number(decimals));
                check_numbers(&[mean, max], decimals)?;
                if mean <= 0.0 || max < 0.0 {
                    return Err("`mean` must be greater than 0, and `max` at least 0".into());
                }
                let exponential = Exp::new(1.0 / mean).map_err(|e| e.to_string())?;
                FieldSampler::Exponential { exponential, max, decimals }
            }
            Self::Choice { of, weights, skew } => choice(&of, weights, skew)?,
            Self::Zipf { values, skew, prefix } => {
                #[allow(clippy::cast_precision_loss, reason = "checked to be far below 2^53")]
                let count = values as f64;
                if values == 0 || count > MAX_UNITS || !(0.0..=100.0).contains(&skew) {
                    return Err("`values` must be at least 1, and `skew` from 0 to 100".into());
                }
                let escaped = |p: String| {
                    let json = serde_json::Value::from(p).to_string();
                    json[1..json.len() - 1].to_owned()
                };
                let zipf = Zipf::new(count, skew).map_err(|e| e.to_string())?;
                FieldSampler::Zipf { zipf, prefix: prefix.map(escaped) }
            }
            Self::Constant(value) => FieldSampler::Constant(value.to_string()),
            Self::Hex { digits } if (1..=1_024).contains(&digits) => FieldSampler::Hex(digits),
            Self::Hex { digits } => return Err(format!("`digits` is {digits}; it must be from 1 to 1024")),
            Self::Uuid {} => FieldSampler::Uuid,
            Self::Words { min, max } if min <= max && max <= 1_000 => FieldSampler::Words { min, max },
            Self::Words { .. } => return Err("`min` must be at most `max`, and `max` at most 1000".into()),
            Self::Timestamp(form) => FieldSampler::Timestamp { millis: form == TimestampForm::Millis },
        })
    }
}

fn choice(of: &[serde_json::Value], weights: Option<Vec<f64>>, skew: Option<f64>) -> Result<FieldSampler, String> {
    if of.is_empty() {
        return Err("`of` has no values to choose from".into());
    }
    let weights = match (weights, skew) {
        (Some(_), Some(_)) => return Err("give either `weights` or `skew`".into()),
        (Some(weights), None) if weights.len() != of.len() => {
            return Err(format!("there are {} values but {} weights", of.len(), weights.len()));
        }
        (Some(weights), None) => weights,
        // The first value is the most frequent, the n-th has 1/n^skew of its share.
        (None, skew) => (1u32..).take(of.len()).map(|rank| f64::from(rank).powf(-skew.unwrap_or(0.0))).collect(),
    };
    let weights = WeightedIndex::new(weights)
        .map_err(|_| "weights must be numbers that are not negative, and not all 0".to_owned())?;
    Ok(FieldSampler::Choice { values: of.iter().map(ToString::to_string).collect(), weights })
}
