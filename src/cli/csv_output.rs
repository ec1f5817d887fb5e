//! Records as CSV: a header, then a line for each record whose value is a JSON object.
//!
//! The columns are those of the first record in its order, or those that are asked for. Nothing is left out silently.

use super::data_format::DataFormat;
use super::figures::counted;
use crate::diagnostics::visible_line;
use crate::formats::{JsonField, csv_fields, json_fields};
use crate::record::Fetched;
use crate::time::rfc3339;
use arrow_array::Array as _;
use std::collections::BTreeSet;

/// Names of fields that are remembered for the message about those left out.
const MAX_LEFT_OUT_NAMES: usize = 20;

/// Columns of a record beside its value.
const META_COLUMNS: [&str; 5] = ["_topic", "_partition", "_offset", "_timestamp", "_key"];

#[derive(Debug)]
pub(super) struct CsvOutput {
    /// Whether the values are separated values too, which have no names.
    separated: bool,
    columns: Option<Vec<String>>,
    has_header: bool,
    /// Whether a terminal shows the lines.
    on_terminal: bool,
    records_left_out: u64,
    fields_left_out: BTreeSet<String>,
}

impl CsvOutput {
    pub(super) fn new(format: DataFormat, columns: Option<Vec<String>>, on_terminal: bool) -> Self {
        let separated = format == DataFormat::Csv;
        let (records_left_out, fields_left_out) = (0, BTreeSet::new());
        Self { separated, columns, has_header: false, on_terminal, records_left_out, fields_left_out }
    }

    /// Adds the line of a record, and before the first one the header.
    pub(super) fn write(&mut self, fetched: &Fetched, row: usize, lines: &mut Vec<u8>) {
        let values = &fetched.records.values;
        let value = if values.is_valid(row) { values.value(row) } else { &[] };
        let cells: Option<Vec<Option<(String, bool)>>> = match self.separated {
            true => csv_fields(value, b',').ok().map(|all| all.into_iter().map(|text| Some((text, false))).collect()),
            false => json_fields(value).map(|fields| self.cells(fields, fetched, row)),
        };
        let Some(cells) = cells else {
            self.records_left_out += 1;
            return;
        };
        if !std::mem::replace(&mut self.has_header, true)
            && let Some(columns) = &self.columns
        {
            let header: Vec<_> = columns.iter().map(|name| Some((name.clone(), true))).collect();
            self.push_line(&header, lines);
        }
        self.push_line(&cells, lines);
    }

    /// The text of each column, and whether it is a string.
    fn cells(&mut self, fields: Vec<JsonField>, fetched: &Fetched, row: usize) -> Vec<Option<(String, bool)>> {
        let columns = self.columns.get_or_insert_with(|| {
            let mut names: Vec<String> = Vec::new();
            for field in &fields {
                if !names.contains(&field.name) {
                    names.push(field.name.clone());
                }
            }
            names
        });
        for field in fields.iter().filter(|f| !columns.contains(&f.name)) {
            if self.fields_left_out.len() < MAX_LEFT_OUT_NAMES {
                self.fields_left_out.insert(field.name.clone());
            }
        }
        let cell = |name: &String| {
            // Duplicate fields: the last value wins.
            let of_value = fields.iter().rfind(|f| f.name == *name);
            match of_value {
                Some(field) => field.text.clone().map(|text| (text, field.is_string)),
                None => meta(name, fetched, row),
            }
        };
        columns.iter().map(cell).collect()
    }

    fn push_line(&self, cells: &[Option<(String, bool)>], lines: &mut Vec<u8>) {
        for (i, cell) in cells.iter().enumerate() {
            if i > 0 {
                lines.push(b',');
            }
            let Some((text, is_string)) = cell else { continue };
            let text = if self.on_terminal { visible_line(text) } else { text.clone() };
            let special = |c: char| matches!(c, ',' | '"' | '\n' | '\r');
            match text.contains(special) || text.is_empty() && *is_string {
                true => lines.extend_from_slice(format!("\"{}\"", text.replace('"', "\"\"")).as_bytes()),
                false => lines.extend_from_slice(text.as_bytes()),
            }
        }
        lines.push(b'\n');
    }

    /// What was left out, in words.
    pub(super) fn notes(&self, chosen: bool) -> Vec<String> {
        let records = (self.records_left_out > 0).then(|| {
            let what = if self.separated { "that cannot be read as CSV" } else { "without a JSON object as value" };
            format!("{} {what} left out", counted(self.records_left_out, "record"))
        });
        let names: Vec<String> = self.fields_left_out.iter().map(|name| format!("`{name}`")).collect();
        let fields = (!names.is_empty() && !chosen).then(|| {
            let names = names.join(", ");
            format!("fields that the first record does not have are left out: {names}; choose with `--columns`")
        });
        records.into_iter().chain(fields).collect()
    }
}

/// What is known of a record beside its value.
fn meta(name: &str, fetched: &Fetched, row: usize) -> Option<(String, bool)> {
    let keys = &fetched.records.keys;
    let index = META_COLUMNS.iter().position(|column| *column == name)?;
    Some(match index {
        0 => (fetched.origin.topic.to_string(), true),
        1 => (fetched.origin.partition.to_string(), false),
        2 => (fetched.offsets[row].to_string(), false),
        3 => (rfc3339(fetched.records.timestamps[row]), true),
        _ if keys.is_valid(row) => (String::from_utf8_lossy(keys.value(row)).into_owned(), true),
        _ => return None,
    })
}
