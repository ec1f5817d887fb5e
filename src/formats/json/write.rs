//! Columns into JSON objects.
//!
//! Fields are written in schema order, null ones too, so that the same columns always give the same bytes.

use crate::formats::cells::{Cells, cast_for_text, check_encodable, encode_rows, field_prefixes};
use crate::formats::{Encoded, Encoder, FormatError};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

/// Rows to objects.
#[derive(Debug)]
pub(in crate::formats) struct JsonEncoder {
    schema: SchemaRef,
    /// What precedes the value of each field: brace or comma, name, colon.
    field_prefixes: Vec<Vec<u8>>,
    /// Mean bytes of a row in the last batch; sizes the buffer of the next batch.
    row_size: usize,
}

impl JsonEncoder {
    pub(in crate::formats) fn new(schema: &SchemaRef) -> Result<Self, FormatError> {
        check_encodable(schema, "json")?;
        Ok(Self { schema: schema.clone(), field_prefixes: field_prefixes(schema.fields().iter()), row_size: 16 })
    }
}

impl Encoder for JsonEncoder {
    fn encode(&mut self, columns: &RecordBatch) -> Encoded {
        let arrays = cast_for_text(columns.columns());
        let cells: Vec<_> = arrays.iter().map(|a| Cells::new(a)).collect();
        let rows = columns.num_rows();
        let encoded = encode_rows(rows, (self.row_size + 8) * rows, |row, out| {
            if cells.is_empty() {
                out.push(b'{');
            }
            for (i, (prefix, cells)) in self.field_prefixes.iter().zip(&cells).enumerate() {
                out.extend_from_slice(prefix);
                cells.write_json(row, out).map_err(|e| e.in_field(self.schema.field(i).name()))?;
            }
            out.push(b'}');
            Ok(())
        });
        self.row_size = encoded.values.value_data().len().div_ceil(rows.max(1));
        encoded
    }
}
