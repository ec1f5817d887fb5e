//! The checker is itself put to the test: with each of these mistakes switched on, it must find something.
//!
//! Separate because here a test that passes is the failure. Needs the feature `failpoints`. The short version
//! makes three of the mistakes; `FASTDATA_MISTAKES=1` makes all.

use super::broker::{self, Cluster};
use super::exact;
use super::failpoints::die_at;
use super::group::{Group, Plan};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// The mistakes; those that need one, with the place where instances then die.
const MISTAKES: [(&str, &str); 12] = [
    ("SkipRecord", "AfterCommit"),
    ("SendTwice", "AfterCommit"),
    ("OffsetsFirst", "AfterProduce"),
    ("OffsetsAfter", "AfterCommit"),
    ("Unfenced", "AfterCommit"),
    ("RestoreShort", "AfterCommit"),
    ("RestoreNothing", "AfterCommit"),
    ("IgnoreAbort", "AfterCommit"),
    ("ReadUncommitted", "BeforeCommit"),
    ("StateApart", "AfterCommit"),
    ("Reorder", "AfterCommit"),
    ("WrongTask", "AfterCommit"),
];

/// Those of the short version.
const SHORT: [&str; 3] = ["OffsetsFirst", "RestoreShort", "Unfenced"];

/// What a group comes to that makes a mistake and whose instances die and sleep: what the checker has found,
/// or nothing.
fn found(cluster: &Cluster, mistake: &str, place: &str) -> Option<String> {
    let env = vec![("FASTDATA_MISTAKE", mistake.to_owned())];
    let run = || {
        let mut group = Group::started(cluster, Plan { instances: 2, env, ..Plan::exact("mistakes", 4_000) });
        group.go_on(1_000);
        for pass in [3, 5, 9] {
            let which = usize::try_from(pass % 2).unwrap_or(0).min(group.instances.len() - 1);
            die_at(&mut group, which, place, pass);
            group.go_on(500);
        }
        if mistake == "Unfenced" {
            sleep(&mut group);
        }
        let records = group.finish(0);
        let folds = exact::folds(cluster, &group.topic("folded"), records, i64::eq);
        let counts = exact::counts(cluster, &group.topic("counted"), records);
        (!(folds.exact() && counts.exact())).then(|| format!("{folds}; {counts}"))
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map_or("a panic", String::as_str);
        Some(format!("the group did not get to the end: {}", text.lines().next_back().unwrap_or_default()))
    })
}

/// An instance sleeps while the group goes on without it.
fn sleep(group: &mut Group<'_>) {
    for _ in 0..3 {
        group.complete();
        group.go_on(500);
        group.instances[0].process.signal("STOP");
        let name = group.instances[0].name.clone();
        group.until("the group to give the sleeper up", |g| {
            g.watch.members(&g.topic("in")).is_some_and(|m| !m.contains_key(&name)).then_some(())
        });
        let all = group.partitions();
        group.all_go_on(&all);
        group.instances[0].process.signal("CONT");
        group.spend(Duration::from_secs(2));
    }
}

#[test]
fn the_checker_finds_each_mistake_and_none_where_there_is_none() {
    let Some(cluster) = broker::shared() else { return };
    let all = std::env::var_os("FASTDATA_MISTAKES").is_some();
    let only = std::env::var("FASTDATA_CASE").unwrap_or_default();
    let mut missed = Vec::new();
    for (mistake, place) in MISTAKES.iter().filter(|(m, _)| (all || SHORT.contains(m)) && m.contains(&only)) {
        let found = found(cluster, mistake, place);
        println!("{mistake}: {}", found.as_deref().unwrap_or("NOT FOUND"));
        if found.is_none() {
            missed.push(*mistake);
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
    assert_eq!(found(cluster, "none", "AfterProduce"), None, "without a mistake");
}
