//! Decodes the log files of a broker, and finds transactions that Kafka itself has torn.
//!
//! It uses no client: the files show what a broker has done.
//!
//! A single broker that shuts down, or stalls until it is fenced, gives up the leadership of its partitions while it
//! still accepts commits. Its coordinator then finds no leader for the markers of a transaction, takes the partitions
//! for deleted, and calls the transaction complete. Its records never get a marker, and readers of committed records
//! never pass them. No client can repair that, so a test that meets it proves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A batch of records in a log file.
pub struct Batch {
    /// The first offset.
    pub first: u64,
    /// The position in the file where the batch ends.
    pub end: usize,
    attributes: u16,
    producer: i64,
    count: usize,
    records: Vec<u8>,
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// The batches of one file.
pub fn batches(file: &Path) -> Vec<Batch> {
    let bytes = fs::read(file).unwrap();
    let (mut found, mut at) = (Vec::new(), 0);
    while let (Some(first), Some(length)) = (bytes_at(&bytes, at), bytes_at(&bytes, at + 8)) {
        let end = at + 12 + u32::from_be_bytes(length) as usize;
        let (Some(attributes), Some(producer), Some(count)) =
            (bytes_at(&bytes, at + 21), bytes_at(&bytes, at + 43), bytes_at(&bytes, at + 57))
        else {
            break;
        };
        let Some(records) = bytes.get(at + 61..end) else { break };
        found.push(Batch {
            first: u64::from_be_bytes(first),
            end,
            attributes: u16::from_be_bytes(attributes),
            producer: i64::from_be_bytes(producer),
            count: u32::from_be_bytes(count) as usize,
            records: records.to_vec(),
        });
        at = end;
    }
    found
}

/// The log files of a partition, in the order of their offsets.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|f| f.unwrap().path());
    let mut logs: Vec<PathBuf> = all.filter(|f| f.extension().is_some_and(|e| e == "log")).collect();
    logs.sort();
    logs
}

/// An unsigned varint, and the bytes after it.
fn unsigned_varint(bytes: &[u8]) -> (u64, &[u8]) {
    let length = bytes.iter().position(|b| b & 0x80 == 0).unwrap() + 1;
    let number = bytes[..length].iter().rev().fold(0, |n, b| n << 7 | u64::from(b & 0x7f));
    (number, &bytes[length..])
}

/// A zigzag varint, and the bytes after it.
fn varint(bytes: &[u8]) -> (i64, &[u8]) {
    let (raw, rest) = unsigned_varint(bytes);
    ((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed(), rest)
}

/// A field after its length, and the bytes after it; `None` for a null.
fn field(bytes: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let (length, rest) = varint(bytes);
    match usize::try_from(length) {
        Ok(length) => (Some(&rest[..length]), &rest[length..]),
        Err(_) => (None, rest),
    }
}

impl Batch {
    /// Keys and values of an uncompressed batch.
    fn records(&self) -> Vec<(&[u8], Option<&[u8]>)> {
        let (mut found, mut rest) = (Vec::new(), &self.records[..]);
        for _ in 0..self.count {
            let (record, after) = field(rest);
            // After a byte of attributes come the deltas of timestamp and offset.
            let (_, inner) = varint(&record.unwrap()[1..]);
            let (_, inner) = varint(inner);
            let (key, inner) = field(inner);
            found.push((key.unwrap_or_default(), field(inner).0));
            rest = after;
        }
        found
    }
}

/// The number of records of each committed transaction in a partition, in their order.
pub fn commits(folder: &Path) -> Vec<usize> {
    let (mut commits, mut open) = (Vec::new(), BTreeMap::<i64, usize>::new());
    for batch in files(folder).iter().flat_map(|f| batches(f)) {
        if batch.attributes & 0x20 == 0 {
            *open.entry(batch.producer).or_default() += batch.count;
            continue;
        }
        let records = open.remove(&batch.producer).unwrap_or_default();
        // The key of a marker has a version, then a type: 0 for an abort, 1 for a commit.
        let is_commit = batch.records().iter().any(|(key, _)| key.ends_with(&[0, 1]));
        commits.extend(is_commit.then_some(records));
    }
    commits
}

/// The last record of a coordinator about a transaction.
struct TransactionState {
    id: String,
    producer: i64,
    /// The partitions that still need a marker: none if the transaction is complete.
    partitions: BTreeSet<String>,
}

/// The length of a compact array or string, and the bytes after it. The encoding is length + 1; 0 is null.
fn compact_length(bytes: &[u8]) -> (usize, &[u8]) {
    let (number, rest) = unsigned_varint(bytes);
    (usize::try_from(number).unwrap().saturating_sub(1), rest)
}

impl TransactionState {
    fn new(id: String, value: &[u8]) -> Self {
        let mut partitions = BTreeSet::new();
        // Before the topics: version, producer id and epoch, time-out and state.
        let (topics, mut rest) = compact_length(&value[17..]);
        for _ in 0..topics {
            let (length, name) = compact_length(rest);
            let (name, after) = name.split_at(length);
            let (count, after) = compact_length(after);
            // Each partition is four bytes; after them the tagged fields, of which there are none.
            let (numbers, after) = after.split_at(4 * count);
            let number_of = |n: &[u8]| u32::from_be_bytes(n.try_into().unwrap());
            let name = String::from_utf8_lossy(name);
            partitions.extend(numbers.chunks(4).map(|n| format!("{name}-{}", number_of(n))));
            rest = &after[1..];
        }
        Self { id, producer: i64::from_be_bytes(bytes_at(value, 2).unwrap()), partitions }
    }
}

/// The last state of each transaction, by producer.
fn transaction_states(data: &Path, partitions: &[String]) -> BTreeMap<i64, TransactionState> {
    let mut last = BTreeMap::new();
    for folder in partitions.iter().filter(|p| p.starts_with("__transaction_state-")) {
        for batch in files(&data.join(folder)).iter().flat_map(|f| batches(f)) {
            for (key, value) in batch.records() {
                let id = String::from_utf8_lossy(&key[4..]).into_owned();
                last.insert(id.clone(), value.map(|v| TransactionState::new(id, v)));
            }
        }
    }
    last.into_values().flatten().map(|state| (state.producer, state)).collect()
}

/// The transactions that are complete for their coordinator and lack a marker in a partition, one a line. The broker
/// must not be running.
pub fn torn(data: &Path) -> Vec<String> {
    let folders = fs::read_dir(data).unwrap().map(Result::unwrap).filter(|f| f.path().is_dir());
    let mut partitions: Vec<String> = folders.map(|f| f.file_name().into_string().unwrap()).collect();
    partitions.sort();
    let (states, mut found) = (transaction_states(data, &partitions), Vec::new());
    for partition in partitions.iter().filter(|p| !p.starts_with("__transaction_state-")) {
        let mut open = BTreeMap::new();
        for batch in files(&data.join(partition)).iter().flat_map(|f| batches(f)) {
            // Bits of the attributes: transactional, and control batch (a marker).
            match (batch.attributes & 0x10 > 0, batch.attributes & 0x20 > 0) {
                (true, true) => drop(open.remove(&batch.producer)),
                (true, false) => drop(open.entry(batch.producer).or_insert(batch.first)),
                (false, _) => {}
            }
        }
        // An ongoing transaction lists all its partitions; what is open in others belongs to an earlier one.
        let complete = |producer| states.get(&producer).filter(|t| !t.partitions.contains(partition));
        let left = open.into_iter().filter_map(|(producer, first)| Some((&complete(producer)?.id, first)));
        found
            .extend(left.map(|(id, first)| format!("transaction of `{id}`: no marker in {partition} from {first} on")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zigzag(n: usize) -> Vec<u8> {
        assert!(n < 64, "one byte is enough");
        vec![u8::try_from(n << 1).unwrap()]
    }

    /// A batch with one record.
    fn batch(first: u64, attributes: u16, producer: i64, key: &[u8], value: &[u8]) -> Vec<u8> {
        let inner = [vec![0, 0, 0], zigzag(key.len()), key.to_vec(), zigzag(value.len()), value.to_vec()].concat();
        let record = [zigzag(inner.len()), inner].concat();
        let mut bytes = vec![0; 61];
        bytes[..8].copy_from_slice(&first.to_be_bytes());
        bytes[8..12].copy_from_slice(&u32::try_from(49 + record.len()).unwrap().to_be_bytes());
        bytes[21..23].copy_from_slice(&attributes.to_be_bytes());
        bytes[43..51].copy_from_slice(&producer.to_be_bytes());
        bytes[57..61].copy_from_slice(&1u32.to_be_bytes());
        [bytes, record].concat()
    }

    /// A coordinator's record about the transaction of `p-0`, whose producer is 7, with its partitions.
    fn state(state: u8, partitions: &[u8]) -> Vec<u8> {
        let value = [&[0, 1][..], &7i64.to_be_bytes(), &[0, 3], &4000u32.to_be_bytes(), &[state], partitions].concat();
        batch(0, 0, -1, b"\0\0\0\x03p-0", &value)
    }

    fn found(coordinator: &[Vec<u8>], partition: &[Vec<u8>]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for (folder, batches) in [("__transaction_state-2", coordinator), ("out-1", partition)] {
            fs::create_dir(dir.path().join(folder)).unwrap();
            fs::write(dir.path().join(folder).join("00000000000000000000.log"), batches.concat()).unwrap();
        }
        torn(dir.path())
    }

    #[test]
    fn a_transaction_is_torn_if_it_is_complete_and_lacks_a_marker() {
        let [data, marker, foreign] = [(4, 0x10, 7), (5, 0x30, 7), (6, 0x30, 8)]
            .map(|(first, attributes, producer)| batch(first, attributes, producer, b"k", b"v"));
        let torn = ["transaction of `p-0`: no marker in out-1 from 4 on".to_owned()];
        // One topic with two partitions: `in` with 1 and 2, `out` with 0 and 1.
        let (none, elsewhere, here) =
            (b"\x01", b"\x02\x03in\x03\0\0\0\x01\0\0\0\x02\0", b"\x02\x04out\x03\0\0\0\0\0\0\0\x01\0");
        assert_eq!(found(&[state(1, here), state(2, here), state(4, none)], &[data.clone(), foreign]), torn);
        assert!(found(&[state(4, none)], &[data.clone(), marker]).is_empty(), "it has its marker");
        assert!(found(&[state(2, here)], std::slice::from_ref(&data)).is_empty(), "its marker will still be written");
        assert_eq!(
            found(&[state(4, none), state(1, elsewhere)], &[data]),
            torn,
            "the next transaction does not have this partition"
        );
    }
}
