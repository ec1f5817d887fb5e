//! Instances that leave in an orderly way and join: each time the partitions move with their state, no partition
//! pauses for long, an instance keeps the state that it has, and the results do not change.
//!
//! The session time-out is longer than the bound of a pause, so a group that waits for it fails the test.

use super::broker;
use super::group::{Group, GroupPlan, number, random};
use super::restore::restored;
use rand::RngExt as _;
use std::collections::BTreeMap;
use std::time::Duration;

/// Rebalances unless `FASTDATA_REBALANCES` sets their number: each time an instance leaves and one joins.
const DEFAULT_REBALANCES: i64 = 4;

/// Most records between two rebalances.
const RECORDS_BETWEEN_REBALANCES: i64 = 1_000;

/// Records that may wait: partitions that do not move have input while the others pause.
const MAX_LAG: i64 = 4_000;

/// Longest time in which a partition may not advance while an instance leaves or joins. The README states it.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// The session time-out is longer than [`MAX_PAUSE`], so that no pause within it was ended by a time-out.
const ARGS: &str = "-v --kafka session.timeout.ms=30000";

/// The longest pauses of partitions over several rebalances.
#[derive(Default)]
struct Pauses {
    /// Of partitions whose instance stayed the same.
    kept: Duration,
    /// Of partitions that another instance took over.
    moved: Duration,
}

/// The instance of each partition, once the group is stable and all instances have partitions.
fn owners(group: &mut Group<'_>) -> BTreeMap<i32, String> {
    group.await_assignment();
    group.wait_until("the owner of each partition", |g| {
        let members = g.monitor.members(&g.topic("in"))?;
        let owners = members.iter().flat_map(|(name, own)| own.iter().map(|p| (*p, name.clone())));
        let owners: BTreeMap<i32, String> = owners.collect();
        (owners.len() == g.partitions().len()).then_some(owners)
    })
}

/// Changes the members of the group, and asserts that no partition pauses for longer than [`MAX_PAUSE`].
fn rebalance(group: &mut Group<'_>, pauses: &mut Pauses, change: impl FnOnce(&mut Group<'_>)) {
    let (before, all) = (owners(group), group.partitions());
    group.monitor.start_measuring();
    change(group);
    let after = owners(group);
    group.await_progress_in(&all);
    for (partition, pause) in (0..).zip(group.monitor.longest_pauses()) {
        let is_kept = before[&partition] == after[&partition];
        assert!(
            pause <= MAX_PAUSE,
            "partition {partition} of {} did not advance for {pause:?}: {} before, {} after",
            group.name,
            before[&partition],
            after[&partition]
        );
        let longest = if is_kept { &mut pauses.kept } else { &mut pauses.moved };
        *longest = pause.max(*longest);
    }
}

#[test]
fn instances_that_leave_and_join_change_no_result() {
    let Some(cluster) = broker::shared() else { return };
    let (times, records) = (number("FASTDATA_REBALANCES", DEFAULT_REBALANCES), number("FASTDATA_RECORDS", 0));
    let distance = RECORDS_BETWEEN_REBALANCES.max(records / times.max(1) / 2);
    let (mut random, seed) = random();
    let plan =
        GroupPlan { instances: 2, args: ARGS.to_owned(), ..GroupPlan::exact("rebalances", MAX_LAG.max(distance * 2)) };
    let (mut group, mut pauses, mut kept_states) = (Group::running(cluster, plan), Pauses::default(), 0);
    group.await_records(distance);
    for _ in 0..times {
        group.await_records(random.random_range(1..distance));
        let which = random.random_range(0..group.instances.len());
        rebalance(&mut group, &mut pauses, |g| {
            g.terminate(which);
        });
        group.await_records(random.random_range(1..distance));
        let remaining = group.instances[0].name.clone();
        rebalance(&mut group, &mut pauses, |g| {
            let joining = g.spawn("");
            g.instances.insert(which, joining);
        });
        // A commit that the revocation aborts costs a restore, so this need not hold each time.
        let read = restored(&group.log_of(&remaining));
        kept_states += u32::from(read.changes == 0 && read.copied_keys > 0);
    }
    assert!(kept_states > 0, "in none of {times} rebalances did the remaining instance keep its state");
    let records = group.finish(records);
    let Pauses { kept, moved } = pauses;
    println!(
        "{times} times an instance left and one joined, seed {seed}, longest pause {moved:.1?} of a partition that moved, {kept:.1?} of one that did not, state kept {kept_states} times: {}",
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
    // An instance that makes progress has logged its assignment.
    let all = group.partitions();
    group.await_progress_in(&all);
    let assignments = group.log_of(&remaining).matches(ASSIGNMENT_MESSAGE).count();
    assert!(assignments > 0, "no assignment was logged");
    for _ in 0..2 {
        group.terminate(1);
        let returning = group.spawn("--kafka group.instance.id=two");
        group.instances.push(returning);
        group.await_progress_in(&all);
    }
    assert_eq!(
        group.log_of(&remaining).matches(ASSIGNMENT_MESSAGE).count(),
        assignments,
        "the remaining instance got a new assignment"
    );
    // Static members do not leave the group when they end, so a new instance would wait for them: one of them returns.
    while !group.instances.is_empty() {
        group.terminate(0);
    }
    let (instance, all) = (group.spawn("--kafka group.instance.id=one"), group.partitions());
    group.instances.push(instance);
    group.await_progress_in(&all);
    let records = group.finish(0);
    println!("static members: {}", group.assert_exactly_once(records));
}
