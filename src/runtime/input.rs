//! From records as read to rounds: decoding, event time, watermarks.
//!
//! Separate from tasks because a source and the reading end of a repartition differ only here. A record
//! that cannot be decoded never moves the watermark.

use super::fault::Fault;
use super::operators::{RepartitionCodec, Sent};
use crate::formats::Decoder;
use crate::plan::{InputPlan, SourcePlan};
use crate::record::{BadRow, Batch, Fetched, Meta};
use crate::time::{TaskWatermark, millis};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, BooleanArray};
use arrow_cast::cast;
use arrow_schema::DataType;
use std::ops::Range;

/// One input of a task.
pub(super) struct Input {
    kind: Kind,
    /// Its slots in the task's watermark: one for a source, one a sender for a repartition.
    pub(super) slots: Range<usize>,
}

enum Kind {
    Source { plan: SourcePlan, decoder: Box<dyn Decoder> },
    Repartition(RepartitionCodec),
}

/// One step of reading: rows that go through the operators, or time that passes without rows.
#[derive(Debug)]
pub(super) struct Read {
    /// The rows, with the watermark that decides what is late.
    pub(super) batch: Option<Batch>,
    /// The task's watermark at each row.
    pub(super) watermarks: Vec<i64>,
    /// Nothing more will come from this sender.
    pub(super) drained: Option<usize>,
}

/// What was made of a fetch.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    /// In order.
    pub(super) reads: Vec<Read>,
    /// Rows of the fetch that could not be decoded.
    pub(super) bad: Vec<BadRow>,
    /// Records that carry rows, good and bad.
    pub(super) records: u64,
}

impl Input {
    pub(super) fn new(plan: &InputPlan, slots: Range<usize>) -> Result<Self, Fault> {
        let kind = match plan {
            InputPlan::Source(s) => {
                let decoder = s.format.decoder(&s.schema).map_err(Fault::internal)?;
                Kind::Source { plan: s.clone(), decoder }
            }
            InputPlan::Repartition(r) => Kind::Repartition(RepartitionCodec::new(r.schema.clone())?),
        };
        Ok(Self { kind, slots })
    }

    /// How long the input may be silent before it holds nothing back, milliseconds.
    pub(super) fn idle_after(&self) -> Option<i64> {
        match &self.kind {
            Kind::Source { plan, .. } => plan.watermark.idle.map(millis),
            // Senders say themselves when they are idle.
            Kind::Repartition(_) => None,
        }
    }

    pub(super) fn decode(&mut self, fetched: &Fetched, time: &mut TaskWatermark, now: i64) -> Result<Decoded, Fault> {
        match &mut self.kind {
            Kind::Source { plan, decoder } => Ok(source(plan, decoder.as_mut(), fetched, time, self.slots.start, now)),
            Kind::Repartition(codec) => repartitioned(codec, fetched, time, &self.slots),
        }
    }
}

fn source(
    plan: &SourcePlan,
    decoder: &mut dyn Decoder,
    fetched: &Fetched,
    time: &mut TaskWatermark,
    slot: usize,
    now: i64,
) -> Decoded {
    let records = &fetched.records;
    let mut decoded = decoder.decode(&records.values);
    let all = Meta {
        origin: fetched.origin.clone(),
        offsets: fetched.offsets.clone(),
        timestamps: records.timestamps.clone(),
        event_times: records.timestamps.clone(),
        watermarks: records.timestamps.clone(),
        keys: records.keys.clone(),
        headers: records.headers.clone(),
    };
    // Row of the batch to row of the fetch.
    let mut rows: Vec<usize> = Vec::new();
    let meta = if decoded.bad.is_empty() {
        all
    } else {
        let bad: Vec<usize> = decoded.bad.iter().map(|b| b.row).collect();
        rows = (0..records.len()).filter(|r| bad.binary_search(r).is_err()).collect();
        all.take(&rows.iter().map(|r| u32::try_from(*r).unwrap_or(u32::MAX)).collect())
    };
    let mut batch = Batch { columns: decoded.columns, meta };
    let mut wrong: Vec<BadRow> = Vec::new();
    if let Some(expr) = &plan.event_time {
        let evaluated = expr.evaluate(&batch);
        wrong = evaluated.bad;
        let times = cast(&evaluated.array, &DataType::Int64).expect("event time is a timestamp or a bigint by plan");
        let times = times.as_primitive::<Int64Type>();
        for row in (0..times.len()).filter(|r| times.is_null(*r)) {
            if !wrong.iter().any(|b| b.row == row) {
                wrong.push(BadRow { row, error: format!("the event time `{}` is null", expr.sql()) });
            }
        }
        batch.meta.event_times = times.values().clone();
    }
    if let Some(ahead) = plan.watermark.max_ahead {
        let latest = now.saturating_add(millis(ahead));
        for (row, t) in batch.meta.event_times.iter().enumerate().filter(|(_, t)| **t > latest) {
            if !wrong.iter().any(|b| b.row == row) {
                let (t, ahead) = (crate::time::rfc3339(*t), humantime::format_duration(ahead));
                wrong.push(BadRow { row, error: format!("the event time {t} is more than {ahead} in the future") });
            }
        }
    }
    if !wrong.is_empty() {
        let mut good = vec![true; batch.len()];
        wrong.iter().for_each(|b| good[b.row] = false);
        batch = batch.filter(&BooleanArray::from(good));
        let of_fetch = |row: usize| rows.get(row).copied().unwrap_or(row);
        decoded.bad.extend(wrong.into_iter().map(|b| BadRow { row: of_fetch(b.row), error: b.error }));
        decoded.bad.sort_by_key(|b| b.row);
    }
    let watermarks = time.observe(slot, &batch.meta.event_times, millis(plan.watermark.delay));
    batch.meta.watermarks = watermarks.clone().into();
    let read = Read { batch: Some(batch), watermarks, drained: None };
    Decoded { reads: vec![read], bad: decoded.bad, records: records.len() as u64 }
}

fn repartitioned(
    codec: &RepartitionCodec,
    fetched: &Fetched,
    time: &mut TaskWatermark,
    slots: &Range<usize>,
) -> Result<Decoded, Fault> {
    let mut decoded = Decoded::default();
    for sent in codec.decode(&fetched.records)? {
        let slot = |sender: usize| {
            let slot = slots.start + sender;
            let known = slots.contains(&slot);
            known.then_some(slot).ok_or_else(|| Fault::Fatal(format!(
                "topic `{}` holds records of task {sender}, but its sender has {} partitions now; delete the topic, or go back to the old number",
                fetched.origin.topic,
                slots.len()
            )))
        };
        match sent {
            Sent::Rows { sender, batch } => {
                let slot = slot(sender)?;
                decoded.records += batch.len() as u64;
                let in_force = |w: &i64| {
                    time.inputs[slot].raise(*w);
                    time.settle()
                };
                let watermarks = batch.meta.watermarks.iter().map(in_force).collect();
                decoded.reads.push(Read { batch: Some(batch), watermarks, drained: None });
            }
            Sent::Time { sender, watermark, idle, drain } => {
                let slot = slot(sender)?;
                time.inputs[slot].raise(watermark);
                time.inputs[slot].idle = idle;
                let watermarks = vec![time.settle()];
                decoded.reads.push(Read { batch: None, watermarks, drained: drain.then_some(slot) });
            }
        }
    }
    Ok(decoded)
}
