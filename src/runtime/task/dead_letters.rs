//! Dead letters: records that could not be handled, with their exact bytes and the reason.
//!
//! A row without a source record (the result of a window, a repartitioned row) is written as JSON. A dead letter that
//! would be too large for its topic is written without the value. The error text shows nothing that `${…}` brought into
//! the pipeline file.

use crate::diagnostics::Secrets;
use crate::formats::Format;
use crate::record::{Fetched, Partition, Records, RecordsBuilder, TopicPartition};
use crate::runtime::task::collector::DeadRow;
use crate::runtime::task::input::Rejected;
use crate::runtime::task::letter::{Letter, LetterReason};
use crate::runtime::task::outbox::Outbox;
use arrow_array::Array;
use std::sync::Arc;

/// A record that becomes no row: it could not be decoded, or is skipped.
#[derive(Clone, Copy, Debug)]
pub(in crate::runtime) struct Undecoded<'a> {
    /// The position in the round.
    pub(in crate::runtime) order: i64,
    pub(in crate::runtime) fetched: &'a Fetched,
    pub(in crate::runtime) source: &'a str,
    /// The row in the fetch, and the error.
    pub(in crate::runtime) bad: &'a Rejected,
}

/// Writes to the topic of dead letters.
#[derive(Debug)]
pub(in crate::runtime) struct DeadLetters {
    topic: Arc<str>,
    task: Partition,
}

impl DeadLetters {
    pub(in crate::runtime) fn new(topic: &str, task: Partition) -> Self {
        Self { topic: topic.into(), task }
    }

    /// Writes the records that could not be decoded and the rows on which a step failed, as one sequence in the order
    /// of the round. `fetched` holds the source records of the round.
    pub(in crate::runtime) fn write(
        &self,
        dead: &[DeadRow],
        steps: impl Fn(usize) -> String,
        fetched: &[&Fetched],
        undecoded: &[Undecoded<'_>],
        outbox: &mut Outbox,
    ) {
        let max_bytes = outbox.limits().get(&self.topic).map_or(usize::MAX, |limit| limit.bytes);
        let secrets = Secrets::known();
        let mut letters = RecordsBuilder::default();
        let mut undecoded = undecoded.iter().peekable();
        let write_undecoded = |letters: &mut RecordsBuilder, u: &Undecoded<'_>| {
            let Some(error) = &u.bad.error else { return };
            let (f, row) = (u.fetched, u.bad.row);
            let source = position_text(&f.origin, f.offsets[row]);
            let reason = LetterReason { error: &secrets.mask(error), step: u.source, source: &source, is_row: false };
            copy_of(&f.records, row, reason).write(letters, max_bytes);
        };
        for d in dead {
            let (meta, origin) = (&d.row.meta, d.row.meta.origins.row(0));
            while let Some(before) = undecoded.next_if(|u| u.order < meta.order[0]) {
                write_undecoded(&mut letters, before);
            }
            let (step, source) = (steps(d.step), position_text(origin, meta.offsets[0]));
            let reason = LetterReason { error: &secrets.mask(&d.error), step: &step, source: &source, is_row: false };
            let mut of_origin = fetched.iter().filter(|f| f.origin == *origin);
            match of_origin.find_map(|f| Some((f, f.offsets.binary_search(&meta.offsets[0]).ok()?))) {
                Some((f, row)) => copy_of(&f.records, row, reason).write(&mut letters, max_bytes),
                None => write_as_json(d, reason, &mut letters, max_bytes),
            }
        }
        undecoded.for_each(|u| write_undecoded(&mut letters, u));
        if letters.is_empty() {
            return;
        }
        let partition = self.task.0 % outbox.partitions(&self.topic);
        outbox.push(TopicPartition::new(self.topic.clone(), partition), letters.finish());
    }
}

/// `topic/partition/offset`.
pub(in crate::runtime) fn position_text(origin: &TopicPartition, offset: i64) -> String {
    format!("{origin}/{offset}")
}

/// A record with its exact bytes.
fn copy_of<'a>(records: &'a Records, row: usize, reason: LetterReason<'a>) -> Letter<'a> {
    Letter {
        key: records.keys.is_valid(row).then(|| records.keys.value(row)),
        value: records.values.is_valid(row).then(|| records.values.value(row)),
        timestamp: records.timestamps[row],
        headers: records.headers.iter().flat_map(|h| h.row(row)).collect(),
        reason,
    }
}

fn write_as_json(dead: &DeadRow, reason: LetterReason<'_>, letters: &mut RecordsBuilder, max_bytes: usize) {
    let (columns, meta) = (&dead.row.columns, &dead.row.meta);
    let encoded = Format::Json { strict: false }.encoder(&columns.schema()).map(|mut e| e.encode(columns).values);
    let value = match &encoded {
        Ok(values) if values.is_valid(0) => values.value(0).to_vec(),
        _ => format!("{columns:?}").into_bytes(),
    };
    let letter = Letter {
        key: meta.keys.is_valid(0).then(|| meta.keys.value(0)),
        value: Some(&value),
        timestamp: meta.timestamps[0],
        headers: meta.headers.iter().flat_map(|h| h.row(0)).collect(),
        reason: LetterReason { is_row: true, ..reason },
    };
    letter.write(letters, max_bytes);
}
