//! What is seen while the demo plays: a few lines that change on a terminal, else a line a second.

use crate::cli::printer::Printer;
use crate::cli::stats::count;
use crate::metrics::Snapshot;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// Between two lines where nothing can change in place.
const EVERY: Duration = Duration::from_secs(1);

/// Where the demo is seen.
pub(super) struct Scene<'a> {
    printer: &'a Printer,
    live: Option<Live>,
    told: Instant,
}

/// Lines that change in place.
struct Live {
    all: MultiProgress,
    stream: ProgressBar,
    models: Vec<ProgressBar>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(printer: &'a Printer) -> Self {
        let live = printer.is_lively().then(|| {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
            let stream = all.add(line("{spinner} {msg}"));
            Live { all, stream, models: Vec::new() }
        });
        Self { printer, live, told: Instant::now() }
    }

    /// Says what happens now.
    pub(super) fn say(&self, text: &str) {
        match &self.live {
            // A terminal that went away is no reason to stop.
            Some(live) => drop(live.all.println(format!("* {text}"))),
            None => self.printer.talk(format_args!("* {text}")),
        }
    }

    /// Shows how things stand.
    pub(super) fn show(&mut self, snapshot: &Snapshot) {
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
            None if self.told.elapsed() >= EVERY => {
                self.told = Instant::now();
                self.printer.talk(format_args!("  {stream}; {}", models.join("; ")));
            }
            None => {}
        }
    }
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        if let Some(live) = &self.live {
            live.models.iter().chain([&live.stream]).for_each(ProgressBar::finish);
            // The last of them has not ended its line.
            self.printer.talk("");
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
    #[allow(clippy::cast_possible_truncation, reason = "a rate is far below 2^63")]
    let rate = s.rate.map_or_else(String::new, |r| format!(", {}/s", count(r.round() as i64)));
    format!("{} wines read{rate}; {} results of windows", count(read), count(windows))
}

fn models(s: &Snapshot) -> Vec<String> {
    let used = s.steps.iter().flat_map(|s| &s.models);
    let text = |m: &crate::metrics::ModelStats| {
        let mark = if m.active { ", active" } else { "" };
        format!("{} ({}): {} scored{mark}", m.label(), m.format, count(m.usage))
    };
    used.map(text).collect()
}
