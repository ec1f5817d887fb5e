//! The statistics of a pipeline as styled lines, for stdout and for the live screen.

use super::instances;
use crate::cli::figures::{bytes, count, counted, duration, micros, rate, timestamp};
use crate::cli::printer::Printer;
use crate::cli::table::{StyledLine, Table, TableCell, TableColumn, Tone, terminal_width};
use crate::diagnostics::visible_line;
use crate::metrics::{FAILED, InstanceState, ModelStats, PipelineState, Snapshot, StepStats};
use anstyle::{AnsiColor, Style};
use std::fmt::Write as _;
use std::io::IsTerminal as _;

/// The width for output that is not a terminal: enough for all columns.
const UNLIMITED_WIDTH: usize = 1_000;

/// Writes snapshots to stdout, with colour if enabled.
pub(super) fn print(snapshots: &[Snapshot], printer: &Printer) -> anyhow::Result<()> {
    let texts: Vec<String> = snapshots.iter().map(render).collect();
    printer.print_styled(&texts.join("\n"))
}

/// A snapshot as text for stdout.
pub(in crate::cli) fn render(snapshot: &Snapshot) -> String {
    let colored = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    let width = if std::io::stdout().is_terminal() { terminal_width() } else { UNLIMITED_WIDTH };
    let mut text = String::new();
    for line in std::iter::once(heading(snapshot)).chain(body(snapshot, width, true)) {
        for (piece, tone) in &line {
            let style = if colored { style_of(*tone) } else { Style::new() };
            // Writing to a `String` does not fail.
            let _ = write!(text, "{style}{}{style:#}", visible_line(piece));
        }
        text.push('\n');
    }
    text
}

fn style_of(tone: Tone) -> Style {
    let color = |c: AnsiColor| Style::new().fg_color(Some(c.into()));
    match tone {
        Tone::Plain => Style::new(),
        Tone::Heading => Style::new().bold(),
        Tone::Faint => Style::new().dimmed(),
        Tone::Good => color(AnsiColor::Green),
        Tone::Warning => color(AnsiColor::Yellow),
        Tone::Alarm => color(AnsiColor::Red).bold(),
    }
}

/// The name and the state of a pipeline.
pub(super) fn heading(s: &Snapshot) -> StyledLine {
    let ago =
        |t: Option<i64>| t.map_or_else(|| "never".into(), |t| format!("{} ago", duration(s.at.saturating_sub(t))));
    let (state, tone) = match s.state {
        PipelineState::Starting => ("starting: nothing committed yet".to_owned(), Tone::Warning),
        PipelineState::Running => (format!("running, last report {}", ago(s.reported_at)), Tone::Good),
        PipelineState::Quiet => (format!("no input or killed, last report {}", ago(s.reported_at)), Tone::Warning),
        PipelineState::Stopped => match s.ended.as_deref() {
            Some(failed) if failed.starts_with(FAILED) => {
                (format!("ended {}, {failed}", ago(s.stopped_at)), Tone::Alarm)
            }
            Some(why) => (format!("ended {}, {why}", ago(s.stopped_at)), Tone::Faint),
            None => (format!("stopped {}", ago(s.stopped_at)), Tone::Faint),
        },
    };
    let mut line = vec![(s.pipeline.clone(), Tone::Heading), ("  ".into(), Tone::Plain), (state, tone)];
    if let Some(memory) = memory(s) {
        line.push((format!(", {}", bytes(memory)), Tone::Faint));
    }
    match (s.instances_of_last_run().len(), &s.instance) {
        (several @ 2.., _) => line.push((format!(", {several} instances"), Tone::Faint)),
        (_, Some(instance)) if !instance.is_empty() => line.push((format!(", {instance}"), Tone::Faint)),
        _ => {}
    }
    line
}

/// The memory of all running instances, or else of the last one.
fn memory(s: &Snapshot) -> Option<u64> {
    let running = s.instances.iter().filter(|i| i.state == InstanceState::Running);
    running.map(|i| i.memory_bytes).sum::<Option<u64>>().filter(|m| *m > 0).or(s.memory_bytes)
}

/// Instances, sources, steps, repartitions, models, latency and the ledger, at most `width` characters wide if
/// possible. With `full`, models whose rows do not fit are shown in several lines each; otherwise columns are left out.
pub(super) fn body(s: &Snapshot, width: usize, full: bool) -> Vec<StyledLine> {
    let mut lines = Vec::new();
    let mut part = |part: Vec<StyledLine>| {
        if !part.is_empty() {
            lines.push(StyledLine::new());
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

fn sources(s: &Snapshot, width: usize) -> Vec<StyledLine> {
    let mut table = Table::new([
        TableColumn::left("source"),
        TableColumn::left("topic").optional(4),
        TableColumn::right("partitions").optional(3),
        TableColumn::right("read"),
        TableColumn::right("dead").optional(2),
        TableColumn::right("lag"),
        TableColumn::right("read/s"),
        TableColumn::right("watermark").optional(1),
    ]);
    for source in &s.sources {
        table.row([
            source.name.as_str().into(),
            source.topic.as_str().into(),
            source.partitions.len().to_string().into(),
            count(source.read).into(),
            warning_if_any(source.dead),
            source.lag.map_or_else(|| TableCell("topic gone".into(), Tone::Alarm), |lag| count(lag).into()),
            rate(source.rate).into(),
            timestamp(source.watermark).into(),
        ]);
    }
    let mut lines = if s.sources.is_empty() { Vec::new() } else { table.lines(width) };
    for source in s.sources.iter().filter(|source| source.lost_offsets > 0) {
        let lost = counted(source.lost_offsets, "offset");
        lines.push(vec![(format!("{}: {lost} lost to retention before being read", source.name), Tone::Warning)]);
    }
    lines
}

fn steps(s: &Snapshot, width: usize) -> Vec<StyledLine> {
    let mut table = Table::new([
        TableColumn::left("step"),
        TableColumn::left("does").optional(3),
        TableColumn::right("in"),
        TableColumn::right("out"),
        TableColumn::right("filtered"),
        TableColumn::right("late").optional(1),
        TableColumn::right("dead").optional(1),
        TableColumn::right("into state").optional(5),
        TableColumn::right("keys").optional(2),
        TableColumn::right("in/s").optional(1),
        TableColumn::right("out/s").optional(4),
    ]);
    for step in &s.steps {
        let c = &step.counters;
        table.row([
            step.name.as_str().into(),
            step.kind.as_str().into(),
            count(c.input).into(),
            count(step.out()).into(),
            count(c.filtered).into(),
            warning_if_any(c.late),
            warning_if_any(c.dead),
            count(c.absorbed).into(),
            count(step.keys).into(),
            rate(step.rate_in).into(),
            rate(step.rate_out).into(),
        ]);
    }
    let mut lines = if s.steps.is_empty() { Vec::new() } else { table.lines(width) };
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

fn models(s: &Snapshot, width: usize, full: bool) -> Vec<StyledLine> {
    let mut table = Table::new([
        TableColumn::left("model"),
        TableColumn::left(""),
        TableColumn::left("step").optional(3),
        TableColumn::left("serves").optional(6),
        TableColumn::left("type").optional(2),
        TableColumn::right("since").optional(7),
        TableColumn::right("usage"),
        TableColumn::right("errors").optional(1),
        TableColumn::right("rec/s").optional(4),
        TableColumn::right("batch mean").optional(5),
        TableColumn::right("batch min").optional(8),
        TableColumn::right("batch p50"),
        TableColumn::right("batch p99"),
        TableColumn::right("batch max").optional(8),
        TableColumn::left("description").optional(9),
    ]);
    for (step, m) in used(s) {
        let d = &m.duration;
        table.row([
            TableCell(m.label(), if m.active { Tone::Heading } else { Tone::Plain }),
            if m.active { TableCell("active".into(), Tone::Good) } else { "".into() },
            step.name.as_str().into(),
            m.data_type.as_str().into(),
            m.format.as_str().into(),
            timestamp(Some(m.since)).into(),
            count(m.usage).into(),
            warning_if_any(m.errors),
            rate(m.rate).into(),
            micros(d.mean_us).into(),
            micros(d.min_us).into(),
            micros(d.p50_us).into(),
            micros(d.p99_us).into(),
            micros(d.max_us).into(),
            m.description.as_str().into(),
        ]);
    }
    let rows_fit = || {
        table.lines(UNLIMITED_WIDTH).iter().all(|l| l.iter().map(|(t, _)| t.chars().count()).sum::<usize>() <= width)
    };
    match used(s).next() {
        None => Vec::new(),
        Some(_) if full && !rows_fit() => used(s).flat_map(|(step, m)| model_lines(step, m)).collect(),
        Some(_) => table.lines(width),
    }
}

fn used(s: &Snapshot) -> impl Iterator<Item = (&StepStats, &ModelStats)> {
    s.steps.iter().flat_map(|step| step.models.iter().map(move |m| (step, m)))
}

/// A model version in lines of less than 80 characters.
fn model_lines(step: &StepStats, m: &ModelStats) -> Vec<StyledLine> {
    let d = &m.duration;
    let mut first = vec![("model ".into(), Tone::Faint), (m.label(), Tone::Heading)];
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
    let errors = (format!(", {}", counted(m.errors, "error")), if m.errors > 0 { Tone::Warning } else { Tone::Plain });
    lines.push(vec![
        (format!("  {} scored{rate}", count(m.usage)), Tone::Plain),
        errors,
        (format!(", since {}", timestamp(Some(m.since))), Tone::Plain),
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

fn latency(s: &Snapshot) -> StyledLine {
    let l = &s.latency;
    let text = if l.count == 0 {
        "latency of a batch, from read to commit: none measured in this run".to_owned()
    } else {
        let batches = counted(l.count, "batch");
        format!(
            "latency of a batch, from read to commit: p50 {}, p99 {} ({batches})",
            micros(l.p50_us),
            micros(l.p99_us)
        )
    };
    vec![(text, Tone::Plain)]
}

/// The remainder of the ledger.
pub(super) fn remainder(s: &Snapshot) -> (String, Tone) {
    match s.ledger.remainder {
        0 => ("remainder 0".into(), Tone::Good),
        n => (format!("remainder {}: a fault of fastdata", count(n)), Tone::Alarm),
    }
}

/// The two sides of the ledger and its remainder.
fn ledger(s: &Snapshot, width: usize) -> Vec<StyledLine> {
    let ledger = &s.ledger;
    let texts =
        |terms: &[(&str, u64)]| terms.iter().map(|(name, n)| format!("{} {name}", count(*n))).collect::<Vec<_>>();
    let mut lines = vec![vec![("ledger  ".into(), Tone::Heading), remainder(s)]];
    for (sign, terms) in [("  ", texts(&ledger.inflows())), ("= ", texts(&ledger.outflows()))] {
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
    if ledger.lost_offsets > 0 {
        let lost = counted(ledger.lost_offsets, "offset");
        lines.push(vec![(format!("  never read: {lost} lost to retention (offsets, not records)"), Tone::Warning)]);
    }
    lines
}

fn warning_if_any(n: u64) -> TableCell {
    TableCell(count(n), if n > 0 { Tone::Warning } else { Tone::Plain })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cli::table::plain;
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
    fn a_narrow_terminal_gets_more_lines() {
        let lines: Vec<String> = body(&snapshot(), 80, true).iter().map(plain).collect();
        for part in ["model wine@3 active in scored", "  grades", "= 111,111,111 written", "  + 12,345,678 in transit"]
        {
            assert!(lines.iter().any(|l| l.starts_with(part)), "no {part} in {lines:#?}");
        }
        assert!(lines.iter().all(|l| l.chars().count() <= 80), "{lines:#?}");
    }

    #[test]
    fn a_remainder_is_shown_as_an_alarm() {
        let mut s = snapshot();
        let alarms = |s: &Snapshot| body(s, 80, true).iter().flatten().filter(|(_, t)| *t == Tone::Alarm).count();
        assert_eq!(alarms(&s), 0);
        s.ledger.remainder = 1;
        assert_eq!(alarms(&s), 1);
    }
}
