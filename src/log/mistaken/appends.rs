//! Mistakes in the records of one append.

use super::lookups::partition_count;
use super::mistake::{Mistake, Planted};
use super::rows;
use crate::log::{Append, Log};
use crate::metrics::{PIPELINE_KEY, PROGRESS_SUFFIX};
use crate::record::{Partition, Records};
use arrow_array::{Array, BinaryArray};

/// What a topic written by a pipeline contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TopicKind {
    Results,
    DeadLetters,
    Repartition,
    Changelog,
    Progress,
}

impl TopicKind {
    /// The kind of a topic that the pipeline `group` writes.
    pub(super) fn of(group: &str, topic: &str) -> Self {
        match topic.strip_prefix(group) {
            Some(".dead") => Self::DeadLetters,
            Some(PROGRESS_SUFFIX) => Self::Progress,
            Some(rest) if rest.ends_with(".state") => Self::Changelog,
            Some(rest) if rest.starts_with('.') => Self::Repartition,
            _ => Self::Results,
        }
    }
}

/// Makes the mistake in an append, if it is a mistake in topics of this kind.
pub(super) fn mistaken_append(planted: &Planted, log: &dyn Log, kind: TopicKind, append: &mut Append) {
    if append.records.is_empty() {
        return;
    }
    match kind {
        TopicKind::Results => in_results(planted, append),
        TopicKind::DeadLetters => in_dead_letters(planted, &mut append.records),
        TopicKind::Repartition => in_repartition(planted, log, append),
        TopicKind::Changelog => in_changelog(planted, &mut append.records),
        TopicKind::Progress => in_progress(planted, &mut append.records),
    }
}

fn in_results(planted: &Planted, append: &mut Append) {
    let rows = append.records.len();
    let records = &mut append.records;
    match planted.mistake() {
        m @ Mistake::SendTwice if planted.one_in(10, m) => twice(records),
        m @ Mistake::DropLast if planted.one_in(10, m) => *records = records.slice(0, rows - 1),
        m @ Mistake::DropSecondHalf if planted.one_in(10, m) => *records = records.slice(0, rows / 2),
        Mistake::HeaderLost => records.headers = None,
        Mistake::KeyLost => records.keys = BinaryArray::new_null(rows),
        Mistake::KeysExchanged => rows::exchange_keys(records),
        Mistake::TimestampChanged => records.timestamps = records.timestamps.iter().map(|t| t + 1).collect(),
        _ => {}
    }
}

fn in_dead_letters(planted: &Planted, records: &mut Records) {
    match planted.mistake() {
        m @ Mistake::DeadLetterDropped if planted.one_in(3, m) => *records = records.slice(1, records.len() - 1),
        m @ Mistake::DeadLetterTwice if planted.one_in(3, m) => twice(records),
        _ => {}
    }
}

fn in_repartition(planted: &Planted, log: &dyn Log, append: &mut Append) {
    let records = &append.records;
    // Watermarks have no key.
    let row = rows::matching(records, |row| records.keys.is_valid(row));
    match planted.mistake() {
        m @ Mistake::WrongTask if !row.is_empty() && planted.one_in(5, m) => to_next_partition(log, append),
        m @ Mistake::RowSentTwice if row.first() == Some(&0) && planted.one_in(3, m) => {
            let mut rows = rows::all(records);
            rows.insert(0, 0);
            append.records = rows::take(records, rows);
        }
        Mistake::WatermarkEarly => {
            let mut rows = rows::matching(records, |row| records.keys.is_null(row));
            rows.extend(row);
            append.records = rows::take(records, rows);
        }
        _ => {}
    }
}

fn in_changelog(planted: &Planted, records: &mut Records) {
    match planted.mistake() {
        Mistake::ChangelogKeysExchanged => rows::exchange_keys(records),
        Mistake::ChangelogShort => *records = records.slice(0, records.len() - 1),
        Mistake::DeletionNotWritten => {
            *records = rows::take(records, rows::matching(records, |row| records.values.is_valid(row)));
        }
        _ => {}
    }
}

fn in_progress(planted: &Planted, records: &mut Records) {
    let m = Mistake::ProgressNotWritten;
    if planted.is(m) && !planted.one_in(4, m) {
        let pipeline = |row: usize| records.keys.is_valid(row) && records.keys.value(row) == PIPELINE_KEY.as_bytes();
        *records = rows::take(records, rows::matching(records, pipeline));
    }
}

fn twice(records: &mut Records) {
    *records = Records::concat(vec![records.clone(), records.clone()]);
}

fn to_next_partition(log: &dyn Log, append: &mut Append) {
    let count = partition_count(log, &append.to.topic);
    append.to.partition = Partition((append.to.partition.0 + 1) % count);
}
