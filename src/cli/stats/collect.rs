//! Takes samples of pipelines, one or all, with the rates since the sample before.
//!
//! Separate because text, JSON and the live screen show the same samples.

use crate::cli::exit::WrongInput;
use crate::cli::printer::Printer;
use crate::log::Log;
use crate::metrics::Snapshot;
use crate::runtime::inspect::observe::{ObserveError, Observer};
use crate::time::SystemClock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Samples pipelines again and again.
pub(super) struct Sampler {
    observer: Observer,
    only: Option<String>,
    before: BTreeMap<String, Snapshot>,
    unreadable: BTreeSet<String>,
}

impl Sampler {
    /// Of one pipeline, or of all.
    pub(super) fn new(log: Arc<dyn Log>, only: Option<String>) -> Self {
        let observer = Observer::new(log, Arc::new(SystemClock));
        Self { observer, only, before: BTreeMap::new(), unreadable: BTreeSet::new() }
    }

    /// How the pipelines stand now, by name.
    pub(super) fn sample(&mut self, printer: &Printer) -> anyhow::Result<Vec<Snapshot>> {
        let names = match &self.only {
            Some(name) => vec![name.clone()],
            None => self.observer.pipelines()?,
        };
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            match self.observer.snapshot(&name) {
                Ok(snapshot) => found.push(snapshot),
                // Deleted since the names were listed.
                Err(ObserveError::Unknown { .. }) if self.only.is_none() => {}
                // One topic that only looks like a pipeline's must not hide the others.
                Err(e @ ObserveError::Foreign { .. }) if self.only.is_none() => {
                    if self.unreadable.insert(name) {
                        printer.warn(&e);
                    }
                }
                Err(e) => return Err(wrong_name(e)),
            }
        }
        for snapshot in &mut found {
            if let Some(before) = self.before.get(&snapshot.pipeline) {
                snapshot.rates_since(before);
            }
            self.before.insert(snapshot.pipeline.clone(), snapshot.clone());
        }
        Ok(found)
    }
}

/// A name that no pipeline has is the user's mistake; all else is a failure.
pub(in crate::cli) fn wrong_name(error: ObserveError) -> anyhow::Error {
    match error {
        ObserveError::Unknown { .. } => WrongInput::new(error.to_string()).maybe_hint(error.hint()).into(),
        ObserveError::Log(error) => error.into(),
        ObserveError::Foreign { .. } => match error.hint() {
            Some(hint) => anyhow::anyhow!("{error}\nhint: {hint}"),
            None => error.into(),
        },
    }
}
