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

/// A number of few digits without an exponent, as most are: `mantissa / 10^behind`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Short {
    /// Below 10^15.
    mantissa: u64,
    /// Digits behind the point.
    behind: usize,
    /// How many bytes it takes.
    pub(super) len: usize,
    negative: bool,
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

/// The powers of ten that are exact floats.
const SHORT_POWERS: [f32; 11] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

/// How many digits always fit a `u64`.
const DIGITS: usize = 19;

const ONES: u64 = u64::MAX / 255;

/// The powers of ten up to which digits of a word are shifted.
const TENS: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// Keeps a rare case a jump. A flag that is added to a place instead would make each later step wait for it.
#[cold]
fn unlikely() {}

/// The eight bytes at `at`, the first lowest, where a digit is its value.
#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let text = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(text.try_into().expect("eight bytes")) ^ (ONES * b'0' as u64))
}

/// The high bit of each byte of a word that is no digit. Wrong ones can only be behind one that is not ASCII.
#[inline]
fn others(word: u64) -> u64 {
    (word.wrapping_add(ONES * (0x80 - 10)) | word) & (ONES * 0x80)
}

/// The number that the first `count` digits of a word are, fewer than eight.
#[inline]
fn leading(word: u64, count: usize) -> u64 {
    // What is shifted in below are zeros in front of the digits.
    eight(word << 8 << (56 - 8 * (count & 7)))
}

/// The number of eight digits.
#[inline]
fn eight(digits: u64) -> u64 {
    // Neighbours are joined: bytes to pairs, pairs to fours, fours to the whole.
    let pairs = digits.wrapping_mul((10 << 8) | 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul((100 << 16) | 1) >> 16 & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul((10_000 << 32) | 1) >> 32
}

/// Adds the digits at `at` to those of `mantissa`; the place behind them. The mantissa wraps around.
#[inline]
fn digits(bytes: &[u8], mut at: usize, mantissa: &mut u64) -> usize {
    while let Some(word) = word(bytes, at) {
        let others = others(word);
        if others == 0 {
            *mantissa = mantissa.wrapping_mul(100_000_000).wrapping_add(eight(word));
            at += 8;
            continue;
        }
        let count = others.trailing_zeros() as usize / 8;
        *mantissa = mantissa.wrapping_mul(TENS[count & 7]).wrapping_add(leading(word, count));
        return at + count;
    }
    while let Some(digit) = bytes.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
        *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    at
}

impl Short {
    /// The number at the start of `bytes`; `None` where it is not short, where `bytes` end within sixteen, and where
    /// there is none. An exponent is not looked for: the caller sees to what follows.
    ///
    /// Records are read as fast as the ends of numbers are found, since there the next field begins. How many digits
    /// come cannot be foretold, so there is no branch for a digit.
    // Inlined whatever it costs: a result that passes through memory holds the next field up.
    #[inline(always)]
    pub(super) fn scan(mut bytes: &[u8]) -> Option<Self> {
        let mut negative = false;
        if *bytes.first()? == b'-' {
            unlikely();
            bytes = &bytes[1..];
            negative = true;
        }
        let (low, high) = (word(bytes, 0)?, word(bytes, 8)?);
        let (low_others, high_others) = (others(low), others(high));
        if low_others == 0 {
            // More than eight digits in front.
            let count = high_others.trailing_zeros() as usize / 8;
            if count == 8 || bytes[8 + count] == b'.' || low & 0xff == 0 {
                return None;
            }
            let mantissa = eight(low) * TENS[count] + leading(high, count);
            return Some(Self { mantissa, behind: 0, len: 8 + count + usize::from(negative), negative });
        }
        let front = low_others.trailing_zeros() as usize / 8;
        if front == 0 || (front > 1 && low & 0xff == 0) {
            return None;
        }
        if bytes[front] != b'.' {
            return Some(Self {
                mantissa: leading(low, front),
                behind: 0,
                len: front + usize::from(negative),
                negative,
            });
        }
        let second = low_others & (low_others - 1);
        let (behind, mantissa);
        if second == 0 {
            behind = 7 + high_others.trailing_zeros() as usize / 8 - front;
            if behind > 7 {
                return None;
            }
            mantissa = leading(low, front) * TENS[behind] + leading(word(bytes, front + 1)?, behind);
        } else {
            let end = second.trailing_zeros() as usize / 8;
            behind = end - front - 1;
            // The digits in front move over the point.
            let below = (1 << (8 * front)) - 1;
            mantissa = leading(((low & below) << 8) | (low & !((below << 8) | 0xff)), end);
        }
        let len = front + 1 + behind + usize::from(negative);
        (behind > 0).then_some(Self { mantissa, behind, len, negative })
    }

    /// The nearest double.
    #[inline]
    pub(super) fn double(&self) -> f64 {
        // As in `Number::double`. From a signed integer it is one instruction.
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "below 10^15")]
        let value = self.mantissa as i64 as f64 / POWERS[self.behind];
        if self.negative { -value } else { value }
    }

    /// The integer that the number is, where it has no point.
    #[inline]
    pub(super) fn integer(&self) -> Option<i64> {
        #[allow(clippy::cast_possible_wrap, reason = "below 10^15")]
        let value = self.mantissa as i64;
        (self.behind == 0).then_some(if self.negative { -value } else { value })
    }
}

impl<'a> Number<'a> {
    /// The number at the start of `bytes`, and how many bytes it takes.
    ///
    /// # Errors
    /// The byte at which the grammar of JSON is broken.
    #[inline]
    pub(super) fn scan(bytes: &'a [u8]) -> Result<(Self, usize), usize> {
        let negative = bytes.first() == Some(&b'-');
        let mut at = usize::from(negative);
        let start = at;
        let mut mantissa = 0u64;
        at = digits(bytes, at, &mut mantissa);
        let mut count = at - start;
        if count == 0 {
            return Err(at);
        }
        if count > 1 && bytes[start] == b'0' {
            return Err(start + 1);
        }
        let mut exponent = 0i32;
        if bytes.get(at) == Some(&b'.') {
            at += 1;
            let fraction = at;
            at = digits(bytes, at, &mut mantissa);
            if at == fraction {
                return Err(at);
            }
            count += at - fraction;
            exponent = i32::try_from(at - fraction).map_or(i32::MIN / 2, |n| -n);
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            at += 1;
            let minus = bytes.get(at) == Some(&b'-');
            at += usize::from(matches!(bytes.get(at), Some(b'-' | b'+')));
            let first = at;
            let mut written = 0i32;
            while let Some(d) = bytes.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
                // Far beyond any type's range the exact exponent no longer matters.
                written = written.saturating_mul(10).saturating_add(i32::from(d)).min(i32::MAX / 4);
                at += 1;
            }
            if at == first {
                return Err(at);
            }
            exponent = exponent.saturating_add(if minus { -written } else { written });
        }
        Ok((Self { text: &bytes[..at], negative, mantissa, exponent, whole: count <= DIGITS }, at))
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
    #[inline]
    pub(super) fn float(&self) -> Result<f32, Misfit> {
        // As in `double`.
        if self.whole && self.mantissa <= 1 << 24 && self.exponent.unsigned_abs() <= 10 {
            let power = SHORT_POWERS[self.exponent.unsigned_abs() as usize];
            #[allow(clippy::cast_precision_loss, reason = "at most 2^24")]
            let mantissa = self.mantissa as f32;
            let value = if self.exponent < 0 { mantissa / power } else { mantissa * power };
            return Ok(if self.negative { -value } else { value });
        }
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

    #[test]
    fn most_numbers_are_short() {
        for text in ["7.4", "0", "-0", "-3.25", "0.0000001", "1700000000000", "123456789012345", "-1234567.1234567"] {
            let short = Short::scan(format!("{text},               ").as_bytes()).unwrap();
            assert_eq!(short.len, text.len());
            assert_eq!(short.double().to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
            assert_eq!(short.integer(), text.parse().ok(), "{text}");
        }
        for text in ["", "-", "01", "-00.5", "1.", ".5", "012345678", "1234567890123456", "1.12345678", "12345678.5"] {
            assert!(Short::scan(format!("{text},               ").as_bytes()).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_short_is_a_number(
            text in "-?[0-9]{0,17}(\\.[0-9]{0,17})?([eE][+-]?[0-9]{0,3})?",
            tail in "[,}. e0-9é\u{80}-\u{10ffff}]{0,20}",
        ) {
            let all = format!("{text}{tail}");
            if let Some(short) = Short::scan(all.as_bytes()) {
                let (written, rest) = all.split_at(short.len);
                let number = number(written);
                prop_assert_eq!(short.double().to_bits(), number.double().unwrap().to_bits());
                prop_assert_eq!(short.double().to_bits(), written.parse::<f64>().unwrap().to_bits());
                prop_assert_eq!(short.integer(), written.parse::<i64>().ok());
                // An exponent is all that it may overlook.
                let whole = Number::scan(all.as_bytes()).is_ok_and(|(_, len)| len == short.len);
                prop_assert!(whole || rest.starts_with(['e', 'E']), "{}", all);
            }
        }

        #[test]
        fn what_follows_a_number_does_not_change_it(
            text in "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
            tail in "([,} é/:\u{80}-\u{10ffff}].{0,20})?",
        ) {
            let all = format!("{text}{tail}");
            let (scanned, len) = Number::scan(all.as_bytes()).unwrap();
            let expected: f64 = text.parse().unwrap();
            prop_assert_eq!(len, text.len());
            prop_assert_eq!(scanned.double().ok().map(f64::to_bits), expected.is_finite().then_some(expected.to_bits()));
            prop_assert_eq!(scanned.integer(), number(&text).integer());
        }

        #[test]
        fn floats_are_those_of_the_standard_library(text in "-?(0|[1-9][0-9]{0,12})(\\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?") {
            let expected: f32 = text.parse().unwrap();
            match number(&text).float() {
                Ok(v) => prop_assert_eq!(v.to_bits(), expected.to_bits()),
                Err(_) => prop_assert!(expected.is_infinite()),
            }
        }

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
