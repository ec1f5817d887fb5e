//! Sends rows through an internal topic to the tasks that own their key, together with the watermark of the sending
//! task. So the same rows are late before and after the topic.
//!
//! At each barrier every partition receives the watermark, so that a partition without rows does not hold back
//! event time.

use crate::expr::Expr;
use crate::formats::keys;
use crate::plan::RepartitionPlan;
use crate::record::{Batch, Meta, Origins, Partition, Records, TopicPartition};
use crate::runtime::task::dead_letters::position_text;
use crate::runtime::task::operator::{Operator, evaluate};
use crate::runtime::task::repartition_codec::{PartKind, RepartitionCodec};
use crate::runtime::task::round::{Round, RoundClock};
use crate::runtime::{Collector, Fault};
use crate::state::StateChange;
use arrow_array::BinaryArray;

/// The operator that writes an internal topic.
#[derive(Debug)]
pub struct RepartitionOperator {
    step: String,
    plan: RepartitionPlan,
    codec: RepartitionCodec,
    task: Partition,
}

impl RepartitionOperator {
    /// The operator of a step, for the task on this partition.
    ///
    /// # Errors
    /// Where a column's type has no row form.
    pub fn new(step: String, plan: RepartitionPlan, task: Partition) -> Result<Self, Fault> {
        let codec = RepartitionCodec::new(plan.schema.clone(), plan.rows)?;
        Ok(Self { step, plan, codec, task })
    }

    /// Fails where a record is too large for the topic: without it the groups behind the topic would be wrong.
    fn check_sizes(&self, batch: &Batch, records: &Records, out: &mut Collector<'_>) -> Result<(), Fault> {
        match out.outbox().limits().oversized(&self.plan.topic, records).into_iter().next() {
            None => Ok(()),
            Some((row, error)) => Err(Fault::Fatal(format!(
                "record {} cannot be sent to the task of its key by `{}`: {error}\nhint: keep fewer or smaller columns with a `select` before this step",
                position_text(batch.meta.origins.row(row), batch.meta.offsets[row]),
                self.step
            ))),
        }
    }

    fn sender(&self) -> Result<i32, Fault> {
        i32::try_from(self.task.0).map_err(Fault::internal)
    }
}

impl Operator for RepartitionOperator {
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault> {
        let exprs: Vec<&Expr> = self.plan.by.iter().collect();
        for batch in round.single() {
            let (batch, by) = evaluate(&exprs, batch, out);
            if batch.is_empty() {
                continue;
            }
            let values = self.codec.encode(PartKind::Row, self.sender()?, &batch.meta, batch.columns.columns())?;
            let keys = if by.is_empty() { batch.meta.keys.clone() } else { keys(&by) };
            let (timestamps, headers) = (batch.meta.event_times.clone(), batch.meta.headers.clone());
            let records = Records { keys, values, timestamps, headers };
            self.check_sizes(&batch, &records, out)?;
            out.written(batch.len());
            // Rows whose key is null are a group too: they meet in partition 0.
            out.outbox().spread(&self.plan.topic, Partition(0), records);
        }
        Ok(())
    }

    fn barrier(
        &mut self,
        clock: &RoundClock,
        idle_if_changed: Option<bool>,
        out: &mut Collector<'_>,
    ) -> Result<Vec<StateChange>, Fault> {
        let Some(idle) = idle_if_changed else { return Ok(Vec::new()) };
        let kind = if idle { PartKind::Idle } else { PartKind::Watermark };
        let one = |v: i64| vec![v].into();
        let meta = Meta {
            origins: Origins::one(clock.origin.clone()),
            order: one(-1),
            offsets: one(-1),
            timestamps: one(clock.now),
            event_times: one(clock.after),
            watermarks: one(clock.after),
            keys: BinaryArray::new_null(1),
            headers: None,
            value_nulls: None,
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
