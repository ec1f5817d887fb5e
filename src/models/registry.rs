//! The models that serve, by data type, and the state of each version.
//!
//! ```text
//! record -> prepare -> gate of the steps -+-> Serving -> Superseded
//!                |                        +-> Held (published without activation)
//!                +-> Rejected             +-> Rejected
//! ```
//!
//! One feed writes and many tasks read. A task loads its slot once per batch without a lock, so a swap falls
//! between two batches and no task waits for it. The registry never reads a topic.

use super::gate::prepare;
use super::{Activation, ModelDescriptor, ModelFormat, ServedModel};
use crate::record::Offset;
use arc_swap::ArcSwapOption;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Versions of one data type whose state is kept.
const MAX_HISTORY_VERSIONS: usize = 64;

/// The state of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum VersionState {
    /// It serves.
    Serving,
    /// It served until a later version replaced it.
    Superseded,
    /// It passed the gate and was published without activation.
    Held,
    /// It did not pass the gate.
    Rejected {
        /// The cause.
        reason: String,
    },
}

/// A version and its state.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VersionEntry {
    /// The offset of its record.
    pub version: Offset,
    /// Name of the model.
    pub name: String,
    /// A description for people.
    pub description: String,
    /// Its format, if the record declares a known one.
    pub format: Option<ModelFormat>,
    /// Its state.
    #[serde(flatten)]
    pub state: VersionState,
    /// When it was applied, milliseconds since the epoch.
    pub since: i64,
}

/// The outcome of applying a record.
#[derive(Clone, Debug)]
pub enum Applied {
    /// The model serves.
    Serving(Arc<ServedModel>),
    /// The model passed the gate and does not serve.
    Held(Arc<ServedModel>),
    /// The model did not pass the gate; the previous one continues to serve.
    Rejected {
        /// The cause.
        reason: String,
    },
}

/// The model that serves one data type. Invariant: a reader sees one complete version, old or new.
#[derive(Debug)]
pub struct Slot {
    data_type: String,
    current: ArcSwapOption<ServedModel>,
    history: Mutex<VecDeque<VersionEntry>>,
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

    /// The model for the next batch; takes no lock.
    #[must_use]
    pub fn load(&self) -> Option<Arc<ServedModel>> {
        self.current.load_full()
    }

    /// The versions with their states, oldest first.
    #[must_use]
    pub fn history(&self) -> Vec<VersionEntry> {
        self.lock_history().iter().cloned().collect()
    }

    fn serve(&self, model: &Arc<ServedModel>) {
        let mut history = self.lock_history();
        for entry in history.iter_mut().filter(|e| e.state == VersionState::Serving) {
            entry.state = VersionState::Superseded;
        }
        self.current.store(Some(model.clone()));
        push_bounded(&mut history, entry(model, VersionState::Serving));
    }

    fn lock_history(&self) -> MutexGuard<'_, VecDeque<VersionEntry>> {
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
    }
}

/// Removes the oldest entry if the history is full, but never the one that serves.
fn push_bounded(history: &mut VecDeque<VersionEntry>, entry: VersionEntry) {
    history.push_back(entry);
    if history.len() > MAX_HISTORY_VERSIONS
        && let Some(oldest) = history.iter().position(|e| e.state != VersionState::Serving)
    {
        history.remove(oldest);
    }
}

/// The version that serves each data type: the newest that was published to serve.
///
/// `records` are the descriptors on a models topic in the order of their offsets. An instance may reject a version;
/// there the previous version continues to serve.
#[must_use]
pub fn serving_versions<'a>(
    records: impl IntoIterator<Item = (Offset, &'a ModelDescriptor)>,
) -> BTreeMap<String, Offset> {
    let mut serving = BTreeMap::new();
    for (version, descriptor) in records {
        if matches!(descriptor.activates(), Ok(Activation::Serve)) {
            serving.insert(descriptor.served_as().to_owned(), version);
        }
    }
    serving
}

/// The slots of all data types.
#[derive(Debug, Default)]
pub struct Registry {
    slots: Mutex<BTreeMap<String, Arc<Slot>>>,
}

impl Registry {
    /// The slot of a data type, created empty if it does not exist.
    #[must_use]
    pub fn slot(&self, data_type: &str) -> Arc<Slot> {
        let mut slots = self.lock_slots();
        slots.entry(data_type.to_owned()).or_insert_with(|| Arc::new(Slot::new(data_type))).clone()
    }

    /// The slot of a data type if it exists. For names that come from records, so that they create no slots.
    #[must_use]
    pub fn find(&self, data_type: &str) -> Option<Arc<Slot>> {
        self.lock_slots().get(data_type).cloned()
    }

    /// All slots by data type.
    #[must_use]
    pub fn slots(&self) -> Vec<Arc<Slot>> {
        self.lock_slots().values().cloned().collect()
    }

    /// Applies a record of the models topic at `now` (milliseconds since the epoch): prepares the model, asks
    /// `gate` whether the steps can use it, and swaps it in. Records must be applied in offset order.
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
                push_bounded(&mut slot.lock_history(), entry(&model, VersionState::Held));
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
                };
                push_bounded(&mut slot.lock_history(), rejected);
                Applied::Rejected { reason }
            }
        }
    }

    fn lock_slots(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
