//! Instances that leave in an orderly way and join: each time the partitions move with their state, and the results
//! do not change.
//!
//! No session has to time out, so the longest pause of the group is printed.

use super::broker;
use super::group::{Group, GroupPlan, number, random};
use rand::RngExt as _;

/// Rebalances unless `FASTDATA_REBALANCES` sets their number: each time an instance leaves and one joins.
const DEFAULT_REBALANCES: i64 = 4;

/// Most records between two rebalances.
const RECORDS_BETWEEN_REBALANCES: i64 = 1_000;

#[test]
fn instances_that_leave_and_join_change_no_result() {
    let Some(cluster) = broker::shared() else { return };
    let (times, records) = (number("FASTDATA_REBALANCES", DEFAULT_REBALANCES), number("FASTDATA_RECORDS", 0));
    let distance = RECORDS_BETWEEN_REBALANCES.max(records / times.max(1) / 2);
    let (mut random, seed) = random();
    let mut group = Group::running(cluster, GroupPlan { instances: 2, ..GroupPlan::exact("rebalances", distance * 2) });
    group.await_records(distance);
    group.monitor.start_measuring();
    for _ in 0..times {
        group.await_records(random.random_range(1..distance));
        let which = random.random_range(0..group.instances.len());
        group.terminate(which);
        group.await_records(random.random_range(1..distance));
        let joining = group.spawn("");
        group.instances.insert(which, joining);
    }
    group.await_records(1);
    let pause = group.monitor.longest_pause();
    let records = group.finish(records);
    println!(
        "{times} times an instance left and came, seed {seed}, longest pause {pause:.1?}: {}",
        group.assert_exactly_once(records)
    );
}

/// A static member that returns within its session time-out keeps its partitions: no partition moves.
#[test]
fn a_returning_static_member_moves_no_partitions() {
    let Some(cluster) = broker::shared() else { return };
    // Logged once for each assignment.
    const ASSIGNMENT_MESSAGE: &str = "restored ";
    let args = "-v --kafka session.timeout.ms=8000".to_owned();
    let mut group = Group::new(cluster, GroupPlan { instances: 2, args, ..GroupPlan::exact("static", 2_000) });
    for id in ["one", "two"] {
        let instance = group.spawn(&format!("--kafka group.instance.id={id}"));
        group.instances.push(instance);
    }
    group.await_assignment();
    group.await_records(RECORDS_BETWEEN_REBALANCES);
    let remaining = group.instances[0].name.clone();
    let assignments = group.log_of(&remaining).matches(ASSIGNMENT_MESSAGE).count();
    for _ in 0..2 {
        group.terminate(1);
        let returning = group.spawn("--kafka group.instance.id=two");
        group.instances.push(returning);
        let all = group.partitions();
        group.await_progress_in(&all);
    }
    assert_eq!(
        group.log_of(&remaining).matches(ASSIGNMENT_MESSAGE).count(),
        assignments,
        "the remaining instance got a new assignment"
    );
    // Static members do not leave the group, so it would wait for them: one returns.
    while !group.instances.is_empty() {
        group.terminate(0);
    }
    let (instance, all) = (group.spawn("--kafka group.instance.id=one"), group.partitions());
    group.instances.push(instance);
    group.await_progress_in(&all);
    let records = group.finish(0);
    println!("static members: {}", group.assert_exactly_once(records));
}
