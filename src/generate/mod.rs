//! Seeded sample records, for `seed`, `demo` and benchmarks.
//!
//! Separate and pure: the same seed gives the same records, byte for byte, whatever batches they are asked
//! for in. It writes to no log, reads no file and no clock.

mod clock;
mod distribution;
mod sampler;
pub mod spec;
pub mod wine;

use crate::record::RecordsBuilder;

/// Source of randomness: small, fast, and the same numbers on every machine.
type Random = rand_pcg::Pcg64Mcg;

/// An endless sequence of records.
pub trait Generate: Send {
    /// Appends the next `count` records.
    fn fill(&mut self, count: usize, out: &mut RecordsBuilder);
}

/// Appends `units / 10^decimals` with just so many decimals.
fn fixed(out: &mut Vec<u8>, units: i64, decimals: u32) {
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
    let mut place = power / 10;
    while place > 0 {
        out.push(b'0' + u8::try_from(units / place % 10).unwrap_or(0));
        place /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::fixed;

    #[test]
    fn decimals_are_padded_and_signed() {
        let text = |units, decimals| {
            let mut out = Vec::new();
            fixed(&mut out, units, decimals);
            String::from_utf8_lossy(&out).into_owned()
        };
        assert_eq!([text(7, 3), text(-1_250, 2), text(-4, 1), text(12, 0)], ["0.007", "-12.50", "-0.4", "12"]);
    }
}
