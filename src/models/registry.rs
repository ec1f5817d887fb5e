//! The models that are served, by data type, and what became of each version.
//!
//! ```text
//! record -> prepare -> gate of the steps -+-> Serving -> Superseded
//!                |                        +-> Held (published without activation)
//!                +-> Rejected             +-> Rejected
//! ```
//!
//! Separate because many tasks read what one feed writes: a task loads the slot once a batch, which takes
//! no lock, so a swap falls between two batches and nobody waits. It never reads a topic.

use super::{Activation, ModelDescriptor, ModelFormat, ScoreStats, Scorer, StatsSnapshot, UniformOutputs, prepare};
use crate::record::Offset;
use arc_swap::ArcSwapOption;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Versions of one data type that are remembered with what became of them.
const HISTORY: usize = 64;

/// A model version that is ready to score.
#[derive(Debug)]
pub struct ServedModel {
    /// Name of the model.
    pub name: String,
    /// For a person.
    pub description: String,
    /// The data type that it serves.
    pub data_type: String,
    /// Offset of its record.
    pub version: Offset,
    /// Its format.
    pub format: ModelFormat,
    /// SHA-256 of its content, in hexadecimal digits.
    pub sha256: String,
    /// When it was made ready, milliseconds since the epoch.
    pub since: i64,
    /// Scores batches.
    pub scorer: Arc<dyn Scorer>,
    /// Makes the outputs that every scorer offers.
    pub outputs: UniformOutputs,
    /// What it has done so far.
    pub stats: Arc<ScoreStats>,
}

impl ServedModel {
    /// `NAME@VERSION`, as scored records carry it.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// What became of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum VersionState {
    /// It is the one served.
    Serving,
    /// It was served until another came.
    Superseded,
    /// It passed, and was published without activation.
    Held,
    /// It did not pass.
    Rejected {
        /// Why.
        reason: String,
    },
}

/// A version, what became of it, and what it has done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VersionEntry {
    /// Offset of its record.
    pub version: Offset,
    /// Name of the model.
    pub name: String,
    /// For a person.
    pub description: String,
    /// Its format, where the record names one that is known.
    pub format: Option<ModelFormat>,
    /// What became of it.
    #[serde(flatten)]
    pub state: VersionState,
    /// Since when, milliseconds since the epoch.
    pub since: i64,
    /// What it has done.
    #[serde(flatten)]
    pub stats: StatsSnapshot,
}

/// What came of applying a record.
#[derive(Clone, Debug)]
pub enum Applied {
    /// The model serves from now on.
    Serving(Arc<ServedModel>),
    /// The model passed and waits.
    Held(Arc<ServedModel>),
    /// The model did not pass, and the one before goes on serving.
    Rejected {
        /// Why.
        reason: String,
    },
}

/// The served model of one data type. Invariant: a reader sees a whole version, old or new.
#[derive(Debug)]
pub struct Slot {
    data_type: String,
    current: ArcSwapOption<ServedModel>,
    history: Mutex<VecDeque<(VersionEntry, Option<Arc<ScoreStats>>)>>,
}

impl Slot {
    fn new(data_type: &str) -> Self {
        Self { data_type: data_type.to_owned(), current: ArcSwapOption::empty(), history: Mutex::default() }
    }

    /// The data type.
    #[must_use]
    pub fn data_type(&self) -> &str {
        &self.data_type
    }

    /// The model to score the next batch with; takes no lock.
    #[must_use]
    pub fn load(&self) -> Option<Arc<ServedModel>> {
        self.current.load_full()
    }

    /// The versions seen, oldest first, with their statistics as they are now.
    #[must_use]
    pub fn history(&self) -> Vec<VersionEntry> {
        let with_stats = |(entry, stats): &(VersionEntry, Option<Arc<ScoreStats>>)| VersionEntry {
            stats: stats.as_ref().map_or_else(StatsSnapshot::default, |s| s.snapshot()),
            ..entry.clone()
        };
        self.locked().iter().map(with_stats).collect()
    }

    fn serve(&self, model: &Arc<ServedModel>) {
        let mut history = self.locked();
        for (entry, _) in history.iter_mut().filter(|(e, _)| e.state == VersionState::Serving) {
            entry.state = VersionState::Superseded;
        }
        self.current.store(Some(model.clone()));
        remember(&mut history, entry(model, VersionState::Serving), Some(model.stats.clone()));
    }

    fn locked(&self) -> MutexGuard<'_, VecDeque<(VersionEntry, Option<Arc<ScoreStats>>)>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entry(model: &ServedModel, state: VersionState) -> VersionEntry {
    VersionEntry {
        version: model.version,
        name: model.name.clone(),
        description: model.description.clone(),
        format: Some(model.format),
        state,
        since: model.since,
        stats: StatsSnapshot::default(),
    }
}

/// The oldest entry gives way, but never the one that serves.
fn remember(
    history: &mut VecDeque<(VersionEntry, Option<Arc<ScoreStats>>)>,
    entry: VersionEntry,
    stats: Option<Arc<ScoreStats>>,
) {
    history.push_back((entry, stats));
    if history.len() > HISTORY
        && let Some(oldest) = history.iter().position(|(e, _)| e.state != VersionState::Serving)
    {
        history.remove(oldest);
    }
}

/// The slots of all data types.
#[derive(Debug, Default)]
pub struct Registry {
    slots: Mutex<BTreeMap<String, Arc<Slot>>>,
}

impl Registry {
    /// The slot of a data type, empty where no model has come yet. A step asks once and keeps it.
    #[must_use]
    pub fn slot(&self, data_type: &str) -> Arc<Slot> {
        let mut slots = self.locked();
        slots.entry(data_type.to_owned()).or_insert_with(|| Arc::new(Slot::new(data_type))).clone()
    }

    /// The slot of a data type that was asked for or published before; for names that come from data.
    #[must_use]
    pub fn find(&self, data_type: &str) -> Option<Arc<Slot>> {
        self.locked().get(data_type).cloned()
    }

    /// All slots by data type.
    #[must_use]
    pub fn slots(&self) -> Vec<Arc<Slot>> {
        self.locked().values().cloned().collect()
    }

    /// Applies a record of the models topic at `now` (milliseconds since the epoch): makes the model
    /// ready, asks `gate` whether the steps can use it, and swaps it in. Records come in their order.
    pub fn apply(
        &self,
        version: Offset,
        descriptor: &ModelDescriptor,
        now: i64,
        gate: impl FnOnce(&ServedModel) -> Result<(), String>,
    ) -> Applied {
        let slot = self.slot(descriptor.served_as());
        let passed = descriptor.activates().and_then(|a| Ok((a, prepare(version, descriptor, now)?)));
        let passed = passed.map_err(|e| e.to_string()).and_then(|(a, m)| gate(&m).map(|()| (a, Arc::new(m))));
        match passed {
            Ok((Activation::Serve, model)) => {
                slot.serve(&model);
                Applied::Serving(model)
            }
            Ok((Activation::Hold, model)) => {
                remember(&mut slot.locked(), entry(&model, VersionState::Held), Some(model.stats.clone()));
                Applied::Held(model)
            }
            Err(reason) => {
                let rejected = VersionEntry {
                    version,
                    name: descriptor.name.clone(),
                    description: descriptor.description.clone(),
                    format: descriptor.format().ok(),
                    state: VersionState::Rejected { reason: reason.clone() },
                    since: now,
                    stats: StatsSnapshot::default(),
                };
                remember(&mut slot.locked(), rejected, None);
                Applied::Rejected { reason }
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
