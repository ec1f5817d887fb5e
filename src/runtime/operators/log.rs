//! `log` forwards all rows and passes every n-th of them, as JSON, to a handler.
//!
//! It counts rows from the start of the run. The caller provides the handler, so that tests can read the samples
//! and commands keep stdout for data.

use crate::formats::{Encoder, Format};
use crate::plan::{LogPlan, Port};
use crate::runtime::task::operator::Operator;
use crate::runtime::task::round::Round;
use crate::runtime::{Collector, Fault};
use arrow_array::{Array, UInt32Array};
use arrow_schema::SchemaRef;
use std::sync::Arc;

/// Receives the samples: the name of the step and one row as JSON.
pub type SampleHandler = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// The operator of `log`.
pub struct LogOperator {
    name: String,
    plan: LogPlan,
    encoder: Box<dyn Encoder>,
    handler: SampleHandler,
    rows_seen: u64,
}

impl LogOperator {
    /// An operator that passes its samples to `handler`.
    ///
    /// # Errors
    /// Where the columns cannot be written as JSON.
    pub fn new(name: String, plan: LogPlan, schema: &SchemaRef, handler: SampleHandler) -> Result<Self, Fault> {
        let sampled = Arc::new(schema.project(&plan.columns).map_err(Fault::internal)?);
        let encoder = Format::Json { strict: false }.encoder(&sampled).map_err(Fault::internal)?;
        Ok(Self { name, plan, encoder, handler, rows_seen: 0 })
    }
}

impl Operator for LogOperator {
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault> {
        for batch in round.single() {
            let every = self.plan.every;
            let rows: Vec<u32> =
                (0u32..).take(batch.len()).filter(|r| (self.rows_seen + u64::from(*r)).is_multiple_of(every)).collect();
            self.rows_seen += batch.len() as u64;
            if !rows.is_empty() {
                let sample = batch.take(&UInt32Array::from(rows));
                let sampled = sample.columns.project(&self.plan.columns).map_err(Fault::internal)?;
                let encoded = self.encoder.encode(&sampled);
                for row in (0..encoded.values.len()).filter(|r| encoded.values.is_valid(*r)) {
                    (self.handler)(&self.name, &String::from_utf8_lossy(encoded.values.value(row)));
                }
            }
            out.emit(Port(0), batch);
        }
        Ok(())
    }
}
