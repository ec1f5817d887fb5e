//! `score` scores rows with the model that serves their data type and adds its outputs as columns.
//!
//! The model is read once per batch, so a swap falls between two batches. Scored rows carry the
//! header `fastdata-model: NAME@VERSION`.

mod fit;
mod uses;

pub(crate) use fit::bind;

use super::project::project;
use crate::metrics::{Latency, ModelUse};
use crate::models::{ServedModel, UNIFORM};
use crate::plan::{ModelChoice, Port, ScorePlan};
use crate::record::{BadRow, Batch, Headers, HeadersBuilder};
use crate::runtime::cancel::CancelToken;
use crate::runtime::operators::models::Models;
use crate::runtime::task::operator::{Operator, evaluate};
use crate::runtime::task::round::Round;
use crate::runtime::{Collector, Fault};
use crate::spec::WhenMissing;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_cast::cast;
use arrow_schema::DataType;
use fit::{Fit, with_own};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use uses::ModelUses;

/// The operator of `score`.
pub struct ScoreOperator {
    plan: ScorePlan,
    models: Arc<Models>,
    /// Ends the wait for a model.
    cancel: CancelToken,
    /// The model that served each data type last.
    bound: BTreeMap<String, (Arc<ServedModel>, Fit)>,
    uses: ModelUses,
}

impl ScoreOperator {
    /// Scores with the models of this run.
    #[must_use]
    pub fn new(plan: ScorePlan, models: Arc<Models>, cancel: CancelToken) -> Self {
        Self { plan, models, cancel, bound: BTreeMap::new(), uses: ModelUses::default() }
    }

    /// Scores rows that share a data type; `None` if all of them are dropped or dead-lettered.
    fn score(
        &mut self,
        data_type: Option<&str>,
        batch: Batch,
        out: &mut Collector<'_>,
    ) -> Result<Option<Batch>, Fault> {
        let wait = matches!(self.plan.when_missing, WhenMissing::Wait);
        let model = match data_type {
            Some(data_type) if wait => Some(self.models.wait_for(data_type, &self.cancel)?),
            Some(data_type) => self.models.current(data_type),
            None => None,
        };
        match model {
            Some(model) => self.score_with(&model, batch, out).map(Some),
            None => self.without_model(data_type, batch, out),
        }
    }

    fn without_model(
        &self,
        data_type: Option<&str>,
        batch: Batch,
        out: &mut Collector<'_>,
    ) -> Result<Option<Batch>, Fault> {
        let policy = if data_type.is_none() { WhenMissing::DeadLetter } else { self.plan.when_missing };
        match policy {
            WhenMissing::Drop => out.filtered(batch.len()),
            WhenMissing::Null => {
                let nulls =
                    self.plan.outputs.iter().map(|(f, _)| arrow_array::new_null_array(f.data_type(), batch.len()));
                return project(&self.plan.projection, &batch, nulls.collect()).map(Some);
            }
            WhenMissing::DeadLetter | WhenMissing::Wait => {
                let error = match data_type {
                    Some(d) => format!("no model serves `{d}`"),
                    None => "the column that names the model is null".to_owned(),
                };
                let bad: Vec<_> = (0..batch.len()).map(|row| BadRow { row, error: error.clone() }).collect();
                let _none = out.without_bad(batch, &bad);
            }
        }
        Ok(None)
    }

    fn score_with(&mut self, model: &Arc<ServedModel>, batch: Batch, out: &mut Collector<'_>) -> Result<Batch, Fault> {
        if self.bound.get(&model.data_type).is_none_or(|(bound, _)| bound.version != model.version) {
            let fit = bind(&self.plan, model).map_err(|e| Fault::Fatal(format!("model {}: {e}", model.label())))?;
            let used = ModelUse {
                name: model.name.clone(),
                data_type: model.data_type.clone(),
                format: model.format.to_string(),
                version: model.version.0,
                description: model.description.clone(),
                since: self.models.now(),
                duration: Latency::default(),
                ..ModelUse::default()
            };
            self.uses.activate(used);
            self.bound.insert(model.data_type.clone(), (model.clone(), fit));
        }
        let inputs: Vec<_> = self.plan.inputs.iter().map(|(_, e)| e).collect();
        let (batch, features) = evaluate(&inputs, batch, out);
        let used = self.uses.get_mut(&model.data_type, model.version.0);
        let (Some((_, fit)), Some(used)) = (self.bound.get(&model.data_type), used) else {
            return Err(Fault::internal("a model was not bound"));
        };
        let started = Instant::now();
        let fatal = |e| Fault::Fatal(format!("model {}: {e}", model.label()));
        let (columns, mut bad) = fit.inputs.apply(&features).map_err(fatal)?;
        let scored = model.scorer.score(&columns).map_err(fatal)?;
        let took = started.elapsed();
        used.usage += batch.len() as u64;
        used.errors += scored.bad.len() as u64;
        used.duration.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), 1);
        let offered = model.outputs.batch(&scored, batch.len(), &model.name, model.version).map_err(Fault::internal)?;
        // The plan is made for the outputs that every model has, which are the last columns.
        let first = offered.num_columns() - UNIFORM.len();
        let uniform: Vec<usize> = (first..offered.num_columns()).collect();
        let offered =
            with_own(offered.project(&uniform), &self.plan.own, &fit.own, &scored).map_err(Fault::internal)?;
        let offered = batch.with_columns(offered);
        // Of several reasons for one row, the first is kept; the model sees a null where an input is out of range.
        bad.extend(scored.bad);
        let mut outputs = Vec::<ArrayRef>::new();
        for (_, expr) in &self.plan.outputs {
            let evaluated = expr.evaluate(&offered);
            bad.extend(evaluated.bad);
            outputs.push(evaluated.array);
        }
        let mut projected = project(&self.plan.projection, &batch, outputs)?;
        projected.meta.headers = Some(stamped(&projected, &model.label()));
        if bad.is_empty() {
            return Ok(projected);
        }
        // A dead letter contains the input row, without outputs.
        let mut good = vec![true; batch.len()];
        bad.iter().for_each(|b| good[b.row] = false);
        let _good = out.without_bad(batch, &bad);
        Ok(projected.filter(&good.into()))
    }
}

/// The rows' headers with the model's added.
fn stamped(batch: &Batch, label: &str) -> Headers {
    let stamp = (&b"fastdata-model"[..], Some(label.as_bytes()));
    match &batch.meta.headers {
        None => Headers::repeat(stamp, batch.len()),
        Some(headers) => {
            let mut built = HeadersBuilder::default();
            (0..batch.len()).for_each(|row| built.push(headers.row(row).chain([stamp])));
            built.finish().unwrap_or_else(|| Headers::repeat(stamp, batch.len()))
        }
    }
}

impl Operator for ScoreOperator {
    fn process(&mut self, round: Round<'_>, out: &mut Collector<'_>) -> Result<(), Fault> {
        for batch in round.single() {
            let by = match &self.plan.model {
                ModelChoice::Fixed(data_type) => {
                    let data_type = data_type.clone();
                    if let Some(scored) = self.score(Some(&data_type), batch, out)? {
                        out.emit(Port(0), scored);
                    }
                    continue;
                }
                ModelChoice::By(column) => column.clone(),
            };
            let (batch, names) = evaluate(&[&by], batch, out);
            let names = cast(&names[0], &DataType::Utf8).map_err(Fault::internal)?;
            let names = names.as_string::<i32>();
            let mut groups: BTreeMap<Option<&str>, Vec<u32>> = BTreeMap::new();
            for row in 0..batch.len() {
                let name = names.is_valid(row).then(|| names.value(row));
                groups.entry(name).or_default().push(u32::try_from(row).map_err(Fault::internal)?);
            }
            let mut scored = Vec::new();
            for (data_type, rows) in groups {
                scored.extend(self.score(data_type, batch.take(&UInt32Array::from(rows)), out)?);
            }
            super::merge::merge_in_order(scored).into_iter().for_each(|b| out.emit(Port(0), b));
        }
        Ok(())
    }

    fn models(&self) -> Vec<ModelUse> {
        self.uses.all()
    }
}
