//! Numeric kernels over the values of one list, shared by SQL functions and model outputs.
//!
//! A kernel takes plain numbers. What a null or an infinity means is the caller's decision.

use std::iter::Sum;
use std::ops::{Div, Sub};

/// The index of the greatest value. NaN never wins; of equal values the first wins.
pub(crate) fn argmax(values: impl Iterator<Item = (usize, f64)>) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (i, value) in values {
        if !value.is_nan() && best.is_none_or(|(_, greatest)| value > greatest) {
            best = Some((i, value));
        }
    }
    best.map(|(i, _)| i)
}

/// Turns scores into probabilities in place. A NaN or an infinite greatest score makes all of them NaN.
pub(crate) fn softmax<T>(scores: &mut [T], exp: impl Fn(T) -> T)
where
    T: Copy + PartialOrd + Sub<Output = T> + Div<Output = T> + Sum,
{
    let Some(greatest) = scores.iter().copied().reduce(|a, b| if b > a { b } else { a }) else { return };
    // The greatest score is subtracted, so that no exponential overflows.
    scores.iter_mut().for_each(|s| *s = exp(*s - greatest));
    let sum: T = scores.iter().copied().sum();
    scores.iter_mut().for_each(|s| *s = *s / sum);
}

#[cfg(test)]
mod tests {
    use super::{argmax, softmax};

    #[test]
    fn the_first_greatest_number_wins() {
        let of = |values: &[f64]| argmax(values.iter().copied().enumerate());
        assert_eq!(of(&[f64::NAN, 1.0, 3.0, 3.0, f64::NAN]), Some(2));
        assert_eq!((of(&[f64::NAN]), of(&[])), (None, None));
    }

    #[test]
    fn scores_become_probabilities_and_nan_spreads() {
        let mut scores = [1000.0_f64, 1000.0, -1000.0];
        softmax(&mut scores, f64::exp);
        assert_eq!(scores, [0.5, 0.5, 0.0]);
        for place in 0..3 {
            let mut scores = [0.0_f32, 1.0, 2.0];
            scores[place] = f32::NAN;
            softmax(&mut scores, f32::exp);
            assert!(scores.iter().all(|s| s.is_nan()), "{scores:?}");
        }
    }
}
