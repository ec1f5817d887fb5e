//! Instances that are killed at any moment: in the end each record has counted once, in its order.
//!
//! Separate because most kills come where the group works, and some where it still recovers from the last.

use super::broker;
use super::group::{Group, Plan, number, random};
use rand::{Rng, RngExt as _};
use std::time::Duration;

/// Kills of the short version.
const KILLS: i64 = 3;

/// Records between two kills, about.
const WAY: i64 = 2_000;

/// One kill in so many comes after a time, wherever the group is then.
const BLIND: u32 = 4;

/// Longest such time.
const SOON: u64 = 3_000;

/// How many kills, and the records between two of them.
pub fn asked(kills: i64) -> (i64, i64, i64) {
    let kills = number("FASTDATA_KILLS", kills);
    let records = number("FASTDATA_RECORDS", 0);
    (kills, records, WAY.max(records / kills.max(1)))
}

/// Kills an instance at random, so many times.
pub fn kill(group: &mut Group<'_>, kills: i64, way: i64, random: &mut impl Rng) {
    for _ in 0..kills {
        if random.random_range(0..BLIND) == 0 {
            group.spend(Duration::from_millis(random.random_range(0..SOON)));
        } else {
            group.go_on(random.random_range(1..way));
        }
        let which = random.random_range(0..group.instances.len());
        group.kill(which);
    }
    group.go_on(1);
}

#[test]
fn instances_that_are_killed_lose_and_double_nothing() {
    let Some(cluster) = broker::shared() else { return };
    let (kills, records, way) = asked(KILLS);
    let (mut random, seed) = random();
    let mut group = Group::started(cluster, Plan::exact("kills", way.min(50_000)));
    kill(&mut group, kills, way, &mut random);
    let records = group.finish(records);
    println!("{kills} kills, seed {seed}: {}", group.exact(records));
}
