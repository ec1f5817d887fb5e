//! Decodes the records of an input, gives them event times, and advances the watermark by them.
//!
//! A source and the reading side of a repartition differ only here. A record that cannot be decoded never advances
//! the watermark.

use crate::formats::{COLUMNS_HEADER, Decoded, Decoder, Format};
use crate::metrics::InputProgress;
use crate::plan::{InputPlan, SourcePlan};
use crate::record::{BadRow, Batch, Fetched, Meta, Origins};
use crate::runtime::fault::Fault;
use crate::runtime::task::repartition_codec::{RecordVersion, RepartitionCodec, RepartitionPart, WatermarkMessage};
use crate::spec::Tombstones;
use crate::time::{TaskWatermark, millis};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, BinaryArray, BooleanArray, UInt32Array};
use arrow_buffer::ScalarBuffer;
use arrow_cast::cast;
use arrow_schema::DataType;
use arrow_select::take::take_record_batch;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// One input of a task.
pub(in crate::runtime) struct Input {
    kind: InputKind,
    /// Its slots in the task's watermark: one for a source, one per sender for a repartition.
    pub(in crate::runtime) slots: Range<usize>,
}

enum InputKind {
    Source { plan: SourcePlan, decoder: Box<dyn Decoder> },
    Repartition { codec: RepartitionCodec, discards_earlier: bool },
}

/// A decoded fetch, in the order of the log.
#[derive(Debug, Default)]
pub(in crate::runtime) struct DecodedInput {
    pub(in crate::runtime) parts: Vec<DecodedPart>,
    /// Records of the fetch that become no row, in their order.
    pub(in crate::runtime) bad: Vec<Rejected>,
}

/// A record that becomes no row.
#[derive(Debug)]
pub(in crate::runtime) struct Rejected {
    /// Its row in the fetch.
    pub(in crate::runtime) row: usize,
    /// What is wrong with it; `None`: it is skipped.
    pub(in crate::runtime) error: Option<String>,
}

impl Rejected {
    /// Counts a record that was read.
    pub(in crate::runtime) fn count(&self, progress: &mut InputProgress) {
        progress.read += 1;
        *(if self.error.is_some() { &mut progress.dead } else { &mut progress.filtered }) += 1;
    }
}

#[derive(Debug)]
pub(in crate::runtime) enum DecodedPart {
    /// Rows for the operators.
    Rows(Box<DecodedRows>),
    /// The watermark of a sender.
    Watermark { slot: usize, offset: i64, message: WatermarkMessage },
}

/// Rows with the slot of each in the task's watermark.
#[derive(Debug)]
pub(in crate::runtime) struct DecodedRows {
    pub(in crate::runtime) batch: Batch,
    /// Runs of rows of one slot: the slot and the number of rows.
    pub(in crate::runtime) runs: Vec<(usize, usize)>,
    /// The offset of each row's record in the topic that was read.
    pub(in crate::runtime) offsets: ScalarBuffer<i64>,
}

impl DecodedRows {
    fn new(batch: Batch, slots: impl Iterator<Item = usize>, offsets: ScalarBuffer<i64>) -> Self {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for slot in slots {
            match runs.last_mut() {
                Some((last, rows)) if *last == slot => *rows += 1,
                _ => runs.push((slot, 1)),
            }
        }
        Self { batch, runs, offsets }
    }

    /// Removes the rows that were already read, slot by slot.
    pub(in crate::runtime) fn unread(self, next: &[i64]) -> Self {
        let first = self.offsets.first().copied().unwrap_or(i64::MAX);
        if self.runs.iter().all(|(slot, _)| next[*slot] <= first) {
            return self;
        }
        let slots: Vec<usize> = self.runs.iter().flat_map(|(s, n)| std::iter::repeat_n(*s, *n)).collect();
        let unread: Vec<bool> = slots.iter().zip(self.offsets.iter()).map(|(s, o)| *o >= next[*s]).collect();
        let kept = |i: &usize| unread[*i];
        let rows: Vec<usize> = (0..slots.len()).filter(kept).collect();
        let offsets = rows.iter().map(|r| self.offsets[*r]).collect();
        Self::new(self.batch.filter(&unread.clone().into()), rows.iter().map(|r| slots[*r]), offsets)
    }
}

impl Input {
    pub(in crate::runtime) fn new(plan: &InputPlan, slots: Range<usize>) -> Result<Self, Fault> {
        let kind = match plan {
            InputPlan::Source(s) => {
                let decoder = s.format.decoder(&s.schema).map_err(Fault::internal)?;
                InputKind::Source { plan: s.clone(), decoder }
            }
            InputPlan::Repartition(r) => InputKind::Repartition {
                codec: RepartitionCodec::new(r.schema.clone(), r.rows)?,
                discards_earlier: r.discards_earlier,
            },
        };
        Ok(Self { kind, slots })
    }

    /// How long the input may be silent before it is idle, milliseconds.
    pub(in crate::runtime) fn idle_after(&self) -> Option<i64> {
        match &self.kind {
            InputKind::Source { plan, .. } => plan.watermark.idle.map(millis),
            // Senders announce that they are idle.
            InputKind::Repartition { .. } => None,
        }
    }

    /// The sender of a slot and the number of senders, for a repartition.
    pub(in crate::runtime) fn sender(&self, slot: usize) -> Option<(i32, i32)> {
        match &self.kind {
            InputKind::Source { .. } => None,
            InputKind::Repartition { .. } => {
                Some((i32::try_from(slot - self.slots.start).ok()?, i32::try_from(self.slots.len()).ok()?))
            }
        }
    }

    /// Decodes what was read, batch by batch.
    pub(in crate::runtime) fn decode(&mut self, fetched: &[&Fetched], now: i64) -> Result<Vec<DecodedInput>, Fault> {
        match &mut self.kind {
            InputKind::Source { plan, decoder } => {
                let slot = self.slots.start;
                Ok(fetched.iter().map(|f| source(plan, decoder.as_mut(), f, slot, now)).collect())
            }
            InputKind::Repartition { codec, discards_earlier } => {
                let own: Vec<OwnRecords<'_>> = fetched.iter().map(|f| OwnRecords::of(codec, f)).collect();
                if let Some(error) = own.iter().find_map(OwnRecords::error).filter(|_| !*discards_earlier) {
                    return Err(Fault::Fatal(error));
                }
                let decoded = codec.decode(&own.iter().map(|o| &o.fetched.records).collect::<Vec<_>>())?;
                let parts = own.into_iter().zip(fetched).zip(decoded);
                parts.map(|((own, all), parts)| own.decoded(codec, all, parts, &self.slots)).collect()
            }
        }
    }

    /// Advances the watermark by rows of one slot, and appends the task's watermark at each row to `in_force`.
    pub(in crate::runtime) fn advance_watermark(
        &self,
        time: &mut TaskWatermark,
        slot: usize,
        batch: &Batch,
        rows: Range<usize>,
        in_force: &mut Vec<i64>,
    ) {
        match &self.kind {
            InputKind::Source { plan, .. } => {
                let delay = millis(plan.watermark.delay);
                time.observe_into(slot, &batch.meta.event_times[rows], delay, in_force);
            }
            InputKind::Repartition { .. } => time.raise_into(slot, &batch.meta.watermarks[rows], in_force),
        }
    }

    /// The watermarks that decide which rows are late: those of the task, and for repartitioned rows at least those of
    /// their sender, as a row that is late upstream is late here. (The task's watermark is ahead of the sender's only
    /// after the sender was idle.)
    pub(in crate::runtime) fn late_watermarks(&self, rows: &Meta, in_force: &[i64]) -> ScalarBuffer<i64> {
        match &self.kind {
            InputKind::Source { .. } => in_force.to_vec().into(),
            InputKind::Repartition { .. } => {
                rows.watermarks.iter().zip(in_force).map(|(own, task)| *own.max(task)).collect()
            }
        }
    }
}

fn source(plan: &SourcePlan, decoder: &mut dyn Decoder, fetched: &Fetched, slot: usize, now: i64) -> DecodedInput {
    let records = &fetched.records;
    let mut decoded = decoder.decode_records(&records.values, records.headers.as_ref());
    if plan.tombstones == Tombstones::Keep && records.values.null_count() > 0 {
        keep_null_values(&mut decoded, &records.values);
    }
    let all = Meta {
        origins: Origins::one(fetched.origin.clone()),
        order: fetched.offsets.clone(),
        offsets: fetched.offsets.clone(),
        timestamps: records.timestamps.clone(),
        event_times: records.timestamps.clone(),
        watermarks: records.timestamps.clone(),
        keys: records.keys.clone(),
        // The names of CSV columns are part of the value: a sink has other columns.
        headers: match plan.format {
            Format::Csv { .. } => records.headers.as_ref().and_then(|h| h.without(COLUMNS_HEADER)),
            Format::Json { .. } | Format::Text | Format::Bytes => records.headers.clone(),
        },
        value_nulls: records.values.nulls().filter(|_| plan.tombstones == Tombstones::Keep).cloned(),
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
    let of_fetch = |row: usize| rows.get(row).copied().unwrap_or(row);
    let wrong = set_event_times(plan, &mut batch, now);
    let skips = plan.tombstones == Tombstones::Skip;
    let rejected = |b: BadRow| {
        let error = (!skips || records.values.is_valid(b.row)).then_some(b.error);
        Rejected { row: b.row, error }
    };
    let mut bad: Vec<Rejected> = decoded.bad.into_iter().map(rejected).collect();
    if !wrong.is_empty() {
        let good: BooleanArray = (0..batch.len()).map(|row| Some(!wrong.contains_key(&row))).collect();
        batch = batch.filter(&good);
        bad.extend(wrong.into_iter().map(|(row, error)| Rejected { row: of_fetch(row), error: Some(error) }));
        bad.sort_by_key(|b| b.row);
    }
    let offsets = batch.meta.offsets.clone();
    let runs = if batch.is_empty() { Vec::new() } else { vec![(slot, batch.len())] };
    DecodedInput { parts: vec![DecodedPart::Rows(Box::new(DecodedRows { batch, runs, offsets }))], bad }
}

/// Makes a row of nulls of each null value, in its place.
fn keep_null_values(decoded: &mut Decoded, values: &BinaryArray) {
    let mut bad = decoded.bad.iter().map(|b| b.row).peekable();
    let (mut rows, mut next) = (Vec::with_capacity(values.len()), 0u32);
    for row in 0..values.len() {
        let is_bad = bad.next_if_eq(&row).is_some();
        if values.is_null(row) {
            rows.push(None);
        } else if !is_bad {
            rows.push(Some(next));
            next += 1;
        }
    }
    decoded.columns =
        take_record_batch(&decoded.columns, &UInt32Array::from(rows)).expect("every column of a source may be null");
    decoded.bad.retain(|b| values.is_valid(b.row));
}

/// Sets the event times of rows and returns the rows whose event time is wrong. A null value that is kept has the
/// timestamp of its record where the event time is null.
fn set_event_times(plan: &SourcePlan, batch: &mut Batch, now: i64) -> BTreeMap<usize, String> {
    let mut wrong: BTreeMap<usize, String> = BTreeMap::new();
    if let Some(expr) = &plan.event_time {
        let evaluated = expr.evaluate(batch);
        wrong.extend(evaluated.bad.into_iter().map(|b| (b.row, b.error)));
        let times = cast(&evaluated.array, &DataType::Int64).expect("event time is a timestamp or a bigint by plan");
        let times = times.as_primitive::<Int64Type>();
        let mut event_times = times.values().clone();
        if times.null_count() > 0 {
            let mut filled = event_times.to_vec();
            for row in (0..times.len()).filter(|r| times.is_null(*r)) {
                if batch.meta.is_value_null(row) {
                    filled[row] = batch.meta.timestamps[row];
                } else {
                    wrong.entry(row).or_insert_with(|| format!("the event time `{}` is null", expr.sql()));
                }
            }
            event_times = filled.into();
        }
        batch.meta.event_times = event_times;
    }
    if let Some(ahead) = plan.watermark.max_ahead {
        let latest = now.saturating_add(millis(ahead));
        for (row, t) in batch.meta.event_times.iter().enumerate().filter(|(_, t)| **t > latest) {
            wrong.entry(row).or_insert_with(|| {
                let (t, ahead) = (crate::time::rfc3339(*t), humantime::format_duration(ahead));
                format!("the event time {t} is more than {ahead} in the future")
            });
        }
    }
    wrong
}

/// The records of a fetch that this version of the file has sent, and the rows that an earlier one has sent.
struct OwnRecords<'a> {
    fetched: Cow<'a, Fetched>,
    /// Indexes in the whole fetch, each with what is wrong.
    earlier: Vec<(usize, String)>,
}

impl<'a> OwnRecords<'a> {
    fn of(codec: &RepartitionCodec, fetched: &'a Fetched) -> Self {
        let values = &fetched.records.values;
        // A record without a value has an error of its own.
        let version = |row: usize| match values.is_valid(row) {
            true => codec.version(values.value(row)),
            false => RecordVersion::Own,
        };
        if (0..values.len()).all(|row| version(row) == RecordVersion::Own) {
            return Self { fetched: Cow::Borrowed(fetched), earlier: Vec::new() };
        }
        let (mut kept, mut earlier) = (Vec::new(), Vec::new());
        for row in 0..values.len() {
            match version(row) {
                RecordVersion::Own => kept.extend(u32::try_from(row)),
                RecordVersion::EarlierRow => earlier.push((row, earlier_row(fetched, row))),
                RecordVersion::EarlierWatermark => {}
            }
        }
        let fetched = Fetched {
            origin: fetched.origin.clone(),
            offsets: kept.iter().map(|row| fetched.offsets[*row as usize]).collect(),
            records: fetched.records.take(&kept.into()),
        };
        Self { fetched: Cow::Owned(fetched), earlier }
    }

    fn error(&self) -> Option<String> {
        self.earlier.first().map(|(_, error)| error.clone())
    }

    /// The decoded records, with the earlier rows among them as rejected ones.
    fn decoded(
        self,
        codec: &RepartitionCodec,
        all: &Fetched,
        parts: Vec<RepartitionPart>,
        slots: &Range<usize>,
    ) -> Result<DecodedInput, Fault> {
        let mut decoded = repartitioned(parts, &self.fetched, slots)?;
        let rejected = |(row, error)| Rejected { row, error: Some(error) };
        decoded.bad = self.earlier.into_iter().map(rejected).collect();
        // Rejected records go with rows.
        if !decoded.bad.is_empty() && !decoded.parts.iter().any(|part| matches!(part, DecodedPart::Rows(_))) {
            let none = DecodedRows::new(codec.no_rows(&all.records)?, std::iter::empty(), Vec::new().into());
            decoded.parts.insert(0, DecodedPart::Rows(Box::new(none)));
        }
        Ok(decoded)
    }
}

fn earlier_row(fetched: &Fetched, row: usize) -> String {
    let (at, offset) = (&fetched.origin, fetched.offsets[row]);
    format!(
        "record {offset} of `{at}` was sent by an earlier version of the file, with other columns or another key; run that version with `--until-end` once, or give the record up with `--reset` and the step that reads the topic"
    )
}

fn repartitioned(parts: Vec<RepartitionPart>, fetched: &Fetched, slots: &Range<usize>) -> Result<DecodedInput, Fault> {
    let slot = |sender: i32| {
        let slot = usize::try_from(sender).ok().map(|s| slots.start + s).filter(|s| slots.contains(s));
        slot.ok_or_else(|| Fault::Fatal(format!(
            "topic `{}` holds records of task {sender}, but its sender has {} partitions now; delete the topic, or go back to the old number",
            fetched.origin.topic,
            slots.len()
        )))
    };
    let part = |sent| match sent {
        RepartitionPart::Rows { senders, records, batch } => {
            let of = senders.iter().map(|s| slot(*s)).collect::<Result<Vec<usize>, Fault>>()?;
            let offsets = fetched.offsets.slice(records.start, records.len());
            Ok(DecodedPart::Rows(Box::new(DecodedRows::new(*batch, of.into_iter(), offsets))))
        }
        RepartitionPart::Watermark { sender, record, message } => {
            Ok(DecodedPart::Watermark { slot: slot(sender)?, offset: fetched.offsets[record], message })
        }
    };
    let parts = parts.into_iter().map(part).collect::<Result<Vec<_>, Fault>>()?;
    Ok(DecodedInput { parts, bad: Vec::new() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::diagnostics::SourceText;
    use crate::record::{Records, TopicPartition};
    use crate::runtime::task::repartition_codec::PartKind;
    use arrow_array::{ArrayRef, BinaryArray, StringArray};
    use std::sync::Arc;

    /// The input of a step behind a repartition, of a version of a file.
    fn repartition(columns: &str, by: &str, discards_earlier: bool) -> crate::plan::RepartitionInput {
        let text = format!(
            "name: p\nsource: {{topic: in, schema: {{{columns}}}}}\nsteps:\n  - {{name: s, scan: {{by: [{by}], init: {{c: 0}}, next: {{c: c + 1}}}}}}\nsink: out\n"
        );
        let source = Arc::new(SourceText { name: "p.yaml".into(), text });
        let spec = crate::spec::parse(source, std::path::Path::new("."), &crate::spec::ProcessEnvironment).unwrap();
        let mut plan = crate::plan::compile(&spec, &crate::expr::Functions::new()).unwrap();
        if discards_earlier {
            plan.start_over("s");
        }
        let found = plan.subs.into_iter().flat_map(|s| s.inputs).find_map(|i| match i {
            InputPlan::Repartition(r) => Some(r),
            InputPlan::Source(_) => None,
        });
        found.unwrap()
    }

    /// Rows of two string columns as a version of the file sends them.
    fn sent(by: &crate::plan::RepartitionInput, kind: PartKind, from: i64) -> Fetched {
        let codec = RepartitionCodec::new(by.schema.clone(), by.rows).unwrap();
        let columns: Vec<ArrayRef> =
            by.schema.fields().iter().map(|_| Arc::new(StringArray::from(vec!["x", "y"])) as ArrayRef).collect();
        let two = |v: i64| ScalarBuffer::from(vec![v, v + 1]);
        let meta = Meta {
            origins: Origins::one(Arc::new(TopicPartition::new("in", 0))),
            order: two(0),
            offsets: two(0),
            timestamps: two(0),
            event_times: two(0),
            watermarks: two(0),
            keys: BinaryArray::from(vec![&b"x"[..], b"y"]),
            headers: None,
            value_nulls: None,
        };
        let values = codec.encode(kind, 0, &meta, &columns).unwrap();
        let records = Records { keys: meta.keys, values, timestamps: two(0), headers: None };
        Fetched { origin: Arc::new(TopicPartition::new("p.s.by", 3)), offsets: two(from), records }
    }

    #[test]
    fn rows_of_an_earlier_version_of_the_file_are_never_taken_for_those_of_this_one() {
        let now = repartition("a: string, b: string", "a", false);
        let decode = |plan: &crate::plan::RepartitionInput, fetched: &[&Fetched]| {
            Input::new(&InputPlan::Repartition(plan.clone()), 0..1).unwrap().decode(fetched, 0)
        };
        let own = sent(&now, PartKind::Row, 0);
        assert_eq!(decode(&now, &[&own]).unwrap()[0].bad.len(), 0);
        for (columns, by) in
            [("a: string, c: string", "a"), ("a: string, b: string", "b"), ("b: string, a: string", "a")]
        {
            let earlier = sent(&repartition(columns, by, false), PartKind::Row, 7);
            let why = decode(&now, &[&own, &earlier]).unwrap_err().to_string();
            assert!(why.starts_with("record 7 of `p.s.by/3` was sent by an earlier version of the file"), "{why}");
            let discarding = repartition("a: string, b: string", "a", true);
            let decoded = decode(&discarding, &[&own, &earlier]).unwrap();
            let counts: Vec<_> = decoded.iter().map(|d| (d.parts.len(), d.bad.len())).collect();
            assert_eq!(counts, [(1, 0), (1, 2)], "{columns} by {by}: what is rejected goes with a part");
            let watermarks = sent(&repartition(columns, by, false), PartKind::Watermark, 9);
            let decoded = decode(&now, &[&own, &watermarks]).unwrap();
            assert_eq!((decoded[1].parts.len(), decoded[1].bad.len()), (0, 0), "a later watermark follows");
        }
    }
}
