//! `fastdata preview`: the first records of each source through the steps, a table a step.
//!
//! What the file names is shown without what `${…}` brought in; rows are data and shown as they are.

use super::context::CliContext;
use super::figures::{count, counted};
use super::output::OutputFormat;
use super::table::{Table, TableColumn, cut};
use super::{backplane, run};
use crate::diagnostics::{mask, visible_line, width};
use crate::formats::json_fields;
use crate::log::Log;
use crate::plan::Physical;
use crate::record::type_name;
use crate::runtime::Fault;
use crate::runtime::preview::{PreviewStep, PreviewTable, SINK_COLUMNS, preview};
use crate::time::{Clock as _, SystemClock};
use arrow_schema::FieldRef;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::PathBuf;

/// The most that a cell shows, in columns of the terminal.
const MAX_CELL_WIDTH: usize = 32;

/// The same for the value of a record that a sink writes.
const MAX_VALUE_WIDTH: usize = 100;

/// Errors of one step that are shown.
const MAX_SHOWN_ERRORS: usize = 5;

/// Show the first records of each source on their way through the steps
///
/// Reads the first records that each source holds and runs them through all steps of the pipeline, in memory: nothing
/// is written, no group is joined, and no position moves. Shows what leaves each step, the records that it could not
/// handle, and the windows that are still open. Models are those that serve now.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata preview pipeline.yaml
  fastdata preview pipeline.yaml --rows 100
  fastdata preview pipeline.yaml --output json | jq 'select(.step == \"kept\").rows'")]
pub(super) struct PreviewArgs {
    /// A pipeline file; `-` is stdin
    #[arg(value_name = "PIPELINE")]
    pipeline: PathBuf,

    /// Records of each source, and the most rows that a table shows
    #[arg(long, short = 'n', value_name = "N", default_value = "10", value_parser = clap::value_parser!(u16).range(1..=4096))]
    rows: u16,

    /// Output format; JSON has an object for each step, with all of its rows
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    output: OutputFormat,
}

pub(super) fn execute(args: &PreviewArgs, context: &CliContext) -> anyhow::Result<()> {
    let (spec, plan) = run::compile(&args.pipeline)?;
    let log = backplane::open_existing(context.global(), Some(&spec))?;
    let steps = steps(&plan, &*log, args.rows.into())?;
    match args.output {
        OutputFormat::Json => context.printer().print_json(steps.iter().map(json_line).collect::<String>()),
        OutputFormat::Text => {
            let columns = std::io::stdout().is_terminal().then(terminal_width).flatten().unwrap_or(usize::MAX);
            let texts: Vec<String> = steps.iter().map(|step| text(step, args.rows.into(), columns)).collect();
            context.printer().print(texts.join("\n"))
        }
    }
}

fn steps(plan: &Physical, log: &dyn Log, rows: usize) -> anyhow::Result<Vec<PreviewStep>> {
    preview(plan, log, rows, SystemClock.now()).map_err(|fault| match fault {
        Fault::Backplane(e) => e.into(),
        other => other.into(),
    })
}

/// The columns of the terminal, where it tells them.
fn terminal_width() -> Option<usize> {
    let (columns, _) = ratatui::crossterm::terminal::size().ok()?;
    (columns > 0).then_some(columns.into())
}

fn text(step: &PreviewStep, rows: usize, columns: usize) -> String {
    let mut text = format!("{}\n", mask(&heading(step)));
    for table in &step.tables {
        if let Some(output) = &table.output {
            let _infallible = writeln!(text, "output `{}`", mask(output));
        }
        text += &shown(table, rows, columns);
    }
    if let Some(open) = &step.open {
        let windows = counted(open.rows.len() as u64, "window");
        let _infallible = writeln!(text, "{windows} still open, as they would close now");
        text += &shown(open, rows, columns);
    }
    for failed in step.errors.iter().take(MAX_SHOWN_ERRORS) {
        let _infallible = writeln!(text, "{} could not be handled: {}", failed.record, failed.error);
    }
    if let Some(more) = step.errors.len().checked_sub(MAX_SHOWN_ERRORS).filter(|more| *more > 0) {
        let _infallible = writeln!(text, "and {} more", counted(more as u64, "record"));
    }
    text
}

/// The name and the kind of a step, and its rows by what became of them.
fn heading(step: &PreviewStep) -> String {
    let c = &step.counters;
    let mut parts = vec![format!("{} in", count(c.input)), format!("{} out", count(step.out()))];
    let others = [("filtered", c.filtered), ("late", c.late), ("dead", c.dead), ("into state", c.absorbed)];
    parts.extend(others.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{} {name}", count(*n))));
    let what = match &step.topic {
        Some(topic) => format!("{} `{topic}`", step.kind),
        None => format!("{}  {}", step.name, step.kind),
    };
    format!("{what}  {}", parts.join(", "))
}

/// A table with as many columns as there is room for, and a line about what is left out.
fn shown(table: &PreviewTable, rows: usize, columns: usize) -> String {
    let names: Vec<&str> = table.schema.fields().iter().map(|field| field.name().as_str()).collect();
    let mut fit = names.len();
    let mut drawn = draw(table, fit, rows);
    while fit > 1 && drawn.lines().any(|line| width(line) > columns) {
        fit -= 1;
        drawn = draw(table, fit, rows);
    }
    if fit < names.len() {
        let _infallible = writeln!(drawn, "  not shown for want of room: {}", mask(&names[fit..].join(", ")));
    }
    if let Some(more) = table.rows.len().checked_sub(rows).filter(|more| *more > 0) {
        let _infallible = writeln!(drawn, "  and {} more", counted(more as u64, "row"));
    }
    drawn
}

/// The first columns and rows of a table, with the type of each column under its name.
fn draw(table: &PreviewTable, columns: usize, rows: usize) -> String {
    let fields = table.schema.fields().iter().take(columns);
    let indented = |(i, cell): (usize, String)| if i == 0 { format!("  {cell}") } else { cell };
    let headings = fields.clone().map(|field| visible_line(&mask(field.name()))).enumerate().map(indented);
    let mut drawn =
        Table::new(headings.zip(fields.clone()).map(|(heading, field)| match field.data_type().is_numeric() {
            true => TableColumn::right(heading),
            false => TableColumn::left(heading),
        }));
    drawn.row(fields.clone().map(|field| type_name(field.data_type())).enumerate().map(indented));
    for row in table.rows.iter().take(rows) {
        let values = json_fields(row.as_bytes()).unwrap_or_default();
        let cell = |field: &FieldRef| {
            let text = values.iter().find(|value| value.name == *field.name()).and_then(|value| value.text.as_deref());
            let most = if field.name() == SINK_COLUMNS[1] { MAX_VALUE_WIDTH } else { MAX_CELL_WIDTH };
            cut(&visible_line(text.unwrap_or("-")), most)
        };
        drawn.row(fields.clone().map(cell).enumerate().map(indented));
    }
    drawn.to_string()
}

fn json_line(step: &PreviewStep) -> String {
    let columns = |table: &PreviewTable| -> Value {
        let column = |field: &FieldRef| json!({"name": mask(field.name()), "type": type_name(field.data_type())});
        table.schema.fields().iter().map(column).collect()
    };
    // Rows are written as they are: reading numbers would lose digits.
    let described = |table: &PreviewTable| {
        format!(
            "{{\"output\":{},\"columns\":{},\"rows\":[{}]}}",
            json!(table.output.as_deref().map(mask)),
            columns(table),
            table.rows.join(",")
        )
    };
    let c = &step.counters;
    let head = json!({
        "step": step.name, "operator": step.kind, "topic": step.topic, "in": c.input, "out": step.out(),
        "filtered": c.filtered, "late": c.late, "dead": c.dead, "into_state": c.absorbed,
        "errors": step.errors.iter().map(|e| json!({"record": e.record, "error": e.error})).collect::<Value>(),
    });
    let (main, others): (Vec<_>, Vec<_>) = step.tables.iter().partition(|table| table.output.is_none());
    let main = main.first().map_or_else(|| (json!([]), String::new()), |table| (columns(table), table.rows.join(",")));
    let others: Vec<String> = others.into_iter().map(described).collect();
    let open = step.open.as_ref().map_or_else(String::new, |open| open.rows.join(","));
    let head = mask(&head.to_string());
    let head = head.strip_suffix('}').unwrap_or(&head);
    let (columns, rows) = main;
    format!("{head},\"columns\":{columns},\"rows\":[{rows}],\"outputs\":[{}],\"open\":[{open}]}}\n", others.join(","))
}
