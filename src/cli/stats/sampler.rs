//! Samples pipelines, one or all, with the rates since the previous sample.

use crate::cli::exit::UserError;
use crate::cli::printer::Printer;
use crate::log::Log;
use crate::metrics::Snapshot;
use crate::runtime::inspect::observe::{ObserveError, Observer};
use crate::time::SystemClock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The time between two samples of a live view.
pub(super) const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// The time between the two samples of a single answer, whose difference are its rates.
pub(super) const RATE_INTERVAL: Duration = Duration::from_millis(500);

pub(super) struct StatsSampler {
    observer: Observer,
    only: Option<String>,
    waits: bool,
    previous: BTreeMap<String, Snapshot>,
    /// Names for which a warning has been printed.
    warned: BTreeSet<String>,
}

impl StatsSampler {
    /// A sampler of one pipeline, or of all. With `waits`, one that has not run yet is awaited.
    pub(super) fn new(log: Arc<dyn Log>, only: Option<String>, waits: bool) -> Self {
        let observer = Observer::new(log, Arc::new(SystemClock));
        Self { observer, only, waits, previous: BTreeMap::new(), warned: BTreeSet::new() }
    }

    /// Takes a sample of each pipeline, in the order of their names.
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
                // Whoever watches it may have come before it.
                Err(ObserveError::Unknown { .. }) if self.waits => {
                    if self.warned.insert(name.clone()) {
                        printer.info(format_args!("waiting for `{name}`, which has not run here yet"));
                    }
                }
                // A topic that merely is named like a progress topic must not hide the pipelines.
                Err(e @ ObserveError::Foreign { .. }) if self.only.is_none() => {
                    if self.warned.insert(name) {
                        printer.warn(&e);
                    }
                }
                Err(e) => return Err(observe_error(e)),
            }
        }
        for snapshot in &mut found {
            if let Some(previous) = self.previous.get(&snapshot.pipeline) {
                snapshot.set_rates_since(previous);
            }
            self.previous.insert(snapshot.pipeline.clone(), snapshot.clone());
        }
        Ok(found)
    }
}

/// An unknown pipeline is invalid input; other errors are failures.
pub(in crate::cli) fn observe_error(error: ObserveError) -> anyhow::Error {
    match error {
        ObserveError::Unknown { .. } => UserError::new(error.to_string()).maybe_hint(error.hint()).into(),
        ObserveError::Log(error) => error.into(),
        ObserveError::Foreign { .. } => match error.hint() {
            Some(hint) => anyhow::anyhow!("{error}\nhint: {hint}"),
            None => error.into(),
        },
    }
}
