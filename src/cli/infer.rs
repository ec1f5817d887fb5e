//! `fastdata infer`: writes the schema of a source from samples.

use super::context::Context;
use super::exit::WrongInput;
use super::input::{FormatName, RowFormat, Rows};
use super::values;
use crate::formats::{infer_csv, infer_json};
use crate::record::type_name;
use arrow_schema::Schema;
use std::path::PathBuf;

/// Write the schema of a source from samples
///
/// Prints `format:` and `schema:` to be put under `source:` of a pipeline file.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata infer wine.csv --delimiter ';'
  fastdata tail --topic raw --count 1000 --output raw | fastdata infer -")]
pub(super) struct Args {
    /// Samples: one JSON object a line, or rows of separated values that begin with the names of the
    /// columns; `-` for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// What the file holds; default: by its extension, else JSON
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<FormatName>,

    /// Between the values of a row; default: a comma, in .tsv files a tab
    #[arg(long, value_name = "CHARACTER", value_parser = values::delimiter)]
    delimiter: Option<u8>,

    /// How many records to look at
    #[arg(long, value_name = "N", default_value = "10000")]
    records: usize,
}

pub(super) fn execute(args: &Args, context: &Context) -> anyhow::Result<()> {
    let format = RowFormat::of(&args.file, args.format, args.delimiter, false);
    let mut rows = Rows::open(&args.file, format, None)?;
    let mut samples = Vec::new();
    let mut row = Vec::new();
    let header = usize::from(matches!(format, RowFormat::Csv { .. }));
    while samples.len() < args.records.saturating_add(header) && rows.next(&mut row)? {
        samples.push(std::mem::take(&mut row));
    }
    let mut samples = samples.iter().map(Vec::as_slice);
    let schema = match format {
        RowFormat::Json => infer_json(samples),
        RowFormat::Csv { delimiter } => infer_csv(samples.next().unwrap_or_default(), samples, delimiter),
    };
    let name = rows.name();
    let schema = schema.map_err(|e| WrongInput::new(format!("no schema holds the records of {name}: {e}")))?;
    context.printer().print(written(format, &schema))
}

fn written(format: RowFormat, schema: &Schema) -> String {
    let mut text = match format {
        RowFormat::Json => "format: json\n".to_owned(),
        RowFormat::Csv { delimiter: b',' } => "format: csv\n".to_owned(),
        RowFormat::Csv { delimiter } => {
            format!("format: {{csv: {{delimiter: {}}}}}\n", quoted(&char::from(delimiter).to_string()))
        }
    };
    text.push_str("schema:\n");
    for field in schema.fields() {
        text.push_str(&format!("  {}: {}\n", scalar(field.name()), scalar(&type_name(field.data_type()))));
    }
    text
}

/// A YAML scalar: in quotes where YAML would read it as something else.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_<>(),".contains(c))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { quoted(text) }
}

/// A JSON string, which is a YAML one too.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::{DataType, Field};

    #[test]
    fn names_that_yaml_would_misread_are_quoted() {
        let names = ["id", "fixed acidity", "no", "1st", "a:b"];
        let fields: Vec<_> = names.iter().map(|n| Field::new(*n, DataType::Float64, true)).collect();
        assert_eq!(
            written(RowFormat::Csv { delimiter: b'\t' }, &Schema::new(fields)),
            "format: {csv: {delimiter: \"\\t\"}}\nschema:\n  id: double\n  \"fixed acidity\": double\n  \
             \"no\": double\n  \"1st\": double\n  \"a:b\": double\n"
        );
    }
}
