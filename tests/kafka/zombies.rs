//! Zombies: instances that are suspended until the group continues without them, and then resumed. With every delivery
//! nothing that they still write replaces state, counters or positions of the new owners, and they join again.
//!
//! Every other zombie is suspended within a transaction. It can only continue with that one, so the test knows that it
//! tries to commit. The others are suspended at any moment; some begin a transaction only when they wake.

use super::broker;
use super::checker::TransactionWatch;
use super::delivery::{AT_LEAST_ONCE, AT_MOST_ONCE, Guarantee};
use super::exact;
use super::group::{Group, GroupPlan, number, random};
use rand::RngExt as _;
use rand_pcg::Pcg64;
use serde_json::Value;
use std::time::Duration;

/// Zombies of each delivery unless `FASTDATA_ZOMBIES` sets their number.
const DEFAULT_ZOMBIES: i64 = 1;

/// Most records between two zombies.
const RECORDS_BETWEEN_ZOMBIES: i64 = 2_000;

/// Longest time, in milliseconds, that a zombie stays suspended after the others have its partitions.
const MAX_EXTRA_SUSPENSION_MS: u64 = 1_000;

/// A transaction that is still open after its owner was suspended for this time stays open: no request to end it was on
/// its way to the broker.
const TIME_TO_COMMIT: Duration = Duration::from_secs(1);

/// Longest time, in milliseconds, until another attempt to suspend an instance within a transaction.
const MAX_TIME_TO_NEXT_ATTEMPT_MS: u64 = 20;

/// What an instance reports of a commit that was not made.
const UNDONE: &str = " is undone: ";

/// The partitions that an instance has at this moment, if any.
fn partitions_of(group: &Group<'_>, name: &str) -> Option<Vec<i32>> {
    let members = group.monitor.members(&group.topic("in"))?;
    members.get(name).filter(|own| !own.is_empty()).cloned()
}

/// Suspends an instance that has written state in a transaction and not committed it.
fn suspend_in_transaction(group: &mut Group<'_>, which: usize, watch: &TransactionWatch, random: &mut Pcg64) {
    let (name, changelog) = (group.instances[which].name.clone(), format!("{}.folded.state", group.name));
    let own = group.wait_until("the partitions of the zombie", |g| partitions_of(g, &name));
    // Only the zombie writes to these changelogs.
    let is_open = || own.iter().any(|partition| watch.is_open(&changelog, *partition));
    group.wait_until("a transaction of the zombie", |g| {
        g.instances[which].process.signal("STOP");
        if is_open() {
            g.keep_running_for(TIME_TO_COMMIT);
            if is_open() {
                return Some(());
            }
        }
        g.instances[which].process.signal("CONT");
        g.keep_running_for(Duration::from_millis(random.random_range(1..MAX_TIME_TO_NEXT_ATTEMPT_MS)));
        None
    });
}

/// Waits until the others have the zombie's partitions and have committed for all, then resumes it. Returns what it
/// has logged since then, once it has joined again and its partitions advance.
fn outlive(group: &mut Group<'_>, which: usize, random: &mut Pcg64) -> String {
    let name = group.instances[which].name.clone();
    group.wait_until("the group to remove the zombie", |g| {
        g.monitor.members(&g.topic("in")).is_some_and(|m| !m.contains_key(&name)).then_some(())
    });
    let all = group.partitions();
    group.await_progress_in(&all);
    group.keep_running_for(Duration::from_millis(random.random_range(0..MAX_EXTRA_SUSPENSION_MS)));
    let logged = group.log_of(&name).len();
    group.instances[which].process.signal("CONT");
    let own = group.wait_until("the zombie to have partitions again", |g| partitions_of(g, &name));
    group.await_progress_in(&own);
    group.log_of(&name).split_off(logged)
}

/// Lets zombies come and go. Returns why their commits were refused.
fn make_zombies(group: &mut Group<'_>, times: i64, random: &mut Pcg64) -> Vec<String> {
    let watch = TransactionWatch::new(group.cluster);
    let mut refusals = Vec::new();
    for time in 0..times {
        group.await_assignment();
        group.await_records(random.random_range(1..RECORDS_BETWEEN_ZOMBIES));
        let which = random.random_range(0..group.instances.len());
        let in_transaction = time % 2 == 0;
        match in_transaction {
            true => suspend_in_transaction(group, which, &watch, random),
            false => group.instances[which].process.signal("STOP"),
        }
        let log = outlive(group, which, random);
        let refused: Vec<String> = log.lines().filter_map(|line| Some(line.split_once(UNDONE)?.1.to_owned())).collect();
        assert!(!in_transaction || !refused.is_empty(), "the zombie has not tried to commit:\n{log}");
        refusals.extend(refused);
    }
    refusals
}

/// Asserts that the state of the fold is that of all records, and that each of them was counted once.
fn assert_state(group: &Group<'_>, records: i64) {
    let state = group.command("query p.yaml folded --limit 1000");
    let mut found: Vec<(i64, i64)> = Vec::new();
    for line in state.lines() {
        let fold: Value = serde_json::from_str(line).unwrap();
        found.push((fold["last"].as_i64().unwrap(), fold["n"].as_i64().unwrap()));
    }
    found.sort_unstable();
    // The last records of all keys are the last records of all.
    let expected: Vec<(i64, i64)> = (records - exact::SENSORS..records).map(|i| (i, i / exact::SENSORS + 1)).collect();
    assert_eq!(found, expected, "the last record and the number of records of each key, in the state");
    let stats: Value = serde_json::from_str(&group.command(&format!("stats {} --output json", group.name))).unwrap();
    assert_eq!(stats["sources"][0]["read"], records, "{stats:#}");
    assert_eq!(stats["ledger"]["remainder"], 0, "{stats:#}");
}

/// Runs a group with zombies to its end; returns the number of records.
fn run(group: &mut Group<'_>) -> (i64, String) {
    let times = number("FASTDATA_ZOMBIES", DEFAULT_ZOMBIES);
    let (mut random, seed) = random();
    let refusals = make_zombies(group, times, &mut random);
    let records = group.finish(number("FASTDATA_RECORDS", 0).max(exact::SENSORS));
    assert_state(group, records);
    assert_eq!(group.monitor.moved_back(), None, "a position that moved back");
    (records, format!("{times} zombies, seed {seed}, refused: {refusals:#?}"))
}

#[test]
fn a_zombie_writes_nothing_and_joins_again() {
    let Some(cluster) = broker::shared() else { return };
    let mut group = Group::running(cluster, GroupPlan::exact("zombies", RECORDS_BETWEEN_ZOMBIES * 2));
    let (records, zombies) = run(&mut group);
    println!("{zombies}: {}", group.assert_exactly_once(records));
}

fn overwrite_nothing(stem: &'static str, guarantee: &Guarantee) {
    let Some(cluster) = broker::shared() else { return };
    let plan = GroupPlan::exact(stem, RECORDS_BETWEEN_ZOMBIES * 2);
    let mut group = Group::running(cluster, GroupPlan { pipeline: guarantee.pipeline(), ..plan });
    let (records, zombies) = run(&mut group);
    guarantee.assert_holds(&group, records, &zombies);
}

#[test]
fn a_zombie_of_at_least_once_overwrites_nothing() {
    overwrite_nothing("least-zombies", &AT_LEAST_ONCE);
}

#[test]
fn a_zombie_of_at_most_once_overwrites_nothing() {
    overwrite_nothing("most-zombies", &AT_MOST_ONCE);
}
