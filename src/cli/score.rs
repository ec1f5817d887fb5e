//! `fastdata score`: tries a model on a file of records before it is published.
//!
//! One line out for each line in, in the same order; what cannot be scored has every output null.

use super::context::Context;
use super::exit::WrongInput;
use super::input::{self, FormatName, RowFormat, Rows};
use super::output::counted;
use super::values;
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

/// Records in one call of the model.
const CHUNK: usize = 4096;

/// Score records with a model file
///
/// Reads the model's own input fields and writes one JSON object a line with its own output fields.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata score wine.onnx --input wines.jsonl
  fastdata score wine.pb --input wines.csv --delimiter ';' --inputs 'fixed acidity,alcohol,pH'
  fastdata tail --topic raw --until-end --output raw | fastdata score wine.onnx --input - --inputs alcohol,ph")]
pub(super) struct Args {
    /// The model, or a model descriptor
    #[arg(value_name = "MODEL")]
    model: PathBuf,

    /// The records: one JSON object a line, or rows of separated values that begin with the names of the
    /// columns; `-` for stdin
    #[arg(long, short, value_name = "FILE")]
    input: PathBuf,

    /// Where to write the results; `-` for stdout
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,

    /// The columns in the order in which the model takes them; default: by the model's names, and for a
    /// model with one tensor the columns of the first record
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    inputs: Vec<String>,

    /// What the file holds; default: by its extension, else JSON
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FormatName>,

    /// Between the values of a row; default: a comma, in .tsv files a tab
    #[arg(long, value_name = "CHARACTER", value_parser = values::delimiter)]
    delimiter: Option<u8>,
}

pub(super) fn execute(args: &Args, context: &Context) -> anyhow::Result<()> {
    let wrong = || format!("`{}` cannot score", args.model.display());
    let scorer = load(&args.model).with_context(wrong)?;
    let format = RowFormat::of(&args.input, args.format, args.delimiter, false);
    let mut records = Records::open(Rows::open(&args.input, format, None)?)?;
    let mut results = results(&args.output, context)?;
    let inputs = (!args.inputs.is_empty()).then_some(args.inputs.as_slice());
    // Columns are bound by the first record of a call; it leads each, so that all chunks bind alike.
    let mut rows: Vec<Map<String, Value>> = Vec::new();
    let mut line = Vec::new();
    loop {
        let lead = usize::from(!rows.is_empty());
        records.fill(&mut rows, CHUNK + lead)?;
        if rows.len() == lead {
            break;
        }
        if lead == 0 {
            check_names(inputs, &rows[0])?;
        }
        let scored = score_rows(&*scorer, &rows, inputs).with_context(wrong)?;
        line.clear();
        for outputs in &scored[lead..] {
            serde_json::to_writer(&mut line, outputs)?;
            line.push(b'\n');
        }
        results.write_all(&line)?;
        // A reader of a live input sees each chunk's results as they come.
        results.flush()?;
        rows.truncate(1);
    }
    results.flush()?;
    if records.bad > 0 {
        let first = records.first_bad.as_deref().unwrap_or_default();
        context.printer().warn(format_args!(
            "{} cannot be read, with every output null; the first: {first}",
            counted(records.bad, "record")
        ));
    }
    Ok(())
}

fn load(path: &Path) -> Result<Arc<dyn Scorer>, ModelError> {
    let descriptor = match read_model(path)? {
        (Sniffed::Model(format), bytes) => ModelDescriptor::of("", "", format, bytes),
        (Sniffed::Descriptor(ready), _) => *ready,
    };
    Ok(prepare(Offset(0), &descriptor, 0)?.scorer)
}

fn check_names(inputs: Option<&[String]>, first: &Map<String, Value>) -> Result<(), WrongInput> {
    let unknown = inputs.unwrap_or_default().iter().find(|name| !first.contains_key(*name));
    unknown.map_or(Ok(()), |name| {
        let message = format!("the first record has no column `{name}`, which `--inputs` names");
        Err(WrongInput::new(message).maybe_hint(one_of(name, first.keys().map(String::as_str))))
    })
}

fn results(path: &Path, context: &Context) -> anyhow::Result<Box<dyn Write>> {
    if input::is_stdin(path) {
        return Ok(Box::new(context.printer().data()));
    }
    let file = File::create(path).map_err(|e| WrongInput::new(format!("cannot write `{}`: {e}", path.display())))?;
    Ok(Box::new(BufWriter::new(file)))
}

/// Rows of a file as JSON objects.
struct Records {
    rows: Rows,
    names: Vec<String>,
    row: Vec<u8>,
    bad: u64,
    first_bad: Option<String>,
}

impl Records {
    fn open(mut rows: Rows) -> anyhow::Result<Self> {
        let mut row = Vec::new();
        let names = match rows.format() {
            RowFormat::Csv { delimiter } => rows.header(delimiter, &mut row)?.unwrap_or_default(),
            RowFormat::Json => Vec::new(),
        };
        Ok(Self { rows, names, row, bad: 0, first_bad: None })
    }

    /// Adds records until there are `most`, or until more would have to be waited for.
    fn fill(&mut self, into: &mut Vec<Map<String, Value>>, most: usize) -> anyhow::Result<()> {
        let before = into.len();
        while into.len() < most && (into.len() == before || self.rows.is_ready()) && self.rows.next(&mut self.row)? {
            let object = match self.rows.format() {
                RowFormat::Csv { delimiter } => self.object(delimiter),
                RowFormat::Json => serde_json::from_slice(&self.row).map_err(|e| e.to_string()),
            };
            into.push(object.unwrap_or_else(|e| {
                self.bad += 1;
                let line = self.rows.line();
                self.first_bad.get_or_insert_with(|| format!("line {line}: {e}"));
                Map::new()
            }));
        }
        Ok(())
    }

    /// Values as text, which the model's inputs turn into numbers; an empty one is missing.
    fn object(&self, delimiter: u8) -> Result<Map<String, Value>, String> {
        let values = csv_fields(&self.row, delimiter)?;
        if values.len() != self.names.len() {
            return Err(format!("expected {} values, found {}", self.names.len(), values.len()));
        }
        let value = |v: String| if v.is_empty() { Value::Null } else { Value::String(v) };
        Ok(self.names.iter().cloned().zip(values.into_iter().map(value)).collect())
    }
}
