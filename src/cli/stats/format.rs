//! Figures as a person reads them.
//!
//! Separate because text, the live screen and `demo` write the same figures the same way.

/// A whole number with its thousands apart.
pub(in crate::cli) fn count(n: impl Into<i128>) -> String {
    let n: i128 = n.into();
    let digits = n.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if n < 0 {
        text.push('-');
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Records a second; a dash where it is not known.
#[allow(clippy::cast_possible_truncation, reason = "saturates far beyond any rate")]
pub(super) fn rate(rate: Option<f64>) -> String {
    match rate {
        None => "-".into(),
        Some(rate) if rate > 0.0 && rate < 10.0 => format!("{rate:.1}"),
        Some(rate) => count(rate.round() as i64),
    }
}

/// A duration in microseconds; a dash where there is none.
pub(super) fn micros(micros: Option<u64>) -> String {
    match micros {
        None => "-".into(),
        Some(us) if us < 1_000 => format!("{us} µs"),
        Some(us) if us < 100_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        Some(us) if us < 1_000_000 => format!("{} ms", us / 1_000),
        Some(us) => format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
    }
}

/// A length of time in milliseconds, in its two greatest units.
pub(super) fn span(millis: i64) -> String {
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

/// An event time, a dash where there is none.
pub(super) fn moment(millis: Option<i64>) -> String {
    millis.map_or_else(|| "-".into(), crate::time::rfc3339)
}

/// So many of something.
pub(super) fn times(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_exact_where_it_matters() {
        assert_eq!([count(0), count(999), count(1_000), count(-1_234_567)], ["0", "999", "1,000", "-1,234,567"]);
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!([rate(None), rate(Some(0.0)), rate(Some(0.4)), rate(Some(12_345.6))], ["-", "0", "0.4", "12,346"]);
        assert_eq!([micros(Some(850)), micros(Some(1_250)), micros(Some(250_000))], ["850 µs", "1.2 ms", "250 ms"]);
        assert_eq!(micros(Some(3_450_000)), "3.4 s");
        assert_eq!([span(900), span(61_000), span(7_260_000), span(-90_000_000)], ["0.9s", "1m 1s", "2h 1m", "-1d 1h"]);
    }
}
