//! Changes to the rows of records, from which mistakes are made.

use crate::record::{Fetched, Records};
use arrow_array::{Array, BinaryArray, UInt32Array};

fn row_number(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}

/// The indexes of all rows.
pub(super) fn all(records: &Records) -> Vec<u32> {
    (0..row_number(records.len())).collect()
}

/// The indexes of the rows for which a predicate holds.
pub(super) fn matching(records: &Records, predicate: impl Fn(usize) -> bool) -> Vec<u32> {
    (0..records.len()).filter(|row| predicate(*row)).map(row_number).collect()
}

/// The rows with these indexes.
pub(super) fn take(records: &Records, rows: Vec<u32>) -> Records {
    records.take(&UInt32Array::from(rows))
}

/// The fetched rows with these indexes, each with its offset.
pub(super) fn take_fetched(fetched: &Fetched, rows: Vec<u32>) -> Fetched {
    Fetched {
        origin: fetched.origin.clone(),
        offsets: rows.iter().map(|row| fetched.offsets[*row as usize]).collect(),
        records: take(&fetched.records, rows),
    }
}

/// The rows in reverse order; offsets stay where they are.
pub(super) fn reverse(fetched: &mut Fetched) {
    let rows: Vec<u32> = all(&fetched.records).into_iter().rev().collect();
    fetched.records = take(&fetched.records, rows);
}

/// Each row with the key of the next one.
pub(super) fn exchange_keys(records: &mut Records) {
    let rows = records.len();
    let next = |row: usize| {
        let next = (row + 1) % rows;
        records.keys.is_valid(next).then(|| records.keys.value(next))
    };
    let keys: BinaryArray = (0..rows).map(next).collect();
    records.keys = keys;
}
