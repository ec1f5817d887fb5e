//! The conformance suite: what every backplane must do, as cases to run against it.
//!
//! It is part of the library, so that unit tests, integration tests and other crates run the same cases. It
//! uses only the [`Log`] trait. A case that fails returns a sentence about what went wrong.

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

/// Why a case failed.
type Failure = Box<dyn Error + Send + Sync>;

/// The result of a case.
pub type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// A backplane to run cases against.
pub trait Fixture {
    /// Opens another handle on the same data, as another process would.
    fn open(&self) -> Box<dyn Log>;

    /// A prefix for the names of topics and groups. Where cases share one backplane, each needs its own.
    fn prefix(&self) -> String;

    /// Whether offsets have no gaps and a partition begins at 0.
    fn dense(&self) -> bool;

    /// Whether a group has one member only and refuses a second one.
    fn exclusive(&self) -> bool;
}

/// One requirement on a backplane.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What is required.
    pub name: &'static str,
    /// Checks it.
    pub run: fn(&dyn Fixture) -> Outcome,
}

/// All cases.
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

/// How long a case waits for something that must happen.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The pause between two checks for something that must happen.
const RETRY_INTERVAL: Duration = Duration::from_millis(5);
/// How long a case watches for something that must not happen.
const QUIET_PERIOD: Duration = Duration::from_millis(100);

/// A record in a form that cases compare.
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
                h.row(i)
                    .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.map(<[u8]>::to_vec)))
                    .collect()
            }),
        })
        .collect()
}

fn texts(rows: &[Row]) -> Vec<String> {
    rows.iter().map(Row::text).collect()
}

/// Records from `key=value` texts, with `-` for null. Timestamps count up from `from_time`.
fn records(from_time: i64, texts: &[&str]) -> Records {
    let mut b = RecordsBuilder::default();
    for (time, text) in (from_time..).zip(texts) {
        let (key, value) = text.split_once('=').unwrap_or(("-", text));
        let part = |s: &str| (s != "-").then(|| s.as_bytes().to_vec());
        b.push(part(key).as_deref(), part(value).as_deref(), time);
    }
    b.finish()
}

/// A new topic, and the names that a case needs.
struct TestTopic<'a> {
    fixture: &'a dyn Fixture,
    log: Box<dyn Log>,
    topic: String,
    group: String,
}

impl<'a> TestTopic<'a> {
    fn new(fixture: &'a dyn Fixture, partitions: u32) -> Result<Self, Failure> {
        Self::with(fixture, &TopicConfig { partitions, ..TopicConfig::default() })
    }

    fn with(fixture: &'a dyn Fixture, config: &TopicConfig) -> Result<Self, Failure> {
        let (topic, group) = (format!("{}-in", fixture.prefix()), format!("{}-group", fixture.prefix()));
        let log = fixture.open();
        log.create_topic(&topic, config)?;
        Ok(Self { fixture, log, topic, group })
    }

    fn at(&self, partition: u32) -> TopicPartition {
        TopicPartition::new(self.topic.as_str(), partition)
    }

    /// Appends, and waits until the end of the partition is final, so that cases can compare ends.
    fn append(&self, partition: u32, from_time: i64, texts: &[&str]) -> Result<Offset, Failure> {
        let append = Append { to: self.at(partition), records: records(from_time, texts) };
        let first = self.log.appender()?.append(&[append])?[0];
        let written = first.0 + i64::try_from(texts.len())?;
        // Where offsets have gaps, a transaction marker takes an offset. It may be written only after the commit
        // was acknowledged.
        let end = if self.fixture.dense() { written } else { written + 1 };
        let start = Instant::now();
        loop {
            let found = self.log.resolve(&self.at(partition), crate::log::Start::Latest)?;
            if found.0 >= end {
                return Ok(first);
            }
            let timed_out = self.fixture.dense() || start.elapsed() > TIMEOUT;
            check!(!timed_out, "{} records were appended at {first}, but the partition ends at {found}", texts.len());
            std::thread::park_timeout(RETRY_INTERVAL);
        }
    }

    /// The records of a partition from an offset to its end, read through another handle.
    fn read(&self, partition: u32, from: Offset) -> Result<Vec<Row>, Failure> {
        let log = self.fixture.open();
        let at = self.at(partition);
        let end = log.resolve(&at, crate::log::Start::Latest)?;
        read_to(&mut *log.reader(&[(at, from)])?, end)
    }

    fn read_all(&self, partition: u32) -> Result<Vec<Row>, Failure> {
        let from = self.log.resolve(&self.at(partition), crate::log::Start::Earliest)?;
        self.read(partition, from)
    }
}

/// Polls until records arrive or the time is over: a reader may return early without any.
fn poll_until(reader: &mut dyn Reader, limit: FetchLimit, wait: Duration) -> LogResult<Option<Fetched>> {
    let start = Instant::now();
    loop {
        let fetched = reader.poll(limit, wait.saturating_sub(start.elapsed()))?;
        if fetched.is_some() || start.elapsed() >= wait {
            return Ok(fetched);
        }
    }
}

/// Reads the only partition of a reader up to an end offset.
fn read_to(reader: &mut dyn Reader, end: Offset) -> Result<Vec<Row>, Failure> {
    let mut all: Vec<Row> = Vec::new();
    while reader.positions().iter().any(|(_, at)| *at < end) {
        let before = reader.positions();
        match reader.poll(FetchLimit::default(), TIMEOUT)? {
            Some(fetched) => all.extend(rows(&fetched)),
            None => check!(reader.positions() != before, "no records came although {before:?} is before {end}"),
        }
    }
    check!(all.windows(2).all(|w| w[0].offset < w[1].offset), "offsets do not rise: {all:?}");
    Ok(all)
}
