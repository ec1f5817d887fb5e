//! The types of separated values.
//!
//! A text that stands for null in other programs (`NA`, `null`) is null where all other values of its column have a
//! type of their own. In a column of strings it is a string.

use super::inferred_type::{BIG_INTEGER, InferredType, merge_scalars, string_type};
use super::{InferError, Inferred, Sample, SkippedSamples, finish};
use crate::formats::csv::{csv_fields, split_line};
use crate::formats::error::quoted;
use crate::formats::json::check_utf8;
use crate::record::type_name;
use arrow_schema::DataType;

/// What other programs write for a missing value.
const NULL_TEXTS: [&str; 14] =
    ["NA", "N/A", "n/a", "#N/A", "NULL", "Null", "null", "None", "none", "NaN", "nan", "-", "\\N", "<NA>"];

/// What is known of a column.
#[derive(Default)]
struct ColumnEvidence {
    /// The type that holds all values that are no plain strings.
    typed: Option<DataType>,
    /// How many these are.
    typed_count: u64,
    /// How many values are plain strings, or of a type that does not go with that of the values before.
    string_count: u64,
    /// The first of them and its line.
    first_string: Option<(u64, String)>,
    /// The texts that may be null.
    nulls: Vec<&'static str>,
}

/// A schema that decodes each of the lines, with the names of the header.
///
/// # Errors
/// If the header cannot be read, or no line has as many values as it.
pub fn infer_csv<'a>(
    header: &[u8],
    samples: impl IntoIterator<Item = Sample<'a>>,
    delimiter: u8,
) -> Result<Inferred, InferError> {
    let names = csv_fields(header, delimiter).map_err(InferError::Header)?;
    let names: Vec<String> = names.into_iter().map(|n| n.trim().to_owned()).collect();
    if let Some(twice) = (1..names.len()).find(|i| !names[*i].is_empty() && names[..*i].contains(&names[*i])) {
        return Err(InferError::Header(format!("there are two columns `{}`", names[twice])));
    }
    let mut columns: Vec<ColumnEvidence> = names.iter().map(|_| ColumnEvidence::default()).collect();
    let mut skipped = SkippedSamples::default();
    for (line, sample) in samples {
        match values(sample, delimiter, names.len()) {
            Ok(values) => columns.iter_mut().zip(values).for_each(|(column, value)| column.add(line, value)),
            Err(error) => skipped.add(line, error),
        }
    }
    let is_empty = columns.iter().all(|c| c.typed.is_none() && c.string_count == 0 && c.nulls.is_empty());
    if let Some(first) = skipped.first.take_if(|_| is_empty) {
        return Err(InferError::NoneValid(first));
    }
    let mut nulls: Vec<String> = Vec::new();
    let mut notes = Vec::new();
    let mut fields = Vec::new();
    for (name, column) in names.into_iter().zip(columns) {
        if column.string_count == 0 && column.typed.is_some() {
            let new = column.nulls.iter().filter(|n| !nulls.iter().any(|known| known == *n)).map(|n| (*n).to_owned());
            nulls.extend(new.collect::<Vec<_>>());
        }
        notes.extend(column.note(&name));
        let inferred = column.inferred();
        fields.push((name, inferred));
    }
    finish(fields, skipped, nulls, notes)
}

/// The values of a line and whether each is quoted; `None` is an empty value.
fn values(line: &[u8], delimiter: u8, expected: usize) -> Result<Vec<Option<(String, bool)>>, String> {
    let mut all = Vec::with_capacity(expected);
    let mut read = || {
        check_utf8(line)?;
        split_line(line, delimiter, |_, value| {
            all.push(value.unquoted().map(|text| (String::from_utf8_lossy(&text).into_owned(), value.quoted)));
            Ok(())
        })
    };
    let found = read().map_err(|e| e.to_string())?;
    if found == expected { Ok(all) } else { Err(format!("expected {expected} values, found {found}")) }
}

impl ColumnEvidence {
    fn add(&mut self, line: u64, value: Option<(String, bool)>) {
        let Some((text, is_quoted)) = value else { return };
        if let Some(null) = NULL_TEXTS.iter().find(|n| **n == text && !is_quoted) {
            if !self.nulls.contains(null) {
                self.nulls.push(null);
            }
            return;
        }
        let found = value_type(&text);
        let merged = match &self.typed {
            _ if found == DataType::Utf8 => None,
            None => Some(found),
            Some(before) => merge_scalars(before, &found),
        };
        match merged {
            Some(merged) => (self.typed, self.typed_count) = (Some(merged), self.typed_count + 1),
            None => {
                self.string_count += 1;
                self.first_string.get_or_insert((line, text));
            }
        }
    }

    fn inferred(self) -> InferredType {
        match self.typed {
            Some(typed) if self.string_count == 0 => InferredType::Scalar(typed),
            None if self.string_count == 0 => InferredType::Unknown,
            _ => InferredType::Scalar(DataType::Utf8),
        }
    }

    /// Why the column is a string, where few of its values are.
    fn note(&self, name: &str) -> Option<String> {
        let (line, text) = self.first_string.as_ref()?;
        let typed = self.typed.as_ref().filter(|_| self.string_count <= self.typed_count)?;
        let (found, others) = (quoted(text.as_bytes()), type_name(typed));
        Some(format!(
            "`{name}` is a string: line {line} has {found}; {} of {} values are {others}",
            self.typed_count,
            self.typed_count + self.string_count
        ))
    }
}

/// The type of a value. Digits with a leading zero are a code, not a number.
fn value_type(value: &str) -> DataType {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let code = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    match value {
        "true" | "false" => DataType::Boolean,
        _ if code => DataType::Utf8,
        _ if value.parse::<i64>().is_ok() => DataType::Int64,
        _ if digits.bytes().all(|b| b.is_ascii_digit()) && digits.len() <= 38 && !digits.is_empty() => BIG_INTEGER,
        _ if value.parse::<f64>().is_ok_and(f64::is_finite) => DataType::Float64,
        _ => string_type(value.as_bytes()),
    }
}
