//! What happens when: each act ends when something has happened, never after a time.
//!
//! ```text
//! FirstModel --enough scored with it--> SecondModel --enough scored with it--> LastRecords --all read--> done
//! ```

use super::feeder::Feeder;
use super::publish;
use super::scene::Scene;
use crate::cli::printer::Printer;
use crate::cli::shutdown::Shutdown;
use crate::cli::stats::wrong_name;
use crate::log::Log;
use crate::metrics::Snapshot;
use crate::runtime::inspect::observe::{ObserveError, Observer};
use std::time::{Duration, Instant};

/// Between two looks.
const TICK: Duration = Duration::from_millis(100);
/// Records to score with each model.
const ENOUGH: u64 = 12_000;
/// A machine on which the whole takes longer than this has a fault that is worth a message.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Records scored with the first model.
    FirstModel,
    /// Records scored with the second.
    SecondModel,
    /// All that was written is read, and nothing is under way.
    LastRecords,
}

impl Act {
    fn over(self, snapshot: &Snapshot) -> bool {
        let scored = |version| {
            let models = snapshot.steps.iter().flat_map(|s| &s.models).filter(move |m| m.version == version);
            models.map(|m| m.usage).sum::<u64>() >= ENOUGH
        };
        match self {
            Self::FirstModel => scored(0),
            Self::SecondModel => scored(1),
            Self::LastRecords => snapshot.sources.iter().all(|s| s.lag == Some(0)) && snapshot.ledger.in_transit == 0,
        }
    }

    fn told(self) -> &'static str {
        match self {
            Self::FirstModel => "wines come in; a TensorFlow model grades them, windows count the grades",
            Self::SecondModel => "published a second model (ONNX); it takes over while the stream runs",
            Self::LastRecords => "no more wines; what is under way is finished",
        }
    }
}

/// Plays all acts; false where the person had enough, or the run has ended by itself.
pub(super) fn play(
    pipeline: &str,
    log: &dyn Log,
    observer: &mut Observer,
    feeder: &Feeder,
    ended: &dyn Fn() -> bool,
    shutdown: &Shutdown,
    printer: &Printer,
) -> anyhow::Result<bool> {
    let started = Instant::now();
    let mut act = Act::FirstModel;
    let mut before: Option<Snapshot> = None;
    let mut scene = Scene::new(printer);
    scene.say(act.told());
    // A feeder that ends before it is asked to has failed, and says why when it is joined.
    while !shutdown.requested() && !ended() && (act == Act::LastRecords || !feeder.finished()) {
        anyhow::ensure!(
            started.elapsed() < PATIENCE,
            "the demo did not get through in two minutes; it waited for: {}",
            act.told()
        );
        shutdown.sleep(TICK);
        let mut snapshot = match observer.snapshot(pipeline) {
            Ok(snapshot) => snapshot,
            // The run has not begun yet.
            Err(ObserveError::Unknown { .. }) => continue,
            Err(e) => return Err(wrong_name(e)),
        };
        // A rate over one look would flicker.
        match &before {
            Some(earlier) if snapshot.at - earlier.at < 900 => snapshot.rates_since(earlier),
            Some(earlier) => {
                snapshot.rates_since(earlier);
                before = Some(snapshot.clone());
            }
            None => before = Some(snapshot.clone()),
        }
        scene.show(&snapshot);
        if !act.over(&snapshot) {
            continue;
        }
        act = match act {
            Act::FirstModel => {
                publish::publish(log, &publish::SECOND)?;
                Act::SecondModel
            }
            Act::SecondModel => {
                feeder.stop();
                Act::LastRecords
            }
            // Its last batch may still be on its way into the log.
            Act::LastRecords if !feeder.finished() => continue,
            Act::LastRecords => return Ok(true),
        };
        scene.say(act.told());
    }
    Ok(false)
}
