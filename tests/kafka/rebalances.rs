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
