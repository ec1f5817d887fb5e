//! Several processes of one pipeline as one group: they are killed at random while records come, and in the
//! end each record has counted once, in its order.
//!
//! The model knows what was written and keeps everything; a checker that is no part of fastdata reads what
//! was committed. `FASTDATA_KILLS=200` makes it that many kills; the seed of a failure is printed.

use super::broker::{self, Cluster};
use super::checker;
use crate::harness::program::{Fastdata, Started};
use crate::harness::wait;
use fastdata::log::kafka::KafkaLog;
use fastdata::log::{Append, Log as _, TopicConfig};
use fastdata::record::{RecordsBuilder, TopicPartition};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PARTITIONS: u32 = 4;

/// Kills of the short version.
const KILLS: usize = 3;

/// Records between two kills, about.
const WAY: i64 = 2_000;

/// Records that are written at once, and that may wait to be read.
const CHUNK: i64 = 200;

/// A fold by the record's key, and a count by another, which meets through a repartition.
fn pipeline(name: &str) -> String {
    format!(
        "name: {name}
source: {{topic: {name}-in, key: sensor, schema: {{i: bigint, sensor: string, kind: string, ts: timestamp}}, timestamp: ts}}
commit_every: 50ms
steps:
  - name: folded
    scan: {{by: [sensor], init: {{n: 0, last: 0}}, next: {{n: n + 1, last: i}}}}
  - name: counted
    from: {name}-in
    window: {{tumbling: 1s, by: [kind], select: {{n: count(*), sum: sum(i)}}}}
sinks:
  - {{from: folded, topic: {name}-folded}}
  - {{from: counted, topic: {name}-counted}}
"
    )
}

struct Group<'a> {
    cluster: &'a Cluster,
    log: KafkaLog,
    name: String,
    f: Fastdata,
    instances: Vec<Started>,
    /// The next record to write.
    next: i64,
}

fn sensor(i: i64) -> i64 {
    i * 7 % 20
}

fn record(i: i64) -> Value {
    json!({"i": i, "sensor": format!("s{}", sensor(i)), "kind": format!("k{}", i % 5), "ts": i * 10})
}

impl<'a> Group<'a> {
    fn new(cluster: &'a Cluster) -> Self {
        let (log, name, f) = (cluster.connect(), cluster.name("instances"), Fastdata::in_temp());
        f.file("p.yaml", &pipeline(&name));
        log.create_topic(&format!("{name}-in"), &TopicConfig { partitions: PARTITIONS, ..TopicConfig::default() })
            .unwrap();
        let mut group = Self { cluster, log, name, f, instances: Vec::new(), next: 0 };
        group.instances = (0..2).map(|_| group.start("")).collect();
        group
    }

    fn start(&self, more: &str) -> Started {
        let brokers = self.cluster.listener("PLAINTEXT");
        self.f.start(&format!("run p.yaml --quiet --brokers {brokers} --kafka session.timeout.ms=6000 {more}"))
    }

    fn at(&self, partition: u32) -> TopicPartition {
        TopicPartition::new(format!("{}-in", self.name), partition)
    }

    fn write(&mut self) {
        let mut by: BTreeMap<u32, RecordsBuilder> = BTreeMap::new();
        for i in self.next..self.next + CHUNK {
            let value = record(i);
            let key = value["sensor"].as_str().unwrap().as_bytes().to_vec();
            let partition = u32::try_from(sensor(i)).unwrap() % PARTITIONS;
            by.entry(partition).or_default().push(Some(&key), Some(value.to_string().as_bytes()), i * 10);
        }
        let appends: Vec<Append> =
            by.into_iter().map(|(p, mut b)| Append { to: self.at(p), records: b.finish() }).collect();
        self.log.appender().unwrap().append(&appends).unwrap();
        self.next += CHUNK;
    }

    /// The records of the fold that were committed: what the program has taken in for good.
    fn taken_in(&self) -> i64 {
        let all: Vec<TopicPartition> = (0..PARTITIONS).map(|p| self.at(p)).collect();
        // Between two assignments the group may not answer at once.
        let committed = self.log.committed(&self.name, &all).unwrap_or_default();
        committed.iter().flatten().map(|o| o.0).sum()
    }

    /// Writes while the group reads, until it has moved on by so much.
    fn go_on(&mut self, way: i64) {
        let start = self.taken_in();
        wait::until("the group to move on", || {
            for (i, instance) in self.instances.iter_mut().enumerate() {
                let ended = instance.child().try_wait().unwrap();
                assert!(ended.is_none(), "instance {i} has ended: {ended:?}\n{}", instance.talk());
            }
            let at = self.taken_in();
            // Positions count the ends of transactions too.
            if self.next < at + 2 * CHUNK {
                self.write();
            }
            (at >= start + way).then_some(())
        });
    }

    fn kill(&mut self, which: usize) {
        self.instances[which].signal("KILL");
        self.instances[which].wait();
        self.instances[which] = self.start("");
    }

    fn end(&mut self) {
        for mut instance in std::mem::take(&mut self.instances) {
            instance.signal("TERM");
            assert_eq!(instance.wait().code(), Some(0), "{}", instance.talk());
        }
        let mut last = self.start("--until-end --drain");
        assert_eq!(last.wait().code(), Some(0), "{}", last.talk());
    }
}

/// What is there, and what must be: the fold of each sensor in its order, and each count once.
fn check(group: &Group<'_>) {
    let brokers = group.cluster.listener("PLAINTEXT");
    let mut folds: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for r in checker::read(&brokers, &format!("{}-folded", group.name)) {
        folds.entry(r.key).or_default().push(r.value);
    }
    let mut expected: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut counts: BTreeMap<(i64, String), (i64, i64)> = BTreeMap::new();
    for i in 0..group.next {
        let r = record(i);
        let of = expected.entry(r["sensor"].as_str().unwrap().to_owned()).or_default();
        of.push(json!({"sensor": r["sensor"], "n": of.len() + 1, "last": i}));
        let count = counts.entry((i * 10 / 1000, r["kind"].as_str().unwrap().to_owned())).or_default();
        *count = (count.0 + 1, count.1 + i);
    }
    for (sensor, expected) in &expected {
        let found = folds.get(sensor).cloned().unwrap_or_default();
        let same = |f: &Value, e: &Value| f["n"] == e["n"] && f["last"] == e["last"];
        let first = found.iter().zip(expected).position(|(f, e)| !same(f, e));
        assert!(
            first.is_none() && found.len() == expected.len(),
            "{sensor}: {} results for {} records, different from {first:?} on",
            found.len(),
            expected.len()
        );
    }
    let mut found: Vec<(i64, String, i64, i64)> = checker::read(&brokers, &format!("{}-counted", group.name))
        .into_iter()
        .map(|r| {
            let start = chrono::DateTime::parse_from_rfc3339(r.value["window_start"].as_str().unwrap()).unwrap();
            let number = |name: &str| r.value[name].as_i64().unwrap();
            (start.timestamp(), r.key, number("n"), number("sum"))
        })
        .collect();
    found.sort();
    let counts: Vec<_> = counts.into_iter().map(|((window, kind), (n, sum))| (window, kind, n, sum)).collect();
    assert_eq!(found.len(), counts.len(), "results of windows");
    assert!(found == counts, "a window holds something else than its records");
}

#[test]
fn instances_that_are_killed_lose_and_double_nothing() {
    let Some(cluster) = broker::shared() else { return };
    let kills = std::env::var("FASTDATA_KILLS").map_or(KILLS, |v| v.parse().expect("FASTDATA_KILLS"));
    let seed = std::env::var("FASTDATA_SEED").map_or(1, |v| v.parse().expect("FASTDATA_SEED"));
    let mut random = Pcg64::seed_from_u64(seed);
    let mut group = Group::new(cluster);
    for kill in 0..kills {
        group.go_on(random.random_range(1..WAY));
        group.kill(kill % 2);
    }
    group.go_on(1);
    group.end();
    check(&group);
    println!("{kills} kills, {} records, seed {seed}: each counted once, in its order", group.next);
}

/// Each stop hands the partitions to the other instance and back, with the state that belongs to them.
#[test]
fn instances_that_come_and_go_change_nothing() {
    let Some(cluster) = broker::shared() else { return };
    let times = std::env::var("FASTDATA_REBALANCES").map_or(4, |v| v.parse().expect("FASTDATA_REBALANCES"));
    let mut group = Group::new(cluster);
    for i in 0..times {
        group.go_on(500);
        let mut leaving = group.instances.remove(i % 2);
        leaving.signal("TERM");
        assert_eq!(leaving.wait().code(), Some(0), "{}", leaving.talk());
        group.go_on(500);
        let coming = group.start("");
        group.instances.insert(i % 2, coming);
    }
    group.go_on(500);
    group.end();
    check(&group);
    println!("{times} instances left and came, {} records: each counted once, in its order", group.next);
}
