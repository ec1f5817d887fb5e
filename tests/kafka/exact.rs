//! The records of the tests on groups, and a check of their results one by one as they are read.
//!
//! Expected values follow from the numbers of the records: none is kept, and none was taken from the output of the
//! program. The check does not depend on what happened to the group.

use super::broker::Cluster;
use super::checker::{self, Defect, Results};
use super::feed::Record;
use serde::Deserialize;
use std::fmt;

/// Partitions of the input.
pub const PARTITIONS: u32 = 4;

/// Keys of the fold. Of this many consecutive records each key has one.
pub const SENSORS: i64 = 200;

/// Keys of the window.
const KINDS: i64 = 10;

/// Event time between two records, milliseconds.
const STEP_MS: i64 = 2;

/// Records in a window of a second.
pub const RECORDS_PER_WINDOW: i64 = 1_000 / STEP_MS;

/// The event time of the first record: recent, as the broker deletes old records.
fn first_timestamp() -> i64 {
    static FIRST: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    *FIRST.get_or_init(|| chrono::Utc::now().timestamp() / 3_600 * 3_600_000 - 86_400_000)
}

fn sensor(i: i64) -> i64 {
    i * 7 % SENSORS
}

/// The record with this number. The records of a sensor are in one partition, those of a kind in all.
pub fn record(i: i64) -> Record {
    let (sensor, kind, time) = (sensor(i), i % KINDS, timestamp(i));
    Record {
        partition: i32::try_from(sensor % i64::from(PARTITIONS)).unwrap(),
        key: format!("s{sensor}"),
        value: format!(r#"{{"i":{i},"sensor":"s{sensor}","kind":"k{kind}","ts":{time}}}"#),
        header: None,
    }
}

/// The source of a pipeline over these records; `NAME` stands for the pipeline's name.
pub const SOURCE: &str = "name: NAME
source: {topic: NAME-in, key: sensor, schema: {i: bigint, sensor: string, kind: string, ts: timestamp}, timestamp: ts}
commit_every: 50ms
";

/// The event time of the record with this number.
pub fn timestamp(i: i64) -> i64 {
    first_timestamp() + i * STEP_MS
}

/// A fold by the record's key, and a window by another key behind a repartition.
pub const STEPS: &str = "steps:
  - name: folded
    scan: {by: [sensor], init: {n: 0, last: 0}, next: {n: n + 1, last: i}}
  - name: counted
    from: NAME-in
    window: {tumbling: 1s, by: [kind], select: {n: count(*), sum: sum(i)}}
sinks:
  - {from: folded, topic: NAME-folded}
  - {from: counted, topic: NAME-counted}
";

/// Most samples of defects that are kept.
const MAX_SAMPLES: usize = 10;

/// Most numbers of lost results that are shown.
const MAX_LOST_LISTED: usize = 20;

/// How often each expected result was found.
pub struct Tally {
    results: Results,
    /// By the number of the result, up to 255.
    times_found: Vec<u8>,
    /// Results beyond the first of their number.
    pub duplicates: u64,
    /// Results whose first occurrence follows a later result of its key.
    pub out_of_order: u64,
    /// Results with a wrong value or an unknown number.
    pub wrong: u64,
    /// The first of these as text.
    samples: Vec<String>,
}

impl Tally {
    pub fn new(results: Results, expected: i64) -> Self {
        let times_found = vec![0; usize::try_from(expected).unwrap()];
        Self { results, times_found, duplicates: 0, out_of_order: 0, wrong: 0, samples: Vec::new() }
    }

    /// The number of results that were not found.
    pub fn lost(&self) -> usize {
        self.times_found.iter().filter(|n| **n == 0).count()
    }

    /// The defects that were found.
    pub fn defects(&self) -> Vec<Defect> {
        let found = [
            (self.lost() > 0, Defect::Lost(self.results)),
            (self.duplicates > 0, Defect::Duplicated(self.results)),
            (self.out_of_order > 0, Defect::OutOfOrder(self.results)),
            (self.wrong > 0, Defect::Wrong(self.results)),
        ];
        found.into_iter().filter_map(|(is_found, defect)| is_found.then_some(defect)).collect()
    }

    /// Counts a result; returns whether it is the first of its number.
    pub fn count(&mut self, number: i64, value: &[u8]) -> bool {
        let slot = usize::try_from(number).ok().and_then(|i| self.times_found.get_mut(i));
        match slot {
            None => self.count_wrong(value),
            Some(0) => {
                self.times_found[usize::try_from(number).unwrap()] = 1;
                return true;
            }
            Some(times) => {
                *times = times.saturating_add(1);
                self.duplicates += 1;
                self.sample("duplicate", value);
            }
        }
        false
    }

    /// Counts a result with a wrong value or an unknown number.
    pub fn count_wrong(&mut self, value: &[u8]) {
        self.wrong += 1;
        self.sample("wrong", value);
    }

    fn sample(&mut self, defect: &str, value: &[u8]) {
        if self.samples.len() < MAX_SAMPLES {
            self.samples.push(format!("{defect}: {}", String::from_utf8_lossy(value)));
        }
    }

    /// Whether each result was found once, in order, with its value.
    pub fn exact(&self) -> bool {
        self.defects().is_empty()
    }

    /// The numbers of the first lost results, and samples of the other defects.
    pub fn evidence(&self) -> String {
        let lost = self.times_found.iter().enumerate().filter(|(_, n)| **n == 0).map(|(i, _)| i);
        let lost: Vec<usize> = lost.take(MAX_LOST_LISTED).collect();
        format!("{self}\nthe first lost: {lost:?}\n{}", self.samples.join("\n"))
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { results, times_found, duplicates, out_of_order, wrong, .. } = self;
        let (expected, lost) = (times_found.len(), self.lost());
        write!(
            f,
            "{expected} {results}: {lost} lost, {duplicates} duplicates, {out_of_order} out of order, {wrong} wrong"
        )
    }
}

/// Counts a result that belongs to one record. `number` returns the record's number, and whether the value is right.
fn count_by_record<'a, T: Deserialize<'a>>(
    tally: &mut Tally,
    latest_by_sensor: &mut [i64],
    value: &'a [u8],
    number: impl Fn(&T) -> (i64, bool),
) {
    let Ok(read) = serde_json::from_slice::<T>(value) else { return tally.count_wrong(value) };
    let (i, right) = number(&read);
    if !right {
        tally.count_wrong(value);
    }
    if tally.count(i, value) {
        let last = &mut latest_by_sensor[usize::try_from(sensor(i)).unwrap()];
        if i < *last {
            tally.out_of_order += 1;
            tally.sample("out of order", value);
        }
        *last = i.max(*last);
    }
}

fn latest_by_sensor() -> Vec<i64> {
    vec![-1; usize::try_from(SENSORS).unwrap()]
}

/// Checks the fold of each sensor after each of its records. `count_is_right` compares the count of the fold with the
/// number of the sensor's records.
pub fn folds(cluster: &Cluster, topic: &str, records: i64, count_is_right: fn(&i64, &i64) -> bool) -> Tally {
    #[derive(Deserialize)]
    struct Fold {
        n: i64,
        last: i64,
    }
    let (mut tally, mut latest) = (Tally::new(Results::Folds, records), latest_by_sensor());
    checker::for_each_committed(cluster, topic, |_, value| {
        count_by_record(&mut tally, &mut latest, value, |f: &Fold| {
            (f.last, count_is_right(&f.n, &(f.last / SENSORS + 1)))
        });
    });
    tally
}

/// Checks records that pass unchanged, by their number.
pub fn numbers(cluster: &Cluster, topic: &str, records: i64) -> Tally {
    #[derive(Deserialize)]
    struct Numbered {
        i: i64,
    }
    let (mut tally, mut latest) = (Tally::new(Results::Records, records), latest_by_sensor());
    checker::for_each_committed(cluster, topic, |_, value| {
        count_by_record(&mut tally, &mut latest, value, |r: &Numbered| (r.i, true));
    });
    tally
}

/// Checks the window of each kind in each second.
pub fn counts(cluster: &Cluster, topic: &str, records: i64) -> Tally {
    #[derive(Deserialize)]
    struct Count<'a> {
        n: i64,
        sum: i64,
        window_start: &'a str,
    }
    // Count and sum of a kind in a window. The last window may have fewer records, and of some kinds none.
    let expected = |window: i64, kind: i64| {
        let all = (window * RECORDS_PER_WINDOW..((window + 1) * RECORDS_PER_WINDOW).min(records))
            .skip(usize::try_from(kind).unwrap());
        all.step_by(usize::try_from(KINDS).unwrap()).fold((0, 0), |(n, sum), i| (n + 1, sum + i))
    };
    let last = records % RECORDS_PER_WINDOW;
    let windows = records / RECORDS_PER_WINDOW * KINDS + last.min(KINDS);
    let mut tally = Tally::new(Results::Windows, windows);
    checker::for_each_committed(cluster, topic, |key, value| {
        let read: Option<(i64, i64, Count<'_>)> = serde_json::from_slice::<Count<'_>>(value).ok().and_then(|c| {
            let start = chrono::DateTime::parse_from_rfc3339(c.window_start).ok()?;
            Some(((start.timestamp_millis() - first_timestamp()) / 1_000, key.strip_prefix('k')?.parse().ok()?, c))
        });
        let Some((window, kind, c)) = read else { return tally.count_wrong(value) };
        if tally.count(window * KINDS + kind, value) && (c.n, c.sum) != expected(window, kind) {
            tally.count_wrong(value);
        }
    });
    tally
}

/// Asserts that the input was written as intended.
pub fn assert_input(cluster: &Cluster, topic: &str, records: i64) {
    let tally = numbers(cluster, topic, records);
    assert!(tally.exact(), "the input is wrong: {}", tally.evidence());
}
