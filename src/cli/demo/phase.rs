//! The phases of the demo. A phase ends when its condition holds, never after a fixed time.
//!
//! ```text
//! FirstModel --enough records scored--> SecondModel --enough records scored--> Drain --all read--> end
//! ```

use super::display::DemoDisplay;
use super::feeder::Feeder;
use super::publish;
use crate::cli::printer::Printer;
use crate::cli::shutdown::Shutdown;
use crate::cli::stats::observe_error;
use crate::log::Log;
use crate::metrics::Snapshot;
use crate::runtime::inspect::observe::{ObserveError, Observer};
use std::time::{Duration, Instant};

const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// A rate measured over a shorter time flickers.
const MIN_RATE_INTERVAL_MILLIS: i64 = 900;
/// Records to score with each model.
const RECORDS_PER_MODEL: u64 = 12_000;
/// The demo fails after this time; it takes that long only if something is wrong.
const TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DemoPhase {
    /// The first model scores.
    FirstModel,
    /// The second model scores.
    SecondModel,
    /// No more records are written; those that were written are processed.
    Drain,
}

impl DemoPhase {
    fn is_complete(self, snapshot: &Snapshot) -> bool {
        let scored = |version| {
            let models = snapshot.steps.iter().flat_map(|s| &s.models).filter(move |m| m.version == version);
            models.map(|m| m.usage).sum::<u64>() >= RECORDS_PER_MODEL
        };
        match self {
            Self::FirstModel => scored(0),
            Self::SecondModel => scored(1),
            Self::Drain => snapshot.sources.iter().all(|s| s.lag == Some(0)) && snapshot.ledger.in_transit == 0,
        }
    }

    fn description(self) -> &'static str {
        match self {
            Self::FirstModel => "wines arrive; a TensorFlow model grades them, windows count the grades",
            Self::SecondModel => "published a second model (ONNX); it takes over while the stream runs",
            Self::Drain => "no more wines; the last ones are processed",
        }
    }
}

/// The running demo.
pub(super) struct Demo<'a> {
    pub(super) pipeline: &'a str,
    pub(super) log: &'a dyn Log,
    pub(super) feeder: &'a Feeder,
    pub(super) shutdown: &'a Shutdown,
    pub(super) printer: &'a Printer,
}

impl Demo<'_> {
    /// Goes through all phases; `false` after an interrupt or after the end of the run (`has_ended`).
    pub(super) fn play(&self, observer: &mut Observer, has_ended: &dyn Fn() -> bool) -> anyhow::Result<bool> {
        let started = Instant::now();
        let mut phase = DemoPhase::FirstModel;
        let mut earlier: Option<Snapshot> = None;
        let mut display = DemoDisplay::new(self.printer);
        display.announce(phase.description());
        // A feeder that ends before it is stopped has failed; joining it gives the error.
        while !self.shutdown.is_requested() && !has_ended() && (phase == DemoPhase::Drain || !self.feeder.has_ended()) {
            anyhow::ensure!(
                started.elapsed() < TIMEOUT,
                "the demo did not finish within two minutes; it was waiting for: {}",
                phase.description()
            );
            self.shutdown.sleep(POLL_INTERVAL);
            let mut snapshot = match observer.snapshot(self.pipeline) {
                Ok(snapshot) => snapshot,
                // The run has not started yet.
                Err(ObserveError::Unknown { .. }) => continue,
                Err(e) => return Err(observe_error(e)),
            };
            set_rates(&mut snapshot, &mut earlier);
            display.update(&snapshot);
            if !phase.is_complete(&snapshot) {
                continue;
            }
            phase = match phase {
                DemoPhase::FirstModel => {
                    publish::publish(self.log, &publish::SECOND)?;
                    DemoPhase::SecondModel
                }
                DemoPhase::SecondModel => {
                    self.feeder.stop();
                    DemoPhase::Drain
                }
                // The feeder may still append its last batch.
                DemoPhase::Drain if !self.feeder.has_ended() => continue,
                DemoPhase::Drain => return Ok(true),
            };
            display.announce(phase.description());
        }
        Ok(false)
    }
}

/// Sets the rates since `earlier`, and replaces `earlier` if it is old enough.
fn set_rates(snapshot: &mut Snapshot, earlier: &mut Option<Snapshot>) {
    if let Some(earlier) = earlier {
        snapshot.set_rates_since(earlier);
    }
    if earlier.as_ref().is_none_or(|e| snapshot.at - e.at >= MIN_RATE_INTERVAL_MILLIS) {
        *earlier = Some(snapshot.clone());
    }
}
