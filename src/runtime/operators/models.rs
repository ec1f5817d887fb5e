//! The models of a run: read from the models topic, made ready off the hot path, swapped between batches.
//!
//! Separate from `models`, which knows no topic: here a topic becomes slots. The topic is read to its end
//! before data flows. A step that waits for its model waits here, and says so once.

use crate::models::{Applied, ModelDescriptor, Registry, ServedModel};
use crate::plan::{ModelChoice, Op, Physical, ScorePlan};
use crate::record::{Fetched, Offset};
use crate::runtime::fault::Fault;
use crate::runtime::operators::bind;
use crate::time::Clock;
use arrow_array::Array;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The models that steps can score with.
pub struct Models {
    registry: Registry,
    clock: Arc<dyn Clock>,
    steps: Vec<ScorePlan>,
    news: (Mutex<u64>, Condvar),
    may_wait: bool,
    stopped: AtomicBool,
    /// What waits now goes back to what was committed.
    interrupted: AtomicBool,
}

impl Models {
    /// None yet; `may_wait` says whether more can come while steps wait.
    #[must_use]
    pub fn new(plan: &Physical, clock: Arc<dyn Clock>, may_wait: bool) -> Self {
        let ops = plan.subs.iter().flat_map(|s| &s.nodes).map(|n| &n.op);
        let steps = ops.filter_map(|op| if let Op::Score(s) = op { Some(s.clone()) } else { None });
        Self {
            registry: Registry::default(),
            clock,
            steps: steps.collect(),
            news: (Mutex::new(0), Condvar::new()),
            may_wait,
            stopped: AtomicBool::new(false),
            interrupted: AtomicBool::new(false),
        }
    }

    /// Whether any step scores.
    #[must_use]
    pub fn needed(&self) -> bool {
        !self.steps.is_empty()
    }

    /// Now, on the clock of the run.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    /// The model that serves a data type.
    #[must_use]
    pub fn current(&self, data_type: &str) -> Option<Arc<ServedModel>> {
        self.registry.find(data_type)?.load()
    }

    /// The model that serves a data type, once there is one.
    ///
    /// # Errors
    /// [`Fault::Stopped`] where the run ends first, or the wait is broken off.
    pub fn wait_for(&self, data_type: &str) -> Result<Arc<ServedModel>, Fault> {
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
            let (lock, changed) = &self.news;
            let mut news = lock.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                if self.stopped() || self.interrupted.load(Ordering::Relaxed) {
                    return Err(Fault::Stopped);
                }
                if let Some(model) = self.current(data_type) {
                    return Ok(model);
                }
                news = changed.wait(news).unwrap_or_else(PoisonError::into_inner);
            }
        })
    }

    /// Wakes all that wait; they stop.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.tell();
    }

    /// Breaks off all waiting, from now on until it is allowed again.
    pub(in crate::runtime) fn interrupt(&self, interrupted: bool) {
        self.interrupted.store(interrupted, Ordering::Relaxed);
        self.tell();
    }

    /// Whether the run is ending.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn tell(&self) {
        let (lock, changed) = &self.news;
        *lock.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        changed.notify_all();
    }

    /// Waits, but not longer than until the run ends.
    pub(in crate::runtime) fn rest(&self, time: Duration) {
        let (lock, changed) = &self.news;
        let news = lock.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.stopped() {
            drop(changed.wait_timeout(news, time));
        }
    }

    /// Takes in what was read of the models topic.
    pub(in crate::runtime) fn take(&self, Fetched { offsets, records, .. }: &Fetched) {
        for row in (0..records.len()).filter(|r| records.values.is_valid(*r)) {
            self.publish(Offset(offsets[row]), records.values.value(row));
        }
    }

    /// Takes in one record of the models topic.
    pub fn publish(&self, version: Offset, record: &[u8]) {
        let descriptor = match ModelDescriptor::read(record) {
            Ok(descriptor) => descriptor,
            Err(e) => return tracing::warn!("record {version} of the models topic is no model: {e}"),
        };
        match self.registry.apply(version, &descriptor, self.clock.now(), |model| self.gate(model)) {
            Applied::Serving(model) => tracing::info!("model {} serves `{}`", model.label(), model.data_type),
            Applied::Held(model) => tracing::info!("model {} is ready and not active", model.label()),
            Applied::Rejected { reason } => {
                tracing::warn!("model {}@{version} was rejected: {reason}", descriptor.name);
            }
        }
        self.tell();
    }

    /// Whether every step that the model would serve can use it.
    fn gate(&self, model: &ServedModel) -> Result<(), String> {
        let serves = |s: &&ScorePlan| match &s.model {
            ModelChoice::Fixed(data_type) => *data_type == model.data_type,
            ModelChoice::By(_) => true,
        };
        self.steps.iter().filter(serves).try_for_each(|step| bind(step, model).map(drop).map_err(|e| e.to_string()))
    }
}
