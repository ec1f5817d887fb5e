//! Columns into lines.
//!
//! Separate from reading. A value is quoted only where it would else be read as something different.

use crate::formats::cells::{Cells, check, encode_rows, prepare};
use crate::formats::{Encoded, Encoder, FormatError};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

/// Rows to lines, without a line break at the end.
#[derive(Debug)]
pub(in crate::formats) struct CsvEncoder {
    schema: SchemaRef,
    delimiter: u8,
    /// Bytes of a row in the last batch: how much room the next one is given.
    row_size: usize,
}

impl CsvEncoder {
    pub(in crate::formats) fn new(schema: &SchemaRef, delimiter: u8) -> Result<Self, FormatError> {
        check(schema, "csv")?;
        Ok(Self { schema: schema.clone(), delimiter, row_size: 16 })
    }
}

impl Encoder for CsvEncoder {
    fn encode(&mut self, columns: &RecordBatch) -> Encoded {
        let arrays = prepare(columns.columns());
        let cells: Vec<_> = arrays.iter().map(|a| Cells::new(a)).collect();
        let rows = columns.num_rows();
        let encoded = encode_rows(rows, (self.row_size + 8) * rows, |row, out| {
            for (i, cells) in cells.iter().enumerate() {
                if i > 0 {
                    out.push(self.delimiter);
                }
                let start = out.len();
                cells.bare(row, out).map_err(|fault| fault.in_field(self.schema.field(i).name()))?;
                quote(out, start, self.delimiter, cells.is_text(row));
            }
            Ok(())
        });
        self.row_size = encoded.values.value_data().len().div_ceil(rows.max(1));
        encoded
    }
}

/// Puts what stands from `start` into quotes where it needs them; `text` is an empty string, not a null.
fn quote(out: &mut Vec<u8>, start: usize, delimiter: u8, text: bool) {
    let value = &out[start..];
    let special = |b: &u8| *b == delimiter || matches!(b, b'"' | b'\n' | b'\r');
    if !(value.iter().any(special) || value.is_empty() && text) {
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
