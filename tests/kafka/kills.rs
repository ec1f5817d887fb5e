//! Instances that are killed at any moment: in the end each record has counted once, in order.
//!
//! Most kills come while the group makes progress, some while it still recovers from the last one.

use super::broker;
use super::group::{Group, GroupPlan, number, random};
use rand::{Rng, RngExt as _};
use std::time::Duration;

/// Kills unless `FASTDATA_KILLS` sets their number.
const DEFAULT_KILLS: i64 = 3;

/// Most records between two kills.
const RECORDS_BETWEEN_KILLS: i64 = 2_000;

/// One kill in this many comes after a random time, without regard to progress.
const TIMED_KILL_RATIO: u32 = 4;

/// Longest such time, milliseconds.
const MAX_TIME_TO_KILL_MS: u64 = 3_000;

/// The number of kills, the least number of records, and the most records between two kills.
pub fn requested(default_kills: i64) -> (i64, i64, i64) {
    let kills = number("FASTDATA_KILLS", default_kills);
    let records = number("FASTDATA_RECORDS", 0);
    (kills, records, RECORDS_BETWEEN_KILLS.max(records / kills.max(1)))
}

/// Kills a random instance at a random moment, `kills` times.
pub fn kill_instances(group: &mut Group<'_>, kills: i64, distance: i64, random: &mut impl Rng) {
    for _ in 0..kills {
        if random.random_range(0..TIMED_KILL_RATIO) == 0 {
            group.keep_running_for(Duration::from_millis(random.random_range(0..MAX_TIME_TO_KILL_MS)));
        } else {
            group.await_records(random.random_range(1..distance));
        }
        let which = random.random_range(0..group.instances.len());
        group.kill(which);
    }
    group.await_records(1);
}

#[test]
fn killed_instances_lose_and_duplicate_nothing() {
    let Some(cluster) = broker::shared() else { return };
    let (kills, records, distance) = requested(DEFAULT_KILLS);
    let (mut random, seed) = random();
    let mut group = Group::running(cluster, GroupPlan::exact("kills", distance.min(50_000)));
    kill_instances(&mut group, kills, distance, &mut random);
    let records = group.finish(records);
    println!("{kills} kills, seed {seed}: {}", group.assert_exactly_once(records));
}
