//! The files of a broker, read without it: batches of records, and transactions that Kafka has torn.
//!
//! Separate because it shares nothing with any client: what a broker has done is seen in what it has written.
//!
//! A broker that shuts down, or is held up for so long that it counts as dead, and is the only one, gives up
//! the lead of its partitions while it still takes commits. Its coordinator then finds no leader to send the
//! end of a transaction to, takes the partitions for deleted, and calls the transaction complete. Its records
//! stay without an end for ever, and nobody who reads what is committed comes past them. No client can mend
//! that, so a case that meets it proves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A batch of records as it is in a file.
pub struct Batch {
    /// Its first offset.
    pub first: u64,
    /// Where in the file it ends.
    pub end: usize,
    attributes: u16,
    producer: i64,
    count: usize,
    records: Vec<u8>,
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// The batches of one file.
pub fn batches(file: &Path) -> Vec<Batch> {
    let bytes = fs::read(file).unwrap();
    let (mut found, mut at) = (Vec::new(), 0);
    while let (Some(first), Some(length)) = (number(&bytes, at), number(&bytes, at + 8)) {
        let end = at + 12 + u32::from_be_bytes(length) as usize;
        let (Some(attributes), Some(producer), Some(count)) =
            (number(&bytes, at + 21), number(&bytes, at + 43), number(&bytes, at + 57))
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

/// The files of a partition, in the order of their offsets.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|f| f.unwrap().path());
    let mut logs: Vec<PathBuf> = all.filter(|f| f.extension().is_some_and(|e| e == "log")).collect();
    logs.sort();
    logs
}

/// A number of variable length without a sign, and what comes after it.
fn unsigned(bytes: &[u8]) -> (u64, &[u8]) {
    let length = bytes.iter().position(|b| b & 0x80 == 0).unwrap() + 1;
    let number = bytes[..length].iter().rev().fold(0, |n, b| n << 7 | u64::from(b & 0x7f));
    (number, &bytes[length..])
}

/// A number of variable length, and what comes after it.
fn variable(bytes: &[u8]) -> (i64, &[u8]) {
    let (raw, rest) = unsigned(bytes);
    ((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed(), rest)
}

/// A field with its length before it; `None` where there is none.
fn field(bytes: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let (length, rest) = variable(bytes);
    match usize::try_from(length) {
        Ok(length) => (Some(&rest[..length]), &rest[length..]),
        Err(_) => (None, rest),
    }
}

impl Batch {
    /// Keys and values, where they are not compressed.
    fn records(&self) -> Vec<(&[u8], Option<&[u8]>)> {
        let (mut found, mut rest) = (Vec::new(), &self.records[..]);
        for _ in 0..self.count {
            let (record, after) = field(rest);
            // After a byte of attributes: the time and the offset, both as differences.
            let (_, inner) = variable(&record.unwrap()[1..]);
            let (_, inner) = variable(inner);
            let (key, inner) = field(inner);
            found.push((key.unwrap_or_default(), field(inner).0));
            rest = after;
        }
        found
    }
}

/// A transaction as its coordinator has noted it last.
struct Noted {
    id: String,
    producer: i64,
    /// The partitions that it will tell the end: none where it is done.
    partitions: BTreeSet<String>,
}

/// A count, and what comes after it. One more is written, as nothing may be there.
fn counted(bytes: &[u8]) -> (usize, &[u8]) {
    let (number, rest) = unsigned(bytes);
    (usize::try_from(number).unwrap().saturating_sub(1), rest)
}

impl Noted {
    fn new(id: String, value: &[u8]) -> Self {
        let mut partitions = BTreeSet::new();
        // After a version, the producer with its epoch, a limit of time and the state.
        let (topics, mut rest) = counted(&value[17..]);
        for _ in 0..topics {
            let (length, name) = counted(rest);
            let (name, after) = name.split_at(length);
            let (count, after) = counted(after);
            // Four bytes each, and behind them a mark that there are no further fields.
            let (numbers, after) = after.split_at(4 * count);
            let number_of = |n: &[u8]| u32::from_be_bytes(n.try_into().unwrap());
            let name = String::from_utf8_lossy(name);
            partitions.extend(numbers.chunks(4).map(|n| format!("{name}-{}", number_of(n))));
            rest = &after[1..];
        }
        Self { id, producer: i64::from_be_bytes(number(value, 2).unwrap()), partitions }
    }
}

/// What coordinators have noted last, by producer.
fn noted(data: &Path, partitions: &[String]) -> BTreeMap<i64, Noted> {
    let mut last = BTreeMap::new();
    for folder in partitions.iter().filter(|p| p.starts_with("__transaction_state-")) {
        for batch in files(&data.join(folder)).iter().flat_map(|f| batches(f)) {
            for (key, value) in batch.records() {
                let id = String::from_utf8_lossy(&key[4..]).into_owned();
                last.insert(id.clone(), value.map(|v| Noted::new(id, v)));
            }
        }
    }
    last.into_values().flatten().map(|noted| (noted.producer, noted)).collect()
}

/// The transactions that are over for their coordinator and have no end in some partition; one a line. Only
/// of a broker that does not run.
pub fn torn(data: &Path) -> Vec<String> {
    let folders = fs::read_dir(data).unwrap().map(Result::unwrap).filter(|f| f.path().is_dir());
    let mut partitions: Vec<String> = folders.map(|f| f.file_name().into_string().unwrap()).collect();
    partitions.sort();
    let (noted, mut found) = (noted(data, &partitions), Vec::new());
    for partition in partitions.iter().filter(|p| !p.starts_with("__transaction_state-")) {
        let mut open = BTreeMap::new();
        for batch in files(&data.join(partition)).iter().flat_map(|f| batches(f)) {
            // Bits of the attributes: part of a transaction, and an end of one.
            match (batch.attributes & 0x10 > 0, batch.attributes & 0x20 > 0) {
                (true, true) => drop(open.remove(&batch.producer)),
                (true, false) => drop(open.entry(batch.producer).or_insert(batch.first)),
                (false, _) => {}
            }
        }
        // Of a transaction that goes on all partitions are listed; what is open in others is of an earlier one.
        let of = |producer| noted.get(&producer).filter(|t| !t.partitions.contains(partition));
        let left = open.into_iter().filter_map(|(producer, first)| Some((&of(producer)?.id, first)));
        found.extend(left.map(|(id, first)| format!("transaction of `{id}`: no end in {partition} from {first} on")));
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

    /// A coordinator's record of the transaction of `p-0`, whose producer is 7, with its partitions.
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
    fn a_transaction_is_torn_where_it_is_over_and_has_no_end() {
        let [data, end, foreign] = [(4, 0x10, 7), (5, 0x30, 7), (6, 0x30, 8)]
            .map(|(first, attributes, producer)| batch(first, attributes, producer, b"k", b"v"));
        let torn = ["transaction of `p-0`: no end in out-1 from 4 on".to_owned()];
        // One topic with two partitions: `in` with 1 and 2, `out` with 0 and 1.
        let (none, elsewhere, here) =
            (b"\x01", b"\x02\x03in\x03\0\0\0\x01\0\0\0\x02\0", b"\x02\x04out\x03\0\0\0\0\0\0\0\x01\0");
        assert_eq!(found(&[state(1, here), state(2, here), state(4, none)], &[data.clone(), foreign]), torn);
        assert!(found(&[state(4, none)], &[data.clone(), end]).is_empty(), "it has its end");
        assert!(found(&[state(2, here)], &[data.clone()]).is_empty(), "its end will still be written");
        assert_eq!(found(&[state(4, none), state(1, elsewhere)], &[data]), torn, "the next one goes on without it");
    }
}
