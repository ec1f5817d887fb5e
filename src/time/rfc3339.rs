//! Timestamps and dates as text: RFC 3339, years 0000 to 9999, and the parts of it that people write.
//!
//! The only place that reads or writes this form, so that codecs, keys, inference and messages agree on
//! each digit. Codecs call it once a value, so it works on bytes and allocates nothing.

/// The milliseconds of a day in UTC.
pub(crate) const DAY_MS: i64 = 86_400_000;
/// The timestamps that RFC 3339 can write: 0000-01-01 to the end of 9999.
pub(crate) const RANGE: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let day_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + day_of_era * 365 + day_of_era / 4 - day_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a day since 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

fn parse_digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0i64, |v, b| b.is_ascii_digit().then(|| v * 10 + i64::from(b - b'0')))
}

/// Days since the epoch of `2026-01-02`.
pub(crate) fn parse_date(text: &[u8]) -> Option<i32> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else { return None };
    let (year, month, day) = (parse_digits(&[y1, y2, y3, y4])?, parse_digits(&[m1, m2])?, parse_digits(&[d1, d2])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (1..=length).contains(&day).then_some(())?;
    i32::try_from(days_from_civil(year, month, day)).ok()
}

/// Milliseconds since the epoch of `2026-01-02T03:04:05.678Z`; digits after the third are dropped.
pub(crate) fn parse_timestamp(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let day = parse_date(date)?;
    let (time, rest) = rest.split_at_checked(9)?;
    let [b'T' | b't' | b' ', h1, h2, b':', m1, m2, b':', s1, s2] = *time else { return None };
    let (millis, rest) = parse_fraction(rest, b".")?;
    let offset = match *rest {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => parse_offset(sign, [h1, h2], [m1, m2])?,
        _ => return None,
    };
    timestamp(day, [[h1, h2], [m1, m2], [s1, s2]], millis, offset)
}

/// Milliseconds since the epoch of a time as people and programs write it: as RFC 3339 has it, or a part of that.
///
/// A time without a zone is in UTC, and a date is its first instant. Zones are `Z`, `UTC`, `+01:00`, `+0100`, `+01`,
/// also after a space; a fraction may follow a comma.
pub(crate) fn parse_time(text: &[u8]) -> Option<i64> {
    if let Some(at) = parse_timestamp(text) {
        return Some(at);
    }
    let (date, rest) = text.split_at_checked(10)?;
    let day = parse_date(date)?;
    if rest.is_empty() {
        return Some(i64::from(day) * DAY_MS);
    }
    let (minutes, rest) = rest.split_at_checked(6)?;
    let [b'T' | b't' | b' ', h1, h2, b':', m1, m2] = *minutes else { return None };
    let (seconds, millis, rest) = match rest {
        [b':', s1, s2, rest @ ..] => {
            let (millis, rest) = parse_fraction(rest, b".,")?;
            ([*s1, *s2], millis, rest)
        }
        _ => (*b"00", 0, rest),
    };
    let offset = match *rest.strip_prefix(b" ").unwrap_or(rest) {
        [] | [b'Z' | b'z'] | [b'U', b'T', b'C'] => 0,
        [sign @ (b'+' | b'-'), h1, h2] => parse_offset(sign, [h1, h2], *b"00")?,
        [sign @ (b'+' | b'-'), h1, h2, m1, m2] | [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            parse_offset(sign, [h1, h2], [m1, m2])?
        }
        _ => return None,
    };
    timestamp(day, [[h1, h2], [m1, m2], seconds], millis, offset)
}

/// Days since the epoch of a date, or of a time that is the first instant of a day in UTC.
pub(crate) fn parse_day(text: &[u8]) -> Option<i32> {
    parse_date(text).or_else(|| {
        let at = parse_time(text)?;
        (at.rem_euclid(DAY_MS) == 0).then(|| i32::try_from(at / DAY_MS).ok())?
    })
}

/// The milliseconds of a fraction after one of `points`, 0 without one, and the text after it.
fn parse_fraction<'a>(text: &'a [u8], points: &[u8]) -> Option<(i64, &'a [u8])> {
    let Some((_, fraction)) = text.split_first().filter(|(point, _)| points.contains(point)) else {
        return Some((0, text));
    };
    let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    let digit = |i: usize| fraction.get(i).filter(|_| i < digits).map_or(0, |b| i64::from(b - b'0'));
    Some((digit(0) * 100 + digit(1) * 10 + digit(2), &fraction[digits..]))
}

/// Minutes ahead of UTC.
fn parse_offset(sign: u8, hours: [u8; 2], minutes: [u8; 2]) -> Option<i64> {
    let (hours, minutes) = (parse_digits(&hours)?, parse_digits(&minutes)?);
    (hours <= 23 && minutes <= 59).then(|| (if sign == b'-' { -1 } else { 1 }) * (hours * 60 + minutes))
}

/// Milliseconds since the epoch of hour, minute and second of a day.
fn timestamp(day: i32, [hour, minute, second]: [[u8; 2]; 3], millis: i64, offset: i64) -> Option<i64> {
    let (hour, minute, second) = (parse_digits(&hour)?, parse_digits(&minute)?, parse_digits(&second)?);
    // Second 60 is a leap second: the instant after it has the same number.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let at = i64::from(day) * DAY_MS + ((hour * 60 + minute - offset) * 60 + second) * 1_000 + millis;
    RANGE.contains(&at).then_some(at)
}

/// Fills a field with decimal digits, from the right.
fn write_digits(out: &mut [u8], mut value: i64) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

/// Appends `2026-01-02`. Appends nothing and returns false where the year does not have four digits.
pub(crate) fn write_date(out: &mut Vec<u8>, day: i32) -> bool {
    let (year, month, day) = civil_from_days(i64::from(day));
    if !(0..=9_999).contains(&year) {
        return false;
    }
    let mut text = *b"0000-00-00";
    write_digits(&mut text[..4], year);
    write_digits(&mut text[5..7], month);
    write_digits(&mut text[8..], day);
    out.extend_from_slice(&text);
    true
}

/// Appends `2026-01-02T03:04:05.678Z`. Appends nothing and returns false outside [`RANGE`].
pub(crate) fn write_timestamp(out: &mut Vec<u8>, at: i64) -> bool {
    if !RANGE.contains(&at) {
        return false;
    }
    let (year, month, day) = civil_from_days(at.div_euclid(DAY_MS));
    let ms_of_day = at.rem_euclid(DAY_MS);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    write_digits(&mut text[..4], year);
    write_digits(&mut text[5..7], month);
    write_digits(&mut text[8..10], day);
    write_digits(&mut text[11..13], ms_of_day / 3_600_000);
    write_digits(&mut text[14..16], ms_of_day / 60_000 % 60);
    write_digits(&mut text[17..19], ms_of_day / 1_000 % 60);
    write_digits(&mut text[20..23], ms_of_day % 1_000);
    out.extend_from_slice(&text);
    true
}

/// A timestamp as RFC 3339 in UTC with milliseconds; outside [`RANGE`] its number of milliseconds.
#[must_use]
pub fn rfc3339(millis: i64) -> String {
    let mut text = Vec::new();
    if !write_timestamp(&mut text, millis) {
        return millis.to_string();
    }
    String::from_utf8(text).expect("a timestamp is written in ASCII")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_valid_rfc_3339_is_parsed() {
        assert_eq!(parse_timestamp(b"1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse_timestamp(b"1970-01-01t01:00:00.5+01:00"), Some(500));
        assert_eq!(parse_timestamp(b"1969-12-31 23:59:59.9999z"), Some(-1));
        assert_eq!(parse_timestamp(b"2016-12-31T23:59:60Z"), parse_timestamp(b"2017-01-01T00:00:00Z"));
        for bad in [
            "2026-01-02",
            "2026-01-02T03:04:05",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-02T24:00:00Z",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05+1:00",
            "2026-01-02T03:04:05Zz",
            "0000-01-01T00:00:00+01:00",
            "",
        ] {
            assert_eq!(parse_timestamp(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn times_are_parsed_as_people_write_them() {
        let at = parse_timestamp(b"2026-03-02T10:00:00Z");
        for text in [
            "2026-03-02 10:00:00",
            "2026-03-02T10:00:00",
            "2026-03-02 10:00",
            "2026-03-02T10:00Z",
            "2026-03-02 10:00:00.000000",
            "2026-03-02 10:00:00,000",
            "2026-03-02 10:00:00+00:00",
            "2026-03-02T12:00:00.000+0200",
            "2026-03-02 05:30:00 -04:30",
            "2026-03-02 11:00:00+01",
            "2026-03-02 10:00:00 UTC",
        ] {
            assert_eq!(parse_time(text.as_bytes()), at, "{text}");
        }
        assert_eq!(parse_time(b"2026-03-02"), parse_timestamp(b"2026-03-02T00:00:00Z"));
        assert_eq!(parse_time(b"2026-03-02 10:00:00.9876"), at.map(|at| at + 987));
        for bad in
            ["02.03.2026", "2026-3-2", "2026-03-02 10", "2026-03-02 1:00", "2026-03-02 10:00 PM", "10:00", "2026"]
        {
            assert_eq!(parse_time(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(parse_day(b"1969-12-31 00:00:00"), Some(-1));
        assert_eq!(parse_day(b"2026-03-02T00:00:00.000Z"), parse_date(b"2026-03-02"));
        assert_eq!(parse_day(b"2026-03-02T00:00:01Z"), None);
    }

    #[test]
    fn a_timestamp_that_rfc_3339_cannot_write_is_its_number() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(*RANGE.end()), "9999-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(RANGE.end() + 1), "253402300800000");
        assert_eq!(rfc3339(i64::MIN), i64::MIN.to_string());
    }

    proptest! {
        #[test]
        fn timestamps_agree_with_chrono(at in RANGE) {
            let mut out = Vec::new();
            prop_assert!(write_timestamp(&mut out, at));
            let expected = chrono::DateTime::from_timestamp_millis(at).unwrap();
            prop_assert_eq!(std::str::from_utf8(&out).unwrap(), expected.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
            prop_assert_eq!(parse_timestamp(&out), Some(at));
            prop_assert_eq!(parse_date(&out[..10]), i32::try_from(at.div_euclid(DAY_MS)).ok());
        }
    }
}
