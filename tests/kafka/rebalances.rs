//! Instances that leave in good order and come: each time the partitions are handed over with the state
//! that belongs to them, and nothing changes.
//!
//! Separate because here nobody has to be missed first, so that the pause of the group is told.

use super::broker;
use super::group::{Group, Plan, number, random};
use rand::RngExt as _;

/// How often in the short version.
const TIMES: i64 = 4;

/// Records between two, about.
const WAY: i64 = 1_000;

#[test]
fn instances_that_come_and_go_change_nothing() {
    let Some(cluster) = broker::shared() else { return };
    let (times, records) = (number("FASTDATA_REBALANCES", TIMES), number("FASTDATA_RECORDS", 0));
    let way = WAY.max(records / times.max(1) / 2);
    let (mut random, seed) = random();
    let mut group = Group::started(cluster, Plan { instances: 2, ..Plan::exact("rebalances", way * 2) });
    group.go_on(way);
    group.watch.measure();
    for _ in 0..times {
        group.go_on(random.random_range(1..way));
        let which = random.random_range(0..group.instances.len());
        group.leave(which);
        group.go_on(random.random_range(1..way));
        let coming = group.start("");
        group.instances.insert(which, coming);
    }
    group.go_on(1);
    let pause = group.watch.pause();
    let records = group.finish(records);
    println!(
        "{times} times an instance left and came, seed {seed}, longest pause {pause:.1?}: {}",
        group.exact(records)
    );
}

/// With an id of its own a member is known again when it comes back in time: nobody's partitions move.
#[test]
fn a_member_that_is_known_again_moves_nothing() {
    let Some(cluster) = broker::shared() else { return };
    // Told once for each time that partitions are given.
    const GIVEN: &str = "state of ";
    let with = "-v --kafka session.timeout.ms=8000".to_owned();
    let mut group = Group::new(cluster, Plan { instances: 2, with, ..Plan::exact("known", 2_000) });
    for id in ["one", "two"] {
        let instance = group.start(&format!("--kafka group.instance.id={id}"));
        group.instances.push(instance);
    }
    group.complete();
    group.go_on(WAY);
    let stays = group.instances[0].name.clone();
    let given = group.said(&stays).matches(GIVEN).count();
    for _ in 0..2 {
        group.leave(1);
        let back = group.start("--kafka group.instance.id=two");
        group.instances.push(back);
        let all = group.partitions();
        group.all_go_on(&all);
    }
    assert_eq!(group.said(&stays).matches(GIVEN).count(), given, "partitions of the one that stayed were given anew");
    // The group would wait for the ones that leave in this way.
    while !group.instances.is_empty() {
        group.leave(0);
    }
    let (instance, all) = (group.start("--kafka group.instance.id=one"), group.partitions());
    group.instances.push(instance);
    group.all_go_on(&all);
    let records = group.finish(0);
    println!("known again: {}", group.exact(records));
}
