//! The format of one row of records, and how rows become one [`Fetched`].
//!
//! This is the hottest path of the embedded log: columns are stored as columns, so that reading copies
//! instead of parsing. No length that was read is trusted.
//!
//! A row is: version, flags, two zero bytes, number of records, checksum (of all that follows and of the
//! eight bytes before it); then the timestamps; then for keys, values and headers, where there are any: the
//! validity bitmap (where some are null), the end of each in the bytes, the bytes; then the offsets, where
//! compaction has left gaps. Numbers are little-endian.

use crate::record::{Fetched, Headers, Records, TopicPartition};
use arrow_array::{Array, BinaryArray};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use rapidhash::v3::rapidhash_v3;
use std::sync::Arc;

const VERSION: u8 = 1;
const HEADER_LEN: usize = 16;
const ONE_TIMESTAMP: u8 = 1;
const ALL_KEYS: u8 = 2;
const SOME_KEYS: u8 = 4;
const ALL_VALUES: u8 = 8;
const SOME_VALUES: u8 = 16;
const HEADERS: u8 = 32;
const EXPLICIT_OFFSETS: u8 = 64;

/// Records of one row at most.
pub(super) const MAX_ROW_RECORDS: usize = 4096;
/// A row takes no further record once it has this size.
pub(super) const TARGET_ROW_BYTES: usize = 1 << 20;
/// Key, value and headers of one record at most: the keys, and the values, of one batch must fit 31 bits.
pub(super) const MAX_RECORD_BYTES: usize = 256 << 20;

/// Encodes records `from..from + count` into `out`, with their offsets where they are not consecutive.
pub(super) fn encode(records: &Records, offsets: Option<&[i64]>, from: usize, count: usize, out: &mut Vec<u8>) {
    out.clear();
    out.resize(HEADER_LEN, 0);
    let times = &records.timestamps[from..from + count];
    let mut flags = 0;
    if times.windows(2).all(|w| w[0] == w[1]) {
        flags |= ONE_TIMESTAMP;
        out.extend_from_slice(&times[0].to_le_bytes());
    } else {
        out.extend(times.iter().flat_map(|t| t.to_le_bytes()));
    }
    flags |= encode_column(&records.keys.slice(from, count), ALL_KEYS, SOME_KEYS, out);
    flags |= encode_column(&records.values.slice(from, count), ALL_VALUES, SOME_VALUES, out);
    if let Some(headers) = &records.headers {
        let rows = headers.encoded().slice(from, count);
        if rows.null_count() < count {
            flags |= HEADERS;
            encode_bitmap(&rows, out);
            encode_bytes(&rows, out);
        }
    }
    if let Some(offsets) = offsets {
        flags |= EXPLICIT_OFFSETS;
        out.extend(offsets.iter().flat_map(|o| o.to_le_bytes()));
    }
    let count = u32::try_from(count).expect("rows hold a few thousand records");
    out[0] = VERSION;
    out[1] = flags;
    out[4..8].copy_from_slice(&count.to_le_bytes());
    let sum = checksum(out).to_le_bytes();
    out[8..16].copy_from_slice(&sum);
}

fn encode_column(rows: &BinaryArray, all_flag: u8, some_flag: u8, out: &mut Vec<u8>) -> u8 {
    match rows.null_count() {
        0 => {
            encode_bytes(rows, out);
            all_flag
        }
        n if n == rows.len() => 0,
        _ => {
            encode_bitmap(rows, out);
            encode_bytes(rows, out);
            some_flag
        }
    }
}

fn encode_bitmap(rows: &BinaryArray, out: &mut Vec<u8>) {
    let len = rows.len().div_ceil(8);
    match rows.nulls() {
        Some(nulls) => out.extend_from_slice(&nulls.inner().sliced()[..len]),
        None => out.extend(std::iter::repeat_n(0xff, len)),
    }
}

fn encode_bytes(rows: &BinaryArray, out: &mut Vec<u8>) {
    let offsets = rows.value_offsets();
    let first = offsets[0];
    out.reserve(offsets.len() * 4);
    out.extend(offsets[1..].iter().flat_map(|o| (o - first).to_le_bytes()));
    let at = |o: i32| usize::try_from(o).expect("Arrow offsets are not negative");
    out.extend_from_slice(&rows.value_data()[at(first)..at(offsets[rows.len()])]);
}

fn checksum(row: &[u8]) -> u64 {
    let head = u64::from_le_bytes([row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7]]);
    rapidhash_v3(&row[HEADER_LEN..]) ^ head
}

/// Decodes rows into one batch.
#[derive(Debug, Default)]
pub(super) struct FetchedBuilder {
    offsets: Vec<i64>,
    times: Vec<i64>,
    keys: BytesColumnBuilder,
    values: BytesColumnBuilder,
    headers: BytesColumnBuilder,
}

impl FetchedBuilder {
    /// Number of records so far.
    pub(super) fn len(&self) -> usize {
        self.offsets.len()
    }

    /// The last offset so far.
    pub(super) fn last_offset(&self) -> Option<i64> {
        self.offsets.last().copied()
    }

    /// Number of records before an offset.
    pub(super) fn count_before(&self, offset: i64) -> usize {
        self.offsets.partition_point(|o| *o < offset)
    }

    /// Bytes of keys, values and headers so far.
    pub(super) fn bytes(&self) -> usize {
        self.keys.bytes.len() + self.values.bytes.len() + self.headers.bytes.len()
    }

    /// Makes room for records like those so far, up to `records` of them.
    pub(super) fn reserve_like(&mut self, records: usize) {
        let more = records.saturating_sub(self.len());
        self.offsets.reserve(more);
        self.times.reserve(more);
        let of = self.len().max(1);
        [&mut self.keys, &mut self.values].into_iter().for_each(|column| column.reserve_like(more, of));
    }

    /// Adds the records of a row whose first offset is `base`; fails with what is wrong with the row.
    pub(super) fn add(&mut self, base: i64, row: &[u8]) -> Result<(), &'static str> {
        if row.len() < HEADER_LEN || row[0] != VERSION {
            return Err("the row does not begin as one");
        }
        let stored = u64::from_le_bytes([row[8], row[9], row[10], row[11], row[12], row[13], row[14], row[15]]);
        if checksum(row) != stored {
            return Err("the checksum does not fit");
        }
        let flags = row[1];
        let count = to_usize(u32::from_le_bytes([row[4], row[5], row[6], row[7]]));
        let mut rest = &row[HEADER_LEN..];
        if flags & ONE_TIMESTAMP != 0 {
            let time = read_i64s(take_bytes(&mut rest, 8)?).next().unwrap_or(0);
            self.times.extend(std::iter::repeat_n(time, count));
        } else {
            self.times.extend(read_i64s(take_bytes(&mut rest, count * 8)?));
        }
        self.keys.decode(&mut rest, count, flags & (ALL_KEYS | SOME_KEYS) != 0, flags & SOME_KEYS != 0)?;
        self.values.decode(&mut rest, count, flags & (ALL_VALUES | SOME_VALUES) != 0, flags & SOME_VALUES != 0)?;
        self.headers.decode(&mut rest, count, flags & HEADERS != 0, flags & HEADERS != 0)?;
        let start = self.offsets.len();
        if flags & EXPLICIT_OFFSETS != 0 {
            self.offsets.extend(read_i64s(take_bytes(&mut rest, count * 8)?));
        } else {
            self.offsets.extend(base..base + i64::try_from(count).map_err(|_| "too many records")?);
        }
        let new = &self.offsets[start..];
        if !rest.is_empty() || new.first() != Some(&base) || !new.is_sorted_by(|a, b| a < b) {
            return Err("the records do not belong here");
        }
        Ok(())
    }

    /// Returns all records as one batch.
    pub(super) fn finish(self, origin: Arc<TopicPartition>) -> Fetched {
        let headers = self.headers.has_values.then(|| Headers::from_encoded(self.headers.finish()));
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

#[derive(Debug)]
struct BytesColumnBuilder {
    ends: Vec<i32>,
    bytes: Vec<u8>,
    nulls: NullBufferBuilder,
    /// Whether any row had this column.
    has_values: bool,
}

impl Default for BytesColumnBuilder {
    fn default() -> Self {
        Self { ends: vec![0], bytes: Vec::new(), nulls: NullBufferBuilder::new(0), has_values: false }
    }
}

impl BytesColumnBuilder {
    /// Makes room for `more` records, where those so far are `of`.
    fn reserve_like(&mut self, more: usize, of: usize) {
        self.ends.reserve(more);
        self.bytes.reserve((self.bytes.len() / of).saturating_mul(more));
    }

    fn last_end(&self) -> i32 {
        self.ends.last().copied().unwrap_or(0)
    }

    fn decode(&mut self, rest: &mut &[u8], count: usize, present: bool, has_bitmap: bool) -> Result<(), &'static str> {
        let base = self.last_end();
        if !present {
            self.nulls.append_n_nulls(count);
            self.ends.extend(std::iter::repeat_n(base, count));
            return Ok(());
        }
        self.has_values = true;
        if has_bitmap {
            let bits = Buffer::from(take_bytes(rest, count.div_ceil(8))?);
            self.nulls.append_buffer(&NullBuffer::new(BooleanBuffer::new(bits, 0, count)));
        } else {
            self.nulls.append_n_non_nulls(count);
        }
        let ends = take_bytes(rest, count * 4)?;
        let start = self.ends.len();
        self.ends.extend(ends.chunks_exact(4).map(|c| i32::from_le_bytes([c[0], c[1], c[2], c[3]])));
        let new = &mut self.ends[start..];
        let (mut previous, mut sorted) = (0, true);
        for end in &mut *new {
            sorted &= *end >= previous;
            previous = *end;
            *end = end.wrapping_add(base);
        }
        if !sorted || base.checked_add(previous).is_none() {
            return Err("the lengths do not add up");
        }
        let len = usize::try_from(previous).map_err(|_| "a length is negative")?;
        self.bytes.extend_from_slice(take_bytes(rest, len)?);
        Ok(())
    }

    fn finish(mut self) -> BinaryArray {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(self.ends));
        BinaryArray::try_new(offsets, Buffer::from_vec(self.bytes), self.nulls.finish())
            .expect("`decode` checks that ends are sorted and that the last one is the number of bytes")
    }
}

fn take_bytes<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], &'static str> {
    let (head, tail) = rest.split_at_checked(len).ok_or("the row is cut off")?;
    *rest = tail;
    Ok(head)
}

fn read_i64s(bytes: &[u8]) -> impl Iterator<Item = i64> {
    bytes.chunks_exact(8).map(|c| i64::from_le_bytes([c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]]))
}

fn to_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX >> 8)
}
