//! The other two promises of delivery: at least once loses nothing, at most once doubles nothing.
//!
//! Separate because what these may do is counted, not refused. The records themselves go on to a sink,
//! beside a fold of them, whose state keeps the same promise.

use super::broker;
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

/// A promise.
struct Mode {
    name: &'static str,
    /// What a fold may have counted, of what there was.
    counted: fn(&i64, &i64) -> bool,
    kept: fn(&Tally) -> bool,
}

const LEAST: Mode = Mode { name: "at_least_once", counted: i64::ge, kept: |t| t.lost() == 0 && t.wrong == 0 };

const MOST: Mode = Mode { name: "at_most_once", counted: i64::le, kept: |t| t.doubled == 0 && t.wrong == 0 };

impl Mode {
    fn text(&self) -> String {
        format!("{}delivery: {}\n{STEPS}", exact::SOURCE, self.name)
    }

    /// Judges what came of the records, and of the fold, after so many mishaps.
    fn judge(&self, group: &Group<'_>, records: i64, mishaps: &str) {
        let passed = exact::numbers(group.cluster, &group.topic("passed"), records);
        let folded = exact::folds(group.cluster, &group.topic("folded"), records, self.counted);
        println!("{}, {mishaps}: {passed}; {folded}", self.name);
        assert!((self.kept)(&passed) && (self.kept)(&folded), "{}\n{}", passed.evidence(), folded.evidence());
    }
}

fn killed(stem: &'static str, mode: &Mode) {
    let Some(cluster) = broker::shared() else { return };
    let _one = ONE.lock();
    let (kills, records, way) = kills::asked(KILLS);
    let (mut random, seed) = random();
    let mut group = Group::started(cluster, Plan { text: mode.text(), ..Plan::exact(stem, way.min(50_000)) });
    kills::kill(&mut group, kills, way, &mut random);
    let records = group.finish(records);
    mode.judge(&group, records, &format!("{kills} kills, seed {seed}"));
}

/// One after the other: beside each other they would only wait.
static ONE: Mutex<()> = Mutex::new(());

#[test]
fn at_least_once_loses_nothing() {
    killed("least", &LEAST);
}

/// Records of one round, and how many rounds there are at most: in one of them a commit may come by chance, as
/// an instance that is silent speaks now and then.
const ROUND: (i64, i64) = (100, 10);

/// Records that are read before the input runs dry: of one round, several times.
const PIECE: usize = 10;

#[test]
fn at_least_once_shows_results_ahead_of_their_commit() {
    let Some(cluster) = broker::shared() else { return };
    let text = LEAST.text().replace("50ms", "60s");
    let mut group = Group::new(cluster, Plan { text, instances: 1, ..Plan::exact("ahead", 0) });
    let (log, passed) = (cluster.connect(), group.topic("passed"));
    let first = group.start("");
    group.instances.push(first);
    let shown = (0..ROUND.1).map(|round| round * ROUND.0).find(|start| {
        let end = start + ROUND.0;
        for records in (*start..=end).step_by(PIECE) {
            group.feed.allow(records);
            group.until("the results to be there", |_| {
                let there = log.topics(Some(&passed)).unwrap().pop()?;
                (there.partitions.iter().map(|p| p.end.0).sum::<i64>() >= records).then_some(())
            });
        }
        group.spend(Duration::from_secs(1));
        group.taken() < end
    });
    assert!(shown.is_some(), "no result was seen more than a second before its commit");
    // Another goes on from what the commit at the end has kept, and from nothing else, with each key.
    group.leave(0);
    let second = group.start("--data-dir another");
    group.instances.push(second);
    group.feed.allow(group.feed.allowed() + exact::SENSORS);
    let records = group.finish(0);
    let passed = exact::numbers(cluster, &passed, records);
    let folded = exact::folds(cluster, &group.topic("folded"), records, i64::eq);
    assert!(passed.exact() && folded.exact(), "{}\n{}", passed.evidence(), folded.evidence());
}

#[test]
fn at_most_once_doubles_nothing() {
    killed("most", &MOST);
}

fn bounced(stem: &'static str, mode: &Mode) {
    let Some(cluster) = asked().then(|| broker::start(broker::THREE)).flatten() else { return };
    let times = number("FASTDATA_BOUNCES", BOUNCES);
    let mut group = Group::started(&cluster, Plan { text: mode.text(), ..Plan::exact(stem, 20_000) });
    for node in (0..3).cycle().take(times) {
        group.go_on(5_000);
        cluster.kill(node);
        cluster.restart(node);
        let all = group.partitions();
        group.all_go_on(&all);
    }
    let records = group.finish(0);
    mode.judge(&group, records, &format!("{times} kills of a broker"));
}

#[test]
fn at_least_once_loses_nothing_when_brokers_die() {
    bounced("least-bounced", &LEAST);
}

#[test]
fn at_most_once_doubles_nothing_when_brokers_die() {
    bounced("most-bounced", &MOST);
}
