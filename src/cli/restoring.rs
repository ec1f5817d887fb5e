//! Shows a person how far the state of a starting pipeline has been read back: on a terminal only, and gone
//! when it is done.

use super::printer::Printer;
use crate::runtime::RestoreGauge;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar that is there while state is being read.
pub(super) struct Restoring {
    gauge: RestoreGauge,
    lively: bool,
    bar: Option<ProgressBar>,
}

impl Restoring {
    pub(super) fn new(printer: &Printer, gauge: RestoreGauge) -> Self {
        Self { gauge, lively: printer.is_lively(), bar: None }
    }

    /// Looks how far it is.
    pub(super) fn show(&mut self) {
        let parts = if self.lively { self.gauge.now() } else { Vec::new() };
        let (done, total) = parts.iter().fold((0, 0), |(d, t), p| (d + p.done, t + p.total));
        if total == 0 || done >= total {
            if let Some(bar) = self.bar.take() {
                bar.finish_and_clear();
            }
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let template = "reading state {bar:30} {human_pos}/{human_len} changes, {eta} left";
            let style = ProgressStyle::with_template(template).expect("invariant: the template above is valid");
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style.progress_chars("━╸─"))
        });
        bar.set_length(total);
        bar.set_position(done);
    }
}
