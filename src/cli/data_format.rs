//! The names of data formats on the command line.
//!
//! A command accepts some of them ([`one_of`]) and maps them to a [`Format`].

use crate::formats::Format;
use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::path::Path;

/// A data format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DataFormat {
    /// Recognised value by value: JSON, else text, else bytes
    Auto,
    /// JSON
    Json,
    /// Separated values
    Csv,
    /// Text
    Text,
    /// Bytes, shown as base64
    Bytes,
}

/// The formats of a file of records.
pub(super) const FILE_FORMATS: [DataFormat; 2] = [DataFormat::Json, DataFormat::Csv];

/// Parses the name of one of `formats`; help and completions list the same names.
pub(super) fn one_of(formats: &[DataFormat]) -> impl TypedValueParser<Value = DataFormat> + use<> {
    let names: Vec<_> = formats.iter().filter_map(ValueEnum::to_possible_value).collect();
    PossibleValuesParser::new(names).try_map(|name| DataFormat::from_str(&name, false))
}

/// How a file of records is described on the command line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FileFormatOptions {
    /// `--format`
    pub(super) format: Option<DataFormat>,
    /// `--delimiter`
    pub(super) delimiter: Option<u8>,
    /// Whether `--columns` names columns, which only separated values need.
    pub(super) has_columns: bool,
}

impl FileFormatOptions {
    /// The format of a file: what the options say, else what its extension says, else JSON.
    pub(super) fn resolve(self, file: &Path) -> Format {
        let extension = file.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        let default_delimiter = if extension == "tsv" { b'\t' } else { b',' };
        let implied = self.delimiter.is_some() || self.has_columns || matches!(extension.as_str(), "csv" | "tsv");
        match self.format {
            Some(DataFormat::Csv) => {}
            Some(DataFormat::Text) => return Format::Text,
            Some(DataFormat::Bytes) => return Format::Bytes,
            Some(DataFormat::Json) => return Format::Json { strict: false },
            None | Some(DataFormat::Auto) if implied => {}
            None | Some(DataFormat::Auto) => return Format::Json { strict: false },
        }
        Format::csv(self.delimiter.unwrap_or(default_delimiter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_beat_the_extension() {
        let resolve = |file: &str, format, delimiter| {
            FileFormatOptions { format, delimiter, has_columns: false }.resolve(Path::new(file))
        };
        let json = Format::Json { strict: false };
        assert_eq!(resolve("a.CSV", None, None), Format::csv(b','));
        assert_eq!(resolve("a.tsv", None, None), Format::csv(b'\t'));
        assert_eq!(resolve("-", None, Some(b';')), Format::csv(b';'));
        assert_eq!(resolve("a.csv", Some(DataFormat::Json), None), json);
        assert_eq!(resolve("a.jsonl", None, None), json);
    }
}
