//! `fastdata query`: reads the last committed state of a step.

use super::context::CliContext;
use super::exit::UserError;
use super::output::OutputFormat;
use super::table::{Table, TableColumn};
use super::{arguments, backplane};
use crate::diagnostics::escaped;
use crate::formats::{Format, keys};
use crate::log::memory::MemoryLog;
use crate::runtime::Fault;
use crate::runtime::inspect::query::{QueryError, Selection, query};
use arrow_array::{Array, RecordBatch};
use arrow_schema::FieldRef;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

/// Read the state of a step: open windows, running folds
///
/// Shows the last committed state: the open windows of a `window`, with the results that they would give if they
/// closed now, or the fold of each key of a `scan`. The state is read from the changelog of the step, so it does
/// not matter whether the pipeline runs, or on how many machines. The command reads the whole changelog, or with
/// --key one partition of it: a million keys take seconds.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata query pipeline.yaml per_minute
  fastdata query pipeline.yaml per_minute --key 3
  fastdata query orders.yaml per_shop --key '[\"Berlin\",7]'     a key of two columns
  fastdata query pipeline.yaml per_minute --window 2026-01-31T12:00:30Z
  fastdata query pipeline.yaml per_minute --from 2026-01-31T12:00:00Z --to 2026-01-31T13:00:00Z
  fastdata query pipeline.yaml per_minute | jq .wines")]
pub(super) struct QueryArgs {
    /// A pipeline file
    #[arg(value_name = "PIPELINE")]
    pipeline: PathBuf,

    /// The name of a step with state
    #[arg(value_name = "STEP")]
    step: String,

    /// Only this key: the plain value of one column, or a JSON array of the values of several
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    key: Option<String>,

    /// Only windows that contain this time, such as 2026-01-31T12:00:00Z or milliseconds since 1970
    #[arg(long, value_name = "TIME", value_parser = arguments::time, conflicts_with_all = ["from", "to"])]
    window: Option<i64>,

    /// Only windows that start at this time or later
    #[arg(long, value_name = "TIME", value_parser = arguments::time)]
    from: Option<i64>,

    /// Only windows that start before this time
    #[arg(long, value_name = "TIME", value_parser = arguments::time)]
    to: Option<i64>,

    /// Output format; default: a table on a terminal, else one JSON object per line
    #[arg(long, value_enum, value_name = "FORMAT")]
    output: Option<OutputFormat>,

    /// At most N rows, ordered by window, then by key
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
}

pub(super) fn execute(args: &QueryArgs, context: &CliContext) -> anyhow::Result<()> {
    let (spec, plan) = super::run::compile(&args.pipeline)?;
    let selection =
        Selection { key: args.key.clone(), contains: args.window, from: args.from, to: args.to, limit: args.limit };
    let log = backplane::open_existing(context.global(), Some(&spec)).map_err(|missing| {
        // What is asked may be wrong whatever the log holds.
        match query(&MemoryLog::default(), &plan, &args.step, &selection) {
            Ok(_) | Err(QueryError::NeverRan { .. }) => missing,
            Err(wrong) => query_error(wrong),
        }
    })?;
    let answer = query(&*log, &plan, &args.step, &selection).map_err(query_error)?;
    if let [first, rest @ ..] = &answer.bad[..] {
        let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
        context.printer().warn(format_args!("a row that cannot be computed is left out: {first}{more}"));
    }
    if answer.rows.num_rows() == 0 {
        context.printer().info(format_args!("`{}` has no state that matches", args.step));
        return Ok(());
    }
    let terminal = std::io::stdout().is_terminal();
    match args.output.unwrap_or(if terminal { OutputFormat::Text } else { OutputFormat::Json }) {
        OutputFormat::Text => context.printer().print(table(&answer.rows)),
        OutputFormat::Json => print_json(&answer.rows, context),
    }
}

fn table(rows: &RecordBatch) -> Table {
    let schema = rows.schema();
    let column = |f: &FieldRef| match f.data_type().is_numeric() {
        true => TableColumn::right(f.name()),
        false => TableColumn::left(f.name()),
    };
    let mut table = Table::new(schema.fields().iter().map(column));
    let columns: Vec<_> = rows.columns().iter().map(|c| keys(std::slice::from_ref(c))).collect();
    for row in 0..rows.num_rows() {
        let cell = |c: &arrow_array::BinaryArray| match c.is_null(row) {
            true => "-".to_owned(),
            false => String::from_utf8_lossy(c.value(row)).into_owned(),
        };
        table.row(columns.iter().map(cell));
    }
    table
}

/// Prints one JSON object per line.
fn print_json(rows: &RecordBatch, context: &CliContext) -> anyhow::Result<()> {
    let encoded = Format::Json { strict: false }.encoder(&rows.schema())?.encode(rows);
    let mut data = context.printer().stdout();
    for value in encoded.values.iter().flatten() {
        // JSON leaves some control characters as they are, and a terminal obeys them.
        data.write_all(escaped(&String::from_utf8_lossy(value)).as_bytes())?;
        data.write_all(b"\n")?;
    }
    data.flush()?;
    match encoded.bad.first() {
        None => Ok(()),
        Some(bad) => Err(anyhow::anyhow!("row {} cannot be written as JSON: {}", bad.row, bad.error)),
    }
}

/// A wrong question is invalid input; a fault of the backplane is a failure.
fn query_error(error: QueryError) -> anyhow::Error {
    match error {
        QueryError::Fault(Fault::Backplane(e)) => e.into(),
        QueryError::Fault(fault) => fault.into(),
        error => UserError::new(error.to_string()).maybe_hint(error.hint()).into(),
    }
}
