//! The number grammar of JSON, and the exact value of a number as each type of a pipeline.
//!
//! JSON, CSV and decimals in strings share it. No value passes through a float on its way to an integer or a
//! decimal.

/// A number as it was written: `mantissa × 10^exponent`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<'a> {
    text: &'a [u8],
    negative: bool,
    mantissa: u64,
    exponent: i32,
    /// Whether `mantissa` holds all digits; with more than 19 digits it wraps around.
    exact: bool,
}

/// A number of few digits without an exponent, as most are: `mantissa / 10^fraction_len`.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShortNumber {
    /// Below 10^15.
    mantissa: u64,
    /// The number of digits after the point.
    fraction_len: usize,
    /// The length of its text in bytes.
    pub(super) len: usize,
    negative: bool,
}

/// Why a number has no value of the target type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberError {
    /// It has more digits after the point than the type can hold.
    Fraction,
    /// It is too large.
    OutOfRange,
}

/// The powers of ten that are exact doubles.
const POWERS_F64: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The powers of ten that are exact floats.
const POWERS_F32: [f32; 11] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

/// The number of digits that always fit a `u64`.
const MAX_U64_DIGITS: usize = 19;

/// The lowest bit of each byte.
const LOW_BITS: u64 = u64::MAX / 255;

/// The powers of ten by which up to seven digits shift a mantissa.
const POWERS_U64: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// Marks the cold path, so that it compiles to a branch. A conditional move would make every later step
/// depend on it.
#[cold]
fn unlikely() {}

/// Eight bytes from `at` in little-endian order, with each digit as its value.
#[inline]
fn load_digits(bytes: &[u8], at: usize) -> Option<u64> {
    let text = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(text.try_into().expect("eight bytes")) ^ (LOW_BITS * b'0' as u64))
}

/// Sets the high bit of each byte that is not a digit. Bytes after one that is not ASCII may be wrong.
#[inline]
fn non_digits(word: u64) -> u64 {
    (word.wrapping_add(LOW_BITS * (0x80 - 10)) | word) & (LOW_BITS * 0x80)
}

/// The value of the first `count` digits of a word, fewer than eight.
#[inline]
fn leading_digits(word: u64, count: usize) -> u64 {
    // The shift puts zeros in front of the digits.
    eight_digits(word << 8 << (56 - 8 * (count & 7)))
}

/// The value of eight digits.
#[inline]
fn eight_digits(digits: u64) -> u64 {
    // Joins neighbours: bytes to pairs, pairs to groups of four, those to the value.
    let pairs = digits.wrapping_mul((10 << 8) | 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul((100 << 16) | 1) >> 16 & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul((10_000 << 32) | 1) >> 32
}

/// Appends the digits from `at` to `mantissa`, which may wrap around, and returns the position after them.
#[inline]
fn accumulate_digits(bytes: &[u8], mut at: usize, mantissa: &mut u64) -> usize {
    while let Some(word) = load_digits(bytes, at) {
        let non_digits = non_digits(word);
        if non_digits == 0 {
            *mantissa = mantissa.wrapping_mul(100_000_000).wrapping_add(eight_digits(word));
            at += 8;
            continue;
        }
        let count = non_digits.trailing_zeros() as usize / 8;
        *mantissa = mantissa.wrapping_mul(POWERS_U64[count & 7]).wrapping_add(leading_digits(word, count));
        return at + count;
    }
    while let Some(digit) = bytes.get(at).map(|b| b.wrapping_sub(b'0')).filter(|d| *d < 10) {
        *mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    at
}

impl ShortNumber {
    /// The number at the start of `bytes`; `None` if it is not short, if there is none, or if fewer than 16 bytes
    /// are left. The caller must check what follows: an exponent is not recognised.
    ///
    /// The next field starts at the end of the number, so the latency of finding that end bounds the throughput.
    /// The number of digits is unpredictable, so no branch depends on a digit.
    // Always inlined: a result that passes through memory delays the next field.
    #[inline(always)]
    pub(super) fn scan(mut bytes: &[u8]) -> Option<Self> {
        let mut negative = false;
        if *bytes.first()? == b'-' {
            unlikely();
            bytes = &bytes[1..];
            negative = true;
        }
        let (low, high) = (load_digits(bytes, 0)?, load_digits(bytes, 8)?);
        let (low_non_digits, high_non_digits) = (non_digits(low), non_digits(high));
        if low_non_digits == 0 {
            // More than eight digits before the point.
            let count = high_non_digits.trailing_zeros() as usize / 8;
            if count == 8 || bytes[8 + count] == b'.' || low & 0xff == 0 {
                return None;
            }
            let mantissa = eight_digits(low) * POWERS_U64[count] + leading_digits(high, count);
            return Some(Self { mantissa, fraction_len: 0, len: 8 + count + usize::from(negative), negative });
        }
        let integer_len = low_non_digits.trailing_zeros() as usize / 8;
        if integer_len == 0 || (integer_len > 1 && low & 0xff == 0) {
            return None;
        }
        if bytes[integer_len] != b'.' {
            return Some(Self {
                mantissa: leading_digits(low, integer_len),
                fraction_len: 0,
                len: integer_len + usize::from(negative),
                negative,
            });
        }
        let second = low_non_digits & (low_non_digits - 1);
        let (fraction_len, mantissa);
        if second == 0 {
            fraction_len = 7 + high_non_digits.trailing_zeros() as usize / 8 - integer_len;
            if fraction_len > 7 {
                return None;
            }
            mantissa = leading_digits(low, integer_len) * POWERS_U64[fraction_len]
                + leading_digits(load_digits(bytes, integer_len + 1)?, fraction_len);
        } else {
            let end = second.trailing_zeros() as usize / 8;
            fraction_len = end - integer_len - 1;
            // Shifts the digits before the point by one byte, over the point.
            let before_point = (1 << (8 * integer_len)) - 1;
            mantissa = leading_digits(((low & before_point) << 8) | (low & !((before_point << 8) | 0xff)), end);
        }
        let len = integer_len + 1 + fraction_len + usize::from(negative);
        (fraction_len > 0).then_some(Self { mantissa, fraction_len, len, negative })
    }

    /// The nearest double.
    #[inline]
    pub(super) fn double(&self) -> f64 {
        // Exact as in `Number::double`. The conversion of a signed integer is one instruction.
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "below 10^15")]
        let value = self.mantissa as i64 as f64 / POWERS_F64[self.fraction_len];
        if self.negative { -value } else { value }
    }

    /// The integer, if the number has no point.
    #[inline]
    pub(super) fn integer(&self) -> Option<i64> {
        #[allow(clippy::cast_possible_wrap, reason = "below 10^15")]
        let value = self.mantissa as i64;
        (self.fraction_len == 0).then_some(if self.negative { -value } else { value })
    }
}

impl<'a> Number<'a> {
    /// The number at the start of `bytes`, and its length.
    ///
    /// # Errors
    /// The position at which the text violates the grammar of JSON.
    #[inline]
    pub(super) fn scan(bytes: &'a [u8]) -> Result<(Self, usize), usize> {
        let negative = bytes.first() == Some(&b'-');
        let mut at = usize::from(negative);
        let start = at;
        let mut mantissa = 0u64;
        at = accumulate_digits(bytes, at, &mut mantissa);
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
            at = accumulate_digits(bytes, at, &mut mantissa);
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
                // Saturates: this far beyond the range of any type the exact exponent has no effect.
                written = written.saturating_mul(10).saturating_add(i32::from(d)).min(i32::MAX / 4);
                at += 1;
            }
            if at == first {
                return Err(at);
            }
            exponent = exponent.saturating_add(if minus { -written } else { written });
        }
        Ok((Self { text: &bytes[..at], negative, mantissa, exponent, exact: count <= MAX_U64_DIGITS }, at))
    }

    /// The number, if `bytes` are exactly one.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        Self::scan(bytes).ok().filter(|(_, len)| *len == bytes.len()).map(|(n, _)| n)
    }

    /// The nearest double.
    #[inline]
    pub(super) fn double(&self) -> Result<f64, NumberError> {
        // The mantissa and the power are exact doubles here, so one operation rounds correctly.
        if self.exact && self.mantissa <= 1 << 53 && self.exponent.unsigned_abs() <= 22 {
            let power = POWERS_F64[self.exponent.unsigned_abs() as usize];
            #[allow(clippy::cast_precision_loss, reason = "at most 2^53")]
            let mantissa = self.mantissa as f64;
            let value = if self.exponent < 0 { mantissa / power } else { mantissa * power };
            return Ok(if self.negative { -value } else { value });
        }
        self.parse_text::<f64>().filter(|v| v.is_finite()).ok_or(NumberError::OutOfRange)
    }

    /// The nearest float.
    #[inline]
    pub(super) fn float(&self) -> Result<f32, NumberError> {
        // As in `double`.
        if self.exact && self.mantissa <= 1 << 24 && self.exponent.unsigned_abs() <= 10 {
            let power = POWERS_F32[self.exponent.unsigned_abs() as usize];
            #[allow(clippy::cast_precision_loss, reason = "at most 2^24")]
            let mantissa = self.mantissa as f32;
            let value = if self.exponent < 0 { mantissa / power } else { mantissa * power };
            return Ok(if self.negative { -value } else { value });
        }
        self.parse_text::<f32>().filter(|v| v.is_finite()).ok_or(NumberError::OutOfRange)
    }

    fn parse_text<T: std::str::FromStr>(&self) -> Option<T> {
        std::str::from_utf8(self.text).ok()?.parse().ok()
    }

    /// The value as an integer; `1.0` and `1e3` are integers too.
    #[inline]
    pub(super) fn integer(&self) -> Result<i64, NumberError> {
        if self.exact && self.exponent == 0 {
            let value = i128::from(self.mantissa);
            return i64::try_from(if self.negative { -value } else { value }).map_err(|_| NumberError::OutOfRange);
        }
        self.scaled(0).and_then(|v| i64::try_from(v).map_err(|_| NumberError::OutOfRange))
    }

    /// The exact value times `10^scale`.
    pub(super) fn scaled(&self, scale: i8) -> Result<i128, NumberError> {
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
            return Err(NumberError::Fraction);
        }
        let ten = |v: i128, d: i128| v.checked_mul(10).and_then(|v| v.checked_add(d)).ok_or(NumberError::OutOfRange);
        let mut value = digits.take(kept).try_fold(0, ten)?;
        if value != 0 {
            // Terminates: a value other than zero leaves the range within 39 steps.
            for _ in 0..shift.max(0) {
                value = ten(value, 0)?;
            }
        }
        Ok(if self.negative { -value } else { value })
    }

    /// The unscaled decimal of a precision and scale.
    pub(super) fn decimal(&self, precision: u8, scale: i8) -> Result<i128, NumberError> {
        let value = self.scaled(scale)?;
        let limit = 10i128.checked_pow(u32::from(precision)).ok_or(NumberError::OutOfRange)?;
        if value.abs() < limit { Ok(value) } else { Err(NumberError::OutOfRange) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(text: &str) -> Number<'_> {
        Number::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_grammar_is_that_of_json() {
        for bad in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "0x1", "1 ", "NaN", "--1", "1.e3"] {
            assert!(Number::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        for good in ["0", "-0", "0.0", "1e5", "1E-5", "10.25e+3", "123456789012345678901234567890"] {
            assert!(Number::parse(good.as_bytes()).is_some(), "{good}");
        }
    }

    #[test]
    fn integers_are_exact_or_refused() {
        assert_eq!(number("9223372036854775807").integer(), Ok(i64::MAX));
        assert_eq!(number("-9223372036854775808").integer(), Ok(i64::MIN));
        assert_eq!(number("9223372036854775808").integer(), Err(NumberError::OutOfRange));
        assert_eq!(number("1.0").integer(), Ok(1));
        assert_eq!(number("1.50e1").integer(), Ok(15));
        assert_eq!(number("1.5").integer(), Err(NumberError::Fraction));
        assert_eq!(number("1.0000000000000000000000000000000000000000000000").integer(), Ok(1));
        assert_eq!(number("1e999999999999").integer(), Err(NumberError::OutOfRange));
        assert_eq!(number("0e999999999999").integer(), Ok(0));
        assert_eq!(number("0.0e-999999999999").integer(), Ok(0));
        assert_eq!(number("1e-999999999999").integer(), Err(NumberError::Fraction));
    }

    #[test]
    fn decimals_keep_their_digits() {
        let long = "12345678901234567890123456789012345.678";
        assert_eq!(number(long).decimal(38, 3), Ok(12_345_678_901_234_567_890_123_456_789_012_345_678));
        assert_eq!(number("0.10").decimal(10, 2), Ok(10));
        assert_eq!(number("0.101").decimal(10, 2), Err(NumberError::Fraction));
        assert_eq!(number("100").decimal(4, 2), Err(NumberError::OutOfRange));
    }

    #[test]
    fn common_numbers_are_short() {
        for text in ["7.4", "0", "-0", "-3.25", "0.0000001", "1700000000000", "123456789012345", "-1234567.1234567"] {
            let short = ShortNumber::scan(format!("{text},               ").as_bytes()).unwrap();
            assert_eq!(short.len, text.len());
            assert_eq!(short.double().to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text}");
            assert_eq!(short.integer(), text.parse().ok(), "{text}");
        }
        for text in ["", "-", "01", "-00.5", "1.", ".5", "012345678", "1234567890123456", "1.12345678", "12345678.5"] {
            assert!(ShortNumber::scan(format!("{text},               ").as_bytes()).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn short_numbers_equal_numbers(
            text in "-?[0-9]{0,17}(\\.[0-9]{0,17})?([eE][+-]?[0-9]{0,3})?",
            tail in "[,}. e0-9é\u{80}-\u{10ffff}]{0,20}",
        ) {
            let all = format!("{text}{tail}");
            if let Some(short) = ShortNumber::scan(all.as_bytes()) {
                let (written, rest) = all.split_at(short.len);
                let number = number(written);
                prop_assert_eq!(short.double().to_bits(), number.double().unwrap().to_bits());
                prop_assert_eq!(short.double().to_bits(), written.parse::<f64>().unwrap().to_bits());
                prop_assert_eq!(short.integer(), written.parse::<i64>().ok());
                // An exponent is the only part that it may not recognise.
                let complete = Number::scan(all.as_bytes()).is_ok_and(|(_, len)| len == short.len);
                prop_assert!(complete || rest.starts_with(['e', 'E']), "{}", all);
            }
        }

        #[test]
        fn the_text_after_a_number_does_not_change_it(
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
