//! Zombies: instances that are suspended until the group goes on without them, and then resumed. Nothing that they
//! still write becomes visible, and they join again.

use super::broker;
use super::group::{Group, GroupPlan, number, random};
use rand::RngExt as _;
use std::time::Duration;

/// Zombies unless `FASTDATA_ZOMBIES` sets their number.
const DEFAULT_ZOMBIES: i64 = 1;

/// Most records between two zombies.
const RECORDS_BETWEEN_ZOMBIES: i64 = 2_000;

/// Longest time, in milliseconds, that a zombie stays suspended after the others have its partitions.
const MAX_EXTRA_SUSPENSION_MS: u64 = 2_000;

#[test]
fn a_zombie_writes_nothing_and_joins_again() {
    let Some(cluster) = broker::shared() else { return };
    let (times, records) = (number("FASTDATA_ZOMBIES", DEFAULT_ZOMBIES), number("FASTDATA_RECORDS", 0));
    let (mut random, seed) = random();
    let mut group = Group::running(cluster, GroupPlan::exact("zombies", RECORDS_BETWEEN_ZOMBIES * 2));
    for _ in 0..times {
        group.await_assignment();
        group.await_records(random.random_range(1..RECORDS_BETWEEN_ZOMBIES));
        let which = random.random_range(0..group.instances.len());
        group.instances[which].process.signal("STOP");
        let name = group.instances[which].name.clone();
        // The others then commit for all partitions, also for those of the zombie.
        group.wait_until("the group to remove the zombie", |g| {
            g.monitor.members(&g.topic("in")).is_some_and(|m| !m.contains_key(&name)).then_some(())
        });
        let all = group.partitions();
        group.await_progress_in(&all);
        group.keep_running_for(Duration::from_millis(random.random_range(0..MAX_EXTRA_SUSPENSION_MS)));
        group.instances[which].process.signal("CONT");
        let own = group.wait_until("the zombie to have partitions again", |g| {
            let members = g.monitor.members(&g.topic("in"))?;
            members.get(&name).filter(|own| !own.is_empty()).cloned()
        });
        group.await_progress_in(&own);
    }
    let records = group.finish(records);
    println!("{times} zombies, seed {seed}: {}", group.assert_exactly_once(records));
}
