//! A task that merges its inputs by event time, in a bounded run with several inputs.
//!
//! Otherwise a task reads its inputs in order of arrival, without queues. The rounds are the same.

use super::Task;
use crate::record::{Batch, Offset, TopicPartition};
use crate::runtime::fault::Fault;
use crate::runtime::task::dead_letters::Undecoded;
use crate::runtime::task::input::{DecodedPart, Input};
use crate::runtime::task::merge_queue::{DecodedBatch, MergeQueue, MergeStep, OfferedBatch, Released, ReleasedItem};
use crate::runtime::task::round::RoundClock;
use std::sync::Arc;

/// How many records a round of merged inputs holds at most.
const MAX_ROUND_RECORDS: usize = 4096;

/// An input of which a task expects offers.
#[derive(Clone, Debug)]
pub(in crate::runtime) struct MergeInput {
    pub(in crate::runtime) slot: usize,
    pub(in crate::runtime) at: TopicPartition,
    /// Only the records of this sender, with the number of senders.
    pub(in crate::runtime) sender: Option<(i32, i32)>,
    /// The next offset to read.
    pub(in crate::runtime) next: Offset,
}

/// The rows of one input in a round.
#[derive(Default)]
struct Gathered<'a> {
    batches: Vec<&'a Batch>,
    pieces: Vec<usize>,
    rows: Vec<(usize, usize)>,
    order: Vec<i64>,
    watermarks: Vec<i64>,
}

impl Task {
    /// Starts to merge the inputs if there are several, and returns those of which it expects offers.
    pub(in crate::runtime) fn merge_inputs(&mut self) -> Vec<MergeInput> {
        let present = |input: usize| !self.absent[input];
        let slots = || (0..self.inputs.len()).flat_map(|i| self.inputs[i].slots.clone().map(move |slot| (i, slot)));
        let inputs: Vec<MergeInput> = slots()
            .filter(|(i, _)| present(*i))
            .map(|(i, slot)| {
                let at = TopicPartition { topic: self.plan.inputs[i].topic().clone(), partition: self.id.partition };
                MergeInput { slot, at, sender: self.inputs[i].sender(slot), next: Offset(self.next[slot]) }
            })
            .collect();
        if inputs.len() < 2 {
            return Vec::new();
        }
        self.ordered = Some(MergeQueue::new(slots().map(|(i, slot)| present(i).then(|| self.next[slot]))));
        inputs
    }

    /// Queues what is offered of one input, and runs what the queues release.
    ///
    /// # Errors
    /// Faults that are not those of single records.
    pub(in crate::runtime) fn offer(&mut self, offer: OfferedBatch, now: i64) -> Result<(), Fault> {
        let Some(mut ordered) = self.ordered.take() else {
            return Err(Fault::internal(format!("task {} does not merge its inputs", self.id)));
        };
        let OfferedBatch { slot, fetched, position, last, permit } = offer;
        let permit = permit.map(Arc::new);
        if let Some(fetched) = fetched {
            let input = self.input_of(&fetched)?;
            let decoded = self.inputs[input].decode(&fetched, now)?;
            let mut bad = decoded.bad;
            for part in decoded.parts {
                match part {
                    DecodedPart::Rows(rows) => {
                        let rows = *rows;
                        let (fetched, permit, bad) = (fetched.clone(), permit.clone(), std::mem::take(&mut bad));
                        ordered.push(slot, DecodedBatch { input, fetched, rows, bad, permit });
                    }
                    DecodedPart::Watermark { offset, message, .. } => ordered.set_watermark(slot, offset, message),
                }
            }
        }
        ordered.advance_position(slot, position, last);
        let advanced = self.run_released(&mut ordered, now);
        for slot in ordered.take_moved() {
            let next = ordered.resume_offset(slot);
            self.dirty |= self.next[slot] != next;
            self.next[slot] = next;
        }
        self.ordered = Some(ordered);
        advanced
    }

    fn run_released(&mut self, ordered: &mut MergeQueue, now: i64) -> Result<(), Fault> {
        loop {
            match ordered.next(MAX_ROUND_RECORDS) {
                MergeStep::Pending => return Ok(()),
                MergeStep::Ended(slot, message) => {
                    message.map_or(Ok(()), |message| self.on_watermark(slot, message, now))?
                }
                MergeStep::Rows(released) => self.run_merged(&released, now)?,
            }
        }
    }

    /// Runs one round of records in their order.
    fn run_merged(&mut self, released: &Released, now: i64) -> Result<(), Fault> {
        self.dirty = true;
        let (plan, before) = (self.plan.clone(), self.time.now());
        let mut gathered: Vec<Gathered<'_>> = self.inputs.iter().map(|_| Gathered::default()).collect();
        let (mut watermarks, mut order, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
        let mut undecoded = Vec::new();
        let mut position = 0;
        for run in &released.runs {
            let piece = &*released.pieces[run.piece];
            let progress = &mut self.progress.inputs[piece.input];
            match run.item {
                ReleasedItem::Bad(bad) => {
                    (progress.read, progress.dead) = (progress.read + 1, progress.dead + 1);
                    let source = plan.inputs[piece.input].name();
                    undecoded.push(Undecoded {
                        order: position,
                        fetched: &piece.fetched,
                        source,
                        bad: &piece.bad[bad],
                    });
                    position += 1;
                }
                ReleasedItem::Rows(start, rows) => {
                    progress.read += rows as u64;
                    let (input, batch) = (&self.inputs[piece.input], &piece.rows.batch);
                    input.advance_watermark(&mut self.time, run.slot, batch, start..start + rows, &mut watermarks);
                    let in_force = &watermarks[watermarks.len() - rows..];
                    offsets.extend_from_slice(&batch.meta.offsets[start..start + rows]);
                    order.extend((position..).take(rows));
                    gathered[piece.input].add(run.piece, batch, start..start + rows, position, in_force);
                    position += rows as i64;
                }
            }
        }
        let reads = gathered.into_iter().enumerate().filter(|(_, g)| !g.rows.is_empty());
        let reads: Vec<(usize, Batch)> = reads.map(|(i, g)| (i, g.finish(&self.inputs[i]))).collect();
        if let Some(piece) = released.pieces.last() {
            self.origin = piece.fetched.origin.clone();
        }
        let clock = RoundClock {
            origin: self.origin.clone(),
            order: order.into(),
            offsets: offsets.into(),
            watermarks: watermarks.into(),
            before,
            after: self.time.now(),
            now,
            drain: false,
        };
        let fetched: Vec<_> = released.pieces.iter().map(|p| &p.fetched).collect();
        self.round(reads, &clock, &fetched, &undecoded)
    }
}

impl<'a> Gathered<'a> {
    fn add(&mut self, piece: usize, batch: &'a Batch, rows: std::ops::Range<usize>, first: i64, watermarks: &[i64]) {
        let added = self.pieces.iter().rposition(|p| *p == piece);
        let local = added.unwrap_or_else(|| {
            self.pieces.push(piece);
            self.batches.push(batch);
            self.batches.len() - 1
        });
        self.order.extend((first..).take(rows.len()));
        self.watermarks.extend_from_slice(watermarks);
        self.rows.extend(rows.map(|row| (local, row)));
    }

    fn finish(self, input: &Input) -> Batch {
        let (first, n) = (self.rows[0].1, self.rows.len());
        let contiguous = self.batches.len() == 1 && self.rows[n - 1].1 - first == n - 1;
        let mut batch =
            if contiguous { self.batches[0].slice(first, n) } else { Batch::interleave(&self.batches, &self.rows) };
        batch.meta.order = self.order.into();
        batch.meta.watermarks = input.late_watermarks(&batch.meta, &self.watermarks);
        batch
    }
}
