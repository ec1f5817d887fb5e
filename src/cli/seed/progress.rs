//! The progress bar of seeding: on a terminal only, and gone when the work is done.

use super::super::printer::Printer;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// How much is done.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new(printer: &Printer, topic: &str, total: Option<u64>) -> Self {
        let target = if printer.is_lively() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(total, target).with_message(format!("seeding `{topic}`"));
        let template = match total {
            Some(_) => "{msg} {bar:30} {human_pos}/{human_len} records, {rate}, {eta} left",
            None => "{msg} {spinner} {human_pos} records, {rate}, {elapsed}",
        };
        let style = ProgressStyle::with_template(template).expect("invariant: the templates above are valid");
        let rate = |state: &ProgressState, to: &mut dyn std::fmt::Write| {
            // Only a terminal that is gone fails here, and then nobody looks.
            let _ = write!(to, "{:.0}/s", state.per_sec());
        };
        Self(bar.with_style(style.with_key("rate", rate).progress_chars("━╸─")))
    }

    pub(super) fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
