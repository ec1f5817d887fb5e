//! Brokers that die under a group at work, or are away for longer than any transaction: the group goes on
//! when they are back, and each record counts once.
//!
//! Separate because each case breaks a cluster of its own. One of three is killed; a single one is stopped
//! in good order, as Kafka itself may tear a transaction where a single node is killed.

use super::broker::{self, Cluster};
use super::faults::asked;
use super::group::{Group, Plan, number, random};
use rand::RngExt as _;
use std::time::{Duration, Instant};

/// How often in the short version.
const TIMES: i64 = 2;

/// Records between two, about.
const WAY: i64 = 5_000;

/// How long a single broker is away.
const AWAY: u64 = 70;

/// Longest time until the group moves on.
const LIMIT: Duration = Duration::from_secs(60);

/// Until all partitions move on after a broker is back.
fn back(group: &mut Group<'_>) -> Duration {
    let (start, all) = (Instant::now(), group.partitions());
    group.all_go_on(&all);
    assert!(start.elapsed() < LIMIT, "the group went on only {:?} after the broker was back", start.elapsed());
    start.elapsed()
}

fn run(cluster: &Cluster, times: i64, what: &str, mut fault: impl FnMut(&mut Group<'_>, i64)) {
    let (mut random, seed) = random();
    let way = WAY.max(number("FASTDATA_RECORDS", 0) / times.max(1));
    let mut group = Group::started(cluster, Plan::exact("bounces", way.min(50_000)));
    let mut worst = Duration::ZERO;
    for time in 0..times {
        group.go_on(random.random_range(1..way));
        fault(&mut group, time);
        worst = worst.max(back(&mut group));
    }
    let records = group.finish(number("FASTDATA_RECORDS", 0));
    println!("{times} {what}, seed {seed}, longest way back {worst:.1?}: {}", group.exact(records));
}

#[test]
fn a_group_goes_on_when_one_of_three_brokers_is_killed() {
    let Some(cluster) = asked().then(|| broker::start(broker::THREE)).flatten() else { return };
    run(&cluster, number("FASTDATA_BOUNCES", TIMES), "kills of a broker", |_, time| {
        let node = usize::try_from(time % 3).unwrap();
        cluster.kill(node);
        cluster.restart(node);
    });
}

#[test]
fn a_group_goes_on_when_its_only_broker_was_away() {
    let Some(cluster) = asked().then(|| broker::start(broker::ONE)).flatten() else { return };
    let away = Duration::from_secs(number("FASTDATA_OUTAGE_SECONDS", AWAY));
    run(&cluster, number("FASTDATA_OUTAGES", 1), "outages of the broker", |group, _| {
        cluster.stop(0);
        group.spend(away);
        cluster.restart(0);
    });
}
