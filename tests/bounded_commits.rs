//! The size of a commit is bounded: the results of a window with many keys are spread over several commits, and over a
//! slow connection commits become smaller instead of failing again and again.

use crate::harness::faulty_log::{FaultyLog, InjectedFault};
use crate::harness::record::Record;
use crate::harness::run::Setup;
use crate::harness::scenario::plan;
use crate::harness::slow_commits::{SlowCommit, SlowCommits};
use crate::harness::topics::{append, read_partition, temp_log, topic_config};
use crate::harness::wait;
use fastdata::log::embedded::EmbeddedLog;
use fastdata::log::{Log as _, partitions};
use fastdata::plan::Physical;
use fastdata::record::{RecordsBuilder, TopicPartition};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tempfile::TempDir;

/// Keys of the window that closes. Their results are larger than any single commit may be.
const KEYS: usize = 120_000;

/// Length of each key.
const KEY_BYTES: usize = 200;

/// Upper bound of a commit over a fast connection: twice the limit, as the same amount may be in flight when the limit
/// is reached, and as much more as rows grow on their way.
const MAX_COMMIT_BYTES: usize = 48 << 20;

const WINDOW: &str = "name: p
source: {topic: in, key: k, schema: {k: string, ts: timestamp}, timestamp: ts}
steps:
  - {name: hourly, window: {tumbling: 1h, by: [k], select: {n: count(*)}}}
sinks: [{topic: out}, {from: in, topic: passed}]
";

struct Fixture {
    log: Arc<EmbeddedLog>,
    slow: Arc<SlowCommits>,
    plan: Arc<Physical>,
    _folder: TempDir,
}

impl Fixture {
    fn new(text: &str, partitions: u32, slow: SlowCommits) -> Self {
        let (log, folder) = temp_log();
        log.create_topic("in", &topic_config(partitions)).unwrap();
        Self { log, slow: Arc::new(slow), plan: plan(text, Path::new(".")), _folder: folder }
    }

    fn append(&self, partition: u32, mut records: RecordsBuilder) {
        append(&*self.log, "in", partition, records.finish());
    }

    fn setup(&self) -> Setup {
        let log = FaultyLog::new(self.log.clone(), "none", InjectedFault::SlowCommits(self.slow.clone()));
        Setup::new(self.plan.clone(), Arc::new(log))
    }

    fn commits(&self) -> Vec<SlowCommit> {
        self.slow.commits.lock().unwrap().clone()
    }

    /// The number of committed results.
    fn left(&self) -> usize {
        self.slow.commits.lock().unwrap().iter().map(SlowCommit::results).sum()
    }

    fn output(&self, topic: &str) -> Vec<Record> {
        let info = self.log.topics(Some(topic)).unwrap().pop().unwrap();
        partitions(&info).iter().flat_map(|at| read_partition(&*self.log, at)).collect()
    }
}

impl SlowCommit {
    fn results(&self) -> usize {
        self.records.iter().filter(|(at, _)| &*at.topic == "out").map(|(_, records)| records).sum()
    }
}

fn key(i: usize) -> String {
    format!("{i:0>KEY_BYTES$}")
}

fn record(records: &mut RecordsBuilder, key: &str, ts: i64) {
    records.push(None, Some(format!(r#"{{"k":"{key}","ts":{ts}}}"#).as_bytes()), ts);
}

/// Fills one window of a partition with many keys, and closes it with a record of a later hour.
fn fill_and_close(fixture: &Fixture, partition: u32) {
    for first in (0..KEYS).step_by(4096) {
        let mut records = RecordsBuilder::default();
        (first..KEYS.min(first + 4096)).for_each(|i| record(&mut records, &key(i), 1_000));
        fixture.append(partition, records);
    }
    let mut closing = RecordsBuilder::default();
    record(&mut closing, "closes", 2 * 3_600_000);
    fixture.append(partition, closing);
}

fn assert_each_key_once(fixture: &Fixture) {
    let results = fixture.output("out");
    let keys: BTreeSet<&[u8]> = results.iter().filter_map(|r| r.key.as_deref()).collect();
    assert_eq!((results.len(), keys.len()), (KEYS, KEYS), "each key once");
}

#[test]
fn a_large_window_is_emitted_over_several_commits_while_other_partitions_are_read() {
    let fixture = Fixture::new(WINDOW, 2, SlowCommits::default());
    fill_and_close(&fixture, 0);
    let run = fixture.setup().start();
    let passed = TopicPartition::new("passed", 1);
    let mut i = 0;
    wait::until("every key to leave", || {
        let mut records = RecordsBuilder::default();
        record(&mut records, &i.to_string(), 1_000);
        fixture.append(1, records);
        i += 1;
        (fixture.left() >= KEYS).then_some(())
    });
    run.stop_and_join().unwrap();
    let commits = fixture.commits();
    let largest = commits.iter().map(|c| c.bytes).max().unwrap();
    assert!(largest < MAX_COMMIT_BYTES, "a commit carried {largest} bytes");
    let closing: Vec<_> = commits.into_iter().filter(|c| c.results() > 0).collect();
    assert!(closing.len() >= 4, "{} commits carried the results", closing.len());
    let shared = closing.iter().filter(|c| c.records.contains_key(&passed)).count();
    assert!(shared >= 1, "none of {} carried another partition too", closing.len());
    assert_each_key_once(&fixture);
}

#[test]
fn a_bounded_run_closes_many_keys_over_several_commits_at_its_end() {
    let fixture = Fixture::new(WINDOW, 1, SlowCommits::default());
    fill_and_close(&fixture, 0);
    let run = Setup { until_end: true, drain: true, ..fixture.setup() }.start();
    run.join().unwrap();
    let commits = fixture.commits();
    let largest = commits.iter().map(|c| c.bytes).max().unwrap();
    assert!(largest < MAX_COMMIT_BYTES, "a commit carried {largest} bytes");
    let results = fixture.output("out");
    assert_eq!(results.len(), KEYS + 1, "the key of the closing record is drained");
}

#[test]
fn a_run_after_one_that_was_stopped_in_the_middle_of_a_window_emits_the_rest() {
    let fixture = Fixture::new(WINDOW, 1, SlowCommits::default());
    fill_and_close(&fixture, 0);
    let mut stops = 0;
    while fixture.left() < KEYS {
        let before = fixture.left();
        let run = fixture.setup().start();
        wait::until("some keys to leave", || (fixture.left() > before).then_some(()));
        run.stop_and_join().unwrap();
        stops += usize::from(fixture.left() < KEYS);
    }
    assert!(stops > 0, "no run was stopped before all had left");
    assert_each_key_once(&fixture);
    assert!(fixture.output("out").is_sorted_by_key(|r| r.key.clone()), "they leave in the order of their keys");
}

/// Nothing is left to read, so no record makes the task continue with the window before the last barrier.
#[test]
fn a_bounded_run_after_one_that_was_stopped_in_the_middle_of_a_window_emits_the_rest() {
    let fixture = Fixture::new(WINDOW, 1, SlowCommits::default());
    fill_and_close(&fixture, 0);
    let run = fixture.setup().start();
    wait::until("some keys to leave", || (fixture.left() > 0).then_some(()));
    run.stop_and_join().unwrap();
    assert!(fixture.left() < KEYS, "the run was not stopped before all had left");
    let run = Setup { until_end: true, ..fixture.setup() }.start();
    run.join().unwrap();
    assert_each_key_once(&fixture);
}

#[test]
fn over_a_slow_connection_commits_become_smaller_and_the_run_ends() {
    let slow =
        SlowCommits { bytes_per_second: Some(2_000_000), timeout: Duration::from_secs(3), ..SlowCommits::default() };
    let text = "name: p
source: {topic: in, key: k, schema: {k: string, ts: timestamp}, timestamp: ts}
sink: out
";
    let fixture = Fixture::new(text, 1, slow);
    for first in (0..60_000).step_by(4000) {
        let mut records = RecordsBuilder::default();
        (first..first + 4000).for_each(|i| record(&mut records, &key(i), 1_000));
        fixture.append(0, records);
    }
    let run = Setup { until_end: true, ..fixture.setup() }.start();
    run.join().unwrap();
    let bytes: usize = fixture.commits().iter().map(|c| c.bytes).sum();
    assert!(bytes > 12_000_000, "{bytes} bytes were committed, which no single commit can");
    assert_eq!(fixture.slow.undone.load(Ordering::Relaxed), 0, "commits were undone");
    assert_eq!(fixture.output("out").len(), 60_000);
}

/// The records of one message to a task give more output than a commit may carry.
#[test]
fn over_a_slow_connection_a_bounded_run_that_merges_its_inputs_ends() {
    let slow =
        SlowCommits { bytes_per_second: Some(2_000_000), timeout: Duration::from_secs(3), ..SlowCommits::default() };
    let text = "name: p
sources:
  a: {topic: in, schema: {k: string, ts: timestamp}, timestamp: ts}
  b: {topic: other, schema: {k: string, ts: timestamp}, timestamp: ts}
steps:
  - merge: [a, b]
  - select: {wide: \"repeat(k, 20)\"}
sink: out
";
    let fixture = Fixture::new(text, 1, slow);
    fixture.log.create_topic("other", &topic_config(1)).unwrap();
    for topic in ["in", "other"] {
        let mut records = RecordsBuilder::default();
        (0..1500).for_each(|i| record(&mut records, &key(i), i as i64));
        append(&*fixture.log, topic, 0, records.finish());
    }
    let run = Setup { until_end: true, ..fixture.setup() }.start();
    run.join().unwrap();
    assert_eq!(fixture.output("out").len(), 3000);
    let commits = fixture.commits();
    let largest = commits.iter().map(|c| c.bytes).max().unwrap();
    assert!(largest < 6_000_000, "a commit carried {largest} bytes");
    assert!(fixture.slow.undone.load(Ordering::Relaxed) <= 3, "commits do not become smaller");
}
