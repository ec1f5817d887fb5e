//! Cases on topics: making, describing, removing, and what is kept in them.
//!
//! Separate from reading because a topic's settings decide what may be gone.

use super::{Case, Fixture, Outcome, PATIENCE, Stage, check, records, rows, some, texts};
use crate::log::{self, Access, Append, FetchLimit, LogError, Start, TopicConfig};
use crate::record::{Offset, TopicPartition};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) const CASES: &[Case] = &[
    Case { name: "a topic is described as it was made", run: described },
    Case { name: "a name that no topic can have is refused", run: names },
    Case { name: "what is not there is named with what is", run: unknown },
    Case { name: "what could be done is told, and nothing is done", run: asked },
    Case { name: "a deleted topic is gone and can be made anew", run: deleted },
    Case { name: "a compacted topic keeps the latest record of each key", run: compacted },
    Case { name: "a reader that is behind is told of a deletion", run: deletion },
    Case { name: "a compacted topic refuses records without a key", run: keyless },
];

fn described(fixture: &dyn Fixture) -> Outcome {
    let config = TopicConfig { partitions: 3, retention: Some(Duration::from_secs(86_400)), ..TopicConfig::default() };
    let s = Stage::with(fixture, &config)?;
    s.append(1, 0, &["a=1", "b=2"])?;
    let other = fixture.open();
    let info = log::topic(&*other, &s.topic)?;
    check!(info.config == config, "made as {config:?}, described as {:?}", info.config);
    let held: Vec<bool> = info.partitions.iter().map(|p| p.end > p.earliest).collect();
    check!(held == [false, true, false], "records are in partition 1 only, not {:?}", info.partitions);
    check!(other.topics(None)?.iter().any(|t| *t == info), "the list of topics does not have `{}`", s.topic);
    check!(log::partitions(&info).len() == 3, "three partitions were asked for");
    let again = s.log.create_topic(&s.topic, &config);
    check!(matches!(again, Err(LogError::TopicExists(_))), "made a second time: {again:?}");
    Ok(())
}

fn names(fixture: &dyn Fixture) -> Outcome {
    let log = fixture.open();
    let long = "x".repeat(250);
    for name in ["", ".", "..", "a b", "a/b", "ä", long.as_str()] {
        let made = log.create_topic(name, &TopicConfig { partitions: 1, ..TopicConfig::default() });
        check!(matches!(made, Err(LogError::InvalidTopic(_))), "`{name}`: {made:?}");
    }
    let none = log.create_topic(&fixture.prefix(), &TopicConfig::default());
    check!(matches!(none, Err(LogError::InvalidTopic(_))), "a topic without partitions: {none:?}");
    Ok(())
}

fn unknown(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 2)?;
    let missing = format!("{}-on", fixture.prefix());
    let at = TopicPartition::new(missing.as_str(), 0);
    match s.log.resolve(&at, Start::Earliest) {
        Err(LogError::UnknownTopic { topic, known }) => {
            check!(topic == missing && known.contains(&s.topic), "`{topic}` is missing, there are {known:?}");
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

fn asked(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 2)?;
    let free = format!("{}-free", fixture.prefix());
    let config = TopicConfig { partitions: 2, ..TopicConfig::default() };
    s.log.check_access(&Access::CreateTopic(&free, &config))?;
    check!(s.log.topics(Some(&free))?.is_empty(), "asking made `{free}`");
    let made = s.log.check_access(&Access::CreateTopic(&s.topic, &config));
    check!(matches!(made, Err(LogError::TopicExists(_))), "made a second time: {made:?}");
    let made = s.log.check_access(&Access::CreateTopic("a b", &config));
    check!(matches!(made, Err(LogError::InvalidTopic(_))), "made with such a name: {made:?}");
    s.log.check_access(&Access::ReadTopic(&s.topic))?;
    s.append(1, 0, &["a=1"])?;
    s.log.check_access(&Access::ReadTopic(&s.topic))?;
    let read = s.log.check_access(&Access::ReadTopic(&free));
    check!(matches!(read, Err(LogError::UnknownTopic { .. })), "read a missing topic: {read:?}");
    s.log.check_access(&Access::ReadOffsets(&s.group))?;
    Ok(())
}

fn deleted(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::new(fixture, 1)?;
    s.append(0, 0, &["a=1", "b=2", "c=3"])?;
    let old = log::topic(&*s.log, &s.topic)?;
    let mut reader = fixture.open().reader(&[(s.at(0), Offset(3))])?;
    s.log.delete_topic(&s.topic)?;
    check!(s.log.topics(Some(&s.topic))?.is_empty(), "`{}` is still listed", s.topic);
    let polled = some(&mut *reader, FetchLimit::default(), PATIENCE);
    check!(matches!(polled, Err(LogError::UnknownTopic { .. })), "a reader of a deleted topic: {polled:?}");
    s.log.create_topic(&s.topic, &old.config)?;
    let new = log::topic(&*s.log, &s.topic)?;
    check!(new.id != old.id, "the new topic has the id of the old one");
    check!(s.read_all(0)?.is_empty(), "the new topic has old records");
    Ok(())
}

fn latest(rows: &[super::Row]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut held = BTreeMap::new();
    for row in rows {
        let key = row.key.clone().unwrap_or_default();
        match &row.value {
            Some(value) => held.insert(key, value.clone()),
            None => held.remove(&key),
        };
    }
    held
}

fn compacted(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::with(fixture, &TopicConfig { partitions: 2, compacted: true, ..TopicConfig::default() })?;
    s.append(0, 0, &["a=1", "b=1", "c=1", "a=2"])?;
    s.append(1, 0, &["a=other"])?;
    let fourth = s.append(0, 4, &["b=-", "c=2", "d=", "c=3"])?;
    let read = s.read_all(0)?;
    let expected = [("a", "2"), ("c", "3"), ("d", "")].map(|(k, v)| (k.as_bytes().to_vec(), v.as_bytes().to_vec()));
    check!(latest(&read) == BTreeMap::from(expected), "read {:?}", texts(&read));
    let tail = s.read(0, fourth)?;
    check!(tail.last().is_some_and(|r| r.text() == "c=3"), "from offset {fourth}: {:?}", texts(&tail));
    check!(texts(&s.read_all(1)?) == ["a=other"], "keys of another partition are other keys");
    Ok(())
}

fn deletion(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::with(fixture, &TopicConfig { partitions: 1, compacted: true, ..TopicConfig::default() })?;
    s.append(0, 0, &["a=1", "b=1"])?;
    let from = s.log.resolve(&s.at(0), Start::Latest)?;
    let mut reader = fixture.open().reader(&[(s.at(0), from)])?;
    s.append(0, 2, &["a=-"])?;
    let told = some(&mut *reader, FetchLimit::default(), PATIENCE)?.map(|f| texts(&rows(&f)));
    check!(told == Some(vec!["a=-".into()]), "told {told:?}");
    Ok(())
}

fn keyless(fixture: &dyn Fixture) -> Outcome {
    let s = Stage::with(fixture, &TopicConfig { partitions: 1, compacted: true, ..TopicConfig::default() })?;
    let appended = s.append(0, 0, &["a=1", "-=2"]);
    check!(appended.is_err(), "took a record without a key: {appended:?}");
    check!(s.read_all(0)?.is_empty(), "half of the append is there");
    Ok(())
}
