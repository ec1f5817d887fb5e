//! Signals under load: a run ends in good order at any moment, and leaves no transaction open behind it.
//!
//! Separate because the transactions of the only instance are all that there are, so that each can be seen.

use super::group::{Group, Plan, number, random};
use super::{broker, checker};
use rand::RngExt as _;
use std::time::{Duration, Instant};

/// How often in the short version.
const TIMES: i64 = 3;

/// Records between a start and a signal, at most.
const WAY: i64 = 3_000;

/// Longest time from a signal to the end.
const LIMIT: Duration = Duration::from_secs(10);

/// Longest time for what was committed to be visible after the end. What is left open is so for as long as
/// a transaction may live, which is more.
const VISIBLE: Duration = Duration::from_secs(3);

#[test]
fn a_signal_ends_an_instance_soon_and_leaves_nothing_open() {
    let Some(cluster) = broker::shared() else { return };
    let times = number("FASTDATA_SIGTERMS", TIMES);
    let (mut random, seed) = random();
    let with = "--kafka session.timeout.ms=2000 --kafka heartbeat.interval.ms=400".to_owned();
    let mut group = Group::started(cluster, Plan { instances: 1, with, ..Plan::exact("signals", WAY * 2) });
    let (mut worst, mut unseen) = (Duration::ZERO, Duration::ZERO);
    for time in 0..times {
        if random.random_range(0..3) == 0 {
            group.complete();
            group.spend(Duration::from_millis(random.random_range(0..1_000)));
        } else {
            group.go_on(random.random_range(1..WAY));
        }
        let took = group.leave(0);
        worst = worst.max(took);
        assert!(took < LIMIT, "signal {time}: the end took {took:?}");
        let ended = Instant::now();
        loop {
            let open = checker::open(cluster, &group.name);
            if open.is_empty() {
                break;
            }
            assert!(ended.elapsed() < VISIBLE, "signal {time}: a transaction is left open: {open:?}");
        }
        unseen = unseen.max(ended.elapsed());
        let next = group.start("");
        group.instances.push(next);
    }
    group.go_on(1);
    let records = group.finish(0);
    println!(
        "{times} signals, seed {seed}, longest way to the end {worst:.1?}, nothing open {unseen:.1?} later at most: {}",
        group.exact(records)
    );
}
