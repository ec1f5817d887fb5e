//! Several processes of one pipeline that run to the end of the input (`--until-end`): each waits for the records
//! that the others repartition to it.
//!
//! Such a run ends by itself, and must not end before the others have sent all.

use super::broker;
use super::group::{Group, GroupPlan};
use crate::harness::wait;

/// Records of the input: enough that the first instance still reads when the second has joined.
const INPUT_RECORDS: i64 = 300_000;

/// Part of the message of an instance that has read its own partitions.
const WAITING_MESSAGE: &str = "have read their part of";

#[test]
fn bounded_instances_wait_for_each_other() {
    let Some(cluster) = broker::shared() else { return };
    let args = "-v --kafka session.timeout.ms=30000".to_owned();
    let mut group = Group::new(cluster, GroupPlan { instances: 2, args, ..GroupPlan::exact("bounded", 0) });
    group.feed.write_up_to(INPUT_RECORDS);
    for _ in 0..2 {
        let instance = group.spawn("--until-end");
        group.instances.push(instance);
    }
    group.await_assignment();
    // One instance is suspended; the other reads its own partitions and waits.
    let mut running = std::mem::take(&mut group.instances);
    running[1].process.suspend();
    let first = running[0].name.clone();
    group.wait_until("the other instance to wait", |g| g.log_of(&first).contains(WAITING_MESSAGE).then_some(()));
    assert!(group.consumed() < INPUT_RECORDS, "no records remained to wait for");
    assert!(running[0].process.child().try_wait().unwrap().is_none(), "it did not wait\n{}", group.log_of(&first));
    running[1].process.signal("CONT");
    for instance in &mut running {
        let status = instance.process.wait();
        assert_eq!(status.code(), Some(0), "{}", group.log_of(&instance.name));
    }
    let records = group.finish(INPUT_RECORDS);
    println!("bounded: {}", group.assert_exactly_once(records));
}

/// More partitions than hold records: each task receives the watermarks of all.
const MANY_PARTITIONS: u32 = 24;

/// Most threads per partition. A Kafka client has more than two threads, and each task merges the records of all tasks.
const MAX_THREADS_PER_PARTITION: usize = 5;

fn thread_count(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/task")).map_or(0, Iterator::count)
}

#[test]
fn a_run_over_many_partitions_needs_few_clients() {
    let Some(cluster) = broker::shared() else { return };
    let mut group =
        Group::new(cluster, GroupPlan { partitions: MANY_PARTITIONS, instances: 1, ..GroupPlan::exact("many", 0) });
    group.feed.write_up_to(INPUT_RECORDS);
    let mut instance = group.spawn("--until-end");
    group.await_assignment();
    let mut peak = 0;
    let status = wait::until("the run to end", || {
        peak = peak.max(thread_count(instance.process.child().id()));
        instance.process.child().try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(0), "{}", group.log_of(&instance.name));
    assert!(peak > 0, "the threads of the process are unknown");
    assert!(
        peak < MAX_THREADS_PER_PARTITION * MANY_PARTITIONS as usize,
        "{peak} threads for {MANY_PARTITIONS} partitions"
    );
    let records = group.finish(INPUT_RECORDS);
    println!("many: {MANY_PARTITIONS} partitions, {peak} threads at most; {}", group.assert_exactly_once(records));
}
