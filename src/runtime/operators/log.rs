//! `log` prints samples of the rows that pass, as JSON, and passes all of them on.
//!
//! It counts from the start of the run; where samples go is the caller's choice, so that tests can read
//! them and commands keep stdout for data.

use crate::formats::{Encoder, Format};
use crate::plan::{LogPlan, Port};
use crate::runtime::task::operator::Operator;
use crate::runtime::task::round::Round;
use crate::runtime::{Collector, Fault};
use arrow_array::{Array, UInt32Array};
use arrow_schema::SchemaRef;
use std::sync::Arc;

/// Takes the samples: the step's name and one row as JSON.
pub type Samples = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// The operator of `log`.
pub struct Log {
    name: String,
    plan: LogPlan,
    encoder: Box<dyn Encoder>,
    samples: Samples,
    seen: u64,
}

impl Log {
    /// An operator that hands its samples to `samples`.
    ///
    /// # Errors
    /// Where the columns cannot be written as JSON.
    pub fn new(name: String, plan: LogPlan, schema: &SchemaRef, samples: Samples) -> Result<Self, Fault> {
        let shown = Arc::new(schema.project(&plan.columns).map_err(Fault::internal)?);
        let encoder = Format::Json { strict: false }.encoder(&shown).map_err(Fault::internal)?;
        Ok(Self { name, plan, encoder, samples, seen: 0 })
    }
}

impl Operator for Log {
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault> {
        for batch in round.single() {
            let every = self.plan.every;
            let rows: Vec<u32> =
                (0u32..).take(batch.len()).filter(|r| (self.seen + u64::from(*r)).is_multiple_of(every)).collect();
            self.seen += batch.len() as u64;
            if !rows.is_empty() {
                let sample = batch.take(&UInt32Array::from(rows));
                let shown = sample.columns.project(&self.plan.columns).map_err(Fault::internal)?;
                let encoded = self.encoder.encode(&shown);
                for row in (0..encoded.values.len()).filter(|r| encoded.values.is_valid(*r)) {
                    (self.samples)(&self.name, &String::from_utf8_lossy(encoded.values.value(row)));
                }
            }
            out.emit(Port(0), batch);
        }
        Ok(())
    }
}
