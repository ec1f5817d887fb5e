//! `fastdata infer`: infers the schema of a source from samples.

use super::arguments;
use super::context::CliContext;
use super::data_format::{self, DataFormat, FILE_FORMATS, FileFormatOptions};
use super::exit::UserError;
use super::row_reader::RowReader;
use crate::formats::{Format, infer_csv, infer_json};
use crate::record::type_name;
use arrow_schema::Schema;
use std::path::PathBuf;

/// Infer the schema of a source from samples
///
/// Prints `format:` and `schema:` for the `source:` of a pipeline file.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  fastdata infer wine.csv --delimiter ';'
  fastdata tail --topic raw --count 1000 --output raw | fastdata infer -")]
pub(super) struct InferArgs {
    /// File with samples: one JSON object per line, or separated values with the column names in the first row;
    /// `-` for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Format of the file; default: what its extension says, else JSON
    #[arg(long, value_name = "FORMAT", value_parser = data_format::one_of(&FILE_FORMATS))]
    format: Option<DataFormat>,

    /// Delimiter of separated values; default: a comma, or a tab in .tsv files
    #[arg(long, value_name = "CHARACTER", value_parser = arguments::delimiter)]
    delimiter: Option<u8>,

    /// Number of records to read
    #[arg(long, value_name = "N", default_value = "10000")]
    records: usize,
}

pub(super) fn execute(args: &InferArgs, context: &CliContext) -> anyhow::Result<()> {
    let options = FileFormatOptions { format: args.format, delimiter: args.delimiter, has_columns: false };
    let mut rows = RowReader::open(&args.file, options.resolve(&args.file), None)?;
    let mut samples = Vec::new();
    let mut row = Vec::new();
    let delimiter = rows.delimiter();
    let header = usize::from(delimiter.is_some());
    while samples.len() < args.records.saturating_add(header) && rows.next(&mut row)? {
        samples.push(std::mem::take(&mut row));
    }
    let mut samples = samples.iter().map(Vec::as_slice);
    let schema = match delimiter {
        None => infer_json(samples),
        Some(delimiter) => infer_csv(samples.next().unwrap_or_default(), samples, delimiter),
    };
    let name = rows.name();
    let schema = schema.map_err(|e| UserError::new(format!("no schema fits the records of {name}: {e}")))?;
    context.printer().print(to_yaml(rows.format(), &schema))
}

/// The `format:` and `schema:` of a source.
fn to_yaml(format: &Format, schema: &Schema) -> String {
    let mut text = match format {
        Format::Csv { delimiter } if *delimiter != b',' => {
            format!("format: {{csv: {{delimiter: {}}}}}\n", quoted(&char::from(*delimiter).to_string()))
        }
        other => format!("format: {}\n", other.name()),
    };
    text.push_str("schema:\n");
    for field in schema.fields() {
        text.push_str(&format!("  {}: {}\n", scalar(field.name()), scalar(&type_name(field.data_type()))));
    }
    text
}

/// A YAML scalar, quoted if YAML would read the plain text as something else.
fn scalar(text: &str) -> String {
    const RESERVED: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_<>(),".contains(c))
        && !RESERVED.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { quoted(text) }
}

/// A JSON string, which is valid YAML.
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
            to_yaml(&Format::Csv { delimiter: b'\t' }, &Schema::new(fields)),
            "format: {csv: {delimiter: \"\\t\"}}\nschema:\n  id: double\n  \"fixed acidity\": double\n  \
             \"no\": double\n  \"1st\": double\n  \"a:b\": double\n"
        );
    }
}
