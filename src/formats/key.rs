//! Record keys from columns: one as it is, several as a JSON array.
//!
//! Separate from the value formats: keys decide partitions and group records, so the same column value
//! must give the same bytes in every pipeline, whatever its values are encoded as.

use super::cells::{Cells, encode_rows, prepare, written_as};
use arrow_array::{Array, ArrayRef, BinaryArray};
use arrow_schema::DataType;

/// Whether columns of a type can be part of a key.
#[must_use]
pub fn keyable(data_type: &DataType) -> bool {
    written_as(data_type).is_some_and(|t| arrow_cast::can_cast_types(data_type, &t))
}

/// The key of each row. One column is its text, or its bytes as they are, null where it is null; several
/// are a JSON array, such as `["red",3]`. Columns must be [`keyable`], others count as null; so does a
/// value without a text (a time beyond the year 9999).
#[must_use]
pub fn keys(columns: &[ArrayRef]) -> BinaryArray {
    let rows = columns.first().map_or(0, |c| c.len());
    let arrays = prepare(columns);
    let cells: Vec<_> = arrays.iter().map(|a| Cells::new(a)).collect();
    if let [only] = &cells[..] {
        if *arrays[0].data_type() == DataType::Binary {
            return arrow_array::cast::AsArray::as_binary(&arrays[0]).clone();
        }
        return encode_rows(rows, rows * 8, |row, out| {
            if only.is_null(row) {
                return Err(super::fault::Fault::new("null"));
            }
            only.bare(row, out)
        })
        .values;
    }
    encode_rows(rows, rows * 8 * columns.len(), |row, out| {
        for (i, cells) in cells.iter().enumerate() {
            out.push(if i == 0 { b'[' } else { b',' });
            let start = out.len();
            if cells.json(row, out).is_err() {
                out.truncate(start);
                out.extend_from_slice(b"null");
            }
        }
        out.push(b']');
        Ok(())
    })
    .values
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{Float64Array, Int64Array, StringArray};
    use std::sync::Arc;

    #[test]
    fn one_column_is_its_text_and_several_are_a_json_array() {
        let kind: ArrayRef = Arc::new(StringArray::from(vec![Some("r\"d"), None]));
        let count: ArrayRef = Arc::new(Int64Array::from(vec![3, -4]));
        let share: ArrayRef = Arc::new(Float64Array::from(vec![5.0, f64::NAN]));
        let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&b"\xff"[..], b""]));
        let text = |a: BinaryArray| -> Vec<Option<Vec<u8>>> { a.iter().map(|v| v.map(<[u8]>::to_vec)).collect() };
        assert_eq!(text(keys(&[kind.clone()])), [Some(b"r\"d".to_vec()), None]);
        assert_eq!(text(keys(&[count.clone()])), [Some(b"3".to_vec()), Some(b"-4".to_vec())]);
        assert_eq!(text(keys(&[bytes])), [Some(b"\xff".to_vec()), Some(b"".to_vec())]);
        assert_eq!(
            text(keys(&[kind, count, share])),
            [Some(br#"["r\"d",3,5.0]"#.to_vec()), Some(b"[null,-4,null]".to_vec())]
        );
    }
}
