//! Numbers as a person reads them: counts, rates, sizes, durations and times.

/// A whole number with a comma between thousands.
pub(super) fn count(n: impl Into<i128>) -> String {
    let n: i128 = n.into();
    let digits = n.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if n < 0 {
        text.push('-');
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with its noun, such as `1 record` or `10,000 records`.
pub(super) fn counted(n: u64, noun: &str) -> String {
    let plural = match noun {
        _ if n == 1 => "",
        _ if noun.ends_with("ch") => "es",
        _ => "s",
    };
    format!("{} {noun}{plural}", count(n))
}

/// A rate, without its unit; a dash if it is unknown.
#[allow(clippy::cast_possible_truncation, reason = "saturates far beyond any rate")]
pub(super) fn rate(per_second: Option<f64>) -> String {
    match per_second {
        None => "-".into(),
        Some(rate) if rate > 0.0 && rate < 10.0 => format!("{rate:.1}"),
        Some(rate) => count(rate.round() as i64),
    }
}

/// A number of bytes in its greatest binary unit.
pub(super) fn bytes(n: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if n < 1024 {
        return format!("{n} B");
    }
    let power = (n.ilog2() / 10).min(5);
    let tenths = (u128::from(n) * 10) >> (10 * power);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[power as usize - 1])
}

/// A short duration in microseconds; a dash if it is unknown.
pub(super) fn micros(micros: Option<u64>) -> String {
    match micros {
        None => "-".into(),
        Some(us) if us < 1_000 => format!("{us} µs"),
        Some(us) if us < 100_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        Some(us) if us < 1_000_000 => format!("{} ms", us / 1_000),
        Some(us) => format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
    }
}

/// A long duration in milliseconds, in its two greatest units.
pub(super) fn duration(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    let ms = millis.unsigned_abs();
    let (s, m, h, d) = (ms / 1_000, ms / 60_000, ms / 3_600_000, ms / 86_400_000);
    let text = match () {
        () if d > 0 => format!("{d}d {}h", h % 24),
        () if h > 0 => format!("{h}h {}m", m % 60),
        () if m > 0 => format!("{m}m {}s", s % 60),
        () => format!("{s}.{}s", ms % 1_000 / 100),
    };
    format!("{sign}{text}")
}

/// A point in time; a dash if it is unknown.
pub(super) fn timestamp(millis: Option<i64>) -> String {
    millis.map_or_else(|| "-".into(), crate::time::rfc3339)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_thousands_and_nouns() {
        assert_eq!([count(0), count(999), count(1_000), count(-1_234_567)], ["0", "999", "1,000", "-1,234,567"]);
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!([counted(1, "record"), counted(10_000, "record")], ["1 record", "10,000 records"]);
        assert_eq!([counted(1, "batch"), counted(0, "batch")], ["1 batch", "0 batches"]);
    }

    #[test]
    fn small_rates_have_a_decimal() {
        assert_eq!([rate(None), rate(Some(0.0)), rate(Some(0.4)), rate(Some(12_345.6))], ["-", "0", "0.4", "12,346"]);
    }

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!([bytes(0), bytes(1023), bytes(1024)], ["0 B", "1023 B", "1.0 KiB"]);
        assert_eq!(bytes(u64::MAX), "16383.9 PiB");
    }

    #[test]
    fn durations_have_a_unit_that_fits() {
        assert_eq!([micros(Some(850)), micros(Some(1_250)), micros(Some(250_000))], ["850 µs", "1.2 ms", "250 ms"]);
        assert_eq!(micros(Some(3_450_000)), "3.4 s");
        let durations = [duration(900), duration(61_000), duration(7_260_000), duration(-90_000_000)];
        assert_eq!(durations, ["0.9s", "1m 1s", "2h 1m", "-1d 1h"]);
    }
}
