//! The progress bar of `seed`: shown on a terminal only, and removed at the end.

use super::super::figures;
use super::super::printer::Printer;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

#[derive(Debug)]
pub(super) struct SeedProgress(ProgressBar);

impl SeedProgress {
    pub(super) fn new(printer: &Printer, topic: &str, total: Option<u64>) -> Self {
        let target = if printer.shows_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(total, target).with_message(format!("seeding `{topic}`"));
        let template = match total {
            Some(_) => "{msg} {bar:30} {human_pos}/{human_len} records, {rate}, {eta} left",
            None => "{msg} {spinner} {human_pos} records, {rate}, {elapsed}",
        };
        let style = ProgressStyle::with_template(template).expect("invariant: the templates above are valid");
        let rate = |state: &ProgressState, to: &mut dyn std::fmt::Write| {
            // Only a closed terminal can fail here.
            let _ = write!(to, "{}/s", figures::rate(Some(state.per_sec())));
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
