//! Parsers of argument values: rates, start positions, times, delimiters, sizes, durations, properties.
//!
//! clap shows their errors.

use crate::log::Start;
use crate::record::Offset;
use crate::time::rfc3339;
use std::str::FromStr;
use std::time::Duration;

/// The longest name of an instance.
const MAX_NAME_BYTES: usize = 200;

/// Records per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate(pub(super) f64);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("`{text}` is not a rate: write a number and a unit, such as 1000/s, 90/m or 0.5/s");
        let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
        let seconds = match unit.trim() {
            "s" | "sec" | "second" => 1.0,
            "m" | "min" | "minute" => 60.0,
            "h" | "hour" => 3600.0,
            _ => return Err(invalid()),
        };
        let (number, factor) = match number.trim().split_at_checked(number.trim().len().saturating_sub(1)) {
            Some((number, "k" | "K")) => (number, 1e3),
            Some((number, "M")) => (number, 1e6),
            _ => (number.trim(), 1.0),
        };
        let rate = number.replace('_', "").parse::<f64>().map_err(|_| invalid())? * factor / seconds;
        if rate.is_finite() && rate > 0.0 { Ok(Self(rate)) } else { Err(invalid()) }
    }
}

/// `earliest`, `latest`, an offset, or a time.
pub(super) fn start(text: &str) -> Result<Start, String> {
    match text {
        "earliest" | "beginning" => Ok(Start::Earliest),
        "latest" | "end" => Ok(Start::Latest),
        _ if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() => {
            text.parse().map(|n| Start::At(Offset(n))).map_err(|_| format!("offset {text} is too large"))
        }
        _ => timestamp(text).map(Start::Time).ok_or_else(|| {
            format!("`{text}` is not a start position: write earliest, latest, an offset, or a time such as 2026-01-31T12:00:00Z")
        }),
    }
}

/// A time, or epoch milliseconds.
pub(super) fn time(text: &str) -> Result<i64, String> {
    text.parse().ok().or_else(|| timestamp(text)).ok_or_else(|| {
        format!("`{text}` is not a time: write one such as 2026-01-31T12:00:00Z, or milliseconds since 1970")
    })
}

/// Epoch milliseconds of an RFC 3339 time. A date or a time without a zone is in UTC.
fn timestamp(text: &str) -> Option<i64> {
    let date = || rfc3339::parse_date(text.as_bytes()).map(|days| i64::from(days) * rfc3339::DAY_MS);
    rfc3339::parse_timestamp(text.as_bytes())
        .or_else(|| rfc3339::parse_timestamp(format!("{text}Z").as_bytes()))
        .or_else(date)
}

/// The byte between values; `\t` or `tab` is a tab.
pub(super) fn delimiter(text: &str) -> Result<u8, String> {
    match (text, text.as_bytes()) {
        (r"\t" | "tab", _) => Ok(b'\t'),
        (_, [byte]) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        _ => Err(format!("`{text}` is not a delimiter: write one ASCII character, such as , or ; or | or tab")),
    }
}

/// A number of bytes, with an optional unit, such as `512MiB`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 10] = [
        ("", 1),
        ("B", 1),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
        ("kB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
    ];
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text[digits..].trim()));
    let number = text[..digits].parse::<u64>().ok();
    match (number, unit) {
        (Some(n), Some((_, unit))) => n.checked_mul(*unit),
        _ => None,
    }
    .ok_or_else(|| format!("`{text}` is not a size: write a number and a unit, such as 512MiB or 1GiB"))
}

/// A duration in the form of humantime, such as `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|e| format!("{e}; write a duration such as 90s, 10m or 7d"))
}

/// The name of an instance: one line that is not empty.
pub(super) fn instance_name(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("a name is not empty".into()),
        name if name.chars().any(char::is_control) || name.len() > MAX_NAME_BYTES => {
            Err(format!("a name has at most {MAX_NAME_BYTES} bytes, in one line and without control characters"))
        }
        name => Ok(name.to_owned()),
    }
}

/// `key=value`.
pub(super) fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not a property: write key=value")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_per_second_minute_or_hour() {
        let rate = |text: &str| text.parse::<Rate>().map(|r| r.0);
        assert_eq!(rate("1000/s"), Ok(1000.0));
        assert_eq!(rate("1000"), Ok(1000.0));
        assert_eq!(rate("90/m"), Ok(1.5));
        assert_eq!(rate("10k/s"), Ok(10_000.0));
        assert_eq!(rate("0.5/s"), Ok(0.5));
        for invalid in ["", "0/s", "-1/s", "fast", "10/d", "NaN", "inf", "k/s"] {
            assert!(rate(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn a_start_position_is_a_word_an_offset_or_a_time() {
        assert_eq!(start("earliest"), Ok(Start::Earliest));
        assert_eq!(start("latest"), Ok(Start::Latest));
        assert_eq!(start("57"), Ok(Start::At(Offset(57))));
        assert_eq!(start("1970-01-01T00:00:01.5Z"), Ok(Start::Time(1500)));
        assert_eq!(start("1970-01-01T01:00:01+01:00"), Ok(Start::Time(1000)));
        assert_eq!(start("1970-01-02T00:00:00"), Ok(Start::Time(86_400_000)));
        assert_eq!(start("1970-01-02"), Ok(Start::Time(86_400_000)));
        for invalid in ["", "-1", "erliest", "99999999999999999999", "2026-13-01"] {
            assert!(start(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn a_delimiter_is_one_byte() {
        assert_eq!(delimiter(";"), Ok(b';'));
        assert_eq!(delimiter("\\t"), Ok(b'\t'));
        for invalid in ["", ",,", "\"", "é", "\n"] {
            assert!(delimiter(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn sizes_have_binary_and_decimal_units() {
        assert_eq!(bytes("512"), Ok(512));
        assert_eq!(bytes("1 GiB"), Ok(1 << 30));
        assert_eq!(bytes("2mb"), Ok(2_000_000));
        for invalid in ["", "MiB", "1.5GiB", "-1", "99999999TiB", "1 parsec"] {
            assert!(bytes(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn the_name_of_an_instance_is_one_line() {
        assert_eq!(instance_name(" a/1 ü "), Ok("a/1 ü".into()));
        for invalid in ["", " ", "a\nb", "\u{1b}[2J", &"x".repeat(201)] {
            assert!(instance_name(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn a_property_is_split_at_its_first_equals_sign() {
        assert_eq!(property("a.b=c=d"), Ok(("a.b".into(), "c=d".into())));
        assert!(property("a.b").is_err() && property("=c").is_err());
    }
}
