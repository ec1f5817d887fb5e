//! Columns into JSON objects.
//!
//! Separate from reading: the only thing they share is the grammar. Fields stand in the order of the
//! schema, null ones too, so that the same columns always give the same bytes.

use crate::formats::cells::{Cells, check, encode_rows, names, prepare};
use crate::formats::{Encoded, Encoder, FormatError};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

/// Rows to objects.
#[derive(Debug)]
pub(in crate::formats) struct JsonEncoder {
    schema: SchemaRef,
    names: Vec<Vec<u8>>,
    /// Bytes of a row in the last batch: how much room the next one is given.
    row_size: usize,
}

impl JsonEncoder {
    pub(in crate::formats) fn new(schema: &SchemaRef) -> Result<Self, FormatError> {
        check(schema, "json")?;
        Ok(Self { schema: schema.clone(), names: names(schema.fields().iter()), row_size: 16 })
    }
}

impl Encoder for JsonEncoder {
    fn encode(&mut self, columns: &RecordBatch) -> Encoded {
        let arrays = prepare(columns.columns());
        let cells: Vec<_> = arrays.iter().map(|a| Cells::new(a)).collect();
        let rows = columns.num_rows();
        let encoded = encode_rows(rows, (self.row_size + 8) * rows, |row, out| {
            if cells.is_empty() {
                out.push(b'{');
            }
            for (i, (name, cells)) in self.names.iter().zip(&cells).enumerate() {
                out.extend_from_slice(name);
                cells.json(row, out).map_err(|fault| fault.in_field(self.schema.field(i).name()))?;
            }
            out.push(b'}');
            Ok(())
        });
        self.row_size = encoded.values.value_data().len().div_ceil(rows.max(1));
        encoded
    }
}
