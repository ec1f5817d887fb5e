//! Record keys from columns: the text of one column, or a JSON array of several.
//!
//! Keys decide partitions and group records. So the same column values give the same bytes in every
//! pipeline, independently of the format of its values.

use super::cells::{Cells, cast_for_text, encode_rows};
use super::error::RecordError;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray};
use arrow_schema::DataType;

/// The key of each row. The key of one column is its text, or its unchanged bytes, or null. The key of several
/// columns is a JSON array such as `["red",3]`, in which a value without text (a time beyond the year 9999) is
/// null.
#[must_use]
pub fn keys(columns: &[ArrayRef]) -> BinaryArray {
    let rows = columns.first().map_or(0, |c| c.len());
    let arrays = cast_for_text(columns);
    let cells: Vec<_> = arrays.iter().map(|a| Cells::new(a)).collect();
    if let [only] = &cells[..] {
        if *arrays[0].data_type() == DataType::Binary {
            return arrays[0].as_binary().clone();
        }
        return encode_rows(rows, rows * 8, |row, out| {
            if only.is_null(row) {
                return Err(RecordError::new("null"));
            }
            only.write_text(row, out)
        })
        .values;
    }
    encode_rows(rows, rows * 8 * columns.len(), |row, out| {
        for (i, cells) in cells.iter().enumerate() {
            out.push(if i == 0 { b'[' } else { b',' });
            let start = out.len();
            if cells.write_json(row, out).is_err() {
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
        assert_eq!(text(keys(std::slice::from_ref(&kind))), [Some(b"r\"d".to_vec()), None]);
        assert_eq!(text(keys(std::slice::from_ref(&count))), [Some(b"3".to_vec()), Some(b"-4".to_vec())]);
        assert_eq!(text(keys(&[bytes])), [Some(b"\xff".to_vec()), Some(b"".to_vec())]);
        assert_eq!(
            text(keys(&[kind, count, share])),
            [Some(br#"["r\"d",3,5.0]"#.to_vec()), Some(b"[null,-4,null]".to_vec())]
        );
    }
}
