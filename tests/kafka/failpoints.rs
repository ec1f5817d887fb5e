//! Instances that die at chosen places of the program: in the end each record has counted once, in its order.
//!
//! Separate from kills at random because each place is met for certain. Needs the feature `failpoints`.
//! `FASTDATA_FAILPOINTS=10` makes it as many runs, each through all places with a seed of its own.

use super::broker;
use super::group::{Group, Plan, number};
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;
use std::os::unix::process::ExitStatusExt as _;

/// The places, and how often each may be passed before.
const PLACES: [(&str, u32); 8] = [
    ("AfterPoll", 20),
    ("MidWindow", 20),
    ("AfterProduce", 10),
    ("AfterOffsets", 10),
    ("BeforeCommit", 10),
    ("AfterCommit", 10),
    ("DuringRestore", 1),
    ("InRevoke", 1),
];

/// Runs of the short version.
const RUNS: u64 = 1;

/// What a process that has aborted ends with.
const ABORTED: i32 = 6;

/// Puts an instance in the place of another that dies where it is told to.
pub fn die_at(group: &mut Group<'_>, which: usize, place: &str, pass: u32) {
    // One that has hardly begun does not hear what it is asked.
    group.complete();
    group.leave(which);
    let mut armed = group.start_in("", &[("FASTDATA_FAIL", format!("{place}:{pass}"))]);
    let mut restless: Option<std::time::Instant> = None;
    let status = group.until(&format!("an instance to die at {place}"), |g| {
        // A place that only a new decision of the group leads to: somebody else comes.
        if place == "InRevoke" && restless.is_none_or(|at| at.elapsed().as_secs() > 5) {
            restless = Some(std::time::Instant::now());
            let coming = g.start("");
            g.instances.push(coming);
        }
        armed.process.child().try_wait().unwrap()
    });
    assert_eq!(status.signal(), Some(ABORTED), "{place}: {status}\n{}", group.said(&armed.name));
    while group.instances.len() > 1 {
        group.complete();
        group.leave(1);
    }
    let fresh = group.start("");
    group.instances.insert(which.min(group.instances.len()), fresh);
}

#[test]
fn instances_that_die_anywhere_lose_and_double_nothing() {
    let Some(cluster) = broker::shared() else { return };
    let (runs, seed) = (number("FASTDATA_FAILPOINTS", RUNS), number("FASTDATA_SEED", 1));
    let mut passed = 0;
    for seed in seed..seed + runs {
        let mut random = Pcg64::seed_from_u64(seed);
        let mut places = PLACES;
        places.shuffle(&mut random);
        let mut group = Group::started(cluster, Plan { instances: 2, ..Plan::exact("failpoints", 4_000) });
        for (place, most) in places {
            group.go_on(random.random_range(1..1_000));
            let which = random.random_range(0..group.instances.len());
            die_at(&mut group, which, place, random.random_range(1..=most));
        }
        group.go_on(500);
        let records = group.finish(0);
        println!("failpoints, seed {seed}, {} places: {}", PLACES.len(), group.exact(records));
        passed += 1;
    }
    println!("{passed} of {runs} runs through {} places: each record counted once", PLACES.len());
}
