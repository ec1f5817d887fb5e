//! One row of records as bytes, and many rows gathered into one [`Fetched`].
//!
//! Separate because this is the format on disk and the hottest path of the embedded log: columns are
//! stored as columns, so that reading is copying, not parsing. It never trusts a length it read.
//!
//! A row is: version, flags, two zero bytes, the number of records, the checksum of all that follows
//! and of the number; then the times, and for keys, values and headers where there are any: the bitmap
//! of what is there (where something is not), the end of each in the bytes, the bytes; then the offsets
//! where compaction left gaps. Numbers are little-endian.

use crate::record::{Fetched, Headers, Records, TopicPartition};
use arrow_array::{Array, BinaryArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use rapidhash::v3::rapidhash_v3;
use std::sync::Arc;

const VERSION: u8 = 1;
const HEAD: usize = 16;
const SAME_TIME: u8 = 1;
const KEYS: u8 = 2;
const SOME_KEYS: u8 = 4;
const VALUES: u8 = 8;
const SOME_VALUES: u8 = 16;
const HEADERS: u8 = 32;
const GAPS: u8 = 64;

/// A row takes at most so many records ...
pub(super) const ROW_RECORDS: usize = 4096;
/// ... and no more once it has so many bytes.
pub(super) const ROW_BYTES: usize = 1 << 20;
/// Largest record: keys and values of one batch must fit 31 bits together with many others.
pub(super) const MAX_RECORD: usize = 256 << 20;

/// Writes records `from..from + count` over `out`, with their offsets unless they follow one another.
pub(super) fn encode(records: &Records, offsets: Option<&[i64]>, from: usize, count: usize, out: &mut Vec<u8>) {
    out.clear();
    out.resize(HEAD, 0);
    let times = &records.timestamps[from..from + count];
    let mut flags = 0;
    if times.windows(2).all(|w| w[0] == w[1]) {
        flags |= SAME_TIME;
        out.extend_from_slice(&times[0].to_le_bytes());
    } else {
        out.extend(times.iter().flat_map(|t| t.to_le_bytes()));
    }
    flags |= column(&records.keys.slice(from, count), KEYS, SOME_KEYS, out);
    flags |= column(&records.values.slice(from, count), VALUES, SOME_VALUES, out);
    if let Some(headers) = &records.headers {
        let rows = headers.encoded().slice(from, count);
        if rows.null_count() < count {
            flags |= HEADERS;
            bitmap(&rows, out);
            bytes(&rows, out);
        }
    }
    if let Some(offsets) = offsets {
        flags |= GAPS;
        out.extend(offsets.iter().flat_map(|o| o.to_le_bytes()));
    }
    let count = u32::try_from(count).expect("rows hold a few thousand records");
    out[0] = VERSION;
    out[1] = flags;
    out[4..8].copy_from_slice(&count.to_le_bytes());
    let sum = checksum(out).to_le_bytes();
    out[8..16].copy_from_slice(&sum);
}

fn column(rows: &BinaryArray, all: u8, some: u8, out: &mut Vec<u8>) -> u8 {
    match rows.null_count() {
        0 => {
            bytes(rows, out);
            all
        }
        n if n == rows.len() => 0,
        _ => {
            bitmap(rows, out);
            bytes(rows, out);
            some
        }
    }
}

fn bitmap(rows: &BinaryArray, out: &mut Vec<u8>) {
    let len = rows.len().div_ceil(8);
    match rows.nulls() {
        Some(nulls) => out.extend_from_slice(&nulls.inner().sliced()[..len]),
        None => out.extend(std::iter::repeat_n(0xff, len)),
    }
}

fn bytes(rows: &BinaryArray, out: &mut Vec<u8>) {
    let offsets = rows.value_offsets();
    let first = offsets[0];
    out.reserve(offsets.len() * 4);
    out.extend(offsets[1..].iter().flat_map(|o| (o - first).to_le_bytes()));
    let at = |o: i32| usize::try_from(o).expect("Arrow offsets are not negative");
    out.extend_from_slice(&rows.value_data()[at(first)..at(offsets[rows.len()])]);
}

fn checksum(row: &[u8]) -> u64 {
    let head = u64::from_le_bytes([row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7]]);
    rapidhash_v3(&row[HEAD..]) ^ head
}

/// Rows become one batch here.
#[derive(Debug, Default)]
pub(super) struct Gather {
    offsets: Vec<i64>,
    times: Vec<i64>,
    keys: Column,
    values: Column,
    headers: Column,
}

impl Gather {
    /// Records so far.
    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    /// The last offset so far.
    pub(super) fn last(&self) -> Option<i64> {
        self.offsets.last().copied()
    }

    /// How many records stand before an offset.
    pub(super) fn before(&self, offset: i64) -> usize {
        self.offsets.partition_point(|o| *o < offset)
    }

    /// Bytes so far.
    pub(super) fn bytes(&self) -> usize {
        self.keys.bytes.len() + self.values.bytes.len() + self.headers.bytes.len()
    }

    /// Adds the records of a row whose first offset is `base`; what is wrong with it otherwise.
    pub(super) fn add(&mut self, base: i64, row: &[u8]) -> Result<(), &'static str> {
        if row.len() < HEAD || row[0] != VERSION {
            return Err("the row does not begin as one");
        }
        let stored = u64::from_le_bytes([row[8], row[9], row[10], row[11], row[12], row[13], row[14], row[15]]);
        if checksum(row) != stored {
            return Err("the checksum does not fit");
        }
        let flags = row[1];
        let count = size(u32::from_le_bytes([row[4], row[5], row[6], row[7]]));
        let mut rest = &row[HEAD..];
        if flags & SAME_TIME != 0 {
            let time = i64s(cut(&mut rest, 8)?).next().unwrap_or(0);
            self.times.extend(std::iter::repeat_n(time, count));
        } else {
            self.times.extend(i64s(cut(&mut rest, count * 8)?));
        }
        self.keys.read(&mut rest, count, flags & (KEYS | SOME_KEYS) != 0, flags & SOME_KEYS != 0)?;
        self.values.read(&mut rest, count, flags & (VALUES | SOME_VALUES) != 0, flags & SOME_VALUES != 0)?;
        self.headers.read(&mut rest, count, flags & HEADERS != 0, flags & HEADERS != 0)?;
        let start = self.offsets.len();
        if flags & GAPS != 0 {
            self.offsets.extend(i64s(cut(&mut rest, count * 8)?));
        } else {
            self.offsets.extend(base..base + i64::try_from(count).map_err(|_| "too many records")?);
        }
        let new = &self.offsets[start..];
        if !rest.is_empty() || new.first() != Some(&base) || !new.is_sorted_by(|a, b| a < b) {
            return Err("the records do not belong here");
        }
        Ok(())
    }

    /// All of them as one batch.
    pub(super) fn finish(self, origin: Arc<TopicPartition>) -> Fetched {
        let headers = self.headers.any.then(|| Headers::from_encoded(self.headers.finish()));
        Fetched {
            origin,
            offsets: self.offsets.into(),
            records: Records {
                keys: self.keys.finish(),
                values: self.values.finish(),
                timestamps: self.times.into(),
                headers,
            },
        }
    }
}

/// A column of byte strings as it grows.
#[derive(Debug)]
struct Column {
    ends: Vec<i32>,
    bytes: Vec<u8>,
    nulls: NullBufferBuilder,
    any: bool,
}

impl Default for Column {
    fn default() -> Self {
        Self { ends: vec![0], bytes: Vec::new(), nulls: NullBufferBuilder::new(0), any: false }
    }
}

impl Column {
    fn last(&self) -> i32 {
        self.ends.last().copied().unwrap_or(0)
    }

    fn read(&mut self, rest: &mut &[u8], count: usize, any: bool, bitmap: bool) -> Result<(), &'static str> {
        let last = self.last();
        if !any {
            self.nulls.append_n_nulls(count);
            self.ends.extend(std::iter::repeat_n(last, count));
            return Ok(());
        }
        self.any = true;
        if bitmap {
            let bits = Buffer::from(cut(rest, count.div_ceil(8))?);
            self.nulls.append_buffer(&NullBuffer::new(BooleanBuffer::new(bits, 0, count)));
        } else {
            self.nulls.append_n_non_nulls(count);
        }
        let ends = cut(rest, count * 4)?;
        let start = self.ends.len();
        self.ends.extend(ends.chunks_exact(4).map(|c| i32::from_le_bytes([c[0], c[1], c[2], c[3]])));
        let new = &mut self.ends[start..];
        let (mut before, mut rising) = (0, true);
        for end in &mut *new {
            rising &= *end >= before;
            before = *end;
            *end = end.wrapping_add(last);
        }
        if !rising || last.checked_add(before).is_none() {
            return Err("the lengths do not add up");
        }
        let len = usize::try_from(before).map_err(|_| "a length is negative")?;
        self.bytes.extend_from_slice(cut(rest, len)?);
        Ok(())
    }

    fn finish(mut self) -> BinaryArray {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.ends));
        BinaryArray::try_new(offsets, Buffer::from_vec(self.bytes), self.nulls.finish())
            .expect("ends rise and the last one is the number of bytes: `read` sees to it")
    }
}

fn cut<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], &'static str> {
    let (head, tail) = rest.split_at_checked(len).ok_or("the row is cut off")?;
    *rest = tail;
    Ok(head)
}

fn i64s(bytes: &[u8]) -> impl Iterator<Item = i64> {
    bytes.chunks_exact(8).map(|c| i64::from_le_bytes([c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]]))
}

fn size(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX >> 8)
}
