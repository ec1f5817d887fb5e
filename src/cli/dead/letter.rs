//! A dead letter as it is read back from its topic.

use crate::record::{Fetched, Offset, TopicPartition};
use arrow_array::Array as _;

/// Begins the names of the headers that a dead letter has beside those of its record.
const OWN_PREFIX: &[u8] = b"fastdata-";

/// The header of a record that was sent again: which letter it is from.
pub(super) const REPLAYED: &str = "fastdata-replayed";

/// Headers of the record that begin like those of a letter.
const OF_THE_RECORD: [&[u8]; 3] = [b"fastdata-model", b"fastdata-columns", REPLAYED.as_bytes()];

/// A header: name and value.
pub(super) type HeaderOf<'a> = (&'a [u8], Option<&'a [u8]>);

/// A dead letter.
#[derive(Debug)]
pub(super) struct DeadLetter<'a> {
    /// Where the letter is.
    pub(super) at: TopicPartition,
    pub(super) offset: Offset,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    /// The time of the record.
    pub(super) timestamp: i64,
    /// The headers of the record.
    pub(super) headers: Vec<HeaderOf<'a>>,
    /// Why the record could not be handled.
    pub(super) error: String,
    pub(super) step: String,
    /// Topic, partition and offset of the record.
    pub(super) source: String,
    /// The size of a value that was left out.
    pub(super) left_out: Option<String>,
    /// The letter holds a row as JSON and not the record that it came from.
    pub(super) is_row: bool,
}

impl<'a> DeadLetter<'a> {
    /// The letters of a batch, in their order.
    pub(super) fn all(fetched: &'a Fetched) -> impl Iterator<Item = DeadLetter<'a>> {
        (0..fetched.records.len()).map(|row| Self::read(fetched, row))
    }

    fn read(fetched: &'a Fetched, row: usize) -> Self {
        let records = &fetched.records;
        let all: Vec<HeaderOf<'a>> = records.headers.iter().flat_map(|h| h.row(row)).collect();
        // The letter's own headers are behind those of the record.
        let own = |name: &str| {
            let found = all.iter().rev().find(|(of, _)| *of == name.as_bytes())?;
            Some(String::from_utf8_lossy(found.1.unwrap_or_default()).into_owned())
        };
        let of_record = |(name, _): &HeaderOf<'_>| !name.starts_with(OWN_PREFIX) || OF_THE_RECORD.contains(name);
        Self {
            at: TopicPartition::clone(&fetched.origin),
            offset: Offset(fetched.offsets[row]),
            key: records.keys.is_valid(row).then(|| records.keys.value(row)),
            value: records.values.is_valid(row).then(|| records.values.value(row)),
            // Kafka gives a letter the time at which it was written.
            timestamp: own("fastdata-timestamp").and_then(|t| t.parse().ok()).unwrap_or(records.timestamps[row]),
            error: own("fastdata-error").unwrap_or_default(),
            step: own("fastdata-step").unwrap_or_default(),
            source: own("fastdata-source").unwrap_or_default(),
            left_out: own("fastdata-size"),
            is_row: own("fastdata-row").is_some(),
            headers: all.into_iter().filter(of_record).collect(),
        }
    }

    /// The partition that the record came from.
    pub(super) fn origin(&self) -> Option<TopicPartition> {
        let (at, offset) = self.source.rsplit_once('/')?;
        let (topic, partition) = at.rsplit_once('/')?;
        offset.parse::<i64>().ok()?;
        Some(TopicPartition::new(topic, partition.parse().ok()?))
    }
}
