//! The partition of a key, as Kafka's default partitioner chooses it.
//!
//! Every producer and the repartition operator use it, so that equal keys meet in one partition.

use crate::record::Partition;

/// The 32-bit murmur2 hash of Kafka's default partitioner.
#[must_use]
pub fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut h: u32 = 0x9747_b28c ^ u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut chunks = data.chunks_exact(4);
    for c in &mut chunks {
        let mut k = u32::from_le_bytes([c[0], c[1], c[2], c[3]]).wrapping_mul(M);
        k ^= k >> 24;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = chunks.remainder();
    for (i, b) in rest.iter().enumerate().rev() {
        h ^= u32::from(*b) << (8 * i);
    }
    if !rest.is_empty() {
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

/// The partition of a key among `count` partitions.
#[must_use]
pub fn partition_of(key: &[u8], count: u32) -> Partition {
    Partition((murmur2(key) & 0x7fff_ffff) % count.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are those of Kafka's own test of its hash.
    #[test]
    fn hashes_agree_with_kafka() {
        let signed = |s: &str| murmur2(s.as_bytes()).cast_signed();
        assert_eq!(signed("21"), -973_932_308);
        assert_eq!(signed("foobar"), -790_332_482);
        assert_eq!(signed("a-little-bit-long-string"), -985_981_536);
        assert_eq!(signed("a-little-bit-longer-string"), -1_486_304_829);
        assert_eq!(signed("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"), -58_897_971);
        assert_eq!(signed("abc"), 479_470_107);
    }
}
