//! Seeded sample records, for `seed`, `demo` and benchmarks.
//!
//! Generators are pure: the same seed gives the same records, byte for byte, for any batch sizes. They write
//! to no log and read no file and no clock.

mod distribution;
mod event_times;
mod sampler;
pub mod spec;
pub mod wine;

use crate::record::RecordsBuilder;

/// The random number generator: small, fast, and with the same numbers on every machine.
type Random = rand_pcg::Pcg64Mcg;

/// An endless sequence of records.
pub trait Generate: Send {
    /// Appends the next `count` records.
    fn fill(&mut self, count: usize, out: &mut RecordsBuilder);

    /// Lets event time go on after a time, unless the records have a start of their own.
    fn start_after(&mut self, time: i64);
}

/// Appends `units / 10^decimals` with exactly `decimals` decimals.
fn write_fixed(out: &mut Vec<u8>, units: i64, decimals: u32) {
    if units < 0 {
        out.push(b'-');
    }
    let power = 10u64.pow(decimals);
    let units = units.unsigned_abs();
    out.extend_from_slice(itoa::Buffer::new().format(units / power).as_bytes());
    if decimals == 0 {
        return;
    }
    out.push(b'.');
    let mut digit_power = power / 10;
    while digit_power > 0 {
        out.push(b'0' + u8::try_from(units / digit_power % 10).unwrap_or(0));
        digit_power /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::write_fixed;

    #[test]
    fn decimals_are_padded_and_signed() {
        let text = |units, decimals| {
            let mut out = Vec::new();
            write_fixed(&mut out, units, decimals);
            String::from_utf8_lossy(&out).into_owned()
        };
        assert_eq!([text(7, 3), text(-1_250, 2), text(-4, 1), text(12, 0)], ["0.007", "-12.50", "-0.4", "12"]);
    }
}
