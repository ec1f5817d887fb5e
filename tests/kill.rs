//! Exactly-once: runs that are killed with SIGKILL at any moment, and what a reader sees in the end.
//!
//! A child process runs a pipeline while records come; it is killed again and again, each time after its
//! committed positions have moved by a random amount, or after a random time since its start.
//! In the end the topics of its sinks hold, byte for byte and partition by partition, what an undisturbed
//! run gives. `FASTDATA_KILLS=200` makes it that many kills; the seed of a failure is printed.

use crate::harness::drive::{Drive, model_records, plan};
use crate::harness::engine;
use crate::harness::program::Fastdata;
use crate::harness::record::{Record, Topics, difference, pack};
use crate::harness::{case, wait};
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{Append, Log as _};
use fastdata::record::TopicPartition;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;
use serde_json::json;
use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Kills of the short version.
const KILLS: usize = 12;

/// Records that come at once.
const CHUNK: usize = 30;

/// One input partition: scored, folded and counted.
const ONE: &str = "name: one
source: {topic: events, key: sensor, schema: {sensor: string, a: double, b: double, ts: timestamp}, timestamp: ts, watermark: {delay: 50ms}}
commit_every: 1ms
steps:
  - name: scored
    score: {model: largest, inputs: [a, b], outputs: {class: prediction}}
  - name: folded
    scan: {by: [sensor], init: {n: 0, mean: 0.0}, next: {n: n + 1, mean: mean + (a - mean) / (n + 1)}}
  - name: counted
    window:
      tumbling: 1s
      by: [sensor]
      select: {n: count(*), total: sum(a), mean: avg(b), classes: sum(class)}
sinks:
  - {from: folded, topic: folded}
  - {from: counted, topic: counted}
  - {from: counted.late, topic: late}
";

/// Several input partitions that meet by another key.
const SEVERAL: &str = "name: several
source: {topic: events, schema: {sensor: string, kind: string, a: double, b: double, ts: timestamp}, timestamp: ts, watermark: {delay: 50ms}}
commit_every: 1ms
steps:
  - name: kept
    filter: a > -900
  - name: counted
    window:
      tumbling: 1s
      by: [kind]
      # What does not depend on the order in which partitions meet.
      select: {n: count(*), low: min(a), high: max(b)}
sinks:
  - {from: kept, topic: kept}
  - {from: counted, topic: counted}
";

/// Records of 10 ms each, some out of order and some too late, some undecodable.
fn events(records: usize, partitions: u32, seed: u64) -> Topics {
    let mut random = Pcg64::seed_from_u64(seed);
    let mut topics = Topics::new();
    for i in 0..records {
        let sensor = format!("s{}", random.random_range(0..20));
        let jitter = if random.random_bool(0.02) { -3_000 } else { random.random_range(-60..60) };
        let ts = 1_767_225_600_000 + i64::try_from(i).unwrap() * 10 + jitter;
        let number = |r: &mut Pcg64| f64::from(r.random_range(-999_999..999_999)) / 1000.0;
        let (a, b) = (number(&mut random), number(&mut random));
        let kind = format!("k{}", random.random_range(0..5));
        // A record without a key stays in the partition with its number: what a sink holds has one order.
        let key = (partitions == 1).then_some(sensor.as_str());
        let mut record = Record::json(key, &json!({"sensor": sensor, "kind": kind, "a": a, "b": b, "ts": ts}), ts);
        if random.random_bool(0.01) {
            record.value = Some(format!("broken {i}").into_bytes());
        }
        let partition = random.random_range(0..partitions);
        topics.entry(("events".into(), partition)).or_default().push(record);
    }
    topics
}

/// What happened in all rounds.
#[derive(Debug, Default)]
struct Tally {
    rounds: usize,
    kills: usize,
    /// Kills before the run had committed anything since its start.
    early: usize,
}

/// A pipeline, and records that come while it runs: little by little, so that it commits often.
struct Stream {
    drive: Drive,
    log: Arc<EmbeddedLog>,
    left: VecDeque<(TopicPartition, Vec<Record>)>,
    fed: i64,
}

impl Stream {
    fn new(drive: Drive, log: Arc<EmbeddedLog>) -> Self {
        engine::seed(&Drive { input: Topics::new(), ..drive.again() }, &*log);
        let chunks = drive.input.iter().map(|((topic, partition), records)| {
            let at = TopicPartition::new(topic.as_str(), *partition);
            records.chunks(CHUNK).map(|c| (at.clone(), c.to_vec())).collect::<Vec<_>>()
        });
        let mut chunks: Vec<_> = chunks.map(Vec::into_iter).collect();
        let mut left = VecDeque::new();
        // Partitions take turns.
        while let Some(row) =
            Some(chunks.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>()).filter(|r| !r.is_empty())
        {
            left.extend(row);
        }
        Self { drive, log, left, fed: 0 }
    }

    /// The records that were taken in and committed.
    fn position(&self) -> i64 {
        let sources: Vec<_> = (0..self.drive.partitions).map(|p| TopicPartition::new("events", p)).collect();
        let committed = self.log.committed(&self.drive.plan.name, &sources).unwrap();
        committed.iter().flatten().map(|o| o.0).sum()
    }

    /// Adds records where the run has nearly caught up; tells its position.
    fn feed(&mut self) -> i64 {
        let position = self.position();
        while self.fed - position < 3 * i64::try_from(CHUNK).unwrap() && !self.left.is_empty() {
            self.chunk();
        }
        position
    }

    /// Adds all that is left.
    fn rest(&mut self) {
        while !self.left.is_empty() {
            self.chunk();
        }
    }

    fn chunk(&mut self) {
        let (to, records) = self.left.pop_front().expect("there is one more");
        self.fed += i64::try_from(records.len()).unwrap();
        self.log.appender().unwrap().append(&[Append { to, records: pack(&records) }]).unwrap();
    }

    /// Starts a run and kills it once it has come a random way, or after a random time.
    fn kill(&mut self, f: &Fastdata, random: &mut Pcg64, tally: &mut Tally) {
        let start = self.position();
        let way = random.random_range(1..400);
        let by_time = random.random_bool(0.3).then(|| Duration::from_micros(random.random_range(0..300_000)));
        let mut run = f.start("run p.yaml --quiet");
        let started = Instant::now();
        wait::until("the run to move on", || {
            let ended = run.child().try_wait().unwrap();
            assert!(ended.is_none(), "the run ended: {ended:?}\n{}", run.talk());
            let position = self.feed();
            let come = match by_time {
                Some(time) => started.elapsed() >= time,
                None => position >= start + way || (self.left.is_empty() && position >= self.fed),
            };
            come.then_some(())
        });
        // Commits follow each other within milliseconds: the kill falls anywhere between two.
        let pause = Duration::from_micros(random.random_range(0..4_000));
        let seen = Instant::now();
        while seen.elapsed() < pause {
            std::hint::spin_loop();
        }
        run.signal("KILL");
        let status = run.wait();
        assert_eq!(status.signal(), Some(9), "the run ended: {status}\n{}", run.talk());
        tally.kills += 1;
        tally.early += usize::from(self.position() == start);
    }
}

fn exactly_once(text: &str, records: usize, partitions: u32, seed: u64, kills: usize) {
    let case = case::Case::read("score");
    let models = if text.contains("score:") { model_records(&case.models) } else { Vec::new() };
    let mut random = Pcg64::seed_from_u64(seed);
    let mut tally = Tally::default();
    while tally.kills < kills {
        tally.rounds += 1;
        let input = events(records, partitions, random.random());
        let drive = Drive { plan: plan(text, Path::new(".")), input, partitions, models: models.clone() };
        let whole = tempfile::tempdir().unwrap();
        let expected = engine::whole(&drive, whole.path());
        let f = Fastdata::in_temp();
        f.file("p.yaml", text);
        let log = Arc::new(EmbeddedLog::open(&f.log_dir()).unwrap());
        let mut stream = Stream::new(drive.again(), log.clone());
        while tally.kills < kills && !(stream.left.is_empty() && stream.position() >= stream.fed) {
            stream.kill(&f, &mut random, &mut tally);
        }
        stream.rest();
        f.args("run p.yaml --until-end --drain").succeeds();
        let found = engine::output(&drive, &*log);
        let difference = difference(&settled(expected, &drive), &settled(found, &drive));
        assert!(difference.is_empty(), "seed {seed}, round {}, {tally:?}:\n{difference}", tally.rounds);
        let ledger = engine::ledger(&drive, &*log);
        assert_eq!(ledger["read"], records as u64, "seed {seed}, {tally:?}");
    }
    println!("{}, {tally:?}, seed {seed}", first_line(text));
}

/// Dead letters of several tasks share a partition and have no order among each other.
fn settled(mut topics: Topics, drive: &Drive) -> Topics {
    if drive.partitions > 1 {
        topics.get_mut(&(drive.plan.dead_topic(), 0)).into_iter().for_each(|letters| letters.sort());
    }
    topics
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// How many kills, and with which seed: the long version takes its seed from the clock.
fn asked() -> (usize, u64) {
    let number = |name: &str| std::env::var(name).ok().map(|v| v.parse().expect(name));
    let kills = number("FASTDATA_KILLS").map(|k: u64| usize::try_from(k).unwrap());
    let seed =
        number("FASTDATA_SEED").unwrap_or_else(|| if kills.is_some() { u64::from(std::process::id()) } else { 1 });
    (kills.unwrap_or(KILLS), seed)
}

#[test]
fn one_partition_is_the_same_byte_for_byte() {
    let (kills, seed) = asked();
    exactly_once(ONE, 4_000, 1, seed, kills);
}

#[test]
fn several_partitions_are_the_same_byte_for_byte() {
    let (kills, seed) = asked();
    exactly_once(SEVERAL, 4_000, 3, seed, kills);
}
