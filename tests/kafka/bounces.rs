//! Brokers that die under a running group: the group continues with the others, or when its only broker is back after
//! an outage longer than any transaction may take. Each record counts once.
//!
//! Each test has a cluster of its own. A single broker that stops may itself tear a transaction (see `segments`): its
//! files are examined while it is down, and such an outage is repeated with a new group.

use super::broker::{self, Cluster};
use super::group::{Group, GroupPlan, number, random};
use super::segments;
use rand::RngExt as _;
use rand_pcg::Pcg64;
use std::time::{Duration, Instant};

/// Kills of a broker, each time another one, unless `FASTDATA_BOUNCES` sets their number.
const DEFAULT_BROKER_KILLS: i64 = 2;

/// Most records between two faults.
const RECORDS_BETWEEN_FAULTS: i64 = 5_000;

/// Outages of a single broker in the life of one group.
const OUTAGES_PER_GROUP: i64 = 2;

/// Length of an outage unless `FASTDATA_OUTAGE_SECONDS` sets it.
const DEFAULT_OUTAGE_SECONDS: u64 = 70;

/// Longest time from the death of one of several brokers, or from the restart of the only one, until all partitions
/// advance. The README states it.
const MAX_RECOVERY_TIME: Duration = Duration::from_secs(60);

/// Waits until all partitions advance; returns how long that took.
fn await_recovery(group: &mut Group<'_>) -> Duration {
    let (start, all) = (Instant::now(), group.partitions());
    group.await_progress_in(&all);
    assert!(start.elapsed() < MAX_RECOVERY_TIME, "the group advanced only after {:?}", start.elapsed());
    start.elapsed()
}

/// Runs one group over several faults and checks its results. `fault` returns the time of the recovery; `None`, which
/// ends the group, if it cannot recover.
fn run_with_faults(
    cluster: &Cluster,
    random: &mut Pcg64,
    times: i64,
    what: &str,
    mut fault: impl FnMut(&mut Group<'_>, i64) -> Option<Duration>,
) -> Option<()> {
    let distance = RECORDS_BETWEEN_FAULTS.max(number("FASTDATA_RECORDS", 0) / times.max(1));
    let plan = GroupPlan { instances: 2, ..GroupPlan::exact("bounces", distance.min(50_000)) };
    let mut group = Group::running(cluster, plan);
    let mut worst = Duration::ZERO;
    for time in 0..times {
        group.await_records(random.random_range(1..distance));
        worst = worst.max(fault(&mut group, time)?);
    }
    let records = group.finish(number("FASTDATA_RECORDS", 0));
    println!("{times} {what}, longest recovery {worst:.1?}: {}", group.assert_exactly_once(records));
    Some(())
}

#[test]
fn a_group_recovers_when_one_of_three_brokers_is_killed() {
    let Some(cluster) = broker::start(broker::THREE_NODES) else { return };
    let (mut random, seed) = random();
    let completed = run_with_faults(
        &cluster,
        &mut random,
        number("FASTDATA_BOUNCES", DEFAULT_BROKER_KILLS),
        "kills of a broker",
        |group, time| {
            let node = usize::try_from(time % 3).unwrap();
            cluster.kill(node);
            let recovery = await_recovery(group);
            cluster.restart(node);
            Some(recovery)
        },
    );
    println!("seed {seed}");
    assert!(completed.is_some(), "each fault has a recovery");
}

#[test]
#[ignore = "takes minutes: cargo test -- --ignored kafka::bounces"]
fn a_group_recovers_after_an_outage_of_its_only_broker() {
    let outage = Duration::from_secs(number("FASTDATA_OUTAGE_SECONDS", DEFAULT_OUTAGE_SECONDS));
    let ((mut random, seed), required) = (random(), number("FASTDATA_OUTAGES", 1));
    let (mut survived, mut torn) = (0, 0);
    while survived < required {
        let Some(cluster) = broker::start(broker::SINGLE_NODE) else { return };
        let times = OUTAGES_PER_GROUP.min(required - survived);
        let completed = run_with_faults(&cluster, &mut random, times, "outages of the broker", |group, _| {
            cluster.stop(0);
            let evidence = segments::torn(&cluster.data_dir(0));
            if !evidence.is_empty() {
                println!("not counted: Kafka itself has torn a transaction:\n  {}", evidence.join("\n  "));
                return None;
            }
            group.keep_running_for(outage);
            cluster.restart(0);
            Some(await_recovery(group))
        });
        if completed.is_some() {
            survived += times;
        } else {
            torn += 1;
        }
        assert!(torn <= required, "Kafka has torn {torn} transactions in {survived} outages");
    }
    println!("{survived} outages, seed {seed}; {torn} groups were not counted");
}
