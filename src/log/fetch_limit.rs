//! How much one fetch returns.

use crate::record::Records;

/// The limits of one fetch.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimit {
    /// The maximum number of records.
    pub records: usize,
    /// A fetch ends with the record that reaches this many bytes, as [`Records::bytes`] counts them; it returns at
    /// least one record.
    pub bytes: usize,
}

impl FetchLimit {
    /// How many of the first records one fetch returns; at least one where there is one.
    pub(in crate::log) fn rows_of(self, records: &Records) -> usize {
        let most = records.len().min(self.records.max(1));
        let (mut least, mut rows) = (1.min(most), most);
        while least < rows {
            let middle = least + (rows - least) / 2;
            if records.bytes_of_first(middle) < self.bytes { least = middle + 1 } else { rows = middle }
        }
        rows
    }
}

impl Default for FetchLimit {
    fn default() -> Self {
        Self { records: 4096, bytes: 4 << 20 }
    }
}
