//! A test of the checker itself: with each planted mistake it must find a defect, and without one none.
//!
//! Needs the feature `failpoints`. The short form plants three of the mistakes; `FASTDATA_MISTAKES=1` plants all.

use super::broker::{self, Cluster};
use super::exact;
use super::failpoints::abort_at;
use super::group::{Group, GroupPlan};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The mistakes, each with the failpoint at which instances abort meanwhile.
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

/// The mistakes of the short form.
const SHORT_FORM: [&str; 3] = ["OffsetsFirst", "RestoreShort", "Unfenced"];

/// Runs a group that makes a mistake and whose instances abort. Returns the defect that was found, if any.
fn find_defect(cluster: &Cluster, mistake: &str, failpoint: &str) -> Option<String> {
    let env = vec![("FASTDATA_MISTAKE", mistake.to_owned())];
    let run = || {
        let mut group = Group::running(cluster, GroupPlan { instances: 2, env, ..GroupPlan::exact("mistakes", 4_000) });
        group.await_records(1_000);
        for pass in [3, 5, 9] {
            let which = usize::try_from(pass % 2).unwrap_or(0).min(group.instances.len() - 1);
            abort_at(&mut group, which, failpoint, pass);
            group.await_records(500);
        }
        if mistake == "Unfenced" {
            suspend_instances(&mut group);
        }
        let records = group.finish(0);
        let folds = exact::folds(cluster, &group.topic("folded"), records, i64::eq);
        let counts = exact::counts(cluster, &group.topic("counted"), records);
        (!(folds.exact() && counts.exact())).then(|| format!("{folds}; {counts}"))
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map_or("a panic", String::as_str);
        let (assertion, last_line) = (text.lines().next(), text.lines().next_back());
        let [assertion, last_line] = [assertion, last_line].map(Option::unwrap_or_default);
        Some(format!("the group did not get to the end: {assertion}: {last_line}"))
    })
}

/// Suspends an instance until the group goes on without it, three times.
fn suspend_instances(group: &mut Group<'_>) {
    for _ in 0..3 {
        group.await_assignment();
        group.await_records(500);
        group.instances[0].process.signal("STOP");
        let name = group.instances[0].name.clone();
        group.wait_until("the group to remove the suspended instance", |g| {
            g.monitor.members(&g.topic("in")).is_some_and(|m| !m.contains_key(&name)).then_some(())
        });
        let all = group.partitions();
        group.await_progress_in(&all);
        group.instances[0].process.signal("CONT");
        // What the zombie still writes, it writes before it joins again.
        group.await_assignment();
    }
}

#[test]
fn the_checker_finds_each_planted_mistake() {
    let Some(cluster) = broker::shared() else { return };
    let all = std::env::var_os("FASTDATA_MISTAKES").is_some();
    let only = std::env::var("FASTDATA_CASE").unwrap_or_default();
    let mut mistakes = MISTAKES.to_vec();
    mistakes.retain(|(mistake, _)| (all || SHORT_FORM.contains(mistake)) && mistake.contains(&only));
    assert!(!mistakes.is_empty(), "no mistake has `{only}` in its name");
    let mut missed = Vec::new();
    for (mistake, failpoint) in mistakes {
        let found = find_defect(cluster, mistake, failpoint);
        println!("{mistake}: {}", found.as_deref().unwrap_or("NOT FOUND"));
        if found.is_none() {
            missed.push(mistake);
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
    assert_eq!(find_defect(cluster, "none", "AfterProduce"), None, "without a mistake");
}
