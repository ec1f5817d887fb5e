//! SIGTERM under load: a run ends in an orderly way at any moment, and leaves no open transaction.
//!
//! The group has one instance, so that every open transaction is its own.

use super::broker;
use super::checker::TransactionWatch;
use super::group::{Group, GroupPlan, number, random};
use rand::RngExt as _;
use std::time::{Duration, Instant};

/// Signals unless `FASTDATA_SIGTERMS` sets their number.
const DEFAULT_SIGNALS: i64 = 3;

/// Most records between a start and a signal.
const MAX_RECORDS_TO_SIGNAL: i64 = 3_000;

/// Longest time from a signal to the end of the process.
const MAX_SHUTDOWN_TIME: Duration = Duration::from_secs(10);

/// Longest time from the end of the process until all committed records are visible. It is shorter than
/// `transaction.timeout.ms`, after which the broker aborts an abandoned transaction.
const MAX_TIME_TO_VISIBILITY: Duration = Duration::from_secs(5);

#[test]
fn sigterm_ends_an_instance_soon_and_leaves_no_open_transaction() {
    let Some(cluster) = broker::shared() else { return };
    let times = number("FASTDATA_SIGTERMS", DEFAULT_SIGNALS);
    let (mut random, seed) = random();
    let args = "--kafka session.timeout.ms=2000 --kafka heartbeat.interval.ms=400".to_owned();
    let mut group = Group::running(
        cluster,
        GroupPlan { instances: 1, args, ..GroupPlan::exact("signals", MAX_RECORDS_TO_SIGNAL * 2) },
    );
    let watch = TransactionWatch::new(cluster);
    let (mut worst, mut invisible) = (Duration::ZERO, Duration::ZERO);
    for time in 0..times {
        if random.random_range(0..3) == 0 {
            group.await_assignment();
            group.keep_running_for(Duration::from_millis(random.random_range(0..1_000)));
        } else {
            group.await_records(random.random_range(1..MAX_RECORDS_TO_SIGNAL));
        }
        let took = group.terminate(0);
        worst = worst.max(took);
        assert!(took < MAX_SHUTDOWN_TIME, "signal {time}: the shutdown took {took:?}");
        let ended = Instant::now();
        loop {
            let open = watch.open_partitions(&group.name);
            if open.is_empty() {
                break;
            }
            assert!(ended.elapsed() < MAX_TIME_TO_VISIBILITY, "signal {time}: a transaction is left open: {open:?}");
        }
        invisible = invisible.max(ended.elapsed());
        let next = group.spawn("");
        group.instances.push(next);
    }
    group.await_records(1);
    let records = group.finish(0);
    println!(
        "{times} signals, seed {seed}, longest shutdown {worst:.1?}, no open transaction {invisible:.1?} later at most: {}",
        group.assert_exactly_once(records)
    );
}
