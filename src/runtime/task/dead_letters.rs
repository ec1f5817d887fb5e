//! Dead letters: records that could not be handled, with their exact bytes and the reason.
//!
//! Separate so that every step gives up on a record in the same way. A row whose record is not at hand
//! (the result of a window, a repartitioned row) is written as JSON.

use crate::formats::Format;
use crate::record::{BadRow, Fetched, Meta, Partition, Records, RecordsBuilder, TopicPartition};
use crate::runtime::task::collector::DeadRow;
use crate::runtime::task::outbox::Outbox;
use arrow_array::Array;
use std::sync::Arc;

/// A record that could not be decoded.
#[derive(Clone, Copy, Debug)]
pub(in crate::runtime) struct Undecoded<'a> {
    /// Its place in the round.
    pub(in crate::runtime) order: i64,
    pub(in crate::runtime) fetched: &'a Fetched,
    pub(in crate::runtime) source: &'a str,
    /// Its row in the fetch, and why.
    pub(in crate::runtime) bad: &'a BadRow,
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

    /// Writes what could not be decoded and the rows on which a step gave up, both in the order of the
    /// round, as one sequence; `fetched` is what the round was read from.
    pub(in crate::runtime) fn write(
        &self,
        dead: &[DeadRow],
        steps: impl Fn(usize) -> String,
        fetched: &[&Fetched],
        undecoded: &[Undecoded<'_>],
        outbox: &mut Outbox,
    ) {
        let mut letters = RecordsBuilder::default();
        let mut undecoded = undecoded.iter().peekable();
        let one = |letters: &mut RecordsBuilder, u: &Undecoded<'_>| {
            let (f, row) = (u.fetched, u.bad.row);
            raw(letters, &f.records, row, &u.bad.error, u.source, &place(&f.origin, f.offsets[row]));
        };
        for d in dead {
            let (meta, origin) = (&d.row.meta, d.row.meta.origins.row(0));
            while let Some(before) = undecoded.next_if(|u| u.order < meta.order[0]) {
                one(&mut letters, before);
            }
            let from = place(origin, meta.offsets[0]);
            let mut of_origin = fetched.iter().filter(|f| f.origin == *origin);
            match of_origin.find_map(|f| Some((f, f.offsets.binary_search(&meta.offsets[0]).ok()?))) {
                Some((f, row)) => raw(&mut letters, &f.records, row, &d.error, &steps(d.step), &from),
                None => json(&mut letters, d, meta, &steps(d.step), &from),
            }
        }
        undecoded.for_each(|u| one(&mut letters, u));
        if letters.is_empty() {
            return;
        }
        let partition = self.task.0 % outbox.partitions(&self.topic);
        outbox.push(TopicPartition::new(self.topic.clone(), partition), letters.finish());
    }
}

/// `topic/partition/offset`.
pub(in crate::runtime) fn place(origin: &TopicPartition, offset: i64) -> String {
    format!("{origin}/{offset}")
}

fn raw(letters: &mut RecordsBuilder, records: &Records, row: usize, error: &str, step: &str, from: &str) {
    let own = records.headers.iter().flat_map(|h| h.row(row));
    let headers: Vec<_> = own.chain(reasons(error, step, from)).collect();
    let value = |a: &arrow_array::BinaryArray| a.is_valid(row).then(|| a.value(row).to_vec());
    let (key, value) = (value(&records.keys), value(&records.values));
    letters.push_with(key.as_deref(), value.as_deref(), records.timestamps[row], &headers);
}

fn json(letters: &mut RecordsBuilder, dead: &DeadRow, meta: &Meta, step: &str, from: &str) {
    let columns = &dead.row.columns;
    let encoded = Format::Json { strict: false }.encoder(&columns.schema()).map(|mut e| e.encode(columns).values);
    let value = match &encoded {
        Ok(values) if values.is_valid(0) => values.value(0).to_vec(),
        _ => format!("{columns:?}").into_bytes(),
    };
    let own = meta.headers.iter().flat_map(|h| h.row(0));
    let headers: Vec<_> = own.chain(reasons(&dead.error, step, from)).collect();
    let key = meta.keys.is_valid(0).then(|| meta.keys.value(0));
    letters.push_with(key, Some(&value), meta.timestamps[0], &headers);
}

fn reasons<'a>(error: &'a str, step: &'a str, from: &'a str) -> [(&'a [u8], Option<&'a [u8]>); 3] {
    [("fastdata-error", error), ("fastdata-step", step), ("fastdata-source", from)]
        .map(|(n, v)| (n.as_bytes(), Some(v.as_bytes())))
}
