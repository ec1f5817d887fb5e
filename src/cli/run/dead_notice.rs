//! Says that a run which goes on until it is stopped sets records aside: at the first ones, then seldom.

use super::watched::WatchedRun;
use crate::cli::figures::counted;
use crate::cli::printer::{Printer, Severity};
use crate::runtime::DeadReason;
use crate::spec::ErrorPolicy;
use std::time::{Duration, Instant};

/// Time between two notices about one pipeline.
const NOTICE_INTERVAL: Duration = Duration::from_secs(60);

/// The dead letters of one pipeline that were mentioned.
#[derive(Debug, Default)]
pub(super) struct DeadNotice {
    mentioned: u64,
    at: Option<Instant>,
}

impl DeadNotice {
    /// Mentions new dead letters, unless that was done a short while ago.
    pub(super) fn update(&mut self, run: &WatchedRun, printer: &Printer) {
        if run.plan.errors != ErrorPolicy::DeadLetter || self.at.is_some_and(|at| at.elapsed() < NOTICE_INTERVAL) {
            return;
        }
        let dead = run.work.dead();
        if dead <= self.mentioned {
            return;
        }
        let more = if self.mentioned == 0 {
            String::new()
        } else {
            format!(", {} since the last time", dead - self.mentioned)
        };
        let dead_topic = run.plan.dead_topic();
        let reason =
            run.work.commonest_error().map_or_else(String::new, |reason| format!("; {}", commonest(&reason, dead)));
        let records = counted(dead, "record");
        let message = format!("`{}` has set {records} aside in `{dead_topic}`{more}{reason}", run.plan.name);
        printer.talk(Severity::Warning, &message, Some(&how_to_read(run)));
        (self.mentioned, self.at) = (dead, Some(Instant::now()));
    }
}

/// The commonest error of dead letters, in words.
pub(super) fn commonest(reason: &DeadReason, dead: u64) -> String {
    let error = reason.error.split_whitespace().collect::<Vec<_>>().join(" ");
    match reason.letters {
        // Where results are written again after a fault, so are dead letters.
        Some(letters) if letters >= dead => error,
        Some(letters) => format!("most often ({letters}): {error}"),
        None => format!("most often: {error}"),
    }
}

/// The command that shows dead letters.
pub(super) fn how_to_read(run: &WatchedRun) -> String {
    let (topic, options) = (run.plan.dead_topic(), &run.log_options);
    format!("`fastdata tail --topic {topic} --until-end{options}` shows them, each with its reason")
}
