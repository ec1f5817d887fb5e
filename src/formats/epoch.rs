//! Times as numbers since the epoch. The size of a number says its unit, so that none is misread.
//!
//! Ten digits are seconds (2001 to 2286), sixteen are microseconds and nineteen nanoseconds of the same years; any other
//! number is milliseconds. So small numbers, as in samples and tests, are milliseconds too, and the only milliseconds
//! that cannot be written are those of 12 January to 26 April 1970.

use super::number::{Number, NumberError};
use crate::time::rfc3339;
use std::ops::Range;

const SECONDS: Range<i64> = 1_000_000_000..10_000_000_000;
const MICROSECONDS: Range<i64> = 1_000_000_000_000_000..10_000_000_000_000_000;
const FIRST_NANOSECOND: i64 = 1_000_000_000_000_000_000;

/// The milliseconds of a whole number; `None` outside the years 0000 to 9999.
#[inline]
pub(super) fn millis_of_integer(value: i64) -> Option<i64> {
    if rfc3339::RANGE.contains(&value) && !SECONDS.contains(&value) {
        return Some(value);
    }
    match value {
        v if SECONDS.contains(&v) => Some(v * 1_000),
        v if MICROSECONDS.contains(&v) => Some(v / 1_000),
        v if v >= FIRST_NANOSECOND => Some(v / 1_000_000),
        _ => None,
    }
}

/// The milliseconds of a number. Only seconds may have a fraction, of which the digits after the third are dropped.
pub(super) fn millis(number: Number<'_>) -> Result<i64, NumberError> {
    match number.integer() {
        Ok(value) => millis_of_integer(value).ok_or(NumberError::OutOfRange),
        Err(NumberError::Fraction) => {
            let nanoseconds = number.scaled(9)?;
            let seconds = i64::try_from(nanoseconds / 1_000_000_000).map_err(|_| NumberError::OutOfRange)?;
            if !SECONDS.contains(&seconds) {
                return Err(NumberError::Fraction);
            }
            i64::try_from(nanoseconds / 1_000_000).map_err(|_| NumberError::OutOfRange)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_digits_is_the_unit() {
        let at = |text: &str| millis(Number::parse(text.as_bytes()).unwrap());
        let expected = Ok(1_767_323_045_678);
        for text in ["1767323045.678", "1767323045678", "1767323045678912", "1767323045678912345", "1767323045.6789123"]
        {
            assert_eq!(at(text), expected, "{text}");
        }
        assert_eq!(at("1767323045"), Ok(1_767_323_045_000));
        assert_eq!(at("1.767323045e9"), Ok(1_767_323_045_000));
        for small in ["0", "1000", "-1000", "999999999", "10000000000", "-1767323045", "253402300799999"] {
            assert_eq!(at(small), Ok(small.parse().unwrap()), "{small}");
        }
        for (text, error) in [
            ("253402300800000", NumberError::OutOfRange),
            ("999999999999999", NumberError::OutOfRange),
            ("10000000000000000", NumberError::OutOfRange),
            ("1e30", NumberError::OutOfRange),
            ("1767323045678.5", NumberError::Fraction),
            ("0.5", NumberError::Fraction),
        ] {
            assert_eq!(at(text), Err(error), "{text}");
        }
    }
}
