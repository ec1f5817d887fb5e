//! Sends rows to the tasks that own their key, through an internal topic, together with the watermark of
//! the task that sends them: what is late behind it is what was late before it.
//!
//! One record a row, so that the backplane partitions them; the value is the row in `arrow-row` form behind
//! the position and times it had. At each barrier every partition is told the sender's watermark, so that
//! partitions that get no rows do not hold time back.

use super::{Change, Operator, Round, RoundClock, evaluate};
use crate::expr::Expr;
use crate::formats::keys;
use crate::plan::RepartitionPlan;
use crate::record::{Batch, Meta, Partition, Records, TopicPartition};
use crate::runtime::{Collector, Fault};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, BinaryArray, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{DataType, SchemaRef};
use std::sync::Arc;

/// What a record of the internal topic says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Row = 0,
    Watermark = 1,
    Idle = 2,
    Drain = 3,
}

/// Columns before those of the pipeline: kind, sender, topic, partition, offset, timestamp, event time, watermark.
const LEADING: [DataType; 8] = [
    DataType::Int32,
    DataType::Int32,
    DataType::Utf8,
    DataType::Int32,
    DataType::Int64,
    DataType::Int64,
    DataType::Int64,
    DataType::Int64,
];

/// One thing that a sender said.
#[derive(Debug)]
pub enum Sent {
    /// Rows of one sender, read from one partition of one topic.
    Rows {
        /// The sending task's partition.
        sender: usize,
        /// The rows.
        batch: Batch,
    },
    /// How far the sender has come.
    Time {
        /// The sending task's partition.
        sender: usize,
        /// Its watermark.
        watermark: i64,
        /// Whether it has fallen idle.
        idle: bool,
        /// Whether nothing more will come.
        drain: bool,
    },
}

/// Rows to bytes and back.
#[derive(Debug)]
pub struct RepartitionCodec {
    rows: RowConverter,
    schema: SchemaRef,
}

impl RepartitionCodec {
    /// For rows of these columns.
    ///
    /// # Errors
    /// Where a column's type has no row form.
    pub fn new(schema: SchemaRef) -> Result<Self, Fault> {
        let types = LEADING.into_iter().chain(schema.fields().iter().map(|f| f.data_type().clone()));
        let rows = RowConverter::new(types.map(SortField::new).collect()).map_err(Fault::internal)?;
        Ok(Self { rows, schema })
    }

    fn encode(&self, kind: Kind, sender: i32, meta: &Meta, columns: &[ArrayRef]) -> Result<BinaryArray, Fault> {
        let n = meta.len();
        let partition = i32::try_from(meta.origin.partition.0).map_err(Fault::internal)?;
        let number = |b: &arrow_buffer::ScalarBuffer<i64>| Arc::new(Int64Array::new(b.clone(), None)) as ArrayRef;
        let mut all: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from_value(kind as i32, n)),
            Arc::new(Int32Array::from_value(sender, n)),
            Arc::new(StringArray::from(vec![&*meta.origin.topic; n])),
            Arc::new(Int32Array::from_value(partition, n)),
            number(&meta.offsets),
            number(&meta.timestamps),
            number(&meta.event_times),
            number(&meta.watermarks),
        ];
        all.extend(columns.iter().cloned());
        self.rows.convert_columns(&all).and_then(arrow_row::Rows::try_into_binary).map_err(Fault::internal)
    }

    /// What was sent, in order, rows of one origin together.
    ///
    /// # Errors
    /// Where the topic holds something that no repartition of this pipeline wrote.
    pub fn decode(&self, records: &Records) -> Result<Vec<Sent>, Fault> {
        if records.values.null_count() > 0 {
            return Err(Fault::Fatal(
                "an internal topic holds a record without a value: something else writes it".into(),
            ));
        }
        let parser = self.rows.parser();
        let rows = (0..records.len()).map(|i| parser.parse(records.values.value(i)));
        let columns = self.rows.convert_rows(rows).map_err(Fault::internal)?;
        let int = |i: usize| columns[i].as_primitive::<Int32Type>();
        let big = |i: usize| columns[i].as_primitive::<Int64Type>();
        let (kinds, senders, topics, partitions) = (int(0), int(1), columns[2].as_string::<i32>(), int(3));
        let origin = |i: usize| (kinds.value(i), senders.value(i), topics.value(i), partitions.value(i));
        let mut sent = Vec::new();
        let mut start = 0;
        while start < records.len() {
            let (kind, sender, topic, partition) = origin(start);
            let run = (start..records.len()).take_while(|i| origin(*i) == (kind, sender, topic, partition)).count();
            let sender = usize::try_from(sender).map_err(Fault::internal)?;
            if kind == Kind::Row as i32 {
                let slice = |i: usize| big(i).slice(start, run).values().clone();
                let meta = Meta {
                    origin: Arc::new(TopicPartition::new(topic, u32::try_from(partition).map_err(Fault::internal)?)),
                    offsets: slice(4),
                    timestamps: slice(5),
                    event_times: slice(6),
                    watermarks: slice(7),
                    keys: records.keys.slice(start, run),
                    headers: records.slice(start, run).headers,
                };
                let own = columns[LEADING.len()..].iter().map(|c| c.slice(start, run)).collect();
                let options = RecordBatchOptions::new().with_row_count(Some(run));
                let columns = RecordBatch::try_new_with_options(self.schema.clone(), own, &options);
                sent.push(Sent::Rows { sender, batch: Batch { columns: columns.map_err(Fault::internal)?, meta } });
            } else {
                let last = start + run - 1;
                let (idle, drain) = (kind == Kind::Idle as i32, kind == Kind::Drain as i32);
                sent.push(Sent::Time { sender, watermark: big(7).value(last), idle, drain });
            }
            start += run;
        }
        Ok(sent)
    }
}

/// The operator in front of an internal topic.
#[derive(Debug)]
pub struct Repartition {
    plan: RepartitionPlan,
    codec: RepartitionCodec,
    task: Partition,
    told: Option<(i64, bool)>,
}

impl Repartition {
    /// Of the task on this partition.
    ///
    /// # Errors
    /// Where a column's type has no row form.
    pub fn new(plan: RepartitionPlan, task: Partition) -> Result<Self, Fault> {
        let codec = RepartitionCodec::new(plan.schema.clone())?;
        Ok(Self { plan, codec, task, told: None })
    }

    fn sender(&self) -> Result<i32, Fault> {
        i32::try_from(self.task.0).map_err(Fault::internal)
    }
}

impl Operator for Repartition {
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault> {
        let exprs: Vec<&Expr> = self.plan.by.iter().collect();
        for batch in round.single() {
            let (batch, by) = evaluate(&exprs, batch, out);
            if batch.is_empty() {
                continue;
            }
            let values = self.codec.encode(Kind::Row, self.sender()?, &batch.meta, batch.columns.columns())?;
            let keys = if by.is_empty() { batch.meta.keys.clone() } else { keys(&by) };
            let (timestamps, headers) = (batch.meta.event_times.clone(), batch.meta.headers.clone());
            out.written(batch.len());
            // Rows whose key is null are a group too: they meet in partition 0.
            out.outbox().spread(&self.plan.topic, Partition(0), Records { keys, values, timestamps, headers });
        }
        Ok(())
    }

    fn barrier(&mut self, clock: &RoundClock, idle: bool, out: &mut Collector<'_>) -> Result<Vec<Change>, Fault> {
        if self.told == Some((clock.after, idle)) && !clock.drain {
            return Ok(Vec::new());
        }
        self.told = Some((clock.after, idle));
        let kind = if clock.drain {
            Kind::Drain
        } else if idle {
            Kind::Idle
        } else {
            Kind::Watermark
        };
        let one = |v: i64| vec![v].into();
        let meta = Meta {
            origin: clock.origin.clone(),
            offsets: one(-1),
            timestamps: one(clock.now),
            event_times: one(clock.after),
            watermarks: one(clock.after),
            keys: BinaryArray::new_null(1),
            headers: None,
        };
        let nulls = self.plan.schema.fields().iter().map(|f| arrow_array::new_null_array(f.data_type(), 1));
        let values = self.codec.encode(kind, self.sender()?, &meta, &nulls.collect::<Vec<_>>())?;
        let records = Records { keys: meta.keys, values, timestamps: one(clock.now), headers: None };
        for partition in 0..out.outbox().partitions(&self.plan.topic) {
            out.outbox().push(TopicPartition::new(self.plan.topic.clone(), partition), records.clone());
        }
        Ok(Vec::new())
    }
}
