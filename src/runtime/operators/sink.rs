//! Writes rows to a topic.
//!
//! The record's timestamp is the row's event time, its key the column that the sink names, else the key of
//! the row. A record without a key goes to the partition with the number of the one it came from.

use crate::formats::{Encoder, keys};
use crate::plan::SinkPlan;
use crate::record::{Partition, Records};
use crate::runtime::task::operator::{Operator, evaluate};
use crate::runtime::task::round::Round;
use crate::runtime::{Collector, Fault};

/// The operator of a sink.
pub struct Sink {
    plan: SinkPlan,
    encoder: Box<dyn Encoder>,
    task: Partition,
}

impl Sink {
    /// Of the task on this partition.
    ///
    /// # Errors
    /// Where the columns cannot be written in the format.
    pub fn new(plan: SinkPlan, task: Partition) -> Result<Self, Fault> {
        let encoder = plan.format.encoder(&plan.schema).map_err(Fault::internal)?;
        Ok(Self { plan, encoder, task })
    }
}

impl Operator for Sink {
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault> {
        let exprs: Vec<_> = self.plan.key.iter().collect();
        for batch in round.single() {
            let (mut batch, by) = evaluate(&exprs, batch, out);
            if !by.is_empty() {
                batch.meta.keys = keys(&by);
            }
            let encoded = self.encoder.encode(&batch.columns);
            let values = if encoded.bad.is_empty() {
                encoded.values
            } else {
                batch = out.without_bad(batch, &encoded.bad);
                self.encoder.encode(&batch.columns).values
            };
            let meta = batch.meta;
            out.written(meta.len());
            let records = Records { keys: meta.keys, values, timestamps: meta.event_times, headers: meta.headers };
            out.outbox().spread(&self.plan.topic, self.task, records);
        }
        Ok(())
    }
}
