//! What every backplane must do, as cases to run against it.
//!
//! In the library and not in a test, so that both backplanes, and any other, are held to the same words.
//! It uses nothing but the [`Log`] trait. A case answers with what went wrong, in one sentence.

mod groups;
mod random;
mod reading;
mod topics;
mod trimming;

use crate::log::{Append, FetchLimit, Log, LogResult, Reader, TopicConfig};
use crate::record::{Fetched, Offset, Records, RecordsBuilder, TopicPartition};
use arrow_array::Array;
use std::error::Error;
use std::time::{Duration, Instant};

/// How a case ends.
pub type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// A store to run cases against.
pub trait Fixture {
    /// A further handle on the same store, as another process would have it.
    fn open(&self) -> Box<dyn Log>;

    /// Stands before the names of topics and groups; differs from case to case where the store is shared.
    fn prefix(&self) -> String;

    /// Whether offsets have no gaps and a partition begins at 0.
    fn dense(&self) -> bool;

    /// Whether a group takes one member only, and tells a second one.
    fn exclusive(&self) -> bool;
}

/// One demand on a backplane.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What is demanded.
    pub name: &'static str,
    /// Whether it holds.
    pub run: fn(&dyn Fixture) -> Outcome,
}

/// Every demand.
#[must_use]
pub fn suite() -> Vec<Case> {
    [topics::CASES, reading::CASES, trimming::CASES, groups::CASES, random::CASES].concat()
}

macro_rules! check {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err(format!($($text)+).into());
        }
    };
}
use check;

/// How long a case waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at what must come.
const AGAIN: Duration = Duration::from_millis(5);
/// How long a case waits for what must not come.
const SHORT: Duration = Duration::from_millis(100);

/// A record as a case sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    offset: i64,
    time: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Row {
    fn text(&self) -> String {
        let show = |b: &Option<Vec<u8>>| b.as_ref().map_or("-".into(), |b| String::from_utf8_lossy(b).into_owned());
        format!("{}={}", show(&self.key), show(&self.value))
    }
}

fn rows(fetched: &crate::record::Fetched) -> Vec<Row> {
    let r = &fetched.records;
    let bytes = |a: &arrow_array::BinaryArray, i: usize| a.is_valid(i).then(|| a.value(i).to_vec());
    (0..r.len())
        .map(|i| Row {
            offset: fetched.offsets[i],
            time: r.timestamps[i],
            key: bytes(&r.keys, i),
            value: bytes(&r.values, i),
            headers: r.headers.as_ref().map_or(Vec::new(), |h| {
                h.row(i).map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec))).collect()
            }),
        })
        .collect()
}

fn texts(rows: &[Row]) -> Vec<String> {
    rows.iter().map(Row::text).collect()
}

/// Records from `key=value` words, `-` for null; the time of each is `from` and up.
fn records(from: i64, words: &[&str]) -> Records {
    let mut b = RecordsBuilder::default();
    for (time, word) in (from..).zip(words) {
        let (key, value) = word.split_once('=').unwrap_or(("-", word));
        let part = |s: &str| (s != "-").then(|| s.as_bytes().to_vec());
        b.push(part(key).as_deref(), part(value).as_deref(), time);
    }
    b.finish()
}

/// A store with a topic of some partitions, and the names that a case needs.
struct Stage<'a> {
    fixture: &'a dyn Fixture,
    log: Box<dyn Log>,
    topic: String,
    group: String,
}

impl<'a> Stage<'a> {
    fn new(fixture: &'a dyn Fixture, partitions: u32) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Self::with(fixture, &TopicConfig { partitions, ..TopicConfig::default() })
    }

    fn with(fixture: &'a dyn Fixture, config: &TopicConfig) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let (topic, group) = (format!("{}-in", fixture.prefix()), format!("{}-group", fixture.prefix()));
        let log = fixture.open();
        log.create_topic(&topic, config)?;
        Ok(Self { fixture, log, topic, group })
    }

    fn at(&self, partition: u32) -> TopicPartition {
        TopicPartition::new(self.topic.as_str(), partition)
    }

    /// Appends, and waits until the end of the partition moves no more, so that cases can compare ends.
    fn append(&self, partition: u32, from: i64, words: &[&str]) -> Result<Offset, Box<dyn Error + Send + Sync>> {
        let append = Append { to: self.at(partition), records: records(from, words) };
        let first = self.log.appender()?.append(&[append])?[0];
        let written = first.0 + i64::try_from(words.len())?;
        // Where offsets have gaps, the mark that ends a transaction takes one, and is written a moment after
        // the commit was answered.
        let end = if self.fixture.dense() { written } else { written + 1 };
        let start = Instant::now();
        loop {
            let found = self.log.resolve(&self.at(partition), crate::log::Start::Latest)?;
            if found.0 >= end {
                return Ok(first);
            }
            let over = self.fixture.dense() || start.elapsed() > PATIENCE;
            check!(!over, "{} records were appended at {first}, but the partition ends at {found}", words.len());
            std::thread::park_timeout(AGAIN);
        }
    }

    /// All that a partition holds, from an offset on, as another process reads it.
    fn read(&self, partition: u32, from: Offset) -> Result<Vec<Row>, Box<dyn Error + Send + Sync>> {
        let log = self.fixture.open();
        let at = self.at(partition);
        let end = log.resolve(&at, crate::log::Start::Latest)?;
        drain(&mut *log.reader(&[(at, from)])?, end)
    }

    fn read_all(&self, partition: u32) -> Result<Vec<Row>, Box<dyn Error + Send + Sync>> {
        let from = self.log.resolve(&self.at(partition), crate::log::Start::Earliest)?;
        self.read(partition, from)
    }
}

/// The next records, or `None` where none come in time: a reader may return early without any.
fn some(reader: &mut dyn Reader, limit: FetchLimit, wait: Duration) -> LogResult<Option<Fetched>> {
    let start = Instant::now();
    loop {
        let fetched = reader.poll(limit, wait.saturating_sub(start.elapsed()))?;
        if fetched.is_some() || start.elapsed() >= wait {
            return Ok(fetched);
        }
    }
}

/// Reads the only partition of a reader up to an offset.
fn drain(reader: &mut dyn Reader, end: Offset) -> Result<Vec<Row>, Box<dyn Error + Send + Sync>> {
    let mut all: Vec<Row> = Vec::new();
    while reader.positions().iter().any(|(_, at)| *at < end) {
        let before = reader.positions();
        match reader.poll(FetchLimit::default(), PATIENCE)? {
            Some(fetched) => all.extend(rows(&fetched)),
            None => check!(reader.positions() != before, "nothing came although {before:?} is before {end}"),
        }
    }
    check!(all.windows(2).all(|w| w[0].offset < w[1].offset), "offsets do not rise: {all:?}");
    Ok(all)
}
