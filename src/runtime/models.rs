//! The models of a run: read from the models topic, made ready off the hot path, swapped between batches.
//!
//! Separate from `models`, which knows no topic: here a topic becomes slots. The topic is read to its end
//! before data flows. A step that waits for its model waits here, and says so once.

use super::fault::Fault;
use super::operators::bind;
use super::restore::read_to;
use crate::log::{Answer, FetchLimit, Log, LogError, LogResult, Reader, Start, TopicConfig};
use crate::models::{Applied, ModelDescriptor, Registry, ServedModel};
use crate::plan::{ModelChoice, Op, Physical, ScorePlan};
use crate::record::{Fetched, Offset, TopicPartition};
use crate::time::Clock;
use arrow_array::Array;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The topic that models are published on, unless told otherwise.
pub const MODELS_TOPIC: &str = "models";

/// How long the feed waits for news before it looks whether the run is ending.
const PATIENCE: Duration = Duration::from_millis(100);

/// Wait before a topic that could not be read is tried again.
const AGAIN: Duration = Duration::from_secs(1);

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
    pub(super) fn interrupt(&self, interrupted: bool) {
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
    fn rest(&self, time: Duration) {
        let (lock, changed) = &self.news;
        let news = lock.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.stopped() {
            drop(changed.wait_timeout(news, time));
        }
    }

    /// Takes in what was read of the models topic.
    fn take(&self, Fetched { offsets, records, .. }: &Fetched) {
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

/// Reads the models topic.
pub(super) struct ModelFeed {
    log: Arc<dyn Log>,
    reader: Box<dyn Reader>,
    /// The reader has failed; another takes its place.
    stale: bool,
    models: Arc<Models>,
}

impl ModelFeed {
    /// Reads all that is there, unless that is given up; the topic is made where it is missing.
    pub(super) fn open(
        log: &Arc<dyn Log>,
        topic: &str,
        models: Arc<Models>,
        given_up: &AtomicBool,
    ) -> Result<Self, Fault> {
        if log.topics(Some(topic))?.is_empty() {
            match log.create_topic(topic, &TopicConfig { partitions: 1, ..TopicConfig::default() }) {
                Ok(()) | Err(LogError::TopicExists(_)) => {}
                Err(e) => return Err(e.into()),
            }
        }
        let at = TopicPartition::new(topic, 0);
        let (from, end) = (log.resolve(&at, Start::Earliest)?, log.resolve(&at, Start::Latest)?);
        let mut reader = log.reader(&[(at, from)])?;
        read_to(reader.as_mut(), end, given_up, |fetched| {
            models.take(fetched);
            Ok(())
        })?;
        Ok(Self { log: log.clone(), reader, stale: false, models })
    }

    /// Follows the topic until the run ends. A backplane that is away is waited for: what is published
    /// meanwhile comes late, but it comes.
    pub(super) fn follow(mut self) -> Result<(), Fault> {
        let mut said = false;
        while !self.models.stopped() {
            match self.poll() {
                Ok(()) => said = false,
                Err(e) if e.answer() == Answer::Fatal => return Err(e.into()),
                Err(e) => {
                    if !std::mem::replace(&mut said, true) {
                        tracing::warn!("models are not followed for now, which is tried again: {e}");
                    }
                    self.stale = true;
                    self.models.rest(AGAIN);
                }
            }
        }
        Ok(())
    }

    fn poll(&mut self) -> LogResult<()> {
        if self.stale {
            self.reader = self.log.reader(&self.reader.positions())?;
            self.stale = false;
        }
        if let Some(fetched) = self.reader.poll(FetchLimit::default(), PATIENCE)? {
            self.models.take(&fetched);
        }
        Ok(())
    }
}
