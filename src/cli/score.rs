//! `fastdata score`: scores the records of a file with a model, to try it before it is published.
//!
//! It writes one line for each record, in order. A record that cannot be scored has null outputs.

use super::arguments;
use super::context::CliContext;
use super::data_format::{self, DataFormat, FILE_FORMATS, FileFormatOptions};
use super::exit::UserError;
use super::figures::counted;
use super::row_reader::{RowReader, is_stdin};
use crate::diagnostics::one_of;
use crate::formats::csv_fields;
use crate::models::{ModelDescriptor, ModelError, Scorer, Sniffed, prepare, read_model, score_rows};
use crate::record::Offset;
use anyhow::Context as _;
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAX_BATCH_RECORDS: usize = 4096;

/// Score records with a model file
///
/// Reads the input fields of the model and writes one JSON object per line with its output fields.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata score wine.onnx --input wines.jsonl
  fastdata score wine.pb --input wines.csv --delimiter ';' --inputs 'fixed acidity,alcohol,pH'
  fastdata tail --topic raw --until-end --output raw | fastdata score wine.onnx --input - --inputs alcohol,ph")]
pub(super) struct ScoreArgs {
    /// The model, or a model descriptor
    #[arg(value_name = "MODEL")]
    model: PathBuf,

    /// File with records: one JSON object per line, or separated values with the column names in the first row;
    /// `-` for stdin
    #[arg(long, short, value_name = "FILE")]
    input: PathBuf,

    /// File for the results; `-` for stdout
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,

    /// Input columns in the order of the model's inputs; default: the columns with the names of the inputs or,
    /// for a model with one tensor, the columns of the first record
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    inputs: Vec<String>,

    /// Format of the file; default: what its extension says, else JSON
    #[arg(long, value_name = "FORMAT", value_parser = data_format::one_of(&FILE_FORMATS))]
    format: Option<DataFormat>,

    /// Delimiter of separated values; default: a comma, or a tab in .tsv files
    #[arg(long, value_name = "CHARACTER", value_parser = arguments::delimiter)]
    delimiter: Option<u8>,
}

pub(super) fn execute(args: &ScoreArgs, context: &CliContext) -> anyhow::Result<()> {
    let cannot_score = || format!("`{}` cannot score", args.model.display());
    let scorer = load(&args.model).with_context(cannot_score)?;
    let options = FileFormatOptions { format: args.format, delimiter: args.delimiter, has_columns: false };
    let mut records = ObjectReader::open(RowReader::open(&args.input, options.resolve(&args.input), None)?)?;
    let mut results = open_output(&args.output, context)?;
    let inputs = (!args.inputs.is_empty()).then_some(args.inputs.as_slice());
    // A call binds columns by its first record. The first record of the file leads every batch, so that all
    // batches bind the same columns.
    let mut rows: Vec<Map<String, Value>> = Vec::new();
    let mut line = Vec::new();
    loop {
        let lead = usize::from(!rows.is_empty());
        records.fill(&mut rows, MAX_BATCH_RECORDS + lead)?;
        if rows.len() == lead {
            break;
        }
        if lead == 0 {
            check_columns(inputs, &rows[0])?;
        }
        let scored = score_rows(&*scorer, &rows, inputs).with_context(cannot_score)?;
        line.clear();
        for outputs in &scored[lead..] {
            serde_json::to_writer(&mut line, outputs)?;
            line.push(b'\n');
        }
        results.write_all(&line)?;
        // The results of a batch are visible before the next batch of a live input arrives.
        results.flush()?;
        rows.truncate(1);
    }
    results.flush()?;
    if records.bad_count > 0 {
        let first = records.first_bad.as_deref().unwrap_or_default();
        context.printer().warn(format_args!(
            "{} cannot be read and got null outputs; the first: {first}",
            counted(records.bad_count, "record")
        ));
    }
    Ok(())
}

fn load(path: &Path) -> Result<Arc<dyn Scorer>, ModelError> {
    let descriptor = match read_model(path)? {
        (Sniffed::Model(format), bytes) => ModelDescriptor::of("", "", format, bytes),
        (Sniffed::Descriptor(descriptor), _) => *descriptor,
    };
    Ok(prepare(Offset(0), &descriptor, 0)?.scorer)
}

fn check_columns(inputs: Option<&[String]>, first: &Map<String, Value>) -> Result<(), UserError> {
    let unknown = inputs.unwrap_or_default().iter().find(|name| !first.contains_key(*name));
    unknown.map_or(Ok(()), |name| {
        let message = format!("the first record has no column `{name}`, which `--inputs` names");
        Err(UserError::new(message).maybe_hint(one_of(name, first.keys().map(String::as_str))))
    })
}

fn open_output(path: &Path, context: &CliContext) -> anyhow::Result<Box<dyn Write>> {
    if is_stdin(path) {
        return Ok(Box::new(context.printer().stdout()));
    }
    let file = File::create(path).map_err(|e| UserError::new(format!("cannot write `{}`: {e}", path.display())))?;
    Ok(Box::new(BufWriter::new(file)))
}

/// Reads the rows of a file as JSON objects.
struct ObjectReader {
    rows: RowReader,
    columns: Vec<String>,
    row: Vec<u8>,
    bad_count: u64,
    first_bad: Option<String>,
}

impl ObjectReader {
    fn open(mut rows: RowReader) -> anyhow::Result<Self> {
        let mut row = Vec::new();
        let columns = match rows.delimiter() {
            Some(delimiter) => rows.header(delimiter, &mut row)?.unwrap_or_default(),
            None => Vec::new(),
        };
        Ok(Self { rows, columns, row, bad_count: 0, first_bad: None })
    }

    /// Adds records until there are `max`, or until the next one is not available without waiting.
    fn fill(&mut self, into: &mut Vec<Map<String, Value>>, max: usize) -> anyhow::Result<()> {
        let before = into.len();
        while into.len() < max && (into.len() == before || self.rows.is_ready()) && self.rows.next(&mut self.row)? {
            let object = match self.rows.delimiter() {
                Some(delimiter) => self.object(delimiter),
                None => serde_json::from_slice(&self.row).map_err(|e| e.to_string()),
            };
            into.push(object.unwrap_or_else(|e| {
                self.bad_count += 1;
                let line = self.rows.line();
                self.first_bad.get_or_insert_with(|| format!("line {line}: {e}"));
                Map::new()
            }));
        }
        Ok(())
    }

    /// A row of separated values as an object of strings, which the model converts; an empty value is null.
    fn object(&self, delimiter: u8) -> Result<Map<String, Value>, String> {
        let values = csv_fields(&self.row, delimiter)?;
        if values.len() != self.columns.len() {
            return Err(format!("expected {} values, found {}", self.columns.len(), values.len()));
        }
        let value = |v: String| if v.is_empty() { Value::Null } else { Value::String(v) };
        Ok(self.columns.iter().cloned().zip(values.into_iter().map(value)).collect())
    }
}
