//! A test of the checks themselves: each planted mistake breaks a promise, and the check of that promise must find it.
//!
//! A mistake counts as found only if the expected [`Defect`] is among those that the check reports. A run that fails
//! or does not end counts as not found. Needs the feature `failpoints`. The short form plants a few of the mistakes;
//! `FASTDATA_MISTAKES=1` plants all, and `FASTDATA_CASE` those with this text in their names.

use super::audit;
use super::broker::{self, Cluster};
use super::checker::Defect::{
    self, Duplicated, Lost, OutOfOrder, Wrong, WrongHeader, WrongKey, WrongLedger, WrongTimestamp,
};
use super::checker::Results::{DeadLetters, Folds, Windows};
use super::failpoints::abort_at;
use super::group::{Group, GroupPlan};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;
use std::time::Instant;

/// Runs at the same time: most of a run waits for time-outs of the group.
const PARALLEL_RUNS: usize = 3;

/// Records that may wait: enough that most commits come before the end of a partition.
const MAX_LAG: i64 = 20_000;

/// Records between two disturbances.
const RECORDS_BETWEEN: i64 = 500;

/// What the test does to the group.
#[derive(Clone, Copy)]
enum Disturbance {
    /// One instance reads to the end.
    Undisturbed,
    /// Instances abort at a failpoint, each at another pass.
    Aborts(&'static str, [u32; 3]),
    /// An instance is suspended until the group continues without it, three times.
    Suspensions,
}

use Disturbance::{Aborts, Suspensions, Undisturbed};

/// A mistake, the disturbance that exposes it, and the defect that must be found.
type Case = (&'static str, Disturbance, Defect);

/// Aborts after a commit. Some mistakes split a commit into two transactions; odd passes then fall between the two.
const AFTER_COMMIT: Disturbance = Aborts("AfterCommit", [3, 5, 9]);

/// Aborts in the second of the two transactions.
const IN_SECOND_TRANSACTION: Disturbance = Aborts("AfterProduce", [4, 6, 10]);

const MISTAKES: &[Case] = &[
    ("SkipRecord", Undisturbed, Lost(Folds)),
    ("Reorder", Undisturbed, OutOfOrder(Folds)),
    ("ReadTwice", Undisturbed, Duplicated(Folds)),
    ("SkipRepartitioned", Undisturbed, Wrong(Windows)),
    ("ReadUncommitted", Aborts("BeforeCommit", [3, 5, 9]), Wrong(Windows)),
    ("IgnoreCommitted", AFTER_COMMIT, Duplicated(Folds)),
    ("SeekTooFar", AFTER_COMMIT, Lost(Folds)),
    ("RestoreShort", AFTER_COMMIT, Wrong(Folds)),
    ("RestoreNothing", AFTER_COMMIT, Wrong(Folds)),
    ("RestoreStale", AFTER_COMMIT, Wrong(Folds)),
    ("RestoreDeleted", AFTER_COMMIT, Duplicated(Windows)),
    ("RestoreOldProgress", AFTER_COMMIT, WrongLedger),
    ("OffsetsFirst", IN_SECOND_TRANSACTION, Lost(Folds)),
    ("OffsetsAfter", AFTER_COMMIT, Duplicated(Folds)),
    ("StateApart", AFTER_COMMIT, Wrong(Folds)),
    ("ResultsFirst", AFTER_COMMIT, Duplicated(Folds)),
    ("ResultsAfter", AFTER_COMMIT, Lost(Folds)),
    ("RetryCommitted", Undisturbed, Duplicated(Folds)),
    ("IgnoreAbort", Undisturbed, Lost(Folds)),
    ("Unfenced", Suspensions, Duplicated(Folds)),
    ("OffsetTooFar", AFTER_COMMIT, Lost(Folds)),
    ("OffsetTooShort", AFTER_COMMIT, Duplicated(Folds)),
    ("SendTwice", Undisturbed, Duplicated(Folds)),
    ("DropLast", Undisturbed, Lost(Folds)),
    ("DropSecondHalf", Undisturbed, Lost(Folds)),
    ("HeaderLost", Undisturbed, WrongHeader),
    ("KeyLost", Undisturbed, WrongKey),
    ("KeysExchanged", Undisturbed, WrongKey),
    ("TimestampChanged", Undisturbed, WrongTimestamp),
    ("DeadLetterDropped", Undisturbed, Lost(DeadLetters)),
    ("DeadLetterTwice", Undisturbed, Duplicated(DeadLetters)),
    ("WrongTask", Undisturbed, Duplicated(Windows)),
    ("RowSentTwice", Undisturbed, Wrong(Windows)),
    ("WatermarkEarly", Undisturbed, Wrong(Windows)),
    ("ChangelogKeysExchanged", AFTER_COMMIT, Wrong(Folds)),
    ("ChangelogShort", AFTER_COMMIT, Wrong(Folds)),
    ("DeletionNotWritten", AFTER_COMMIT, Duplicated(Windows)),
    ("ProgressNotWritten", AFTER_COMMIT, WrongLedger),
];

/// The mistakes of the short form.
const SHORT_FORM: &[&str] = &["OffsetsFirst", "RestoreShort", "Unfenced", "SendTwice", "HeaderLost", "WrongTask"];

/// Runs a group, with a mistake if one is named, and returns the defects in its results.
fn defects(cluster: &Cluster, mistake: Option<&'static str>, disturbance: Disturbance) -> BTreeSet<Defect> {
    let env = mistake.map(|name| ("FASTDATA_MISTAKE", name.to_owned())).into_iter().collect();
    let instances = if matches!(disturbance, Undisturbed) { 1 } else { 2 };
    let mut group = Group::running(cluster, GroupPlan { instances, env, ..audit::plan("mistakes", MAX_LAG) });
    group.await_records(4 * RECORDS_BETWEEN);
    match disturbance {
        Undisturbed => group.await_records(4 * RECORDS_BETWEEN),
        Aborts(failpoint, passes) => {
            for (which, pass) in [1, 0, 1].into_iter().zip(passes) {
                abort_at(&mut group, which, failpoint, pass);
                group.await_records(RECORDS_BETWEEN);
            }
        }
        Suspensions => suspend_instances(&mut group),
    }
    let records = group.finish(0);
    audit::defects(&group, records)
}

/// Suspends an instance until the group continues without it, three times.
fn suspend_instances(group: &mut Group<'_>) {
    for _ in 0..3 {
        group.await_assignment();
        group.await_records(RECORDS_BETWEEN);
        group.instances[0].process.suspend();
        let name = group.instances[0].name.clone();
        group.wait_until("the group to remove the suspended instance", |g| {
            g.monitor.members(&g.topic("in")).is_some_and(|m| !m.contains_key(&name)).then_some(())
        });
        let all = group.partitions();
        group.await_progress_in(&all);
        group.instances[0].process.signal("CONT");
        // The zombie finishes what it still writes before it joins again.
        group.await_assignment();
    }
}

/// Runs a case on a thread of its own and prints what it found. Returns whether that is what was expected.
fn check(cluster: &'static Cluster, (mistake, disturbance, expected): Case) -> bool {
    let start = Instant::now();
    let run = std::thread::spawn(move || defects(cluster, Some(mistake), disturbance));
    let found = run.join().ok();
    let is_found = found.as_ref().is_some_and(|found| found.contains(&expected));
    let found = found.map_or("the run failed".to_owned(), |found| format!("{found:?}"));
    let verdict = if is_found { "found" } else { "NOT FOUND" };
    println!("{mistake}: expected {expected:?}: {verdict}: {found}, {} s", start.elapsed().as_secs());
    is_found
}

#[test]
fn the_check_of_each_promise_finds_the_mistake_that_breaks_it() {
    let Some(cluster) = broker::shared() else { return };
    let all = std::env::var_os("FASTDATA_MISTAKES").is_some();
    let only = std::env::var("FASTDATA_CASE").unwrap_or_default();
    let cases = MISTAKES.iter().filter(|(name, ..)| (all || SHORT_FORM.contains(name)) && name.contains(&only));
    let queue: Mutex<VecDeque<Case>> = Mutex::new(cases.copied().collect());
    assert!(!queue.lock().unwrap().is_empty(), "no mistake has `{only}` in its name");
    let missed = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap().pop_front();
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL_RUNS {
            scope.spawn(|| {
                while let Some(case) = next() {
                    if !check(cluster, case) {
                        missed.lock().unwrap().push(case.0);
                    }
                }
            });
        }
    });
    for disturbance in [Undisturbed, IN_SECOND_TRANSACTION] {
        assert_eq!(defects(cluster, None, disturbance), BTreeSet::new(), "without a mistake");
    }
    let missed = missed.into_inner().unwrap();
    assert!(missed.is_empty(), "not found: {missed:?}");
}
