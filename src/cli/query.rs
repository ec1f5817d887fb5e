//! `fastdata query`: the state of a step, as it was committed last.

use super::context::Context;
use super::exit::WrongInput;
use super::output::{Align, Output, Table};
use super::{backplane, values};
use crate::formats::{Format, keys};
use crate::runtime::Fault;
use crate::runtime::inspect::query::{QueryError, Selection, query};
use arrow_array::{Array, RecordBatch};
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

/// Read the state of a step: open windows, running folds
///
/// Shows what the pipeline committed last: of a `window` the windows that are still open, with the results
/// that they would give if they closed now; of a `scan` the fold of each key. It is read from the changelog
/// of the step, so the pipeline may run, on any number of machines, or not. That takes as long as reading the
/// whole changelog, or with --key the one partition that holds the key: state of a million keys takes
/// seconds.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata query pipeline.yaml per_minute
  fastdata query pipeline.yaml per_minute --key 3
  fastdata query orders.yaml per_shop --key '[\"Berlin\",7]'     where the key has two columns
  fastdata query pipeline.yaml per_minute --window 2026-01-31T12:00:30Z
  fastdata query pipeline.yaml per_minute --from 2026-01-31T12:00:00Z --to 2026-01-31T13:00:00Z
  fastdata query pipeline.yaml per_minute | jq .wines")]
pub(super) struct Args {
    /// A pipeline file
    #[arg(value_name = "PIPELINE")]
    pipeline: PathBuf,

    /// The name of a step with state
    #[arg(value_name = "STEP")]
    step: String,

    /// Only this key: the value of its column as it is, those of several as a JSON array
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    key: Option<String>,

    /// Only the window that holds this moment, such as 2026-01-31T12:00:00Z or milliseconds since 1970
    #[arg(long, value_name = "TIME", value_parser = values::time, conflicts_with_all = ["from", "to"])]
    window: Option<i64>,

    /// Only windows that begin at this moment or later
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    from: Option<i64>,

    /// Only windows that begin before this moment
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    to: Option<i64>,

    /// How to write it; default: a table on a terminal, else one JSON object a line
    #[arg(long, value_enum, value_name = "FORMAT")]
    output: Option<Output>,

    /// At most so many rows: the first by window, then by key
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
}

pub(super) fn execute(args: &Args, context: &Context) -> anyhow::Result<()> {
    let (spec, plan) = super::run::compile(&args.pipeline)?;
    let log = backplane::open(context.global(), Some(&spec))?;
    let ask = Selection { key: args.key.clone(), holds: args.window, from: args.from, to: args.to, limit: args.limit };
    let answer = query(&*log, &plan, &args.step, &ask).map_err(wrong)?;
    if let [first, rest @ ..] = &answer.bad[..] {
        let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
        context.printer().warn(format_args!("a row that cannot be computed is left out: {first}{more}"));
    }
    if answer.rows.num_rows() == 0 {
        context.printer().talk(format_args!("`{}` holds nothing of what was asked for", args.step));
        return Ok(());
    }
    let terminal = std::io::stdout().is_terminal();
    match args.output.unwrap_or(if terminal { Output::Text } else { Output::Json }) {
        Output::Text => context.printer().print(table(&answer.rows)),
        Output::Json => json(&answer.rows, context),
    }
}

/// A table with the columns of the step.
fn table(rows: &RecordBatch) -> Table {
    let schema = rows.schema();
    let align = |numeric| if numeric { Align::Right } else { Align::Left };
    let mut table = Table::new(schema.fields().iter().map(|f| (f.name(), align(f.data_type().is_numeric()))));
    let columns: Vec<_> = rows.columns().iter().map(|c| keys(std::slice::from_ref(c))).collect();
    for row in 0..rows.num_rows() {
        let cell = |c: &arrow_array::BinaryArray| match c.is_null(row) {
            true => "-".to_owned(),
            false => String::from_utf8_lossy(c.value(row)).into_owned(),
        };
        table.row(columns.iter().map(cell).collect::<Vec<_>>());
    }
    table
}

/// One JSON object a line.
fn json(rows: &RecordBatch, context: &Context) -> anyhow::Result<()> {
    let encoded = Format::Json { strict: false }.encoder(&rows.schema())?.encode(rows);
    let mut data = context.printer().data();
    for value in encoded.values.iter().flatten() {
        data.write_all(value)?;
        data.write_all(b"\n")?;
    }
    data.flush()?;
    match encoded.bad.first() {
        None => Ok(()),
        Some(bad) => Err(anyhow::anyhow!("row {} has no form in JSON: {}", bad.row, bad.error)),
    }
}

/// What a person can put right is wrong input; all else is a failure.
fn wrong(error: QueryError) -> anyhow::Error {
    match error {
        QueryError::Fault(Fault::Backplane(e)) => e.into(),
        QueryError::Fault(fault) => fault.into(),
        error => WrongInput::new(error.to_string()).maybe_hint(error.hint()).into(),
    }
}
