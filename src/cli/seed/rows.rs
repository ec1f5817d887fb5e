//! Records from the rows of a file: the value of a record is the bytes of its row.
//!
//! The key is read from the row without decoding the rest. A row without the key column is written without a
//! key, and counted. The records of a file with column names carry the names in a header, so that a pipeline binds
//! them by name.

use super::super::exit::UserError;
use super::super::row_reader::RowReader;
use super::key;
use super::source::RecordSource;
use crate::formats::{COLUMNS_HEADER, Format, csv_fields, json_field_text};
use crate::record::RecordsBuilder;
use crate::time::{Clock as _, SystemClock};
use serde_json::Value;
use std::borrow::Cow;

/// The rows of a file as records.
pub(super) struct RowSource {
    rows: RowReader,
    key: KeyColumn,
    /// The column names of separated values, and the same as the header of each record.
    columns: Vec<String>,
    columns_header: Option<String>,
    repeat: bool,
    row: Vec<u8>,
    /// Whether `row` has been read and is not a record yet.
    pending: bool,
    without_key: u64,
    is_first: bool,
    format_warning: Option<String>,
}

enum KeyColumn {
    None,
    Field(String),
    Column { name: String, index: usize },
}

impl RowSource {
    /// Reads the header, if any, and finds the key column in it.
    pub(super) fn new(rows: RowReader, columns: &[String], key: Option<&str>, repeat: bool) -> anyhow::Result<Self> {
        let key = key.map_or(KeyColumn::None, |name| KeyColumn::Field(name.to_owned()));
        let mut source = Self {
            rows,
            key,
            columns: columns.to_vec(),
            columns_header: None,
            repeat,
            row: Vec::new(),
            pending: false,
            without_key: 0,
            is_first: true,
            format_warning: None,
        };
        source.read_header()?;
        Ok(source)
    }

    /// Reads the column names. With `--columns`, a first row without these names is a record.
    fn read_header(&mut self) -> anyhow::Result<()> {
        let Some(delimiter) = self.rows.delimiter() else { return Ok(()) };
        let Some(names) = self.rows.header(delimiter, &mut self.row)? else { return Ok(()) };
        let known = names.iter().filter(|n| self.columns.contains(n)).count();
        self.pending = false;
        if self.columns.is_empty() || known == names.len() && known == self.columns.len() {
            self.columns = names;
        } else if known * 2 > names.len() {
            let list = |names: &[String]| names.join(", ");
            let (name, found, said) = (self.rows.name(), list(&names), list(&self.columns));
            let message = format!("{name} has the columns {found}, but `--columns` says {said}");
            return Err(UserError::new(message).hint("leave `--columns` out: the file names its columns").into());
        } else {
            self.pending = true;
        }
        self.columns_header = Some(Value::from(self.columns.clone()).to_string());
        if let KeyColumn::Field(name) = &self.key {
            let Some(index) = self.columns.iter().position(|c| c == name) else {
                return Err(key::unknown_column(name, self.columns.iter().map(String::as_str)).into());
            };
            self.key = KeyColumn::Column { name: name.clone(), index };
        }
        Ok(())
    }

    fn advance(&mut self) -> anyhow::Result<bool> {
        if std::mem::take(&mut self.pending) || self.rows.next(&mut self.row)? {
            return Ok(true);
        }
        // Starting over in an empty file would never end.
        if !self.repeat || self.is_first || !self.rows.rewind()? {
            return Ok(false);
        }
        self.read_header()?;
        Ok(std::mem::take(&mut self.pending) || self.rows.next(&mut self.row)?)
    }

    fn key(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        let key = match (&self.key, self.rows.delimiter()) {
            (KeyColumn::None, _) => return Ok(None),
            (KeyColumn::Column { index, .. }, Some(delimiter)) => {
                let value = csv_fields(&self.row, delimiter).ok().and_then(|values| values.into_iter().nth(*index));
                value.filter(|v| !v.is_empty()).map(String::into_bytes)
            }
            (KeyColumn::Field(name) | KeyColumn::Column { name, .. }, _) => {
                let key = json_field_text(&self.row, name).map(Cow::into_owned);
                if self.is_first
                    && key.is_none()
                    && let Ok(Value::Object(object)) = serde_json::from_slice(&self.row)
                    && !object.contains_key(name)
                {
                    return Err(key::unknown_column(name, object.keys().map(String::as_str)).into());
                }
                key
            }
        };
        self.without_key += u64::from(key.is_none());
        Ok(key)
    }

    /// Sets a warning if the first row is not a JSON object, as in a pretty-printed file.
    fn check_first_row(&mut self) {
        if matches!(self.rows.format(), Format::Json { .. })
            && serde_json::from_slice::<serde_json::Map<String, Value>>(&self.row).is_err()
        {
            self.format_warning = Some(format!(
                "line {} of {} is not a JSON object, but each line becomes a record",
                self.rows.line(),
                self.rows.name()
            ));
        }
    }
}

impl RecordSource for RowSource {
    fn fill(&mut self, max: usize, into: &mut RecordsBuilder) -> anyhow::Result<usize> {
        let now = SystemClock.now();
        let mut filled = 0;
        // Rows that are available are written at once, without waiting for the next one of a live source.
        while filled < max && (filled == 0 || self.pending || self.rows.is_ready()) {
            if !self.advance()? {
                break;
            }
            if self.is_first {
                self.check_first_row();
            }
            let key = self.key()?;
            self.is_first = false;
            match &self.columns_header {
                Some(names) => {
                    let header = (COLUMNS_HEADER, Some(names.as_bytes()));
                    into.push_with(key.as_deref(), Some(&self.row), now, &[header]);
                }
                None => into.push(key.as_deref(), Some(&self.row), now),
            }
            filled += 1;
        }
        Ok(filled)
    }

    fn warning(&self) -> Option<String> {
        let name = match &self.key {
            KeyColumn::Field(name) | KeyColumn::Column { name, .. } if self.without_key > 0 => name,
            _ => return self.format_warning.clone(),
        };
        let warning = self.format_warning.as_ref().map_or_else(String::new, |w| format!("{w}; "));
        Some(warning + &key::without_key_warning(self.without_key, name))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn source(
        text: &str,
        format: Format,
        columns: &[&str],
        key: Option<&str>,
        repeat: bool,
    ) -> anyhow::Result<RowSource> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let rows = RowReader::open(file.path(), format, None).unwrap();
        RowSource::new(rows, &columns.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>(), key, repeat)
    }

    fn records(source: &mut RowSource, max: usize) -> Vec<(Option<String>, String)> {
        let mut builder = RecordsBuilder::default();
        source.fill(max, &mut builder).unwrap();
        let records = builder.finish();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        records.keys.iter().zip(records.values.iter()).map(|(k, v)| (k.map(text), text(v.unwrap()))).collect()
    }

    const JSON: Format = Format::Json { strict: false };
    const CSV: Format = Format::Csv { delimiter: b',', nulls: Vec::new() };

    #[test]
    fn a_value_is_the_unchanged_row() {
        let text = "{\"k\": \"a b\", \"n\": 1.50}\n{\"n\":2}\n{\"k\":7}\n";
        let mut rows = source(text, JSON, &[], Some("k"), false).unwrap();
        let expected = [(Some("a b"), "{\"k\": \"a b\", \"n\": 1.50}"), (None, "{\"n\":2}"), (Some("7"), "{\"k\":7}")];
        assert_eq!(records(&mut rows, 9), expected.map(|(k, v)| (k.map(str::to_owned), v.to_owned())));
        assert_eq!(rows.warning().unwrap(), "1 record without `k` written without a key");
    }

    #[test]
    fn a_key_column_that_does_not_exist_is_an_error() {
        let mut json = source("{\"kind\":1}", JSON, &[], Some("knid"), false).unwrap();
        let error = json.fill(9, &mut RecordsBuilder::default()).unwrap_err();
        assert_eq!(error.to_string(), "there is no column `knid` to take the key from");
        assert!(source("kind\nred\n", CSV, &[], Some("knid"), false).is_err());
    }

    #[test]
    fn column_names_are_not_a_record() {
        let row = |k: &str, v: &str| (Some(k.to_owned()), v.to_owned());
        let mut headed = source("id,kind\n1,red\n", CSV, &[], Some("kind"), false).unwrap();
        assert_eq!(records(&mut headed, 9), [row("red", "1,red")]);
        let mut bare = source("1,red\n2,\"wh,ite\"\n", CSV, &["id", "kind"], Some("kind"), false).unwrap();
        assert_eq!(records(&mut bare, 9), [row("red", "1,red"), row("wh,ite", "2,\"wh,ite\"")]);
        let mut both = source("id,kind\n1,red\n", CSV, &["id", "kind"], Some("kind"), false).unwrap();
        assert_eq!(records(&mut both, 9), [row("red", "1,red")]);
    }

    #[test]
    fn records_carry_the_column_names_of_their_file() {
        let names = |text: &str, columns: &[&str]| {
            let mut rows = source(text, CSV, columns, None, false).unwrap();
            let mut builder = RecordsBuilder::default();
            rows.fill(9, &mut builder).unwrap();
            let headers = builder.finish().headers.unwrap();
            let found: Vec<_> = headers.row(0).map(|(n, v)| (n.to_vec(), v.unwrap().to_vec())).collect();
            assert_eq!(found[0].0, COLUMNS_HEADER.as_bytes());
            (headers.encoded().iter().len(), String::from_utf8(found[0].1.clone()).unwrap())
        };
        assert_eq!(names("a,\"b \"\"c\"\"\"\n1,2\n3,4\n", &[]), (2, r#"["a","b \"c\""]"#.to_owned()));
        assert_eq!(names("1,2\n3,4\n", &["a", "b"]), (2, r#"["a","b"]"#.to_owned()));
        assert_eq!(names("b,a\n3,4\n", &["a", "b"]), (1, r#"["b","a"]"#.to_owned()));
        assert!(source("a,b,c\n1,2,3\n", CSV, &["a", "b"], None, false).is_err());
    }

    #[test]
    fn a_loop_skips_the_header_and_ends_for_an_empty_file() {
        let mut looped = source("id\n1\n2\n", CSV, &[], None, true).unwrap();
        let values: Vec<_> = records(&mut looped, 5).into_iter().map(|(_, v)| v).collect();
        assert_eq!(values, ["1", "2", "1", "2", "1"]);
        assert!(records(&mut source("", JSON, &[], None, true).unwrap(), 5).is_empty());
    }

    #[test]
    fn a_file_without_one_object_per_line_gives_a_warning() {
        let mut pretty = source("{\n  \"a\": 1\n}\n", JSON, &[], None, false).unwrap();
        records(&mut pretty, 9);
        assert!(pretty.warning().unwrap().ends_with(" is not a JSON object, but each line becomes a record"));
    }
}
