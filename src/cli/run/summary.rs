//! What a run has done, said when it ends: for people in lines, for programs as one JSON object.

use super::dead_notice::{commonest, how_to_read};
use super::watched::WatchedRun;
use crate::cli::figures::{count, counted, duration, micros, rate};
use crate::cli::printer::Printer;
use crate::cli::table::{Table, TableColumn};
use crate::plan::Op;
use crate::spec::ErrorPolicy;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How a run was bounded.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunBounds {
    pub(super) until_end: bool,
    pub(super) drain: bool,
}

/// Says what a run has done, if it has ended in good order.
pub(super) fn print(run: &WatchedRun, bounds: RunBounds, printer: &Printer) {
    if let Some(took) = run.took() {
        let summary = Summary::of(run, bounds, took);
        printer.event(&summary.text(), summary.fields());
    }
}

struct Summary {
    pipeline: String,
    took: Duration,
    until_end: bool,
    /// By topic.
    read: Vec<(String, u64)>,
    /// By topic.
    written: Vec<(String, u64)>,
    filtered: u64,
    late: u64,
    dead: u64,
    /// Where they are; `None` where they are only counted.
    dead_topic: Option<String>,
    /// The commonest error in words, its text, and how many have it.
    reason: Option<(String, String, Option<u64>)>,
    how_to_read: String,
    into_state: u64,
    /// Windows that are still open, by step.
    open: Vec<(String, u64)>,
    /// Records scored, by version.
    models: Vec<(String, u64)>,
    remainder: i128,
}

impl Summary {
    fn of(run: &WatchedRun, bounds: RunBounds, took: Duration) -> Self {
        let (work, keys) = (run.work.work(), run.work.keys());
        let total = work.total();
        let written = |(name, topic): (&str, &str)| (topic.to_owned(), work.steps.get(name).map_or(0, |c| c.written));
        let windows = run.nodes().filter(|node| matches!(node.op, Op::Window(_)));
        let open = windows.map(|node| (node.name.clone(), keys.get(&node.name).copied().unwrap_or(0)));
        let stays_open = bounds.until_end && !bounds.drain;
        let reason = run.work.commonest_error();
        let models = work.models.iter().filter(|(_, scored)| **scored > 0);
        Self {
            pipeline: run.plan.name.clone(),
            took,
            until_end: bounds.until_end,
            written: run.sinks().into_iter().map(written).collect(),
            filtered: total.filtered,
            late: total.late,
            dead: total.dead,
            dead_topic: (run.plan.errors == ErrorPolicy::DeadLetter).then(|| run.plan.dead_topic()),
            reason: reason.map(|reason| (commonest(&reason, total.dead), reason.error.clone(), reason.letters)),
            how_to_read: how_to_read(run),
            into_state: total.absorbed,
            open: open.filter(|(_, keys)| stays_open && *keys > 0).collect(),
            models: models.map(|(version, scored)| (version.clone(), *scored)).collect(),
            remainder: work.remainder,
            read: work.read.into_iter().collect(),
        }
    }

    fn records_read(&self) -> u64 {
        self.read.iter().map(|(_, n)| n).sum()
    }

    #[allow(clippy::cast_precision_loss, reason = "it is shown with few digits")]
    fn rate(&self) -> Option<f64> {
        let (read, seconds) = (self.records_read(), self.took.as_secs_f64());
        (read > 0 && seconds > 0.0).then(|| read as f64 / seconds)
    }

    fn text(&self) -> String {
        let took = match self.took.as_micros() {
            us @ 0..60_000_000 => micros(u64::try_from(us).ok()),
            us => duration(i64::try_from(us / 1_000).unwrap_or(i64::MAX)),
        };
        let speed = self.rate().map_or_else(String::new, |r| format!(", {}/s", rate(Some(r))));
        let mut text = format!("{}: {} read in {took}{speed}\n", self.pipeline, counted(self.records_read(), "record"));
        let mut table = Table::new([TableColumn::left(""), TableColumn::right(""), TableColumn::left("")]);
        for (label, n, what) in self.lines() {
            table.row([format!("  {label}"), n, what]);
        }
        text += &table.without_headings().to_string();
        if self.records_read() == 0 && self.until_end {
            text += "everything was read before; `--from earliest` starts over\n";
        }
        if self.dead > 0 && self.dead_topic.is_some() {
            text += &format!("{}\n", self.how_to_read);
        }
        if !self.open.is_empty() {
            text += "`--drain` closes the windows that are open at the end\n";
        }
        if self.remainder != 0 {
            let n = count(self.remainder);
            text += &format!("the ledger has a remainder of {n}: a fault of fastdata; `fastdata stats` shows where\n");
        }
        text.trim_end().to_owned()
    }

    /// Label, number and what it is about.
    fn lines(&self) -> Vec<(&'static str, String, String)> {
        fn all(label: &'static str, of: &[(String, u64)], what: &str) -> Vec<(&'static str, String, String)> {
            let labels = std::iter::once(label).chain(std::iter::repeat(""));
            labels.zip(of).map(|(label, (name, n))| (label, count(*n), format!("{what} `{name}`"))).collect()
        }
        let some = |label, n: u64, what: String| (n > 0).then(|| (label, count(n), what));
        let dead = match (&self.dead_topic, &self.reason) {
            (Some(topic), Some((reason, ..))) => format!("to `{topic}`; {reason}"),
            (Some(topic), None) => format!("to `{topic}`"),
            (None, _) => "dropped".into(),
        };
        let mut lines = all("read", &self.read, "from");
        lines.extend(all("written", &self.written, "to"));
        lines.extend(some("filtered", self.filtered, String::new()));
        lines.extend(some("late", self.late, String::new()));
        lines.extend(some("dead", self.dead, dead));
        lines.extend(some("into state", self.into_state, String::new()));
        lines.extend(all("open", &self.open, "windows in"));
        lines.extend(all("scored", &self.models, "by"));
        lines
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let object = |of: &[(String, u64)]| -> Value {
            of.iter().map(|(name, n)| (name.clone(), json!(n))).collect::<Map<String, Value>>().into()
        };
        let (reason, letters) = self.reason.as_ref().map(|(_, error, letters)| (error, *letters)).unzip();
        vec![
            ("message", "summary".into()),
            ("pipeline", self.pipeline.clone().into()),
            ("read", object(&self.read)),
            ("written", object(&self.written)),
            ("filtered", self.filtered.into()),
            ("late", self.late.into()),
            ("dead", self.dead.into()),
            ("dead_topic", self.dead_topic.clone().into()),
            ("dead_reason", reason.cloned().into()),
            ("dead_reason_count", letters.flatten().into()),
            ("into_state", self.into_state.into()),
            ("open_windows", object(&self.open)),
            ("models", object(&self.models)),
            ("seconds", self.took.as_secs_f64().into()),
            ("rate", self.rate().into()),
            ("remainder", i64::try_from(self.remainder).unwrap_or(i64::MAX).into()),
        ]
    }
}
