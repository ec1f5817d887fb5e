//! Sends rows to the tasks that own their key, through an internal topic, together with the watermark of
//! the task that sends them: what is late behind it is what was late before it.
//!
//! At each barrier every partition is sent the watermark, so that partitions that get no rows do not hold time
//! back.

use crate::expr::Expr;
use crate::formats::keys;
use crate::plan::RepartitionPlan;
use crate::record::{Meta, Origins, Partition, Records, TopicPartition};
use crate::runtime::task::operator::{Operator, evaluate};
use crate::runtime::task::repartition_codec::{PartKind, RepartitionCodec};
use crate::runtime::task::round::{Round, RoundClock};
use crate::runtime::{Collector, Fault};
use crate::state::StateChange;
use arrow_array::BinaryArray;

/// The operator in front of an internal topic.
#[derive(Debug)]
pub struct Repartition {
    plan: RepartitionPlan,
    codec: RepartitionCodec,
    task: Partition,
}

impl Repartition {
    /// Of the task on this partition.
    ///
    /// # Errors
    /// Where a column's type has no row form.
    pub fn new(plan: RepartitionPlan, task: Partition) -> Result<Self, Fault> {
        let codec = RepartitionCodec::new(plan.schema.clone())?;
        Ok(Self { plan, codec, task })
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
            let values = self.codec.encode(PartKind::Row, self.sender()?, &batch.meta, batch.columns.columns())?;
            let keys = if by.is_empty() { batch.meta.keys.clone() } else { keys(&by) };
            let (timestamps, headers) = (batch.meta.event_times.clone(), batch.meta.headers.clone());
            out.written(batch.len());
            // Rows whose key is null are a group too: they meet in partition 0.
            out.outbox().spread(&self.plan.topic, Partition(0), Records { keys, values, timestamps, headers });
        }
        Ok(())
    }

    fn barrier(
        &mut self,
        clock: &RoundClock,
        moved: Option<bool>,
        out: &mut Collector<'_>,
    ) -> Result<Vec<StateChange>, Fault> {
        let Some(idle) = moved else { return Ok(Vec::new()) };
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
