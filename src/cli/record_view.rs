//! A record as a person or a program reads it.
//!
//! Separate from reading so that it can be tested without a log. It loses nothing: bytes that are no text
//! are written as base64, and say so.

use crate::formats::csv_fields;
use crate::record::Fetched;
use crate::time::rfc3339;
use arrow_array::{Array as _, BinaryArray};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::{self, Write};

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ViewOutput {
    /// One line: place, time, key, value
    Text,
    /// One JSON object a line
    Json,
    /// The value and a line end
    Raw,
}

/// What the values of a topic are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ViewFormat {
    /// JSON where it is JSON, else text where it is text, else bytes
    Auto,
    /// JSON
    Json,
    /// Separated values: a list of strings
    Csv,
    /// Text
    Text,
    /// Bytes, written as base64
    Bytes,
}

/// Writes records.
#[derive(Debug)]
pub(super) struct View {
    output: ViewOutput,
    format: ViewFormat,
    line: Vec<u8>,
    /// Values that were not of the format asked for.
    pub(super) misfits: u64,
}

impl View {
    pub(super) fn new(output: ViewOutput, format: ViewFormat) -> Self {
        Self { output, format, line: Vec::new(), misfits: 0 }
    }

    /// Writes the first `rows` records.
    pub(super) fn write(&mut self, fetched: &Fetched, rows: usize, into: &mut impl Write) -> io::Result<()> {
        for row in 0..rows {
            self.line.clear();
            match self.output {
                ViewOutput::Raw => self.line.extend_from_slice(bytes(&fetched.records.values, row).unwrap_or_default()),
                ViewOutput::Text => self.text(fetched, row),
                ViewOutput::Json => self.json(fetched, row),
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
        let place = format!("{}@{}", fetched.origin, fetched.offsets[row]);
        self.line
            .extend_from_slice(format!("{place}  {}  {key}  {value}", rfc3339(records.timestamps[row])).as_bytes());
        if let Some(headers) = &records.headers {
            for (name, value) in headers.row(row) {
                let value = value.map_or_else(|| "-".into(), |v| printable(v, ViewFormat::Auto, true));
                self.line.extend_from_slice(format!("  {name}={value}").as_bytes());
            }
        }
    }

    fn json(&mut self, fetched: &Fetched, row: usize) {
        let records = &fetched.records;
        let (topic, partition) = (Value::from(&*fetched.origin.topic), fetched.origin.partition);
        let (offset, time) = (fetched.offsets[row], rfc3339(records.timestamps[row]));
        self.put(format_args!(
            "{{\"topic\":{topic},\"partition\":{partition},\"offset\":{offset},\"timestamp\":\"{time}\""
        ));
        self.field(
            "key",
            bytes(&records.keys, row),
            if self.format == ViewFormat::Bytes { ViewFormat::Bytes } else { ViewFormat::Text },
        );
        self.field("value", bytes(&records.values, row), self.format);
        let headers = records.headers.as_ref().map(|h| {
            let one = |(name, value): (&str, Option<&[u8]>)| {
                json!({"key": name, "value": value.map(|v| match std::str::from_utf8(v) {
                    Ok(text) => text.to_owned(),
                    Err(_) => format!("base64:{}", STANDARD.encode(v)),
                })})
            };
            h.row(row).map(one).collect::<Vec<_>>()
        });
        if let Some(headers) = headers.filter(|h| !h.is_empty()) {
            self.put(format_args!(",\"headers\":{}", Value::from(headers)));
        }
        self.line.push(b'}');
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.line.write_fmt(text).expect("invariant: writing into memory does not fail");
    }

    fn field(&mut self, name: &str, bytes: Option<&[u8]>, format: ViewFormat) {
        let Some(bytes) = bytes else {
            return self.put(format_args!(",\"{name}\":null"));
        };
        let is_json = matches!(format, ViewFormat::Json | ViewFormat::Auto)
            && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
        if is_json {
            self.put(format_args!(",\"{name}\":"));
            // In JSON a line break only ever stands between tokens; as a space it keeps the object on its line.
            self.line.extend(bytes.iter().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { *b }));
            return;
        }
        let list = if format == ViewFormat::Csv { csv_fields(bytes, b',').ok() } else { None };
        let text = if format == ViewFormat::Bytes { None } else { std::str::from_utf8(bytes).ok() };
        self.misfits += u64::from(matches!(format, ViewFormat::Json | ViewFormat::Csv) && list.is_none());
        let (suffix, value) = match (list, text) {
            (Some(list), _) => ("", Value::from(list)),
            (None, Some(text)) => ("", Value::from(text)),
            (None, None) => ("_base64", Value::from(STANDARD.encode(bytes))),
        };
        self.put(format_args!(",\"{name}{suffix}\":{value}"));
    }
}

fn bytes(of: &BinaryArray, row: usize) -> Option<&[u8]> {
    of.is_valid(row).then(|| of.value(row))
}

/// One line of text: what would move the cursor or look like the next column is escaped.
fn printable(bytes: &[u8], format: ViewFormat, may_hold_spaces: bool) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if format != ViewFormat::Bytes => {
            let mut line = String::with_capacity(text.len());
            for c in text.chars() {
                if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
            }
            if line.is_empty() || (!may_hold_spaces && line.contains(' ')) { format!("\"{line}\"") } else { line }
        }
        _ => format!("base64:{}", STANDARD.encode(bytes)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::record::{RecordsBuilder, TopicPartition};

    fn show(output: ViewOutput, format: ViewFormat, key: Option<&[u8]>, value: Option<&[u8]>) -> (String, u64) {
        let mut records = RecordsBuilder::default();
        records.push(key, value, 1500);
        let origin = TopicPartition::new("t", 3).into();
        let fetched = Fetched { origin, offsets: vec![7].into(), records: records.finish() };
        let (mut view, mut text) = (View::new(output, format), Vec::new());
        view.write(&fetched, 1, &mut text).unwrap();
        (String::from_utf8(text).unwrap(), view.misfits)
    }

    #[test]
    fn a_json_value_is_written_digit_by_digit_as_it_is() {
        let value = b"{\"a\":\n 1.10000000000000000001}";
        let (line, _) = show(ViewOutput::Json, ViewFormat::Auto, Some(b"red"), Some(value));
        let place = r#"{"topic":"t","partition":3,"offset":7,"timestamp":"1970-01-01T00:00:01.500Z""#;
        assert_eq!(line, format!("{place},\"key\":\"red\",\"value\":{{\"a\":  1.10000000000000000001}}}}\n"));
    }

    #[test]
    fn what_is_no_text_is_base64_and_says_so() {
        let (line, misfits) = show(ViewOutput::Json, ViewFormat::Auto, None, Some(b"\xff\x00"));
        assert!(line.ends_with(",\"key\":null,\"value_base64\":\"/wA=\"}\n"), "{line}");
        assert_eq!(misfits, 0);
        let (line, misfits) = show(ViewOutput::Json, ViewFormat::Json, None, Some(b"{oops"));
        assert!(line.ends_with(",\"value\":\"{oops\"}\n"), "{line}");
        assert_eq!(misfits, 1);
    }

    #[test]
    fn text_never_breaks_its_line_or_moves_the_cursor() {
        let (line, _) = show(ViewOutput::Text, ViewFormat::Auto, Some(b"a b"), Some(b"x\n\x1b[2Jy"));
        assert_eq!(line, "t/3@7  1970-01-01T00:00:01.500Z  \"a b\"  x\\n\\u{1b}[2Jy\n");
        let (line, _) = show(ViewOutput::Text, ViewFormat::Auto, None, None);
        assert_eq!(line, "t/3@7  1970-01-01T00:00:01.500Z  -  (deleted)\n");
    }

    #[test]
    fn separated_values_become_a_list() {
        let (line, _) = show(ViewOutput::Json, ViewFormat::Csv, None, Some(b"1,\"a,b\""));
        assert!(line.ends_with(",\"value\":[\"1\",\"a,b\"]}\n"), "{line}");
    }
}
