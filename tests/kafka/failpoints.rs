//! Instances that abort at each failpoint of the program: in the end each record has counted once, in order.
//!
//! Unlike a kill at a random time, a failpoint is reached with certainty. Needs the feature `failpoints`.
//! `FASTDATA_FAILPOINTS=10` sets the number of runs, each through all failpoints with its own seed.

use super::broker;
use super::group::{Group, GroupPlan, number};
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

/// The failpoints, and the most passes before an instance aborts there.
const FAILPOINTS: [(&str, u32); 8] = [
    ("AfterPoll", 20),
    ("MidWindow", 20),
    ("AfterProduce", 10),
    ("AfterOffsets", 10),
    ("BeforeCommit", 10),
    ("AfterCommit", 10),
    ("DuringRestore", 1),
    ("InRevoke", 1),
];

/// Runs unless `FASTDATA_FAILPOINTS` sets their number.
const DEFAULT_RUNS: u64 = 1;

/// The signal that ends a process that aborts.
const SIGABRT: i32 = 6;

/// Time after which a further instance is started, so that the group rebalances again.
const REBALANCE_INTERVAL: Duration = Duration::from_secs(6);

/// Replaces an instance by one that aborts at a failpoint, waits for that, and starts a healthy one.
pub fn abort_at(group: &mut Group<'_>, which: usize, failpoint: &str, pass: u32) {
    group.await_assignment();
    group.terminate(which);
    let mut armed = group.spawn_with_env("", &[("FASTDATA_FAIL", format!("{failpoint}:{pass}"))]);
    let mut rebalanced_at: Option<Instant> = None;
    let status = group.wait_until(&format!("an instance to abort at {failpoint}"), |g| {
        // Only a rebalance reaches this failpoint: another instance joins.
        if failpoint == "InRevoke" && rebalanced_at.is_none_or(|at| at.elapsed() >= REBALANCE_INTERVAL) {
            rebalanced_at = Some(Instant::now());
            let joining = g.spawn("");
            g.instances.push(joining);
        }
        armed.process.child().try_wait().unwrap()
    });
    assert_eq!(status.signal(), Some(SIGABRT), "{failpoint}: {status}\n{}", group.log_of(&armed.name));
    while group.instances.len() > 1 {
        group.await_assignment();
        group.terminate(1);
    }
    let fresh = group.spawn("");
    group.instances.insert(which.min(group.instances.len()), fresh);
}

#[test]
fn instances_that_abort_at_any_failpoint_lose_and_duplicate_nothing() {
    let Some(cluster) = broker::shared() else { return };
    let (runs, seed) = (number("FASTDATA_FAILPOINTS", DEFAULT_RUNS), number("FASTDATA_SEED", 1));
    let mut passed = 0;
    for seed in seed..seed + runs {
        let mut random = Pcg64::seed_from_u64(seed);
        let mut failpoints = FAILPOINTS;
        failpoints.shuffle(&mut random);
        let mut group = Group::running(cluster, GroupPlan { instances: 2, ..GroupPlan::exact("failpoints", 4_000) });
        for (failpoint, max_passes) in failpoints {
            group.await_records(random.random_range(1..1_000));
            let which = random.random_range(0..group.instances.len());
            abort_at(&mut group, which, failpoint, random.random_range(1..=max_passes));
        }
        group.await_records(500);
        let records = group.finish(0);
        println!("failpoints, seed {seed}, {} failpoints: {}", FAILPOINTS.len(), group.assert_exactly_once(records));
        passed += 1;
    }
    println!("{passed} of {runs} runs through {} failpoints: each record counted once", FAILPOINTS.len());
}
