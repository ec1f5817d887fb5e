//! Shows the progress of the demo: lines that change in place on a terminal, else one line per second.

use crate::cli::figures::{count, rate};
use crate::cli::printer::Printer;
use crate::metrics::Snapshot;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// The time between two lines if they cannot change in place.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct DemoDisplay<'a> {
    printer: &'a Printer,
    live: Option<LiveLines>,
    last_line: Instant,
}

/// Lines that change in place.
struct LiveLines {
    all: MultiProgress,
    stream: ProgressBar,
    models: Vec<ProgressBar>,
}

impl<'a> DemoDisplay<'a> {
    pub(super) fn new(printer: &'a Printer) -> Self {
        let live = printer.shows_progress().then(|| {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
            let stream = all.add(line("{spinner} {msg}"));
            LiveLines { all, stream, models: Vec::new() }
        });
        Self { printer, live, last_line: Instant::now() }
    }

    /// Prints a message above the live lines.
    pub(super) fn announce(&self, text: &str) {
        match &self.live {
            // The demo goes on if the terminal is closed.
            Some(live) => drop(live.all.println(format!("* {text}"))),
            None => self.printer.info(format_args!("* {text}")),
        }
    }

    pub(super) fn update(&mut self, snapshot: &Snapshot) {
        let (stream, models) = (stream(snapshot), models(snapshot));
        match &mut self.live {
            Some(live) => {
                while live.models.len() < models.len() {
                    live.models.push(live.all.add(line("  {msg}")));
                }
                live.stream.set_message(stream);
                live.stream.tick();
                live.models.iter().zip(models).for_each(|(line, text)| line.set_message(text));
            }
            None if self.last_line.elapsed() >= LINE_INTERVAL => {
                self.last_line = Instant::now();
                self.printer.info(format_args!("  {stream}; {}", models.join("; ")));
            }
            None => {}
        }
    }
}

impl Drop for DemoDisplay<'_> {
    fn drop(&mut self) {
        if let Some(live) = &self.live {
            live.models.iter().chain([&live.stream]).for_each(ProgressBar::finish);
            // The last live line has no line end yet.
            self.printer.info("");
        }
    }
}

fn line(template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("invariant: the templates of this file are valid");
    ProgressBar::new_spinner().with_style(style)
}

fn stream(s: &Snapshot) -> String {
    let windows: u64 = s.steps.iter().filter(|s| s.kind == "window").map(|s| s.counters.created).sum();
    let read: u64 = s.sources.iter().map(|s| s.read).sum();
    let rate = s.rate.map_or_else(String::new, |r| format!(", {}/s", rate(Some(r))));
    format!("{} wines read{rate}; {} window results", count(read), count(windows))
}

fn models(s: &Snapshot) -> Vec<String> {
    let models = s.steps.iter().flat_map(|s| &s.models);
    let text = |m: &crate::metrics::ModelStats| {
        let suffix = if m.active { ", active" } else { "" };
        format!("{} ({}): {} scored{suffix}", m.label(), m.format, count(m.usage))
    };
    models.map(text).collect()
}
