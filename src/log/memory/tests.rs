//! What the log in memory guarantees beyond conformance: no copies, explicit compaction, fencing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use super::MemoryLog;
use crate::log::conformance::{self, Fixture};
use crate::log::{Append, FetchLimit, GroupSpec, Log, LogError, LogResult, Start, TopicConfig, Transaction};
use crate::record::{Offset, Records, RecordsBuilder, TopicPartition};
use std::time::Duration;

impl Fixture for MemoryLog {
    fn open(&self) -> Box<dyn Log> {
        Box::new(self.clone())
    }

    fn prefix(&self) -> String {
        "case".into()
    }

    fn dense(&self) -> bool {
        true
    }

    fn exclusive(&self) -> bool {
        true
    }
}

#[test]
fn conforms() {
    let run = |case: &conformance::Case| (case.run)(&MemoryLog::default()).err().map(|e| format!("{}: {e}", case.name));
    let failed: Vec<String> = conformance::suite().iter().filter_map(run).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

fn at() -> TopicPartition {
    TopicPartition::new("t", 0)
}

/// Records from `key=value`, without a value for a deletion.
fn records(texts: &[&str]) -> Records {
    let mut b = RecordsBuilder::default();
    for text in texts {
        let (key, value) = text.split_once('=').map_or((*text, None), |(key, value)| (key, Some(value)));
        b.push(Some(key.as_bytes()), value.map(str::as_bytes), 1);
    }
    b.finish()
}

fn with_topic(log: MemoryLog, compacted: bool) -> MemoryLog {
    log.create_topic("t", &TopicConfig { partitions: 1, compacted, ..TopicConfig::default() }).unwrap();
    log
}

fn append(log: &MemoryLog, records: &Records) -> LogResult<Vec<Offset>> {
    log.appender()?.append(&[Append { to: at(), records: records.clone() }])
}

/// Offset, key and value of each record from an offset to the end.
fn contents(log: &MemoryLog, from: i64) -> Vec<String> {
    let end = log.resolve(&at(), Start::Latest).unwrap();
    let mut reader = log.reader(&[(at(), Offset(from))]).unwrap();
    let mut all = Vec::new();
    while reader.positions()[0].1 < end {
        let Some(fetched) = reader.poll(FetchLimit::default(), Duration::ZERO).unwrap() else { continue };
        let text = |b: Option<&[u8]>| b.map_or("-".into(), |b| String::from_utf8_lossy(b).into_owned());
        for (i, offset) in fetched.offsets.iter().enumerate() {
            let (key, value) = (fetched.records.keys.value(i), fetched.records.values.iter().nth(i).unwrap());
            all.push(format!("{offset} {}={}", text(Some(key)), text(value)));
        }
    }
    all
}

#[test]
fn one_batch_is_read_without_a_copy() {
    let log = with_topic(MemoryLog::default(), false);
    let written = records(&["a=1", "b=2"]);
    append(&log, &written).unwrap();
    let mut reader = log.reader(&[(at(), Offset(1))]).unwrap();
    let fetched = reader.poll(FetchLimit::default(), Duration::ZERO).unwrap().unwrap();
    assert_eq!(fetched.records.values.values().as_ptr(), written.values.values().as_ptr());
    assert_eq!(fetched.records, written.slice(1, 1));
}

#[test]
fn compaction_keeps_the_latest_record_of_each_key_at_its_offset() {
    let log = with_topic(MemoryLog::default(), true);
    append(&log, &records(&["a=1", "b=1", "a=2"])).unwrap();
    append(&log, &records(&["c=1", "c=2"])).unwrap();
    append(&log, &records(&["b"])).unwrap();
    let mut reader = log.reader(&[(at(), Offset(0))]).unwrap();
    log.compact();
    assert_eq!(contents(&log, 0), ["2 a=2", "4 c=2", "5 b=-"]);
    assert_eq!(contents(&log, 3), ["4 c=2", "5 b=-"]);
    append(&log, &records(&["b=3", "b=4"])).unwrap();
    log.compact();
    assert_eq!(contents(&log, 0), ["2 a=2", "4 c=2", "7 b=4"]);
    assert_eq!(log.topics(None).unwrap()[0].partitions[0].bytes, Some(6));
    let fetched = reader.poll(FetchLimit::default(), Duration::ZERO).unwrap().unwrap();
    assert_eq!(fetched.offsets.to_vec(), [2, 4, 7]);
}

#[test]
fn a_record_over_the_limit_is_refused_with_its_size() {
    let log = with_topic(MemoryLog::with_max_record_bytes(5), false);
    let refused = append(&log, &records(&["a=1", "key=123"]));
    assert!(matches!(&refused, Err(LogError::TooLarge { bytes: 6, limit, .. }) if limit.bytes == 5), "{refused:?}");
    append(&log, &records(&["key=12"])).unwrap();
    assert_eq!(contents(&log, 0), ["0 key=12"]);
}

#[test]
fn an_expired_member_is_fenced_and_does_not_free_its_successor() {
    let log = with_topic(MemoryLog::default(), false);
    let spec = |instance: &str| GroupSpec {
        group: "g".into(),
        topics: vec!["t".into()],
        instance: instance.into(),
        ..GroupSpec::default()
    };
    let mut first = log.join(&spec("one")).unwrap();
    let mut committer = first.committer().unwrap();
    log.expire_member("g");
    let second = log.join(&spec("two")).unwrap();
    let transaction = Transaction {
        results: vec![Append { to: at(), records: records(&["a=1"]) }],
        offsets: vec![(at(), Offset(0))],
        ..Transaction::default()
    };
    assert!(matches!(committer.commit(&transaction), Err(LogError::Fenced { group }) if group == "g"));
    drop(committer);
    first.leave().unwrap();
    let third = log.join(&spec("three")).map(drop);
    assert!(matches!(third, Err(LogError::GroupTaken { holder, .. }) if holder == "two"));
    second.leave().unwrap();
    assert_eq!(log.committed("g", &[at()]).unwrap(), [None]);
    assert!(contents(&log, 0).is_empty());
}

#[test]
fn a_committed_offset_may_be_that_of_a_record_of_the_same_transaction() {
    let log = with_topic(MemoryLog::default(), false);
    let mut member =
        log.join(&GroupSpec { group: "g".into(), topics: vec!["t".into()], ..GroupSpec::default() }).unwrap();
    let mut committer = member.committer().unwrap();
    let transaction = |next| Transaction {
        state: vec![Append { to: at(), records: records(&["a=1", "b=2"]) }, Append { to: at(), records: records(&[]) }],
        offsets: vec![(at(), Offset(next))],
        ..Transaction::default()
    };
    assert!(matches!(committer.commit(&transaction(3)), Err(LogError::OffsetOutOfRange { .. })));
    assert_eq!(committer.commit(&transaction(2)).unwrap(), [Some(Offset(0)), None]);
    assert_eq!(log.committed("g", &[at()]).unwrap(), [Some(Offset(2))]);
}

#[test]
fn a_reader_of_a_replaced_topic_is_refused_at_any_position() {
    let log = with_topic(MemoryLog::default(), false);
    append(&log, &records(&["a=1"])).unwrap();
    let mut reader = log.reader(&[(at(), Offset(0))]).unwrap();
    let mut member =
        log.join(&GroupSpec { group: "g".into(), topics: vec!["t".into()], ..GroupSpec::default() }).unwrap();
    log.delete_topic("t").unwrap();
    with_topic(log.clone(), false);
    append(&log, &records(&["b=1"])).unwrap();
    let polled = reader.poll(FetchLimit::default(), Duration::ZERO);
    assert!(matches!(&polled, Err(LogError::TopicReplaced { topic }) if topic == "t"), "{polled:?}");
    let sought = member.seek(&[(at(), Offset(0))]);
    assert!(matches!(&sought, Err(LogError::TopicReplaced { topic }) if topic == "t"), "{sought:?}");
}
