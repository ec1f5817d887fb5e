//! A backlog of several partitions read as fast as it goes: the window meets by another key than the
//! record's, its event times run in step over the partitions, and no record is late.
//!
//! Separate because here the partitions are read at different speeds, which is what would make records late.

use super::exact::{self, PARTITIONS, WINDOW};
use super::group::{Group, Plan, number, random};
use super::{broker, checker};
use crate::harness::wait;

/// Records of the short version.
const RECORDS: i64 = 100_000;

/// More keys of the window than others: they need all partitions.
const STEPS: &str = "steps:
  - name: counted
    window: {tumbling: 1s, by: [kind], select: {n: count(*), sum: sum(i)}, grace: 1s}
sinks:
  - {from: counted, topic: NAME-counted}
  - {from: counted.late, topic: NAME-late}
";

fn caught_up_by(instances: usize) {
    let Some(cluster) = broker::shared() else { return };
    let records = number("FASTDATA_RECORDS", RECORDS);
    let (_, seed) = random();
    let text = format!("{}{STEPS}", exact::SOURCE);
    let mut group = Group::new(cluster, Plan { text, instances, ..Plan::exact("catch-up", 0) });
    group.feed.allow(records);
    while group.feed.written() < records {
        let at = group.feed.written();
        wait::until("the backlog to be written", || (group.feed.written() > at).then_some(()));
    }
    let start = std::time::Instant::now();
    for _ in 0..instances {
        let instance = group.start("");
        group.instances.push(instance);
    }
    group.go_on(records);
    let took = start.elapsed();
    // All windows but those that the last records and the grace still hold open.
    let closed = usize::try_from((records / WINDOW - 3) * 10).unwrap();
    group.until("the windows to close", |g| {
        let there = |suffix: &str| checker::count(g.cluster, &g.topic(suffix));
        (there("counted") >= closed || there("late") > 0).then_some(())
    });
    let records = group.finish(records);
    let late = checker::count(cluster, &group.topic("late"));
    let counts = exact::counts(cluster, &group.topic("counted"), records);
    assert!(late == 0 && counts.exact(), "{late} records were late\n{}", counts.evidence());
    println!(
        "a backlog of {records} records over {PARTITIONS} partitions, {instances} instances, seed {seed}: read in {took:.1?}, 0 late; {counts}"
    );
}

#[test]
fn one_instance_catches_up_and_nothing_is_late() {
    caught_up_by(1);
}

#[test]
fn two_instances_catch_up_and_nothing_is_late() {
    caught_up_by(2);
}
