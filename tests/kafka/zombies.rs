//! Instances that are stopped until the group has gone on without them, and then wake up: nothing that they
//! still want to write becomes visible, and they go on as members.
//!
//! Separate because a killed process never comes back, and this one does not know that it was away.

use super::broker;
use super::group::{Group, Plan, number, random};
use rand::RngExt as _;
use std::time::Duration;

/// How often in the short version.
const TIMES: i64 = 1;

/// Records between two, about.
const WAY: i64 = 2_000;

/// Longest time that a zombie sleeps on after the others have its partitions.
const SLEEP: u64 = 2_000;

#[test]
fn an_instance_that_was_away_writes_nothing_and_goes_on() {
    let Some(cluster) = broker::shared() else { return };
    let (times, records) = (number("FASTDATA_ZOMBIES", TIMES), number("FASTDATA_RECORDS", 0));
    let (mut random, seed) = random();
    let mut group = Group::started(cluster, Plan::exact("zombies", WAY * 2));
    for _ in 0..times {
        group.complete();
        group.go_on(random.random_range(1..WAY));
        let which = random.random_range(0..group.instances.len());
        group.instances[which].process.signal("STOP");
        let name = group.instances[which].name.clone();
        // The others commit for all partitions, so for those of the zombie too.
        group.until("the group to give the zombie up", |g| {
            g.watch.members(&g.topic("in")).is_some_and(|m| !m.contains_key(&name)).then_some(())
        });
        let all = group.partitions();
        group.all_go_on(&all);
        group.spend(Duration::from_millis(random.random_range(0..SLEEP)));
        group.instances[which].process.signal("CONT");
        let own = group.until("the zombie to have partitions again", |g| {
            let members = g.watch.members(&g.topic("in"))?;
            members.get(&name).filter(|own| !own.is_empty()).cloned()
        });
        group.all_go_on(&own);
    }
    let records = group.finish(records);
    println!("{times} zombies, seed {seed}: {}", group.exact(records));
}
