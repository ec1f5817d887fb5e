//! The other two promises of delivery: at least once loses nothing, at most once doubles nothing.
//!
//! Separate because what these may do is counted, not refused. The records themselves go on to a sink,
//! beside a fold of them.

use super::broker::{self, Cluster};
use super::exact::{self, Tally};
use super::faults::asked;
use super::group::{Group, Plan, number, random};
use super::kills;
use fastdata::log::Log as _;
use std::sync::Mutex;
use std::time::Duration;

/// Kills of the short version.
const KILLS: i64 = 1;

/// Kills of a broker, where they are asked for.
const BOUNCES: usize = 2;

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

/// What came of the records, and of the fold, after kills.
fn killed(cluster: &Cluster, stem: &'static str, mode: &str) -> (Tally, Tally) {
    let (kills, records, way) = kills::asked(KILLS);
    let (mut random, seed) = random();
    let text = format!("{}delivery: {mode}\n{STEPS}", exact::SOURCE);
    let mut group = Group::started(cluster, Plan { text, ..Plan::exact(stem, way.min(50_000)) });
    kills::kill(&mut group, kills, way, &mut random);
    let records = group.finish(records);
    let passed = exact::numbers(cluster, &group.topic("passed"), records);
    let folded = exact::folds(cluster, &group.topic("folded"), records);
    println!("{mode}, {kills} kills, seed {seed}: {passed}; {folded}");
    (passed, folded)
}

/// One after the other: beside each other they would only wait.
static ONE: Mutex<()> = Mutex::new(());

#[test]
fn at_least_once_loses_nothing() {
    let Some(cluster) = broker::shared() else { return };
    let _one = ONE.lock();
    let (passed, folded) = killed(cluster, "least", "at_least_once");
    assert!(passed.lost() == 0 && folded.lost() == 0, "{}\n{}", passed.evidence(), folded.evidence());
}

/// Records of one round, and how many rounds there are at most: in one of them a commit may come by chance, as
/// an instance that is silent speaks now and then.
const ROUND: (i64, i64) = (100, 10);

#[test]
fn at_least_once_shows_results_ahead_of_their_commit() {
    let Some(cluster) = broker::shared() else { return };
    let text = format!("{}delivery: at_least_once\n{STEPS}", exact::SOURCE.replace("50ms", "60s"));
    let mut group = Group::new(cluster, Plan { text, instances: 1, ..Plan::exact("ahead", 0) });
    let (log, passed) = (cluster.connect(), group.topic("passed"));
    let first = group.start("");
    group.instances.push(first);
    let shown = (1..=ROUND.1).map(|round| round * ROUND.0).find(|records| {
        group.feed.allow(*records);
        group.until("the results to be there", |_| {
            let there = log.topics(Some(&passed)).unwrap().pop()?;
            (there.partitions.iter().map(|p| p.end.0).sum::<i64>() >= *records).then_some(())
        });
        group.spend(Duration::from_secs(1));
        group.taken() < *records
    });
    assert!(shown.is_some(), "no result was seen more than a second before its commit");
    let records = group.finish(0);
    let passed = exact::numbers(cluster, &passed, records);
    assert!(passed.exact(), "{}", passed.evidence());
}

#[test]
fn at_most_once_doubles_nothing() {
    let Some(cluster) = broker::shared() else { return };
    let _one = ONE.lock();
    let (passed, folded) = killed(cluster, "most", "at_most_once");
    assert!(passed.doubled == 0 && folded.doubled == 0, "{}\n{}", passed.evidence(), folded.evidence());
}

/// What came of the records, and of the fold, after brokers died.
fn bounced(stem: &'static str, mode: &str) -> Option<(Tally, Tally)> {
    let cluster = asked().then(|| broker::start(broker::THREE)).flatten()?;
    let times = number("FASTDATA_BOUNCES", BOUNCES);
    let text = format!("{}delivery: {mode}\n{STEPS}", exact::SOURCE);
    let mut group = Group::started(&cluster, Plan { text, ..Plan::exact(stem, 20_000) });
    for node in (0..3).cycle().take(times) {
        group.go_on(5_000);
        cluster.kill(node);
        cluster.restart(node);
        let all = group.partitions();
        group.all_go_on(&all);
    }
    let records = group.finish(0);
    let passed = exact::numbers(&cluster, &group.topic("passed"), records);
    let folded = exact::folds(&cluster, &group.topic("folded"), records);
    println!("{mode}, {times} kills of a broker: {passed}; {folded}");
    Some((passed, folded))
}

#[test]
fn at_least_once_loses_nothing_when_brokers_die() {
    let Some((passed, folded)) = bounced("least-bounced", "at_least_once") else { return };
    assert!(passed.lost() == 0 && folded.lost() == 0, "{}\n{}", passed.evidence(), folded.evidence());
}

#[test]
fn at_most_once_doubles_nothing_when_brokers_die() {
    let Some((passed, folded)) = bounced("most-bounced", "at_most_once") else { return };
    assert!(passed.doubled == 0 && folded.doubled == 0, "{}\n{}", passed.evidence(), folded.evidence());
}
