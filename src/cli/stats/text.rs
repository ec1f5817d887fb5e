//! A pipeline in lines of text: for stdout, and for the live screen.
//!
//! Separate because both show the same; only the painting differs.

use super::format::{count, micros, moment, rate, span, times};
use super::grid::{Cell, Grid, Line, Tone, figures, words};
use super::instances;
use crate::cli::output::size;
use crate::cli::printer::Printer;
use crate::metrics::{InstanceState, ModelStats, PipelineState, Snapshot, StepStats};
use anstyle::{AnsiColor, Style};
use std::fmt::Write as _;
use std::io::IsTerminal as _;

/// Wide enough for all columns: where nobody looks at a screen.
const WIDE: usize = 1_000;

/// Writes snapshots to stdout, with colour where it is wanted.
pub(super) fn print(snapshots: &[Snapshot], printer: &Printer) -> anyhow::Result<()> {
    let texts: Vec<String> = snapshots.iter().map(render).collect();
    printer.print(texts.join("\n"))
}

/// A snapshot as text for stdout.
pub(in crate::cli) fn render(snapshot: &Snapshot) -> String {
    let colored = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    let width = if std::io::stdout().is_terminal() { size_of_terminal() } else { WIDE };
    let mut text = String::new();
    for line in std::iter::once(heading(snapshot)).chain(body(snapshot, width, true)) {
        for (piece, tone) in &line {
            let style = if colored { painted(*tone) } else { Style::new() };
            // Writing to a text does not fail.
            let _ = write!(text, "{style}{piece}{style:#}");
        }
        text.push('\n');
    }
    text
}

fn size_of_terminal() -> usize {
    ratatui::crossterm::terminal::size().map_or(80, |(columns, _)| usize::from(columns))
}

fn painted(tone: Tone) -> Style {
    let color = |c: AnsiColor| Style::new().fg_color(Some(c.into()));
    match tone {
        Tone::Plain => Style::new(),
        Tone::Strong => Style::new().bold(),
        Tone::Faint => Style::new().dimmed(),
        Tone::Good => color(AnsiColor::Green),
        Tone::Warn => color(AnsiColor::Yellow),
        Tone::Alarm => color(AnsiColor::Red).bold(),
    }
}

/// Who it is and whether it runs.
pub(super) fn heading(s: &Snapshot) -> Line {
    let ago = |t: Option<i64>| t.map_or_else(|| "never".into(), |t| format!("{} ago", span(s.at.saturating_sub(t))));
    let (state, tone) = match s.state {
        PipelineState::Starting => ("starting: nothing committed yet".to_owned(), Tone::Warn),
        PipelineState::Running => (format!("running, last report {}", ago(s.reported_at)), Tone::Good),
        PipelineState::Quiet => (format!("no input or gone, last report {}", ago(s.reported_at)), Tone::Warn),
        PipelineState::Stopped => (format!("stopped {}", ago(s.stopped_at)), Tone::Faint),
    };
    let mut line = vec![(s.pipeline.clone(), Tone::Strong), ("  ".into(), Tone::Plain), (state, tone)];
    if let Some(memory) = memory(s) {
        line.push((format!(", {}", size(memory)), Tone::Faint));
    }
    match (instances::shown(s).len(), &s.instance) {
        (several @ 2.., _) => line.push((format!(", {several} instances"), Tone::Faint)),
        (_, Some(instance)) if !instance.is_empty() => line.push((format!(", {instance}"), Tone::Faint)),
        _ => {}
    }
    line
}

/// Of all instances that are at work, or of the one that ran last.
fn memory(s: &Snapshot) -> Option<u64> {
    let at_work = s.instances.iter().filter(|i| i.state == InstanceState::Running);
    at_work.map(|i| i.memory_bytes).sum::<Option<u64>>().filter(|m| *m > 0).or(s.memory_bytes)
}

/// Instances, sources, steps, repartitions, models, latency and the ledger; at most `width` columns where that can be.
/// `full` says all about a model in several lines rather than leave some of it out.
pub(super) fn body(s: &Snapshot, width: usize, full: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut part = |part: Vec<Line>| {
        if !part.is_empty() {
            lines.push(Line::new());
            lines.extend(part);
        }
    };
    part(instances::lines(s, width));
    part(sources(s, width));
    part(steps(s, width));
    part(models(s, width, full));
    part(vec![latency(s)]);
    part(ledger(s, width));
    lines
}

fn sources(s: &Snapshot, width: usize) -> Vec<Line> {
    let mut grid = Grid::new([
        words("source", 0),
        words("topic", 4),
        figures("partitions", 3),
        figures("read", 0),
        figures("dead", 2),
        figures("lag", 0),
        figures("read/s", 0),
        figures("watermark", 1),
        figures("behind", 0),
    ]);
    for source in &s.sources {
        grid.row([
            source.name.as_str().into(),
            source.topic.as_str().into(),
            source.partitions.len().to_string().into(),
            count(source.read).into(),
            warned(source.dead),
            source.lag.map_or_else(|| Cell("topic gone".into(), Tone::Alarm), |lag| count(lag).into()),
            rate(source.rate).into(),
            moment(source.watermark).into(),
            source.watermark_behind_ms.map_or_else(|| "-".into(), |b| span(b).into()),
        ]);
    }
    if s.sources.is_empty() { Vec::new() } else { grid.lines(width) }
}

fn steps(s: &Snapshot, width: usize) -> Vec<Line> {
    let mut grid = Grid::new([
        words("step", 0),
        words("does", 3),
        figures("in", 0),
        figures("out", 0),
        figures("filtered", 0),
        figures("late", 1),
        figures("dead", 1),
        figures("into state", 5),
        figures("keys", 2),
        figures("in/s", 1),
        figures("out/s", 4),
    ]);
    for step in &s.steps {
        let c = &step.counters;
        grid.row([
            step.name.as_str().into(),
            step.kind.as_str().into(),
            count(c.input).into(),
            count(step.out()).into(),
            count(c.filtered).into(),
            warned(c.late),
            warned(c.dead),
            count(c.absorbed).into(),
            count(step.keys).into(),
            rate(step.rate_in).into(),
            rate(step.rate_out).into(),
        ]);
    }
    let mut lines = if s.steps.is_empty() { Vec::new() } else { grid.lines(width) };
    for r in &s.repartitions {
        let text = format!(
            "{}: {} sent by key, {} received, {} in transit",
            r.name,
            count(r.sent),
            count(r.received),
            count(r.in_transit)
        );
        let mut line = vec![(text, Tone::Plain)];
        if r.lost != 0 {
            line.push((format!(", {} lost", count(r.lost)), Tone::Alarm));
        }
        lines.push(line);
    }
    lines
}

fn models(s: &Snapshot, width: usize, full: bool) -> Vec<Line> {
    let mut grid = Grid::new([
        words("model", 0),
        words("", 0),
        words("step", 3),
        words("serves", 6),
        words("type", 2),
        figures("since", 7),
        figures("usage", 0),
        figures("errors", 1),
        figures("rec/s", 4),
        figures("mean", 5),
        figures("min", 8),
        figures("p50", 0),
        figures("p99", 0),
        figures("max", 8),
        words("description", 9),
    ]);
    for (step, m) in used(s) {
        let d = &m.duration;
        grid.row([
            Cell(m.label(), if m.active { Tone::Strong } else { Tone::Plain }),
            if m.active { Cell("active".into(), Tone::Good) } else { "".into() },
            step.name.as_str().into(),
            m.data_type.as_str().into(),
            m.format.as_str().into(),
            moment(Some(m.since)).into(),
            count(m.usage).into(),
            warned(m.errors),
            rate(m.rate).into(),
            micros(d.mean_us).into(),
            micros(d.min_us).into(),
            micros(d.p50_us).into(),
            micros(d.p99_us).into(),
            micros(d.max_us).into(),
            m.description.as_str().into(),
        ]);
    }
    let fits = || grid.lines(WIDE).iter().all(|l| l.iter().map(|(t, _)| t.chars().count()).sum::<usize>() <= width);
    match used(s).next() {
        None => Vec::new(),
        Some(_) if full && !fits() => used(s).flat_map(|(step, m)| told(step, m)).collect(),
        Some(_) => grid.lines(width),
    }
}

fn used(s: &Snapshot) -> impl Iterator<Item = (&StepStats, &ModelStats)> {
    s.steps.iter().flat_map(|step| step.models.iter().map(move |m| (step, m)))
}

/// All about a model version, in lines of less than 80 columns.
fn told(step: &StepStats, m: &ModelStats) -> Vec<Line> {
    let d = &m.duration;
    let mut first = vec![("model ".into(), Tone::Faint), (m.label(), Tone::Strong)];
    if m.active {
        first.push((" active".into(), Tone::Good));
    }
    first.push((format!(" in {}, {}, serves {}", step.name, m.format, m.data_type), Tone::Plain));
    let plain = |text: String| vec![(text, Tone::Plain)];
    let rate = m.rate.map_or_else(String::new, |r| format!(", {}/s", rate(Some(r))));
    let mut lines = vec![first];
    if !m.description.is_empty() {
        lines.push(plain(format!("  {}", m.description)));
    }
    let errors =
        (format!(", {}", times(m.errors, "error", "errors")), if m.errors > 0 { Tone::Warn } else { Tone::Plain });
    lines.push(vec![
        (format!("  {} scored{rate}", count(m.usage)), Tone::Plain),
        errors,
        (format!(", since {}", moment(Some(m.since))), Tone::Plain),
    ]);
    lines.push(plain(format!(
        "  a batch took {} (min {}, p50 {}, p99 {}, max {})",
        micros(d.mean_us),
        micros(d.min_us),
        micros(d.p50_us),
        micros(d.p99_us),
        micros(d.max_us)
    )));
    lines
}

fn latency(s: &Snapshot) -> Line {
    let l = &s.latency;
    let text = if l.count == 0 {
        "latency from read to commit: nothing read in this run".to_owned()
    } else {
        let batches = times(l.count, "batch", "batches");
        format!("latency from read to commit: p50 {}, p99 {} ({batches})", micros(l.p50_us), micros(l.p99_us))
    };
    vec![(text, Tone::Plain)]
}

/// What the ledger says in a few words.
pub(super) fn verdict(s: &Snapshot) -> (String, Tone) {
    match s.ledger.remainder {
        0 => ("remainder 0".into(), Tone::Good),
        n => (format!("remainder {}: a fault of fastdata", count(n)), Tone::Alarm),
    }
}

/// The sum, one side over the other, and what is left over.
fn ledger(s: &Snapshot, width: usize) -> Vec<Line> {
    let ledger = &s.ledger;
    let texts =
        |terms: &[(&str, u64)]| terms.iter().map(|(name, n)| format!("{} {name}", count(*n))).collect::<Vec<_>>();
    let mut lines = vec![vec![("ledger  ".into(), Tone::Strong), verdict(s)]];
    for (sign, terms) in [("  ", texts(&ledger.came())), ("= ", texts(&ledger.went()))] {
        let mut line = sign.to_owned();
        for (i, term) in terms.iter().enumerate() {
            let plus = if i == 0 { "" } else { " + " };
            if line.chars().count() + plus.len() + term.chars().count() > width {
                lines.push(vec![(std::mem::replace(&mut line, "  + ".into()), Tone::Plain)]);
                line.push_str(term);
            } else {
                line.push_str(plus);
                line.push_str(term);
            }
        }
        lines.push(vec![(line, Tone::Plain)]);
    }
    lines
}

fn warned(n: u64) -> Cell {
    Cell(count(n), if n > 0 { Tone::Warn } else { Tone::Plain })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::grid::plain;
    use super::*;
    use crate::metrics::{Ledger, Reports};
    use std::collections::BTreeMap;

    fn snapshot() -> Snapshot {
        let mut s = Snapshot::of("p", &Reports::default(), &BTreeMap::new(), 0);
        s.ledger = Ledger { read: 123_456_789, written: 111_111_111, in_transit: 12_345_678, ..Ledger::default() };
        let model = ModelStats { name: "wine".into(), version: 3, active: true, ..ModelStats::default() };
        let model = ModelStats { description: "grades".into(), format: "TensorFlow frozen graph".into(), ..model };
        s.steps = vec![StepStats { name: "scored".into(), models: vec![model], ..StepStats::default() }];
        s
    }

    #[test]
    fn a_narrow_terminal_gets_all_of_it_in_more_lines() {
        let lines: Vec<String> = body(&snapshot(), 80, true).iter().map(plain).collect();
        for part in ["model wine@3 active in scored", "  grades", "= 111,111,111 written", "  + 12,345,678 in transit"]
        {
            assert!(lines.iter().any(|l| l.starts_with(part)), "no {part} in {lines:#?}");
        }
        assert!(lines.iter().all(|l| l.chars().count() <= 80), "{lines:#?}");
    }

    #[test]
    fn a_remainder_is_an_alarm() {
        let mut s = snapshot();
        let alarms = |s: &Snapshot| body(s, 80, true).iter().flatten().filter(|(_, t)| *t == Tone::Alarm).count();
        assert_eq!(alarms(&s), 0);
        s.ledger.remainder = 1;
        assert_eq!(alarms(&s), 1);
    }
}
