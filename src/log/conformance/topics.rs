//! Cases on topics: creation, description, deletion and compaction.

use super::{Case, Fixture, Outcome, TIMEOUT, TestTopic, check, poll_until, records, rows, texts};
use crate::log::{self, Access, Append, FetchLimit, LogError, Start, TopicConfig};
use crate::record::{Offset, RecordsBuilder, TopicPartition};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    Case { name: "a topic is described as it was created", run: description },
    Case { name: "an invalid topic name is refused", run: invalid_names },
    Case { name: "an unknown topic is reported with the topics that exist", run: unknown },
    Case { name: "an access check changes nothing", run: access_checks },
    Case { name: "a deleted topic is gone and can be created again", run: deleted },
    Case { name: "a compacted topic keeps the latest record of each key", run: compacted },
    Case { name: "a reader that is behind sees a deleted key", run: deleted_key },
    Case { name: "a compacted topic refuses records without a key", run: missing_key },
    Case { name: "a record at the size limit is taken and a larger one refused", run: largest_record },
];

fn description(fixture: &dyn Fixture) -> Outcome {
    let config = TopicConfig { partitions: 3, retention: Some(Duration::from_secs(86_400)), ..TopicConfig::default() };
    let s = TestTopic::with(fixture, &config)?;
    s.append(1, 0, &["a=1", "b=2"])?;
    let other = fixture.open();
    let info = log::topic(&*other, &s.topic)?;
    check!(info.config == config, "created as {config:?}, described as {:?}", info.config);
    let non_empty: Vec<bool> = info.partitions.iter().map(|p| p.end > p.earliest).collect();
    check!(non_empty == [false, true, false], "records are in partition 1 only, not {:?}", info.partitions);
    check!(other.topics(None)?.contains(&info), "the list of topics does not have `{}`", s.topic);
    check!(log::partitions(&info).len() == 3, "the topic does not have three partitions");
    let created = s.log.create_topic(&s.topic, &config);
    check!(matches!(created, Err(LogError::TopicExists(_))), "created a second time: {created:?}");
    Ok(())
}

fn invalid_names(fixture: &dyn Fixture) -> Outcome {
    let log = fixture.open();
    let long = "x".repeat(250);
    for name in ["", ".", "..", "a b", "a/b", "ä", long.as_str()] {
        let created = log.create_topic(name, &TopicConfig { partitions: 1, ..TopicConfig::default() });
        check!(matches!(created, Err(LogError::InvalidTopic(_))), "`{name}`: {created:?}");
    }
    let none = log.create_topic(&fixture.prefix(), &TopicConfig::default());
    check!(matches!(none, Err(LogError::InvalidTopic(_))), "a topic without partitions: {none:?}");
    Ok(())
}

fn unknown(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 2)?;
    let missing = format!("{}-on", fixture.prefix());
    let at = TopicPartition::new(missing.as_str(), 0);
    match s.log.resolve(&at, Start::Earliest) {
        Err(LogError::UnknownTopic { topic, known }) => {
            check!(topic == missing && known.contains(&s.topic), "`{topic}` is missing, these exist: {known:?}");
        }
        other => return Err(format!("resolving in a missing topic: {other:?}").into()),
    }
    let appended = s.log.appender()?.append(&[Append { to: at, records: records(0, &["a=1"]) }]);
    check!(matches!(appended, Err(LogError::UnknownTopic { .. })), "appended to a missing topic: {appended:?}");
    let resolved = s.log.resolve(&s.at(2), Start::Latest);
    check!(matches!(resolved, Err(LogError::UnknownPartition { count: 2, .. })), "partition 2 of two: {resolved:?}");
    let deleted = s.log.delete_topic(&missing);
    check!(matches!(deleted, Err(LogError::UnknownTopic { .. })), "deleted a missing topic: {deleted:?}");
    Ok(())
}

fn access_checks(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 2)?;
    let free = format!("{}-free", fixture.prefix());
    let config = TopicConfig { partitions: 2, ..TopicConfig::default() };
    s.log.check_access(&Access::CreateTopic(&free, &config))?;
    check!(s.log.topics(Some(&free))?.is_empty(), "the check created `{free}`");
    let checked = s.log.check_access(&Access::CreateTopic(&s.topic, &config));
    check!(matches!(checked, Err(LogError::TopicExists(_))), "creating an existing topic: {checked:?}");
    let checked = s.log.check_access(&Access::CreateTopic("a b", &config));
    check!(matches!(checked, Err(LogError::InvalidTopic(_))), "creating an invalid name: {checked:?}");
    s.log.check_access(&Access::ReadTopic(&s.topic))?;
    s.append(1, 0, &["a=1"])?;
    s.log.check_access(&Access::ReadTopic(&s.topic))?;
    let checked = s.log.check_access(&Access::ReadTopic(&free));
    check!(matches!(checked, Err(LogError::UnknownTopic { .. })), "reading a missing topic: {checked:?}");
    s.log.check_access(&Access::ReadOffsets(&s.group))?;
    Ok(())
}

fn deleted(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    s.append(0, 0, &["a=1", "b=2", "c=3"])?;
    let old = log::topic(&*s.log, &s.topic)?;
    let mut reader = fixture.open().reader(&[(s.at(0), Offset(3))])?;
    s.log.delete_topic(&s.topic)?;
    check!(s.log.topics(Some(&s.topic))?.is_empty(), "`{}` is still listed", s.topic);
    let polled = poll_until(&mut *reader, FetchLimit::default(), TIMEOUT);
    check!(matches!(polled, Err(LogError::UnknownTopic { .. })), "a reader of a deleted topic: {polled:?}");
    s.log.create_topic(&s.topic, &old.config)?;
    let new = log::topic(&*s.log, &s.topic)?;
    check!(new.id != old.id, "the new topic has the id of the old one");
    check!(s.read_all(0)?.is_empty(), "the new topic has old records");
    Ok(())
}

fn latest(rows: &[super::Row]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut latest = BTreeMap::new();
    for row in rows {
        let key = row.key.clone().unwrap_or_default();
        match &row.value {
            Some(value) => latest.insert(key, value.clone()),
            None => latest.remove(&key),
        };
    }
    latest
}

fn compacted(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::with(fixture, &TopicConfig { partitions: 2, compacted: true, ..TopicConfig::default() })?;
    s.append(0, 0, &["a=1", "b=1", "c=1", "a=2"])?;
    s.append(1, 0, &["a=other"])?;
    let fourth = s.append(0, 4, &["b=-", "c=2", "d=", "c=3"])?;
    let read = s.read_all(0)?;
    let expected = [("a", "2"), ("c", "3"), ("d", "")].map(|(k, v)| (k.as_bytes().to_vec(), v.as_bytes().to_vec()));
    check!(latest(&read) == BTreeMap::from(expected), "read {:?}", texts(&read));
    let tail = s.read(0, fourth)?;
    check!(tail.last().is_some_and(|r| r.text() == "c=3"), "from offset {fourth}: {:?}", texts(&tail));
    check!(texts(&s.read_all(1)?) == ["a=other"], "keys of different partitions are independent");
    Ok(())
}

fn deleted_key(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::with(fixture, &TopicConfig { partitions: 1, compacted: true, ..TopicConfig::default() })?;
    s.append(0, 0, &["a=1", "b=1"])?;
    let from = s.log.resolve(&s.at(0), Start::Latest)?;
    let mut reader = fixture.open().reader(&[(s.at(0), from)])?;
    s.append(0, 2, &["a=-"])?;
    let read = poll_until(&mut *reader, FetchLimit::default(), TIMEOUT)?.map(|f| texts(&rows(&f)));
    check!(read == Some(vec!["a=-".into()]), "read {read:?}");
    Ok(())
}

fn missing_key(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::with(fixture, &TopicConfig { partitions: 1, compacted: true, ..TopicConfig::default() })?;
    let appended = s.append(0, 0, &["a=1", "-=2"]);
    check!(appended.is_err(), "accepted a record without a key: {appended:?}");
    check!(s.read_all(0)?.is_empty(), "a part of the failed append is visible");
    Ok(())
}

/// The largest record that a case writes: a higher limit of a backplane is not tested.
const MAX_CASE_RECORD_BYTES: usize = 4 << 20;

fn largest_record(fixture: &dyn Fixture) -> Outcome {
    let s = TestTopic::new(fixture, 1)?;
    let limits = s.log.record_limits(&[s.topic.as_str().into()])?;
    let [limit] = limits.as_slice() else { return Err(format!("one topic has the limits {limits:?}").into()) };
    check!(!limit.remedy.is_empty(), "the limit does not say where it comes from");
    let unknown = s.log.record_limits(&[format!("{}-none", s.topic).as_str().into()]);
    check!(matches!(unknown, Err(LogError::UnknownTopic { .. })), "the limit of an unknown topic: {unknown:?}");
    if limit.bytes > MAX_CASE_RECORD_BYTES {
        return Ok(());
    }
    let append = |bytes: usize| {
        let mut records = RecordsBuilder::default();
        let (key, header) = (b"key".as_slice(), (b"name".as_slice(), Some(b"header".as_slice())));
        let rest = key.len() + crate::record::encoded_len([header]);
        records.push_with(Some(key), Some(&vec![b'x'; bytes - rest]), 0, &[header]);
        Append { to: s.at(0), records: records.finish() }
    };
    s.log.appender()?.append(&[append(limit.bytes)])?;
    // Well over the limit: the limit allows for the maximum overhead of a record, and the actual one may be less.
    let refused = s.log.appender()?.append(&[append(limit.bytes + 200)]);
    check!(matches!(refused, Err(LogError::TooLarge { .. })), "a record over the limit: {refused:?}");
    Ok(())
}
