//! Brokers that are killed under a running group, or are down for longer than any transaction may take: the group
//! goes on when they are back, and each record counts once.
//!
//! Each test has a cluster of its own. A single broker that stops may itself tear a transaction (see `segments`): its
//! files are examined while it is down, and such an outage is repeated with a new group.

use super::broker::{self, Cluster};
use super::faults::slow_faults_requested;
use super::group::{Group, GroupPlan, number, random};
use super::segments;
use rand::RngExt as _;
use rand_pcg::Pcg64;
use std::time::{Duration, Instant};

/// Kills of a broker unless `FASTDATA_BOUNCES` sets their number.
const DEFAULT_BROKER_KILLS: i64 = 2;

/// Most records between two faults.
const RECORDS_BETWEEN_FAULTS: i64 = 5_000;

/// Outages of a single broker in the life of one group.
const OUTAGES_PER_GROUP: i64 = 2;

/// Length of an outage unless `FASTDATA_OUTAGE_SECONDS` sets it.
const DEFAULT_OUTAGE_SECONDS: u64 = 70;

/// Longest time from the restart of a broker until all partitions advance.
const MAX_RECOVERY_TIME: Duration = Duration::from_secs(60);

/// Waits until all partitions advance; returns how long that took.
fn await_recovery(group: &mut Group<'_>) -> Duration {
    let (start, all) = (Instant::now(), group.partitions());
    group.await_progress_in(&all);
    assert!(
        start.elapsed() < MAX_RECOVERY_TIME,
        "the group advanced only {:?} after the broker was back",
        start.elapsed()
    );
    start.elapsed()
}

/// Runs one group over several faults and checks its results. `false` if `fault` says that the group cannot go on.
fn run_with_faults(
    cluster: &Cluster,
    random: &mut Pcg64,
    times: i64,
    what: &str,
    mut fault: impl FnMut(&mut Group<'_>, i64) -> bool,
) -> bool {
    let distance = RECORDS_BETWEEN_FAULTS.max(number("FASTDATA_RECORDS", 0) / times.max(1));
    let mut group = Group::running(cluster, GroupPlan::exact("bounces", distance.min(50_000)));
    let mut worst = Duration::ZERO;
    for time in 0..times {
        group.await_records(random.random_range(1..distance));
        if !fault(&mut group, time) {
            return false;
        }
        worst = worst.max(await_recovery(&mut group));
    }
    let records = group.finish(number("FASTDATA_RECORDS", 0));
    println!("{times} {what}, longest recovery {worst:.1?}: {}", group.assert_exactly_once(records));
    true
}

#[test]
fn a_group_goes_on_when_one_of_three_brokers_is_killed() {
    let Some(cluster) = slow_faults_requested().then(|| broker::start(broker::THREE_NODES)).flatten() else { return };
    let (mut random, seed) = random();
    let completed = run_with_faults(
        &cluster,
        &mut random,
        number("FASTDATA_BOUNCES", DEFAULT_BROKER_KILLS),
        "kills of a broker",
        |_, time| {
            let node = usize::try_from(time % 3).unwrap();
            cluster.kill(node);
            cluster.restart(node);
            true
        },
    );
    println!("seed {seed}");
    assert!(completed, "a fault without a reason to stop");
}

#[test]
fn a_group_goes_on_after_an_outage_of_its_only_broker() {
    let outage = Duration::from_secs(number("FASTDATA_OUTAGE_SECONDS", DEFAULT_OUTAGE_SECONDS));
    let ((mut random, seed), required) = (random(), number("FASTDATA_OUTAGES", 1));
    let (mut survived, mut torn) = (0, 0);
    while survived < required {
        let Some(cluster) = slow_faults_requested().then(|| broker::start(broker::SINGLE_NODE)).flatten() else {
            return;
        };
        let times = OUTAGES_PER_GROUP.min(required - survived);
        let completed = run_with_faults(&cluster, &mut random, times, "outages of the broker", |group, _| {
            cluster.stop(0);
            let evidence = segments::torn(&cluster.data_dir(0));
            if !evidence.is_empty() {
                println!("not counted: Kafka itself has torn a transaction:\n  {}", evidence.join("\n  "));
                return false;
            }
            group.keep_running_for(outage);
            cluster.restart(0);
            true
        });
        if completed {
            survived += times;
        } else {
            torn += 1;
        }
        assert!(torn <= required, "Kafka has torn {torn} transactions in {survived} outages");
    }
    println!("{survived} outages, seed {seed}; {torn} groups were not counted");
}
