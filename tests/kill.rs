//! Exactly-once on the embedded log: runs that are killed with SIGKILL at any moment.
//!
//! A child process runs a pipeline while records are appended. It is killed repeatedly, each time after its
//! committed positions have advanced by a random amount, or after a random time since its start. In the end the
//! sinks hold, byte for byte and partition by partition, what an undisturbed run writes. `FASTDATA_KILLS=200`
//! sets the number of kills; the seed of a failure is printed.

use crate::harness::engine;
use crate::harness::program::Fastdata;
use crate::harness::record::{Record, Topics, difference, pack};
use crate::harness::scenario::{Scenario, model_records, plan};
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

/// Kills unless `FASTDATA_KILLS` sets their number.
const DEFAULT_KILLS: usize = 12;

/// Records of one append.
const CHUNK_RECORDS: usize = 30;

/// One input partition: scored, folded and counted.
const ONE_PARTITION: &str = "name: one
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

/// Several input partitions and a repartition by another key.
const SEVERAL_PARTITIONS: &str = "name: several
source: {topic: events, schema: {sensor: string, kind: string, a: double, b: double, ts: timestamp}, timestamp: ts, watermark: {delay: 50ms}}
commit_every: 1ms
steps:
  - name: kept
    filter: a > -900
  - name: counted
    window:
      tumbling: 1s
      by: [kind]
      # Results that do not depend on the order in which partitions arrive.
      select: {n: count(*), low: min(a), high: max(b)}
sinks:
  - {from: kept, topic: kept}
  - {from: counted, topic: counted}
";

/// One record every 10 ms of event time. Some are out of order, late or undecodable.
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
        // A record without a key keeps its partition number, so that the output has one possible order.
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

/// Counts over all rounds.
#[derive(Debug, Default)]
struct Tally {
    rounds: usize,
    kills: usize,
    /// Kills before the first commit of the run.
    before_commit: usize,
}

/// A pipeline, and records that are appended while it runs, in small chunks so that it commits often.
struct LiveInput {
    scenario: Scenario,
    log: Arc<EmbeddedLog>,
    pending: VecDeque<(TopicPartition, Vec<Record>)>,
    appended: i64,
}

impl LiveInput {
    fn new(scenario: Scenario, log: Arc<EmbeddedLog>) -> Self {
        engine::seed(&Scenario { input: Topics::new(), ..scenario.clone() }, &*log);
        let chunks = scenario.input.iter().map(|((topic, partition), records)| {
            let at = TopicPartition::new(topic.as_str(), *partition);
            records.chunks(CHUNK_RECORDS).map(|c| (at.clone(), c.to_vec())).collect::<Vec<_>>()
        });
        let mut chunks: Vec<_> = chunks.map(Vec::into_iter).collect();
        let mut pending = VecDeque::new();
        // Partitions alternate.
        while let Some(row) =
            Some(chunks.iter_mut().filter_map(Iterator::next).collect::<Vec<_>>()).filter(|r| !r.is_empty())
        {
            pending.extend(row);
        }
        Self { scenario, log, pending, appended: 0 }
    }

    /// The number of input records that are committed.
    fn position(&self) -> i64 {
        let sources: Vec<_> = (0..self.scenario.partitions).map(|p| TopicPartition::new("events", p)).collect();
        let committed = self.log.committed(&self.scenario.plan.name, &sources).unwrap();
        committed.iter().flatten().map(|o| o.0).sum()
    }

    /// Appends records if the run has nearly caught up, and returns its position.
    fn feed(&mut self) -> i64 {
        let position = self.position();
        while self.appended - position < 3 * i64::try_from(CHUNK_RECORDS).unwrap() && !self.pending.is_empty() {
            self.append_chunk();
        }
        position
    }

    /// Appends all pending records.
    fn feed_all(&mut self) {
        while !self.pending.is_empty() {
            self.append_chunk();
        }
    }

    fn append_chunk(&mut self) {
        let (to, records) = self.pending.pop_front().expect("a pending chunk");
        self.appended += i64::try_from(records.len()).unwrap();
        self.log.appender().unwrap().append(&[Append { to, records: pack(&records) }]).unwrap();
    }

    /// Starts a run and kills it after a random number of records, or after a random time.
    fn run_and_kill(&mut self, f: &Fastdata, random: &mut Pcg64, tally: &mut Tally) {
        let start = self.position();
        let distance = random.random_range(1..400);
        let by_time = random.random_bool(0.3).then(|| Duration::from_micros(random.random_range(0..300_000)));
        let mut run = f.start("run p.yaml --quiet");
        let started = Instant::now();
        wait::until("the run to advance", || {
            let ended = run.child().try_wait().unwrap();
            assert!(ended.is_none(), "the run ended: {ended:?}\n{}", run.stderr_text());
            let position = self.feed();
            let due = match by_time {
                Some(time) => started.elapsed() >= time,
                None => position >= start + distance || (self.pending.is_empty() && position >= self.appended),
            };
            due.then_some(())
        });
        // Commits are milliseconds apart: a random delay puts the kill anywhere between two of them.
        let delay = Duration::from_micros(random.random_range(0..4_000));
        let seen = Instant::now();
        while seen.elapsed() < delay {
            std::hint::spin_loop();
        }
        run.signal("KILL");
        let status = run.wait();
        assert_eq!(status.signal(), Some(9), "the run ended: {status}\n{}", run.stderr_text());
        tally.kills += 1;
        tally.before_commit += usize::from(self.position() == start);
    }
}

fn assert_exactly_once(text: &str, records: usize, partitions: u32, seed: u64, kills: usize) {
    let case = case::Case::load("score");
    let models = if text.contains("score:") { model_records(&case.models) } else { Vec::new() };
    let mut random = Pcg64::seed_from_u64(seed);
    let mut tally = Tally::default();
    while tally.kills < kills {
        tally.rounds += 1;
        let events = events(records, partitions, random.random());
        let scenario = Scenario { plan: plan(text, Path::new(".")), input: events, partitions, models: models.clone() };
        let undisturbed = tempfile::tempdir().unwrap();
        let expected = engine::run_on_embedded_log(&scenario, undisturbed.path());
        let f = Fastdata::in_temp();
        f.file("p.yaml", text);
        let log = Arc::new(EmbeddedLog::open(&f.log_dir()).unwrap());
        let mut input = LiveInput::new(scenario.clone(), log.clone());
        while tally.kills < kills && !(input.pending.is_empty() && input.position() >= input.appended) {
            input.run_and_kill(&f, &mut random, &mut tally);
        }
        input.feed_all();
        f.args("run p.yaml --until-end --drain").succeeds();
        let found = engine::read_outputs(&scenario, &*log);
        let difference =
            difference(&with_sorted_dead_letters(expected, &scenario), &with_sorted_dead_letters(found, &scenario));
        assert!(difference.is_empty(), "seed {seed}, round {}, {tally:?}:\n{difference}", tally.rounds);
        let ledger = engine::committed_ledger(&scenario, &*log);
        assert_eq!(ledger["read"], records as u64, "seed {seed}, {tally:?}");
    }
    println!("{}, {tally:?}, seed {seed}", first_line(text));
}

/// Dead letters of several tasks share a partition, in any order.
fn with_sorted_dead_letters(mut topics: Topics, scenario: &Scenario) -> Topics {
    if scenario.partitions > 1 {
        topics.get_mut(&(scenario.plan.dead_topic(), 0)).into_iter().for_each(|dead_letters| dead_letters.sort());
    }
    topics
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// The number of kills and the seed. A chosen number of kills uses a new seed in each process.
fn kills_and_seed() -> (usize, u64) {
    let number = |name: &str| std::env::var(name).ok().map(|v| v.parse().expect(name));
    let kills = number("FASTDATA_KILLS").map(|k: u64| usize::try_from(k).unwrap());
    let seed =
        number("FASTDATA_SEED").unwrap_or_else(|| if kills.is_some() { u64::from(std::process::id()) } else { 1 });
    (kills.unwrap_or(DEFAULT_KILLS), seed)
}

#[test]
fn one_partition_is_the_same_byte_for_byte() {
    let (kills, seed) = kills_and_seed();
    assert_exactly_once(ONE_PARTITION, 4_000, 1, seed, kills);
}

#[test]
fn several_partitions_are_the_same_byte_for_byte() {
    let (kills, seed) = kills_and_seed();
    assert_exactly_once(SEVERAL_PARTITIONS, 4_000, 3, seed, kills);
}
