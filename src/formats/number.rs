//! The number grammar of JSON, and the exact value of a number as each type of a pipeline.
//!
//! Separate because JSON, CSV and decimals in strings share it. No value passes through a float on its
//! way to an integer or a decimal.

/// A number as it was written: `mantissa × 10^exponent`, where the mantissa has at most 19 digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<'a> {
    text: &'a [u8],
    negative: bool,
    mantissa: u64,
    exponent: i32,
    /// Whether `mantissa` holds all digits.
    whole: bool,
}

/// Why a number has no value of the wanted type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    /// It has a fraction (or more digits behind the point) that the type cannot keep.
    Fraction,
    /// It is too large.
    Range,
}

const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// How many digits always fit a `u64`.
const DIGITS: usize = 19;

impl<'a> Number<'a> {
    /// The number at the start of `bytes`, and how many bytes it takes.
    ///
    /// # Errors
    /// The byte at which the grammar of JSON is broken.
    #[inline]
    pub(super) fn scan(bytes: &'a [u8]) -> Result<(Self, usize), usize> {
        let digit = |at: usize| bytes.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10);
        let negative = bytes.first() == Some(&b'-');
        let mut at = usize::from(negative);
        let start = at;
        let mut mantissa = 0u64;
        while let Some(d) = digit(at) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(d));
            at += 1;
        }
        let mut digits = at - start;
        if digits == 0 {
            return Err(at);
        }
        if digits > 1 && bytes[start] == b'0' {
            return Err(start + 1);
        }
        let mut exponent = 0i32;
        if bytes.get(at) == Some(&b'.') {
            at += 1;
            let fraction = at;
            while let Some(d) = digit(at) {
                mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(d));
                at += 1;
            }
            if at == fraction {
                return Err(at);
            }
            digits += at - fraction;
            exponent = i32::try_from(at - fraction).map_or(i32::MIN / 2, |n| -n);
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            at += 1;
            let minus = bytes.get(at) == Some(&b'-');
            at += usize::from(matches!(bytes.get(at), Some(b'-' | b'+')));
            let first = at;
            let mut written = 0i32;
            while let Some(d) = digit(at) {
                // Far beyond any type's range the exact exponent no longer matters.
                written = written.saturating_mul(10).saturating_add(i32::from(d)).min(i32::MAX / 4);
                at += 1;
            }
            if at == first {
                return Err(at);
            }
            exponent = exponent.saturating_add(if minus { -written } else { written });
        }
        Ok((Self { text: &bytes[..at], negative, mantissa, exponent, whole: digits <= DIGITS }, at))
    }

    /// The number that `bytes` are, all of them.
    pub(super) fn exactly(bytes: &'a [u8]) -> Option<Self> {
        Self::scan(bytes).ok().filter(|(_, len)| *len == bytes.len()).map(|(n, _)| n)
    }

    /// The nearest double.
    #[inline]
    pub(super) fn double(&self) -> Result<f64, Misfit> {
        // Both the mantissa and the power are exact doubles here, so one operation rounds correctly.
        if self.whole && self.mantissa <= 1 << 53 && self.exponent.unsigned_abs() <= 22 {
            let power = POWERS[self.exponent.unsigned_abs() as usize];
            #[allow(clippy::cast_precision_loss, reason = "at most 2^53")]
            let mantissa = self.mantissa as f64;
            let value = if self.exponent < 0 { mantissa / power } else { mantissa * power };
            return Ok(if self.negative { -value } else { value });
        }
        self.parse::<f64>().filter(|v| v.is_finite()).ok_or(Misfit::Range)
    }

    /// The nearest float.
    pub(super) fn float(&self) -> Result<f32, Misfit> {
        self.parse::<f32>().filter(|v| v.is_finite()).ok_or(Misfit::Range)
    }

    fn parse<T: std::str::FromStr>(&self) -> Option<T> {
        std::str::from_utf8(self.text).ok()?.parse().ok()
    }

    /// The integer that the number is; `1.0` and `1e3` are.
    #[inline]
    pub(super) fn integer(&self) -> Result<i64, Misfit> {
        if self.whole && self.exponent == 0 {
            let value = i128::from(self.mantissa);
            return i64::try_from(if self.negative { -value } else { value }).map_err(|_| Misfit::Range);
        }
        self.scaled(0).and_then(|v| i64::try_from(v).map_err(|_| Misfit::Range))
    }

    /// The number times ten to `scale`, exactly.
    pub(super) fn scaled(&self, scale: i8) -> Result<i128, Misfit> {
        let shift = self.exponent.saturating_add(i32::from(scale));
        let digits = self
            .text
            .iter()
            .take_while(|b| !matches!(b, b'e' | b'E'))
            .filter(|b| b.is_ascii_digit())
            .map(|b| i128::from(b - b'0'))
            .skip_while(|d| *d == 0);
        let count = digits.clone().count();
        let kept = if shift < 0 { count.saturating_sub(shift.unsigned_abs() as usize) } else { count };
        if digits.clone().skip(kept).any(|d| d != 0) {
            return Err(Misfit::Fraction);
        }
        let ten = |v: i128, d: i128| v.checked_mul(10).and_then(|v| v.checked_add(d)).ok_or(Misfit::Range);
        let mut value = digits.take(kept).try_fold(0, ten)?;
        if value != 0 {
            // Bounded: a value that is not zero leaves the range within 39 steps.
            for _ in 0..shift.max(0) {
                value = ten(value, 0)?;
            }
        }
        Ok(if self.negative { -value } else { value })
    }

    /// The unscaled decimal of a precision and scale.
    pub(super) fn decimal(&self, precision: u8, scale: i8) -> Result<i128, Misfit> {
        let value = self.scaled(scale)?;
        let limit = 10i128.checked_pow(u32::from(precision)).ok_or(Misfit::Range)?;
        if value.abs() < limit { Ok(value) } else { Err(Misfit::Range) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Number<'_> {
        Number::exactly(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_grammar_is_that_of_json() {
        for bad in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "0x1", "1 ", "NaN", "--1", "1.e3"] {
            assert!(Number::exactly(bad.as_bytes()).is_none(), "{bad}");
        }
        for good in ["0", "-0", "0.0", "1e5", "1E-5", "10.25e+3", "123456789012345678901234567890"] {
            assert!(Number::exactly(good.as_bytes()).is_some(), "{good}");
        }
    }

    #[test]
    fn integers_are_exact_or_refused() {
        assert_eq!(number("9223372036854775807").integer(), Ok(i64::MAX));
        assert_eq!(number("-9223372036854775808").integer(), Ok(i64::MIN));
        assert_eq!(number("9223372036854775808").integer(), Err(Misfit::Range));
        assert_eq!(number("1.0").integer(), Ok(1));
        assert_eq!(number("1.50e1").integer(), Ok(15));
        assert_eq!(number("1.5").integer(), Err(Misfit::Fraction));
        assert_eq!(number("1.0000000000000000000000000000000000000000000000").integer(), Ok(1));
        assert_eq!(number("1e999999999999").integer(), Err(Misfit::Range));
        assert_eq!(number("0e999999999999").integer(), Ok(0));
        assert_eq!(number("0.0e-999999999999").integer(), Ok(0));
        assert_eq!(number("1e-999999999999").integer(), Err(Misfit::Fraction));
    }

    #[test]
    fn decimals_keep_their_digits() {
        let long = "12345678901234567890123456789012345.678";
        assert_eq!(number(long).decimal(38, 3), Ok(12_345_678_901_234_567_890_123_456_789_012_345_678));
        assert_eq!(number("0.10").decimal(10, 2), Ok(10));
        assert_eq!(number("0.101").decimal(10, 2), Err(Misfit::Fraction));
        assert_eq!(number("100").decimal(4, 2), Err(Misfit::Range));
    }

    proptest! {
        #[test]
        fn doubles_are_those_of_the_standard_library(text in "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?") {
            let expected: f64 = text.parse().unwrap();
            match number(&text).double() {
                Ok(v) => prop_assert_eq!(v.to_bits(), expected.to_bits()),
                Err(_) => prop_assert!(expected.is_infinite()),
            }
        }
    }
}
