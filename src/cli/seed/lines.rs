//! Records from the rows of a file: each value is the row's own bytes.
//!
//! The key is taken out of the row without decoding the rest. A row without the key column is written
//! without a key, and counted: what a pipeline makes of it is the pipeline's business.

use super::super::input::{RowFormat, Rows};
use super::{Source, key};
use crate::formats::csv_fields;
use crate::record::RecordsBuilder;
use crate::time::{Clock as _, SystemClock};
use serde_json::Value;

/// A file as records.
pub(super) struct Lines {
    rows: Rows,
    key: Key,
    /// Names of the columns, of separated values.
    columns: Vec<String>,
    again: bool,
    row: Vec<u8>,
    pending: bool,
    keyless: u64,
    first: bool,
    odd: Option<String>,
}

/// Where the key of a row is.
enum Key {
    None,
    Field(String),
    Column { name: String, index: usize },
}

impl Lines {
    /// Reads the header, where there is one, and finds the key column in it.
    pub(super) fn new(rows: Rows, columns: &[String], key: Option<&str>, again: bool) -> anyhow::Result<Self> {
        let key = key.map_or(Key::None, |name| Key::Field(name.to_owned()));
        let mut lines = Self {
            rows,
            key,
            columns: columns.to_vec(),
            again,
            row: Vec::new(),
            pending: false,
            keyless: 0,
            first: true,
            odd: None,
        };
        lines.begin()?;
        Ok(lines)
    }

    /// Reads past the names of the columns; without `--columns` the first row is the names.
    fn begin(&mut self) -> anyhow::Result<()> {
        let RowFormat::Csv { delimiter } = self.rows.format() else { return Ok(()) };
        let Some(names) = self.rows.header(delimiter, &mut self.row)? else { return Ok(()) };
        if self.columns.is_empty() {
            self.columns = names.clone();
        }
        self.pending = self.columns != names;
        if let Key::Field(name) = &self.key {
            let Some(index) = self.columns.iter().position(|c| c == name) else {
                return Err(key::missing(name, self.columns.iter().map(String::as_str)).into());
            };
            self.key = Key::Column { name: name.clone(), index };
        }
        Ok(())
    }

    fn advance(&mut self) -> anyhow::Result<bool> {
        if std::mem::take(&mut self.pending) || self.rows.next(&mut self.row)? {
            return Ok(true);
        }
        // An empty file would be begun again for ever.
        if !self.again || self.first || !self.rows.rewind()? {
            return Ok(false);
        }
        self.begin()?;
        Ok(std::mem::take(&mut self.pending) || self.rows.next(&mut self.row)?)
    }

    fn key(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let key = match (&self.key, self.rows.format()) {
            (Key::None, _) => return Ok(None),
            (Key::Column { index, .. }, RowFormat::Csv { delimiter }) => {
                let value = csv_fields(&self.row, delimiter).ok().and_then(|values| values.into_iter().nth(*index));
                value.filter(|v| !v.is_empty()).map(String::into_bytes)
            }
            (Key::Field(name) | Key::Column { name, .. }, _) => {
                let key = key::of(&self.row, name);
                if self.first
                    && key.is_none()
                    && let Ok(Value::Object(object)) = serde_json::from_slice(&self.row)
                    && !object.contains_key(name)
                {
                    return Err(key::missing(name, object.keys().map(String::as_str)).into());
                }
                key
            }
        };
        self.keyless += u64::from(key.is_none());
        Ok(key)
    }

    /// Says so where the first row does not look like a record, as in a pretty-printed file.
    fn look_at_first(&mut self) {
        if self.rows.format() == RowFormat::Json
            && serde_json::from_slice::<serde_json::Map<String, Value>>(&self.row).is_err()
        {
            self.odd = Some(format!(
                "line {} of {} is not a JSON object; each line becomes one record",
                self.rows.line(),
                self.rows.name()
            ));
        }
    }
}

impl Source for Lines {
    fn fill(&mut self, max: usize, into: &mut RecordsBuilder) -> anyhow::Result<usize> {
        let now = SystemClock.now();
        let mut filled = 0;
        // What a live source has given is written before more is waited for.
        while filled < max && (filled == 0 || self.pending || self.rows.is_ready()) {
            if !self.advance()? {
                break;
            }
            if self.first {
                self.look_at_first();
            }
            let key = self.key()?;
            self.first = false;
            into.push(key.as_deref(), Some(&self.row), now);
            filled += 1;
        }
        Ok(filled)
    }

    fn remark(&self) -> Option<String> {
        let name = match &self.key {
            Key::Field(name) | Key::Column { name, .. } if self.keyless > 0 => name,
            _ => return self.odd.clone(),
        };
        let odd = self.odd.as_ref().map_or_else(String::new, |odd| format!("{odd}; "));
        Some(odd + &key::remark(self.keyless, name))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn lines(text: &str, format: RowFormat, columns: &[&str], key: Option<&str>, again: bool) -> anyhow::Result<Lines> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let rows = Rows::open(file.path(), format, None).unwrap();
        Lines::new(rows, &columns.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>(), key, again)
    }

    fn records(lines: &mut Lines, max: usize) -> Vec<(Option<String>, String)> {
        let mut builder = RecordsBuilder::default();
        lines.fill(max, &mut builder).unwrap();
        let records = builder.finish();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        records.keys.iter().zip(records.values.iter()).map(|(k, v)| (k.map(text), text(v.unwrap()))).collect()
    }

    const CSV: RowFormat = RowFormat::Csv { delimiter: b',' };

    #[test]
    fn a_value_is_the_row_as_it_is_and_the_key_one_of_its_fields() {
        let text = "{\"k\": \"a b\", \"n\": 1.50}\n{\"n\":2}\n{\"k\":7}\n";
        let mut lines = lines(text, RowFormat::Json, &[], Some("k"), false).unwrap();
        let expected = [(Some("a b"), "{\"k\": \"a b\", \"n\": 1.50}"), (None, "{\"n\":2}"), (Some("7"), "{\"k\":7}")];
        assert_eq!(records(&mut lines, 9), expected.map(|(k, v)| (k.map(str::to_owned), v.to_owned())));
        assert_eq!(lines.remark().unwrap(), "1 record without `k` went in without a key");
    }

    #[test]
    fn a_key_that_no_record_has_is_refused_with_the_nearest() {
        let mut json = lines("{\"kind\":1}", RowFormat::Json, &[], Some("knid"), false).unwrap();
        let error = json.fill(9, &mut RecordsBuilder::default()).unwrap_err();
        assert_eq!(error.to_string(), "there is no column `knid` to take the key from");
        assert!(lines("kind\nred\n", CSV, &[], Some("knid"), false).is_err());
    }

    #[test]
    fn the_names_of_columns_are_no_record() {
        let row = |k: &str, v: &str| (Some(k.to_owned()), v.to_owned());
        let mut headed = lines("id,kind\n1,red\n", CSV, &[], Some("kind"), false).unwrap();
        assert_eq!(records(&mut headed, 9), [row("red", "1,red")]);
        let mut bare = lines("1,red\n2,\"wh,ite\"\n", CSV, &["id", "kind"], Some("kind"), false).unwrap();
        assert_eq!(records(&mut bare, 9), [row("red", "1,red"), row("wh,ite", "2,\"wh,ite\"")]);
        let mut both = lines("id,kind\n1,red\n", CSV, &["id", "kind"], Some("kind"), false).unwrap();
        assert_eq!(records(&mut both, 9), [row("red", "1,red")]);
    }

    #[test]
    fn a_loop_begins_again_without_the_header_and_an_empty_file_ends() {
        let mut looped = lines("id\n1\n2\n", CSV, &[], None, true).unwrap();
        let values: Vec<_> = records(&mut looped, 5).into_iter().map(|(_, v)| v).collect();
        assert_eq!(values, ["1", "2", "1", "2", "1"]);
        assert!(records(&mut lines("", RowFormat::Json, &[], None, true).unwrap(), 5).is_empty());
    }

    #[test]
    fn a_file_that_is_not_one_object_a_line_is_remarked() {
        let mut pretty = lines("{\n  \"a\": 1\n}\n", RowFormat::Json, &[], None, false).unwrap();
        records(&mut pretty, 9);
        assert!(pretty.remark().unwrap().ends_with(" is not a JSON object; each line becomes one record"));
    }
}
