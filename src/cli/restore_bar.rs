//! The progress bar of a state restore: shown on a terminal only, and removed at the end.

use super::printer::Printer;
use crate::runtime::RestoreGauge;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub(super) struct RestoreBar {
    gauge: RestoreGauge,
    enabled: bool,
    bar: Option<ProgressBar>,
}

impl RestoreBar {
    pub(super) fn new(printer: &Printer, gauge: RestoreGauge) -> Self {
        Self { gauge, enabled: printer.shows_progress(), bar: None }
    }

    /// Draws the current progress, or removes the bar once nothing is left to restore.
    pub(super) fn update(&mut self) {
        let parts = if self.enabled { self.gauge.now() } else { Vec::new() };
        let (done, total) = parts.iter().fold((0, 0), |(d, t), p| (d + p.done, t + p.total));
        if total == 0 || done >= total {
            if let Some(bar) = self.bar.take() {
                bar.finish_and_clear();
            }
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let template = "restoring state {bar:30} {human_pos}/{human_len} changes, {eta} left";
            let style = ProgressStyle::with_template(template).expect("invariant: the template above is valid");
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style.progress_chars("━╸─"))
        });
        bar.set_length(total);
        bar.set_position(done);
    }
}
