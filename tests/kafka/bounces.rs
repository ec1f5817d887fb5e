//! Brokers that die under a group at work, or are away for longer than any transaction: the group goes on
//! when they are back, and each record counts once.
//!
//! Separate because each case breaks a cluster of its own. A single broker that stops may tear a transaction
//! itself (see `segments`): what it has written is looked at while it is away, and a group that met this is
//! not counted.

use super::broker::{self, Cluster};
use super::faults::asked;
use super::group::{Group, Plan, number, random};
use super::segments;
use rand::RngExt as _;
use rand_pcg::Pcg64;
use std::time::{Duration, Instant};

/// How often in the short version.
const TIMES: i64 = 2;

/// Records between two, about.
const WAY: i64 = 5_000;

/// Outages of a single broker that one group lives through.
const IN_ONE: i64 = 2;

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

/// One group over so many faults; whether it lived through all of them, which a fault may say it cannot.
fn run(
    cluster: &Cluster,
    random: &mut Pcg64,
    times: i64,
    what: &str,
    mut fault: impl FnMut(&mut Group<'_>, i64) -> bool,
) -> bool {
    let way = WAY.max(number("FASTDATA_RECORDS", 0) / times.max(1));
    let mut group = Group::started(cluster, Plan::exact("bounces", way.min(50_000)));
    let mut worst = Duration::ZERO;
    for time in 0..times {
        group.go_on(random.random_range(1..way));
        if !fault(&mut group, time) {
            return false;
        }
        worst = worst.max(back(&mut group));
    }
    let records = group.finish(number("FASTDATA_RECORDS", 0));
    println!("{times} {what}, longest way back {worst:.1?}: {}", group.exact(records));
    true
}

#[test]
fn a_group_goes_on_when_one_of_three_brokers_is_killed() {
    let Some(cluster) = asked().then(|| broker::start(broker::THREE)).flatten() else { return };
    let (mut random, seed) = random();
    let sound = run(&cluster, &mut random, number("FASTDATA_BOUNCES", TIMES), "kills of a broker", |_, time| {
        let node = usize::try_from(time % 3).unwrap();
        cluster.kill(node);
        cluster.restart(node);
        true
    });
    println!("seed {seed}");
    assert!(sound, "nothing says that it cannot");
}

#[test]
fn a_group_goes_on_when_its_only_broker_was_away() {
    let away = Duration::from_secs(number("FASTDATA_OUTAGE_SECONDS", AWAY));
    let ((mut random, seed), wanted) = (random(), number("FASTDATA_OUTAGES", 1));
    let (mut lived, mut torn) = (0, 0);
    while lived < wanted {
        let Some(cluster) = asked().then(|| broker::start(broker::ONE)).flatten() else { return };
        let times = IN_ONE.min(wanted - lived);
        let sound = run(&cluster, &mut random, times, "outages of the broker", |group, _| {
            cluster.stop(0);
            let evidence = segments::torn(&cluster.data(0));
            if !evidence.is_empty() {
                println!("not counted, as Kafka itself has torn a transaction:\n  {}", evidence.join("\n  "));
                return false;
            }
            group.spend(away);
            cluster.restart(0);
            true
        });
        if sound {
            lived += times;
        } else {
            torn += 1;
        }
        assert!(torn <= wanted, "Kafka has torn {torn} transactions in {lived} outages");
    }
    println!("{lived} outages, seed {seed}; {torn} groups were not counted");
}
