//! Columns into CSV lines.
//!
//! A value is quoted only where it would be read as something different without quotes.

use crate::formats::cells::{Cells, cast_for_text, check_encodable, encode_rows};
use crate::formats::{Encoded, Encoder, FormatError};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

/// Rows to lines, without a line break at the end.
#[derive(Debug)]
pub(in crate::formats) struct CsvEncoder {
    schema: SchemaRef,
    delimiter: u8,
    /// Mean bytes of a row in the last batch; sizes the buffer of the next batch.
    row_size: usize,
}

impl CsvEncoder {
    pub(in crate::formats) fn new(schema: &SchemaRef, delimiter: u8) -> Result<Self, FormatError> {
        check_encodable(schema, "csv")?;
        Ok(Self { schema: schema.clone(), delimiter, row_size: 16 })
    }
}

impl Encoder for CsvEncoder {
    fn encode(&mut self, columns: &RecordBatch) -> Encoded {
        let arrays = cast_for_text(columns.columns());
        let cells: Vec<_> = arrays.iter().map(|a| Cells::new(a)).collect();
        let rows = columns.num_rows();
        let encoded = encode_rows(rows, (self.row_size + 8) * rows, |row, out| {
            for (i, cells) in cells.iter().enumerate() {
                if i > 0 {
                    out.push(self.delimiter);
                }
                let start = out.len();
                cells.write_text(row, out).map_err(|e| e.in_field(self.schema.field(i).name()))?;
                quote_if_needed(out, start, self.delimiter, cells.is_text(row));
            }
            Ok(())
        });
        self.row_size = encoded.values.value_data().len().div_ceil(rows.max(1));
        encoded
    }
}

/// Quotes the value from `start` if necessary. An empty value is quoted if it `is_text`, because it is not null.
fn quote_if_needed(out: &mut Vec<u8>, start: usize, delimiter: u8, is_text: bool) {
    let value = &out[start..];
    let special = |b: &u8| *b == delimiter || matches!(b, b'"' | b'\n' | b'\r');
    if !(value.iter().any(special) || value.is_empty() && is_text) {
        return;
    }
    let value = value.to_vec();
    out.truncate(start);
    out.push(b'"');
    for byte in value {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}
