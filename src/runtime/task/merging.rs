//! A task that merges its inputs by event time, in a bounded run with several inputs.
//!
//! Otherwise a task reads its inputs in order of arrival, without queues. The rounds are the same.

use super::{HandOver, Task};
use crate::plan::SubTopology;
use crate::record::{Batch, Fetched, Offset, TopicPartition};
use crate::runtime::fault::Fault;
use crate::runtime::task::dead_letters::Undecoded;
use crate::runtime::task::input::{DecodedInput, DecodedPart, Input};
use crate::runtime::task::merge_queue::{DecodedBatch, MergeQueue, MergeStep, OfferedBatch, Released, ReleasedItem};
use crate::runtime::task::round::RoundClock;
use std::collections::BTreeMap;
use std::ops::Range;
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
    /// The index in `batches` of each piece of what was released, where it has rows.
    batch_of: Vec<Option<usize>>,
    rows: Vec<(usize, usize)>,
    order: Vec<i64>,
    watermarks: Vec<i64>,
}

/// A round of merged inputs.
struct MergedRound<'a> {
    reads: Vec<(usize, Batch)>,
    clock: RoundClock,
    /// Records that could not be decoded, with their input.
    undecoded: Vec<(usize, Undecoded<'a>)>,
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

    /// Limits the bytes of the records in a round of merged inputs, as far as they are known before it.
    pub(in crate::runtime) fn limit_merged_rounds(&mut self, bytes: usize) {
        if let Some(ordered) = &mut self.ordered {
            ordered.set_max_bytes(bytes);
        }
    }

    /// Queues what is offered of some inputs, and runs what the queues release. After each round it may hand over.
    ///
    /// # Errors
    /// Faults that are not those of single records, and those of `hand_over`.
    pub(in crate::runtime) fn offer(
        &mut self,
        offered: Vec<OfferedBatch>,
        now: i64,
        hand_over: &mut HandOver<'_>,
    ) -> Result<(), Fault> {
        self.resume(now, hand_over)?;
        let Some(mut ordered) = self.ordered.take() else {
            return Err(Fault::internal(format!("task {} does not merge its inputs", self.id)));
        };
        self.queue(offered, &mut ordered, now)?;
        let advanced = self.run_released(&mut ordered, now, hand_over);
        self.store_positions(&mut ordered, &Released::default(), 0);
        self.ordered = Some(ordered);
        advanced
    }

    /// Queues what is offered. Batches of one input are decoded together.
    fn queue(&mut self, offered: Vec<OfferedBatch>, ordered: &mut MergeQueue, now: i64) -> Result<(), Fault> {
        let mut batches: BTreeMap<usize, Vec<&Fetched>> = BTreeMap::new();
        for fetched in offered.iter().filter_map(|o| o.fetched.as_ref()) {
            batches.entry(self.input_of(fetched)?).or_default().push(fetched);
        }
        let mut decoded: BTreeMap<usize, std::vec::IntoIter<DecodedInput>> = BTreeMap::new();
        for (input, batches) in batches {
            decoded.insert(input, self.inputs[input].decode(&batches, now)?.into_iter());
        }
        for OfferedBatch { slot, fetched, position, last, permit } in offered {
            if let Some(fetched) = fetched {
                let input = self.input_of(&fetched)?;
                let Some(DecodedInput { parts, mut bad }) = decoded.get_mut(&input).and_then(Iterator::next) else {
                    return Err(Fault::internal(format!("a batch of {} was not decoded", fetched.origin)));
                };
                let permit = permit.map(Arc::new);
                for part in parts {
                    match part {
                        DecodedPart::Rows(rows) => {
                            let (fetched, permit, bad) = (fetched.clone(), permit.clone(), std::mem::take(&mut bad));
                            ordered.push(slot, DecodedBatch { input, fetched, rows: *rows, bad, permit });
                        }
                        DecodedPart::Watermark { offset, message, .. } => ordered.set_watermark(slot, offset, message),
                    }
                }
            }
            ordered.advance_position(slot, position, last);
        }
        Ok(())
    }

    fn run_released(&mut self, ordered: &mut MergeQueue, now: i64, hand_over: &mut HandOver<'_>) -> Result<(), Fault> {
        loop {
            match ordered.next(MAX_ROUND_RECORDS) {
                MergeStep::Pending => return Ok(()),
                MergeStep::Ended(slot, Some(message)) => {
                    self.on_watermark(slot, message, now)?;
                    self.finish_round(ordered, (&Released::default(), 0), now, hand_over)?;
                }
                MergeStep::Ended(_, None) => {}
                MergeStep::Rows(released) => self.run_merged(ordered, &released, now, hand_over)?,
            }
        }
    }

    /// Finishes a round of which a commit may carry a part: `end` records of what was released are processed. What a
    /// queue releases may be more than one commit should carry, so the task may hand over after each round.
    fn finish_round(
        &mut self,
        ordered: &mut MergeQueue,
        (released, end): (&Released, usize),
        now: i64,
        hand_over: &mut HandOver<'_>,
    ) -> Result<(), Fault> {
        self.store_positions(ordered, released, end);
        self.resume(now, hand_over)?;
        hand_over(self)
    }

    /// Takes over the positions of the inputs that have moved. What was released from `end` on is not processed yet.
    fn store_positions(&mut self, ordered: &mut MergeQueue, released: &Released, end: usize) {
        let unprocessed = released.first_offsets(end);
        for slot in ordered.take_moved() {
            let next = unprocessed.get(&slot).copied().unwrap_or_else(|| ordered.resume_offset(slot));
            self.dirty |= self.next[slot] != next;
            self.next[slot] = next;
        }
        unprocessed.into_keys().for_each(|slot| ordered.mark_moved(slot));
    }

    /// Runs records in their order, in rounds, mostly one.
    fn run_merged(
        &mut self,
        ordered: &mut MergeQueue,
        released: &Released,
        now: i64,
        hand_over: &mut HandOver<'_>,
    ) -> Result<(), Fault> {
        self.dirty = true;
        if let Some(piece) = released.pieces.last() {
            self.origin = piece.fetched.origin.clone();
        }
        let (plan, mut start) = (self.plan.clone(), 0);
        while start < released.len() {
            let mut end = released.len();
            let saved = self.may_release_much().then(|| self.time.clone());
            let mut part = self.gather(&plan, released, start..end, now);
            if let Some(saved) = saved
                && let Some(rows) = self.rows_before_mass_release(&part.clock.watermarks)
            {
                end = usize::try_from(part.clock.order[rows - 1]).map_err(Fault::internal)? + 1;
                self.time = saved;
                part = self.gather(&plan, released, start..end, now);
            }
            let MergedRound { reads, clock, undecoded } = part;
            for (input, batch) in &reads {
                self.progress.inputs[*input].read += batch.len() as u64;
            }
            for (input, undecoded) in &undecoded {
                undecoded.bad.count(&mut self.progress.inputs[*input]);
            }
            let undecoded: Vec<Undecoded<'_>> = undecoded.into_iter().map(|(_, undecoded)| undecoded).collect();
            let fetched: Vec<_> = released.pieces.iter().map(|p| &p.fetched).collect();
            self.round(reads, &clock, &fetched, &undecoded)?;
            self.finish_round(ordered, (released, end), now, hand_over)?;
            start = end;
        }
        Ok(())
    }

    /// The round of a range of released records. Advances time by them.
    fn gather<'a>(
        &mut self,
        plan: &'a SubTopology,
        released: &'a Released,
        range: Range<usize>,
        now: i64,
    ) -> MergedRound<'a> {
        let before = self.time.now();
        let mut gathered: Vec<Gathered<'_>> = self.inputs.iter().map(|_| Gathered::default()).collect();
        let space = || Vec::with_capacity(range.len());
        let (mut watermarks, mut order, mut offsets) = (space(), space(), space());
        let (mut undecoded, mut position) = (Vec::new(), 0);
        for run in &released.runs {
            let piece = &*released.pieces[run.piece];
            let first = position;
            position += run.item.len();
            let of_range = first.max(range.start)..position.min(range.end);
            if of_range.is_empty() {
                continue;
            }
            let at = of_range.start as i64;
            match run.item {
                ReleasedItem::Bad(bad) => {
                    let (fetched, source, bad) = (&piece.fetched, plan.inputs[piece.input].name(), &piece.bad[bad]);
                    undecoded.push((piece.input, Undecoded { order: at, fetched, source, bad }));
                }
                ReleasedItem::Rows(start, _) => {
                    let rows = start + (of_range.start - first)..start + (of_range.end - first);
                    let (input, batch) = (&self.inputs[piece.input], &piece.rows.batch);
                    input.advance_watermark(&mut self.time, run.slot, batch, rows.clone(), &mut watermarks);
                    let in_force = &watermarks[watermarks.len() - rows.len()..];
                    offsets.extend_from_slice(&batch.meta.offsets[rows.clone()]);
                    order.extend((at..).take(rows.len()));
                    let gathered = &mut gathered[piece.input];
                    gathered.reserve(range.len());
                    gathered.add(run.piece, batch, rows, at, in_force);
                }
            }
        }
        let reads = gathered.into_iter().enumerate().filter(|(_, g)| !g.rows.is_empty());
        let reads: Vec<(usize, Batch)> = reads.map(|(i, g)| (i, g.finish(&self.inputs[i]))).collect();
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
        MergedRound { reads, clock, undecoded }
    }
}

impl<'a> Gathered<'a> {
    /// Makes room for the rows of a round, at the first of them.
    fn reserve(&mut self, rows: usize) {
        if self.rows.is_empty() {
            self.rows.reserve(rows);
            self.order.reserve(rows);
            self.watermarks.reserve(rows);
        }
    }

    fn add(&mut self, piece: usize, batch: &'a Batch, rows: std::ops::Range<usize>, first: i64, watermarks: &[i64]) {
        if self.batch_of.len() <= piece {
            self.batch_of.resize(piece + 1, None);
        }
        let local = *self.batch_of[piece].get_or_insert_with(|| {
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
