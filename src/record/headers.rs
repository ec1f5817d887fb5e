//! Record headers of a batch: pairs of a name and a value, in order, repeats allowed, as Kafka has them. Both are bytes:
//! a name need not be UTF-8, and is lossily decoded only where it is shown.
//!
//! Most batches have none and pay nothing for them. One row is one byte string: for each header the
//! length of the name, the name, the length of the value plus one (0 for null), the value. Lengths are
//! little-endian u32. The embedded log stores rows in this form.

use arrow_array::builder::BinaryBuilder;
use arrow_array::{Array, BinaryArray, UInt32Array};

/// The headers of each record of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Headers(BinaryArray);

impl Headers {
    /// The same header on each of `rows` records.
    #[must_use]
    pub fn repeat(header: (&[u8], Option<&[u8]>), rows: usize) -> Self {
        let one = encode([header]);
        Self(BinaryArray::from_iter_values(std::iter::repeat_n(&one, rows)))
    }

    /// From encoded rows, as storage returns them.
    #[must_use]
    pub fn from_encoded(rows: BinaryArray) -> Self {
        Self(rows)
    }

    /// The encoded rows.
    #[must_use]
    pub fn encoded(&self) -> &BinaryArray {
        &self.0
    }

    /// The headers of one record; a row that is cut off ends early.
    pub fn row(&self, row: usize) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let mut rest = if self.0.is_valid(row) { self.0.value(row) } else { &[] };
        std::iter::from_fn(move || {
            let name = bytes(&mut rest)?;
            let len = length(&mut rest)?;
            let value = if len == 0 { None } else { Some(split(&mut rest, len - 1)?) };
            Some((name, value))
        })
    }

    /// The headers without those of a name; `None` where none is left.
    #[must_use]
    pub fn without(&self, name: &str) -> Option<Self> {
        let mut kept = HeadersBuilder::default();
        for row in 0..self.0.len() {
            kept.push(self.row(row).filter(|(of, _)| *of != name.as_bytes()));
        }
        kept.finish()
    }

    pub(super) fn slice(&self, start: usize, len: usize) -> Self {
        Self(self.0.slice(start, len))
    }

    pub(super) fn take(&self, rows: &UInt32Array) -> Self {
        Self(
            rows.values()
                .iter()
                .map(|i| {
                    let i = *i as usize;
                    self.0.is_valid(i).then(|| self.0.value(i))
                })
                .collect(),
        )
    }
}

fn split<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(head)
}

fn length(rest: &mut &[u8]) -> Option<usize> {
    let bytes = split(rest, 4)?;
    usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
}

fn bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = length(rest)?;
    split(rest, len)
}

/// Builds [`Headers`] row by row; allocates nothing until the first header.
#[derive(Debug, Default)]
pub struct HeadersBuilder {
    rows: usize,
    built: Option<BinaryBuilder>,
}

impl HeadersBuilder {
    /// Adds the headers of one record.
    pub fn push<'a, N: AsRef<[u8]>>(&mut self, headers: impl IntoIterator<Item = (N, Option<&'a [u8]>)>) {
        let row = encode(headers);
        if !row.is_empty() && self.built.is_none() {
            let mut built = BinaryBuilder::new();
            (0..self.rows).for_each(|_| built.append_null());
            self.built = Some(built);
        }
        if let Some(built) = &mut self.built {
            built.append_option((!row.is_empty()).then_some(&row));
        }
        self.rows += 1;
    }

    /// Returns the headers so far, `None` where no record has one, and empties the builder.
    #[must_use]
    pub fn finish(&mut self) -> Option<Headers> {
        self.rows = 0;
        self.built.take().map(|mut b| Headers(b.finish()))
    }
}

/// Bytes of the headers of one record in encoded form.
#[must_use]
pub fn encoded_len<'a>(headers: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>) -> usize {
    headers.into_iter().map(|(name, value)| 8 + name.len() + value.map_or(0, <[u8]>::len)).sum()
}

fn encode<'a, N: AsRef<[u8]>>(headers: impl IntoIterator<Item = (N, Option<&'a [u8]>)>) -> Vec<u8> {
    let mut row = Vec::new();
    for (name, value) in headers {
        let name = name.as_ref();
        put(&mut row, name.len());
        row.extend_from_slice(name);
        put(&mut row, value.map_or(0, |v| v.len() + 1));
        row.extend_from_slice(value.unwrap_or_default());
    }
    row
}

fn put(row: &mut Vec<u8>, len: usize) {
    let len = u32::try_from(len).expect("a header is far below 4 GiB: logs refuse larger records");
    row.extend_from_slice(&len.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_in_order_with_nulls_and_repeats() {
        let mut b = HeadersBuilder::default();
        let of: [(&[u8], Option<&[u8]>); 3] = [(b"a", Some(b"1")), (b"a", None), (b"\xff", Some(b""))];
        b.push::<&str>([]);
        b.push(of);
        let h = b.finish().expect("one row has headers");
        assert_eq!(h.row(0).count(), 0);
        assert_eq!(h.row(1).collect::<Vec<_>>(), of);
        assert_eq!(h.encoded().value(1).len(), encoded_len(of));
        assert!(b.finish().is_none());
        assert_eq!(h.without("a").map(|h| [h.row(0).count(), h.row(1).count()]), Some([0, 1]));
        assert_eq!(Headers::repeat((b"a", None), 2).without("a"), None);
    }
}
