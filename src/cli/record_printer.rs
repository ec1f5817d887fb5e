//! Prints records for a person or a program.
//!
//! Keys and values that are not text are printed as base64 and marked as such, except by `--output raw`. In header
//! names, bytes that are not text are replaced.

use super::csv_output::CsvOutput;
use super::data_format::DataFormat;
use crate::diagnostics::{escaped, is_hidden};
use crate::formats::csv_fields;
use crate::record::Fetched;
use crate::time::rfc3339;
use arrow_array::{Array as _, BinaryArray};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::{self, Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum RecordOutput {
    /// One line: position, time, key, value
    Text,
    /// One JSON object per line
    Json,
    /// A header and one line of separated values per record
    Csv,
    /// The value, followed by a line end
    Raw,
}

#[derive(Debug)]
pub(super) struct RecordPrinter {
    output: RecordOutput,
    format: DataFormat,
    line: Vec<u8>,
    /// For [`RecordOutput::Csv`].
    pub(super) csv: CsvOutput,
    /// The number of values that are not in the requested format.
    pub(super) mismatched_values: u64,
}

impl RecordPrinter {
    pub(super) fn new(output: RecordOutput, format: DataFormat, csv: CsvOutput) -> Self {
        Self { output, format, line: Vec::new(), csv, mismatched_values: 0 }
    }

    /// Writes the first `rows` records.
    pub(super) fn write(&mut self, fetched: &Fetched, rows: usize, into: &mut impl Write) -> io::Result<()> {
        for row in 0..rows {
            self.line.clear();
            match self.output {
                RecordOutput::Raw => {
                    self.line.extend_from_slice(bytes(&fetched.records.values, row).unwrap_or_default())
                }
                RecordOutput::Text => self.text(fetched, row),
                RecordOutput::Json => self.json(fetched, row),
                RecordOutput::Csv => {
                    self.csv.write(fetched, row, &mut self.line);
                    into.write_all(&self.line)?;
                    continue;
                }
            }
            self.line.push(b'\n');
            into.write_all(&self.line)?;
        }
        Ok(())
    }

    fn text(&mut self, fetched: &Fetched, row: usize) {
        let records = &fetched.records;
        let key = bytes(&records.keys, row).map_or_else(|| "-".into(), |k| printable(k, self.format, false));
        let value = bytes(&records.values, row).map_or_else(|| "(deleted)".into(), |v| printable(v, self.format, true));
        let position = format!("{}@{}", fetched.origin, fetched.offsets[row]);
        self.line
            .extend_from_slice(format!("{position}  {}  {key}  {value}", rfc3339(records.timestamps[row])).as_bytes());
        if let Some(headers) = &records.headers {
            for (name, value) in headers.row(row) {
                let value = value.map_or_else(|| "-".into(), |v| printable(v, DataFormat::Auto, true));
                let name = String::from_utf8_lossy(name);
                let name = printable(name.as_bytes(), DataFormat::Text, true);
                self.line.extend_from_slice(format!("  {name}={value}").as_bytes());
            }
        }
    }

    fn json(&mut self, fetched: &Fetched, row: usize) {
        let records = &fetched.records;
        let (topic, partition) = (Value::from(&*fetched.origin.topic), fetched.origin.partition);
        let (offset, time) = (fetched.offsets[row], rfc3339(records.timestamps[row]));
        self.push(format_args!(
            "{{\"topic\":{topic},\"partition\":{partition},\"offset\":{offset},\"timestamp\":\"{time}\""
        ));
        self.field(
            "key",
            bytes(&records.keys, row),
            if self.format == DataFormat::Bytes { DataFormat::Bytes } else { DataFormat::Text },
        );
        self.field("value", bytes(&records.values, row), self.format);
        let headers = records.headers.as_ref().map(|h| {
            let one = |(name, value): (&[u8], Option<&[u8]>)| {
                json!({"key": String::from_utf8_lossy(name), "value": value.map(|v| match std::str::from_utf8(v) {
                    Ok(text) => text.to_owned(),
                    Err(_) => format!("base64:{}", STANDARD.encode(v)),
                })})
            };
            h.row(row).map(one).collect::<Vec<_>>()
        });
        if let Some(headers) = headers.filter(|h| !h.is_empty()) {
            self.push(format_args!(",\"headers\":{}", Value::from(headers)));
        }
        self.line.push(b'}');
        // JSON leaves some control characters as they are, and a terminal obeys them.
        if let Ok(line) = std::str::from_utf8(&self.line)
            && line.contains(is_hidden)
        {
            self.line = escaped(line).into_bytes();
        }
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.line.write_fmt(text).expect("invariant: writing into memory does not fail");
    }

    fn field(&mut self, name: &str, bytes: Option<&[u8]>, format: DataFormat) {
        let Some(bytes) = bytes else {
            return self.push(format_args!(",\"{name}\":null"));
        };
        let is_json = matches!(format, DataFormat::Json | DataFormat::Auto)
            && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
        if is_json {
            self.push(format_args!(",\"{name}\":"));
            // A line break in JSON is white space between tokens, so a space can replace it.
            self.line.extend(bytes.iter().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b }));
            return;
        }
        let list = if format == DataFormat::Csv { csv_fields(bytes, b',').ok() } else { None };
        let text = if format == DataFormat::Bytes { None } else { std::str::from_utf8(bytes).ok() };
        self.mismatched_values += u64::from(matches!(format, DataFormat::Json | DataFormat::Csv) && list.is_none());
        let (suffix, value) = match (list, text) {
            (Some(list), _) => ("", Value::from(list)),
            (None, Some(text)) => ("", Value::from(text)),
            (None, None) => ("_base64", Value::from(STANDARD.encode(bytes))),
        };
        self.push(format_args!(",\"{name}{suffix}\":{value}"));
    }
}

fn bytes(column: &BinaryArray, row: usize) -> Option<&[u8]> {
    column.is_valid(row).then(|| column.value(row))
}

/// Bytes as one line of text. Control characters are escaped; a key with a space is quoted, so that it does not
/// look like two columns.
fn printable(bytes: &[u8], format: DataFormat, allows_spaces: bool) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if format != DataFormat::Bytes => {
            let mut line = String::with_capacity(text.len());
            for c in text.chars() {
                if c.is_control() || is_hidden(c) { line.extend(c.escape_default()) } else { line.push(c) }
            }
            if line.is_empty() || (!allows_spaces && line.contains(' ')) { format!("\"{line}\"") } else { line }
        }
        _ => format!("base64:{}", STANDARD.encode(bytes)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::record::{RecordsBuilder, TopicPartition};

    fn show(output: RecordOutput, format: DataFormat, key: Option<&[u8]>, value: Option<&[u8]>) -> (String, u64) {
        let mut records = RecordsBuilder::default();
        records.push(key, value, 1500);
        let origin = TopicPartition::new("t", 3).into();
        let fetched = Fetched { origin, offsets: vec![7].into(), records: records.finish() };
        let (mut printer, mut text) =
            (RecordPrinter::new(output, format, CsvOutput::new(format, None, false)), Vec::new());
        printer.write(&fetched, 1, &mut text).unwrap();
        (String::from_utf8(text).unwrap(), printer.mismatched_values)
    }

    #[test]
    fn a_json_value_keeps_its_digits() {
        let value = b"{\"a\":\n 1.10000000000000000001}";
        let (line, _) = show(RecordOutput::Json, DataFormat::Auto, Some(b"red"), Some(value));
        let position = r#"{"topic":"t","partition":3,"offset":7,"timestamp":"1970-01-01T00:00:01.500Z""#;
        assert_eq!(line, format!("{position},\"key\":\"red\",\"value\":{{\"a\":  1.10000000000000000001}}}}\n"));
    }

    #[test]
    fn bytes_are_printed_as_base64_under_another_name() {
        let (line, mismatched_values) = show(RecordOutput::Json, DataFormat::Auto, None, Some(b"\xff\x00"));
        assert!(line.ends_with(",\"key\":null,\"value_base64\":\"/wA=\"}\n"), "{line}");
        assert_eq!(mismatched_values, 0);
        let (line, mismatched_values) = show(RecordOutput::Json, DataFormat::Json, None, Some(b"{oops"));
        assert!(line.ends_with(",\"value\":\"{oops\"}\n"), "{line}");
        assert_eq!(mismatched_values, 1);
    }

    #[test]
    fn control_characters_are_escaped() {
        let (line, _) = show(RecordOutput::Text, DataFormat::Auto, Some(b"a b"), Some(b"x\n\x1b[2Jy"));
        assert_eq!(line, "t/3@7  1970-01-01T00:00:01.500Z  \"a b\"  x\\n\\u{1b}[2Jy\n");
        let (line, _) = show(RecordOutput::Text, DataFormat::Auto, None, None);
        assert_eq!(line, "t/3@7  1970-01-01T00:00:01.500Z  -  (deleted)\n");
    }

    #[test]
    fn separated_values_become_an_array() {
        let (line, _) = show(RecordOutput::Json, DataFormat::Csv, None, Some(b"1,\"a,b\""));
        assert!(line.ends_with(",\"value\":[\"1\",\"a,b\"]}\n"), "{line}");
    }
}
