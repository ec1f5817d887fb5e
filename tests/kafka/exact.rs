//! What a group's results must be, judged one by one as they are read.
//!
//! Separate because it knows what the records of [`record`] are and gives, and nothing of how they were
//! treated. Expected values follow from the numbers of the records: none is kept, and none was taken from
//! the program.

use super::broker::Cluster;
use super::checker;
use super::feed::Record;
use serde::Deserialize;
use std::fmt;

/// Partitions of the input.
pub const PARTITIONS: u32 = 4;

/// Keys of the fold; each has one of so many records in a row.
pub const SENSORS: i64 = 200;

/// Keys of the window.
const KINDS: i64 = 10;

/// Milliseconds between two records.
const STEP: i64 = 2;

/// Records in a window of a second.
pub const WINDOW: i64 = 1_000 / STEP;

/// The time of the first record: recent, as old ones are removed by the broker.
fn begin() -> i64 {
    static BEGIN: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    *BEGIN.get_or_init(|| chrono::Utc::now().timestamp() / 3_600 * 3_600_000 - 86_400_000)
}

fn sensor(i: i64) -> i64 {
    i * 7 % SENSORS
}

/// A record by its number. Those of one sensor are in one partition, those of one kind in all.
pub fn record(i: i64) -> Record {
    let (sensor, kind, time) = (sensor(i), i % KINDS, begin() + i * STEP);
    Record {
        partition: i32::try_from(sensor % i64::from(PARTITIONS)).unwrap(),
        key: format!("s{sensor}"),
        value: format!(r#"{{"i":{i},"sensor":"s{sensor}","kind":"k{kind}","ts":{time}}}"#),
    }
}

/// The source of a pipeline for these records; `NAME` is the pipeline's.
pub const SOURCE: &str = "name: NAME
source: {topic: NAME-in, key: sensor, schema: {i: bigint, sensor: string, kind: string, ts: timestamp}, timestamp: ts}
commit_every: 50ms
";

/// A fold by the record's key, and a count by another, which meets through a repartition.
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

/// How often each of so many things was there.
pub struct Tally {
    what: &'static str,
    seen: Vec<u8>,
    /// Times that something was there once more.
    pub doubled: u64,
    /// First came after a later one of its key.
    pub disordered: u64,
    /// With a value that it cannot have.
    pub wrong: u64,
    /// The first of these, as they were.
    samples: Vec<String>,
}

impl Tally {
    fn new(what: &'static str, of: i64) -> Self {
        let seen = vec![0; usize::try_from(of).unwrap()];
        Self { what, seen, doubled: 0, disordered: 0, wrong: 0, samples: Vec::new() }
    }

    /// Those that were never there.
    pub fn lost(&self) -> usize {
        self.seen.iter().filter(|s| **s == 0).count()
    }

    /// Takes note of one; whether it was there for the first time.
    fn see(&mut self, which: i64, as_it_was: &[u8]) -> bool {
        let slot = usize::try_from(which).ok().and_then(|i| self.seen.get_mut(i));
        match slot {
            None => self.wrong(as_it_was),
            Some(0) => {
                self.seen[usize::try_from(which).unwrap()] = 1;
                return true;
            }
            Some(more) => {
                *more = more.saturating_add(1);
                self.doubled += 1;
                self.sample("doubled", as_it_was);
            }
        }
        false
    }

    fn wrong(&mut self, as_it_was: &[u8]) {
        self.wrong += 1;
        self.sample("wrong", as_it_was);
    }

    fn sample(&mut self, what: &str, as_it_was: &[u8]) {
        if self.samples.len() < 10 {
            self.samples.push(format!("{what}: {}", String::from_utf8_lossy(as_it_was)));
        }
    }

    /// Each was there once, in order, as it must be.
    pub fn exact(&self) -> bool {
        self.lost() == 0 && self.doubled == 0 && self.disordered == 0 && self.wrong == 0
    }

    /// The numbers of the first that are missing, and what else was odd.
    pub fn evidence(&self) -> String {
        let lost = self.seen.iter().enumerate().filter(|(_, s)| **s == 0).map(|(i, _)| i);
        let lost: Vec<usize> = lost.take(20).collect();
        format!("{self}\nthe first that are lost: {lost:?}\n{}", self.samples.join("\n"))
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, seen, doubled, disordered, wrong, .. } = self;
        let (of, lost) = (seen.len(), self.lost());
        write!(f, "{of} {what}: {lost} lost, {doubled} doubled, {disordered} out of order, {wrong} wrong")
    }
}

/// Results that each belong to one record: `number` reads the record's number, and whether it is right.
fn by_record<'a, T: Deserialize<'a>>(
    tally: &mut Tally,
    furthest: &mut [i64],
    value: &'a [u8],
    number: impl Fn(&T) -> (i64, bool),
) {
    let Ok(read) = serde_json::from_slice::<T>(value) else { return tally.wrong(value) };
    let (i, right) = number(&read);
    if !right {
        tally.wrong(value);
    }
    if tally.see(i, value) {
        let last = &mut furthest[usize::try_from(sensor(i)).unwrap()];
        if i < *last {
            tally.disordered += 1;
            tally.sample("out of order", value);
        }
        *last = i.max(*last);
    }
}

fn furthest() -> Vec<i64> {
    vec![-1; usize::try_from(SENSORS).unwrap()]
}

/// The fold of each sensor after each of its records; `counted` compares what it has counted with what there was.
pub fn folds(cluster: &Cluster, topic: &str, records: i64, counted: fn(&i64, &i64) -> bool) -> Tally {
    #[derive(Deserialize)]
    struct Fold {
        n: i64,
        last: i64,
    }
    let (mut tally, mut furthest) = (Tally::new("results of the fold", records), furthest());
    checker::each(cluster, topic, |_, value| {
        by_record(&mut tally, &mut furthest, value, |f: &Fold| (f.last, counted(&f.n, &(f.last / SENSORS + 1))));
    });
    tally
}

/// Records as they are, by their number.
pub fn numbers(cluster: &Cluster, topic: &str, records: i64) -> Tally {
    #[derive(Deserialize)]
    struct Numbered {
        i: i64,
    }
    let (mut tally, mut furthest) = (Tally::new("records", records), furthest());
    checker::each(cluster, topic, |_, value| {
        by_record(&mut tally, &mut furthest, value, |r: &Numbered| (r.i, true));
    });
    tally
}

/// The counts of each kind in each second.
pub fn counts(cluster: &Cluster, topic: &str, records: i64) -> Tally {
    #[derive(Deserialize)]
    struct Count<'a> {
        n: i64,
        sum: i64,
        window_start: &'a str,
    }
    // What a window that is not the last holds of a kind; the last may hold fewer, of some kinds none.
    let expected = |window: i64, kind: i64| {
        let all = (window * WINDOW..((window + 1) * WINDOW).min(records)).skip(usize::try_from(kind).unwrap());
        all.step_by(usize::try_from(KINDS).unwrap()).fold((0, 0), |(n, sum), i| (n + 1, sum + i))
    };
    let last = records % WINDOW;
    let windows = records / WINDOW * KINDS + last.min(KINDS);
    let mut tally = Tally::new("results of windows", windows);
    checker::each(cluster, topic, |key, value| {
        let read: Option<(i64, i64, Count<'_>)> = serde_json::from_slice::<Count<'_>>(value).ok().and_then(|c| {
            let start = chrono::DateTime::parse_from_rfc3339(c.window_start).ok()?;
            Some(((start.timestamp_millis() - begin()) / 1_000, key.strip_prefix('k')?.parse().ok()?, c))
        });
        let Some((window, kind, c)) = read else { return tally.wrong(value) };
        if tally.see(window * KINDS + kind, value) && (c.n, c.sum) != expected(window, kind) {
            tally.wrong(value);
        }
    });
    tally
}

/// The records of the input themselves: what was written is what was meant to be.
pub fn input(cluster: &Cluster, topic: &str, records: i64) {
    let tally = numbers(cluster, topic, records);
    assert!(tally.exact(), "the input is not what it must be: {}", tally.evidence());
}
