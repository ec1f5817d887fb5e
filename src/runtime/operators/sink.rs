//! Writes rows to the topic of a sink.
//!
//! The timestamp of a record is the event time of the row. Its key is the column that the sink names, else that of
//! the row. A record without a key goes to the partition with the number of the one it came from.
//! A row whose record is too large for the topic becomes a dead letter.

use crate::formats::{Encoder, keys};
use crate::plan::SinkPlan;
use crate::record::{BadRow, Batch, Partition, Records};
use crate::runtime::task::operator::{Operator, evaluate};
use crate::runtime::task::round::Round;
use crate::runtime::{Collector, Fault};

/// The operator of a sink.
pub struct SinkOperator {
    plan: SinkPlan,
    encoder: Box<dyn Encoder>,
    task: Partition,
}

impl SinkOperator {
    /// The sink of the task on this partition.
    ///
    /// # Errors
    /// Where the columns cannot be written in the format.
    pub fn new(plan: SinkPlan, task: Partition) -> Result<Self, Fault> {
        let encoder = plan.format.encoder(&plan.schema).map_err(Fault::internal)?;
        Ok(Self { plan, encoder, task })
    }
}

impl Operator for SinkOperator {
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
            let meta = batch.meta.clone();
            let records = Records { keys: meta.keys, values, timestamps: meta.event_times, headers: meta.headers };
            let records = self.without_oversized(batch, records, out);
            out.written(records.len());
            out.outbox().spread(&self.plan.topic, self.task, records);
        }
        Ok(())
    }
}

impl SinkOperator {
    /// Makes dead letters of the rows whose records are too large for the topic; returns the other records.
    fn without_oversized(&self, batch: Batch, records: Records, out: &mut Collector<'_>) -> Records {
        let oversized = out.outbox().limits().oversized(&self.plan.topic, &records);
        if oversized.is_empty() {
            return records;
        }
        let mut fits = vec![true; records.len()];
        oversized.iter().for_each(|(row, _)| fits[*row] = false);
        let bad: Vec<BadRow> = oversized.into_iter().map(|(row, error)| BadRow { row, error }).collect();
        drop(out.without_bad(batch, &bad));
        records.filter(&fits.into())
    }
}
