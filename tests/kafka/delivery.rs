//! The weaker delivery guarantees: at least once loses no record, at most once duplicates none.
//!
//! The pipeline passes the records to a sink and also folds them: the state keeps the same guarantee. What a
//! guarantee allows is counted and shown.

use super::broker;
use super::exact::{self, Tally};
use super::group::{Group, GroupPlan, number, random};
use super::kills;
use fastdata::log::Log as _;
use std::sync::Mutex;
use std::time::Duration;

/// Kills unless `FASTDATA_KILLS` sets their number.
const DEFAULT_KILLS: i64 = 1;

/// Kills of a broker unless `FASTDATA_BOUNCES` sets their number.
const DEFAULT_BROKER_KILLS: usize = 2;

const STEPS: &str = "steps:
  - name: passed
    filter: i >= 0
  - name: folded
    from: NAME-in
    scan: {by: [sensor], init: {n: 0, last: 0}, next: {n: n + 1, last: i}}
sinks:
  - {from: passed, topic: NAME-passed}
  - {from: folded, topic: NAME-folded}
";

/// A delivery guarantee.
pub struct Guarantee {
    pub name: &'static str,
    /// Compares the count of a fold with the number of its records.
    fold_count_is_right: fn(&i64, &i64) -> bool,
    holds: fn(&Tally) -> bool,
}

pub const AT_LEAST_ONCE: Guarantee =
    Guarantee { name: "at_least_once", fold_count_is_right: i64::ge, holds: |t| t.lost() == 0 && t.wrong == 0 };

pub const AT_MOST_ONCE: Guarantee =
    Guarantee { name: "at_most_once", fold_count_is_right: i64::le, holds: |t| t.duplicates == 0 && t.wrong == 0 };

impl Guarantee {
    pub fn pipeline(&self) -> String {
        format!("{}delivery: {}\n{STEPS}", exact::SOURCE, self.name)
    }

    /// Asserts the guarantee for the records and the fold.
    pub fn assert_holds(&self, group: &Group<'_>, records: i64, faults: &str) {
        let passed = exact::numbers(group.cluster, &group.topic("passed"), records);
        let folded = exact::folds(group.cluster, &group.topic("folded"), records, self.fold_count_is_right);
        println!("{}, {faults}: {passed}; {folded}", self.name);
        assert!((self.holds)(&passed) && (self.holds)(&folded), "{}\n{}", passed.evidence(), folded.evidence());
    }
}

fn kill_instances(stem: &'static str, guarantee: &Guarantee) {
    let Some(cluster) = broker::shared() else { return };
    let _guard = SERIAL.lock();
    let (kills, records, distance) = kills::requested(DEFAULT_KILLS);
    let (mut random, seed) = random();
    let mut group = Group::running(
        cluster,
        GroupPlan { pipeline: guarantee.pipeline(), ..GroupPlan::exact(stem, distance.min(50_000)) },
    );
    kills::kill_instances(&mut group, kills, distance, &mut random);
    let records = group.finish(records);
    guarantee.assert_holds(&group, records, &format!("{kills} kills, seed {seed}"));
}

/// These tests run one after the other: in parallel each would mostly wait.
static SERIAL: Mutex<()> = Mutex::new(());

#[test]
fn at_least_once_loses_nothing() {
    kill_instances("least", &AT_LEAST_ONCE);
}

/// Records of one round.
const ROUND_RECORDS: i64 = 100;

/// Rounds that are tried until one ends before its commit: an idle instance commits now and then, and such a commit may
/// fall into a round.
const MAX_ROUNDS: i64 = 10;

/// Records that are written at a time, before the test waits for their results.
const BURST_RECORDS: usize = 10;

/// Time without a commit after the results of a round are visible.
const TIME_BEFORE_COMMIT: Duration = Duration::from_secs(1);

#[test]
fn at_least_once_shows_results_before_their_commit() {
    let Some(cluster) = broker::shared() else { return };
    let pipeline = AT_LEAST_ONCE.pipeline().replace("50ms", "60s");
    let mut group = Group::new(cluster, GroupPlan { pipeline, instances: 1, ..GroupPlan::exact("ahead", 0) });
    let (log, passed) = (cluster.connect(), group.topic("passed"));
    let first = group.spawn("");
    group.instances.push(first);
    let shown = (0..MAX_ROUNDS).map(|round| round * ROUND_RECORDS).find(|start| {
        let end = start + ROUND_RECORDS;
        for records in (*start..=end).step_by(BURST_RECORDS) {
            group.feed.allow_up_to(records);
            group.wait_until("the results to be visible", |_| {
                let info = log.topics(Some(&passed)).unwrap().pop()?;
                (info.partitions.iter().map(|p| p.end.0).sum::<i64>() >= records).then_some(())
            });
        }
        group.keep_running_for(TIME_BEFORE_COMMIT);
        group.consumed() < end
    });
    assert!(shown.is_some(), "no result was visible {TIME_BEFORE_COMMIT:?} before its commit");
    // A second instance without local state continues from the last commit, with each key.
    group.terminate(0);
    let second = group.spawn("--data-dir another");
    group.instances.push(second);
    group.feed.allow_up_to(group.feed.allowed() + exact::SENSORS);
    let records = group.finish(0);
    let passed = exact::numbers(cluster, &passed, records);
    let folded = exact::folds(cluster, &group.topic("folded"), records, i64::eq);
    assert!(passed.exact() && folded.exact(), "{}\n{}", passed.evidence(), folded.evidence());
}

#[test]
fn at_most_once_duplicates_nothing() {
    kill_instances("most", &AT_MOST_ONCE);
}

fn kill_brokers(stem: &'static str, guarantee: &Guarantee) {
    let Some(cluster) = broker::start(broker::THREE_NODES) else { return };
    let times = number("FASTDATA_BOUNCES", DEFAULT_BROKER_KILLS);
    let mut group =
        Group::running(&cluster, GroupPlan { pipeline: guarantee.pipeline(), ..GroupPlan::exact(stem, 20_000) });
    for node in (0..3).cycle().take(times) {
        group.await_records(5_000);
        cluster.kill(node);
        cluster.restart(node);
        let all = group.partitions();
        group.await_progress_in(&all);
    }
    let records = group.finish(0);
    guarantee.assert_holds(&group, records, &format!("{times} kills of a broker"));
}

#[test]
#[ignore = "takes minutes: cargo test -- --ignored kafka::delivery"]
fn at_least_once_loses_nothing_when_brokers_die() {
    kill_brokers("least-bounced", &AT_LEAST_ONCE);
}

#[test]
#[ignore = "takes minutes: cargo test -- --ignored kafka::delivery"]
fn at_most_once_duplicates_nothing_when_brokers_die() {
    kill_brokers("most-bounced", &AT_MOST_ONCE);
}
