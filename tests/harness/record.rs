//! Records as a test writes, compares and prints them.
//!
//! Comparison works on rows and not on the library's columns: comparing with the library's own code would share
//! its faults.

use arrow_array::Array;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fastdata::record::{Records, RecordsBuilder};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// A record of a topic.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub timestamp: i64,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Records by topic and partition.
pub type Topics = BTreeMap<(String, u32), Vec<Record>>;

impl Record {
    /// A record with a JSON value.
    pub fn json(key: Option<&str>, value: &Value, timestamp: i64) -> Self {
        Self {
            key: key.map(|k| k.as_bytes().to_vec()),
            value: Some(value.to_string().into_bytes()),
            timestamp,
            headers: Vec::new(),
        }
    }

    /// Parses a line of a golden case into a partition and a record. `value` is JSON, or the text itself if it
    /// is a string; `base64` holds bytes that are not text.
    pub fn parse_case_line(line: &str) -> (u32, Self) {
        let line: Map<String, Value> = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        for field in line.keys() {
            let allowed = ["partition", "key", "value", "base64", "timestamp", "headers"];
            assert!(allowed.contains(&field.as_str()), "unknown field `{field}` in a case");
        }
        let text = |v: &Value| match v {
            Value::Null => None,
            Value::String(text) => Some(text.clone().into_bytes()),
            other => Some(other.to_string().into_bytes()),
        };
        let value = match line.get("base64") {
            Some(bytes) => Some(STANDARD.decode(bytes.as_str().unwrap()).unwrap()),
            None => line.get("value").and_then(text),
        };
        let headers = line.get("headers").map(|h| h.as_object().unwrap()).into_iter().flatten();
        let record = Self {
            key: line.get("key").and_then(text),
            value,
            timestamp: line.get("timestamp").map_or(0, |t| t.as_i64().unwrap()),
            headers: headers.map(|(name, v)| (name.clone(), text(v))).collect(),
        };
        let partition = line.get("partition").map_or(0, |p| u32::try_from(p.as_u64().unwrap()).unwrap());
        (partition, record)
    }

    /// The text of the last header with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().rfind(|(n, _)| n == name)?;
        value.as_deref().map(|bytes| std::str::from_utf8(bytes).unwrap())
    }

    /// The line of a golden case that describes this record.
    pub fn to_case_line(&self, partition: u32) -> String {
        let text = |b: &[u8]| String::from_utf8(b.to_vec()).ok();
        let mut line = Map::new();
        line.insert("partition".into(), partition.into());
        line.insert("key".into(), self.key.as_deref().map_or(Value::Null, |k| json!(String::from_utf8_lossy(k))));
        match self.value.as_deref() {
            None => drop(line.insert("value".into(), Value::Null)),
            Some(v) => match (serde_json::from_slice::<Value>(v), text(v)) {
                (Ok(value @ (Value::Object(_) | Value::Array(_))), _) if value.to_string().as_bytes() == v => {
                    line.insert("value".into(), value);
                }
                (_, Some(text)) => drop(line.insert("value".into(), text.into())),
                _ => drop(line.insert("base64".into(), STANDARD.encode(v).into())),
            },
        }
        line.insert("timestamp".into(), self.timestamp.into());
        if !self.headers.is_empty() {
            let headers = self
                .headers
                .iter()
                .map(|(n, v)| (n.clone(), v.as_ref().map_or(Value::Null, |v| json!(String::from_utf8_lossy(v)))));
            line.insert("headers".into(), Value::Object(headers.collect()));
        }
        Value::Object(line).to_string()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_case_line(0))
    }
}

/// Converts records to columns.
pub fn pack(records: &[Record]) -> Records {
    let mut packed = RecordsBuilder::default();
    for r in records {
        let headers: Vec<_> = r.headers.iter().map(|(n, v)| (n.as_str(), v.as_deref())).collect();
        packed.push_with(r.key.as_deref(), r.value.as_deref(), r.timestamp, &headers);
    }
    packed.finish()
}

/// Converts columns to records.
pub fn unpack(records: &Records) -> Vec<Record> {
    let bytes = |a: &arrow_array::BinaryArray, row: usize| a.is_valid(row).then(|| a.value(row).to_vec());
    let headers = |row: usize| {
        let of = records.headers.iter().flat_map(move |h| h.row(row));
        of.map(|(n, v)| (String::from_utf8_lossy(n).into_owned(), v.map(<[u8]>::to_vec))).collect()
    };
    let record = |row: usize| Record {
        key: bytes(&records.keys, row),
        value: bytes(&records.values, row),
        timestamp: records.timestamps[row],
        headers: headers(row),
    };
    (0..records.len()).map(record).collect()
}

/// Describes the differences, one record a line; empty if there are none.
pub fn difference(expected: &Topics, found: &Topics) -> String {
    let mut text = String::new();
    let partitions: std::collections::BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    for at in partitions {
        let records = |t: &Topics| t.get(at).cloned().unwrap_or_default();
        let (e, f) = (records(expected), records(found));
        if e == f {
            continue;
        }
        let same = e.iter().zip(&f).take_while(|(a, b)| a == b).count();
        text +=
            &format!("{}/{}: {} expected, {} found, the first {same} are as expected\n", at.0, at.1, e.len(), f.len());
        e[same..].iter().take(8).for_each(|r| text += &format!("  - {}\n", r.to_case_line(at.1)));
        f[same..].iter().take(8).for_each(|r| text += &format!("  + {}\n", r.to_case_line(at.1)));
    }
    text
}

/// The records of each key in their order, and sorted those without a key. Partitions are ignored.
pub fn sorted_by_key(topics: &Topics) -> Topics {
    let mut by_key: BTreeMap<String, BTreeMap<Option<Vec<u8>>, Vec<Record>>> = BTreeMap::new();
    for ((topic, _), records) in topics {
        for r in records {
            by_key.entry(topic.clone()).or_default().entry(r.key.clone()).or_default().push(r.clone());
        }
    }
    let mut flat = Topics::new();
    for (topic, keys) in by_key {
        let all = flat.entry((topic, 0)).or_default();
        for (key, mut records) in keys {
            if key.is_none() {
                records.sort();
            }
            all.append(&mut records);
        }
    }
    flat
}
