//! The models of a run. A model is a record of the models topic; it is loaded and checked off the hot path and
//! replaces its predecessor between two batches.
//!
//! It reads no topic. A step whose data type has no model yet waits here, and each wait is logged.

use crate::models::{Applied, ModelDescriptor, Registry, ServedModel};
use crate::plan::{ModelChoice, Op, Physical, ScorePlan};
use crate::record::{Fetched, Offset};
use crate::runtime::cancel::CancelToken;
use crate::runtime::fault::Fault;
use crate::runtime::operators::bind;
use crate::time::Clock;
use arrow_array::Array;
use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// The models that steps can score with.
pub struct Models {
    registry: Registry,
    clock: Arc<dyn Clock>,
    steps: Vec<ScorePlan>,
    /// Counts the events after which a waiting step checks again.
    changes: Mutex<u64>,
    changed: Condvar,
    may_wait: bool,
    /// Data types for which a step was waiting when it was cancelled.
    awaited: Mutex<BTreeSet<String>>,
}

impl Models {
    /// Starts without models. `may_wait` says whether models can arrive while a step waits.
    #[must_use]
    pub fn new(plan: &Physical, clock: Arc<dyn Clock>, may_wait: bool) -> Self {
        let ops = plan.subs.iter().flat_map(|s| &s.nodes).map(|n| &n.op);
        let steps = ops.filter_map(|op| if let Op::Score(s) = op { Some(s.clone()) } else { None });
        Self {
            registry: Registry::default(),
            clock,
            steps: steps.collect(),
            changes: Mutex::new(0),
            changed: Condvar::new(),
            may_wait,
            awaited: Mutex::default(),
        }
    }

    /// Whether any step scores.
    #[must_use]
    pub fn needed(&self) -> bool {
        !self.steps.is_empty()
    }

    /// The time on the clock of the run.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    /// The model that serves a data type.
    #[must_use]
    pub fn current(&self, data_type: &str) -> Option<Arc<ServedModel>> {
        self.registry.find(data_type)?.load()
    }

    /// Waits for the model that serves a data type. A caller that cancels the token also calls
    /// [`Self::wake_waiters`].
    ///
    /// # Errors
    /// [`Fault::Stopped`] where the wait is cancelled.
    pub fn wait_for(&self, data_type: &str, cancel: &CancelToken) -> Result<Arc<ServedModel>, Fault> {
        if let Some(model) = self.current(data_type) {
            return Ok(model);
        }
        if !self.may_wait {
            return Err(Fault::Fatal(format!("no model serves `{data_type}`")));
        }
        tracing::warn!(
            "waiting for a model that serves `{data_type}`; publish one with `fastdata publish-model FILE --data-type {data_type}`"
        );
        tokio::task::block_in_place(|| {
            let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                if cancel.is_cancelled() {
                    self.awaited.lock().unwrap_or_else(PoisonError::into_inner).insert(data_type.to_owned());
                    return Err(Fault::Stopped);
                }
                if let Some(model) = self.current(data_type) {
                    return Ok(model);
                }
                changes = self.changed.wait(changes).unwrap_or_else(PoisonError::into_inner);
            }
        })
    }

    /// The data types for which steps were waiting when they were cancelled, and which no model serves yet.
    #[must_use]
    pub fn awaited(&self) -> Vec<String> {
        let awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.iter().filter(|data_type| self.current(data_type).is_none()).cloned().collect()
    }

    /// Lets steps that wait for a model check again.
    pub fn wake_waiters(&self) {
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }

    /// Applies fetched records of the models topic.
    pub(in crate::runtime) fn take(&self, Fetched { offsets, records, .. }: &Fetched) {
        for row in (0..records.len()).filter(|r| records.values.is_valid(*r)) {
            self.publish(Offset(offsets[row]), records.values.value(row));
        }
    }

    /// Applies one record of the models topic.
    pub fn publish(&self, version: Offset, record: &[u8]) {
        let descriptor = match ModelDescriptor::read(record) {
            Ok(descriptor) => descriptor,
            Err(e) => return tracing::warn!("record {version} of the models topic is no model: {e}"),
        };
        if !self.steps.iter().any(|step| may_serve(descriptor.served_as(), step)) {
            tracing::debug!("model {}@{version} serves no step of this pipeline", descriptor.name);
            return;
        }
        let before = self.current(descriptor.served_as()).map(|model| model.label());
        let applied = self.registry.apply(version, &descriptor, self.clock.now(), |model| self.gate(model));
        if let Applied::Serving(model) | Applied::Held(model) = &applied
            && let Some(warning) = &model.warning
        {
            tracing::warn!("model {}: {warning}", model.label());
        }
        match applied {
            Applied::Serving(model) => {
                let instead = before.filter(|before| *before != model.label());
                let instead = instead.map_or_else(String::new, |before| format!(" instead of {before}"));
                tracing::info!("model {} serves `{}`{instead}", model.label(), model.data_type);
            }
            Applied::Held(model) => tracing::info!("model {} is ready and not active", model.label()),
            Applied::Rejected { reason } => {
                tracing::warn!("model {}@{version} was rejected: {reason}", descriptor.name);
            }
        }
        self.wake_waiters();
    }

    /// Checks that every step that the model would serve can use it.
    fn gate(&self, model: &ServedModel) -> Result<(), String> {
        let mut served = self.steps.iter().filter(|step| may_serve(&model.data_type, step));
        served.try_for_each(|step| bind(step, model).map(drop).map_err(|e| e.to_string()))
    }
}

/// Whether a step may score with the models of a data type.
fn may_serve(data_type: &str, step: &ScorePlan) -> bool {
    match &step.model {
        ModelChoice::Fixed(fixed) => fixed == data_type,
        ModelChoice::By(_) => true,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::models::ModelFormat;
    use crate::runtime::operators::build::fixture;
    use crate::time::VirtualClock;

    #[test]
    fn models_of_other_pipelines_are_not_loaded() {
        let text = "name: p
source: {topic: in, schema: {v: double}}
steps:
  - {name: scored, score: {model: wine, inputs: [v], outputs: {grade: prediction}}}
sink: out
";
        let models = Models::new(&fixture::plan_of(text), Arc::new(VirtualClock::at(0)), false);
        let publish = |offset, data_type: &str| {
            let broken = ModelDescriptor::of("m", data_type, ModelFormat::Onnx, b"no model".to_vec());
            models.publish(Offset(offset), &broken.write());
        };
        publish(0, "beer");
        assert!(models.registry.find("beer").is_none());
        publish(1, "wine");
        assert_eq!(models.registry.find("wine").unwrap().history().len(), 1);
    }
}
