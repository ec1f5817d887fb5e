//! `fastdata infer`: infers the schema of a source from samples.

use super::arguments;
use super::context::CliContext;
use super::data_format::{self, DataFormat, FILE_FORMATS, FileFormatOptions};
use super::exit::UserError;
use super::figures::counted;
use super::row_reader::RowReader;
use crate::formats::{Format, Inferred, infer_csv, infer_json};
use crate::record::type_name;
use std::path::PathBuf;

/// Infer the schema of a source from samples
///
/// Prints `format:`, `nulls:` and `schema:` for the `source:` of a pipeline file. Records that cannot be read are
/// skipped and counted.
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
    let mut samples: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut row = Vec::new();
    let delimiter = rows.delimiter();
    let header = usize::from(delimiter.is_some());
    while samples.len() < args.records.saturating_add(header) && rows.next(&mut row)? {
        samples.push((rows.line(), std::mem::take(&mut row)));
    }
    let mut samples = samples.iter().map(|(line, text)| (*line, text.as_slice()));
    let count = samples.len() - header.min(samples.len());
    let inferred = match delimiter {
        None => infer_json(samples),
        Some(delimiter) => infer_csv(samples.next().map(|(_, text)| text).unwrap_or_default(), samples, delimiter),
    };
    let name = rows.name();
    let inferred = inferred.map_err(|e| UserError::new(format!("no schema fits the records of {name}: {e}")))?;
    if let Some(first) = &inferred.first_skipped {
        let skipped = format!("{} of {} skipped", inferred.skipped, counted(count as u64, "record"));
        context.printer().warn(format_args!("{skipped}; the first: {}", printable(first)));
    }
    for note in &inferred.notes {
        context.printer().info(format_args!("note: {}", printable(note)));
    }
    context.printer().print(to_yaml(rows.format(), &inferred))
}

/// A text from samples without control characters, which a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// The `format:`, `nulls:` and `schema:` of a source.
fn to_yaml(format: &Format, inferred: &Inferred) -> String {
    let mut text = match format {
        Format::Csv { delimiter, .. } if *delimiter != b',' => {
            format!("format: {{csv: {{delimiter: {}}}}}\n", quoted(&char::from(*delimiter).to_string()))
        }
        other => format!("format: {}\n", other.name()),
    };
    if !inferred.nulls.is_empty() {
        let nulls: Vec<_> = inferred.nulls.iter().map(|n| quoted(n)).collect();
        text.push_str(&format!("nulls: [{}]\n", nulls.join(", ")));
    }
    text.push_str("schema:\n");
    for field in inferred.schema.fields() {
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

/// A YAML scalar in double quotes. A pipeline file reads `$${` as `${`.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.replace("${", "$${").chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            // Some of these YAML does not allow, others it reads as a line break.
            c => out.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::diagnostics::SourceText;
    use crate::expr::Functions;
    use crate::formats::InferError;
    use crate::plan::compile;
    use crate::spec::{ProcessEnvironment, parse};
    use arrow_array::BinaryArray;
    use arrow_schema::{DataType, Field, Schema};
    use proptest::prelude::*;
    use serde_json::Value;
    use std::path::Path;
    use std::sync::Arc;

    fn inferred(schema: Schema) -> Inferred {
        Inferred { schema, nulls: Vec::new(), skipped: 0, first_skipped: None, notes: Vec::new() }
    }

    #[test]
    fn names_that_yaml_would_misread_are_quoted() {
        let names = ["id", "fixed acidity", "no", "1st", "a:b"];
        let fields: Vec<_> = names.iter().map(|n| Field::new(*n, DataType::Float64, true)).collect();
        assert_eq!(
            to_yaml(&Format::csv(b'\t'), &inferred(Schema::new(fields))),
            "format: {csv: {delimiter: \"\\t\"}}\nschema:\n  id: double\n  \"fixed acidity\": double\n  \
             \"no\": double\n  \"1st\": double\n  \"a:b\": double\n"
        );
    }

    /// The bad rows among the samples when they are read by a pipeline with what was printed as its source.
    fn bad_rows(format: &Format, found: &Inferred, values: &[&[u8]]) -> usize {
        let printed = to_yaml(format, found).lines().map(|l| format!("  {l}\n")).collect::<String>();
        let text = format!("name: p\nsource:\n  topic: r\n{printed}sink: out\n");
        let source = Arc::new(SourceText { name: "p.yaml".into(), text });
        let spec = parse(source, Path::new("."), &ProcessEnvironment).unwrap_or_else(|report| panic!("{report}"));
        compile(&spec, &Functions::new()).unwrap_or_else(|report| panic!("{report}"));
        let source = &spec.sources[0];
        let columns = &source.schema.as_ref().unwrap().columns;
        assert_eq!(**columns, found.schema);
        let mut decoder = source.format.value.decoder(columns).unwrap();
        decoder.decode(&BinaryArray::from(values.to_vec())).bad.len()
    }

    /// Any JSON value, with names and texts that some reader may misread.
    fn json() -> impl Strategy<Value = String> {
        let names =
            ["id", "first-name", "", " ", "a b", "${HOME}", "$${x", "\"", "null", "_key", "a.b", "1", "ä", "~", "#"];
        let name = prop_oneof![prop::sample::select(names.to_vec()).prop_map(str::to_owned), any::<String>()];
        let texts = ["", "2026-03-02", "2026-03-02T10:00:00Z", "2026-03-02 10:00:00", "1", "x"];
        let number = prop_oneof!["-?(0|[1-9][0-9]{0,50})", "-?[1-9]\\.[0-9]{1,30}(e-?[0-9]{1,2})?"];
        let scalar = prop_oneof![
            4 => number,
            2 => prop::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned),
            2 => prop::sample::select(texts.to_vec()).prop_map(|t| Value::from(t).to_string()),
            1 => any::<String>().prop_map(|t| Value::from(t).to_string()),
        ];
        scalar.prop_recursive(5, 30, 6, move |inner| {
            let fields = prop::collection::vec((name.clone(), inner.clone()), 0..6);
            let object = fields.prop_map(|fields| {
                let fields: Vec<_> = fields.into_iter().map(|(n, v)| format!("{}:{v}", Value::from(n))).collect();
                format!("{{{}}}", fields.join(","))
            });
            prop_oneof![1 => prop::collection::vec(inner, 0..3).prop_map(|v| format!("[{}]", v.join(","))), 3 => object]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_for_json_is_a_source_that_reads_the_samples(samples in prop::collection::vec(json(), 1..4)) {
            let lines = || (1..).zip(samples.iter().map(String::as_bytes));
            if let Ok(found) = infer_json(lines()) {
                let is_valid = |line: &(u64, &[u8])| !matches!(infer_json([*line]), Err(InferError::NoneValid(_)));
                let values: Vec<_> = lines().filter(is_valid).map(|(_, value)| value).collect();
                prop_assert_eq!(found.skipped as usize, samples.len() - values.len());
                prop_assert_eq!(bad_rows(&Format::Json { strict: false }, &found, &values), 0);
            }
        }

        #[test]
        fn what_is_printed_for_csv_is_a_source_that_reads_the_samples(
            names in prop::collection::vec("[a-z\"$#:~ {}-]{0,3}", 3),
            rows in prop::collection::vec(prop::collection::vec(prop_oneof![
                "-?[0-9]{1,25}", "[+-]?[0-9]{0,3}\\.?[0-9]{0,3}(e[0-9])?",
                prop::sample::select(vec!["", "NA", "\"NA\"", "null", "-", "true", "x", "\"x", "2026-03-02", "007", "inf"])
                    .prop_map(str::to_owned),
            ], 2..5), 1..6),
        ) {
            let header = names.iter().map(|n| format!("\"{}\"", n.replace('"', "\"\""))).collect::<Vec<_>>().join(";");
            let rows: Vec<String> = rows.iter().map(|r| r.join(";")).collect();
            let lines = || (2..).zip(rows.iter().map(String::as_bytes));
            if let Ok(found) = infer_csv(header.as_bytes(), lines(), b';')
                // A source reads by position what comes without names.
                && found.schema.fields().len() == names.len()
            {
                let only = |line: (u64, &[u8])| infer_csv(header.as_bytes(), [line], b';');
                let is_valid = |line: &(u64, &[u8])| !matches!(only(*line), Err(InferError::NoneValid(_)));
                let values: Vec<_> = lines().filter(is_valid).map(|(_, value)| value).collect();
                prop_assert_eq!(found.skipped as usize, rows.len() - values.len());
                prop_assert_eq!(bad_rows(&Format::csv(b';'), &found, &values), 0);
            }
        }
    }

    #[test]
    fn deep_and_wide_records_have_a_schema_that_validates() {
        let deep = format!("{{\"id\":1,\"deep\":{}{}}}", "[".repeat(60), "]".repeat(60));
        let wide: Vec<_> = (0..9_000).map(|i| format!("\"field_{i}\":1")).collect();
        let wide = format!("{{\"id\":1,\"some\":{{{}}},\"wide\":{{{}}}}}", wide[..1_000].join(","), wide.join(","));
        let samples = [deep.as_bytes(), wide.as_bytes()];
        let found = infer_json((1..).zip(samples)).unwrap();
        let names: Vec<_> = found.schema.fields().iter().map(|f| f.name().clone()).collect();
        assert_eq!(names, ["id", "some"]);
        assert_eq!(found.notes, ["`deep` is left out: it nests too deep", "`wide` is left out: its type is too long"]);
        assert_eq!(bad_rows(&Format::Json { strict: false }, &found, &samples), 0);
    }
}
