//! Several processes of one pipeline that each run to the end of what is there: what one sends on by key, the
//! others wait for.
//!
//! Separate because such a run ends by itself, and must not end before the others have sent all.

use super::broker;
use super::group::{Group, Plan};
use crate::harness::wait;

/// Records that are there: more than one instance reads before the next has joined.
const RECORDS: i64 = 300_000;

/// What an instance says that has come to the end of its part.
const WAITS: &str = "have read their part of";

#[test]
fn instances_that_run_to_the_end_wait_for_each_other() {
    let Some(cluster) = broker::shared() else { return };
    let with = "-v --kafka session.timeout.ms=30000".to_owned();
    let mut group = Group::new(cluster, Plan { instances: 2, with, ..Plan::exact("bounded", 0) });
    group.feed.allow(RECORDS);
    group.until("the records to be written", |g| (g.feed.written() >= RECORDS).then_some(()));
    for _ in 0..2 {
        let instance = group.start("--until-end");
        group.instances.push(instance);
    }
    group.complete();
    // One is held up in the midst of it; the other reads its own part, and then waits.
    let mut running = std::mem::take(&mut group.instances);
    running[1].process.signal("STOP");
    let first = running[0].name.clone();
    group.until("the other one to wait", |g| g.said(&first).contains(WAITS).then_some(()));
    assert!(group.taken() < RECORDS, "nothing was left to wait for");
    assert!(running[0].process.child().try_wait().unwrap().is_none(), "it did not wait\n{}", group.said(&first));
    running[1].process.signal("CONT");
    for instance in &mut running {
        let status = instance.process.wait();
        assert_eq!(status.code(), Some(0), "{}", group.said(&instance.name));
    }
    let records = group.finish(RECORDS);
    println!("bounded: {}", group.exact(records));
}

/// Partitions of which few hold records: each task hears of all of them.
const MANY: u32 = 24;

/// Threads of a process, as far as the system tells.
fn threads(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/task")).map_or(0, Iterator::count)
}

#[test]
fn a_run_over_many_partitions_needs_few_clients() {
    let Some(cluster) = broker::shared() else { return };
    let mut group = Group::new(cluster, Plan { partitions: MANY, instances: 1, ..Plan::exact("many", 0) });
    group.feed.allow(RECORDS);
    group.until("the records to be written", |g| (g.feed.written() >= RECORDS).then_some(()));
    let mut instance = group.start("--until-end");
    group.complete();
    let mut most = 0;
    let status = wait::until("the run to end", || {
        most = most.max(threads(instance.process.child().id()));
        instance.process.child().try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(0), "{}", group.said(&instance.name));
    // A client has two threads and more, and each task merges what all tasks have sent.
    assert!(most < 5 * MANY as usize, "{most} threads for {MANY} partitions");
    let records = group.finish(RECORDS);
    println!("many: {MANY} partitions, {most} threads at most; {}", group.exact(records));
}
