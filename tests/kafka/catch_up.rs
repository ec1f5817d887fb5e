//! A backlog of several partitions, read at full speed into a window by another key than the record's: no record is
//! late, although the partitions are read at different speeds.

use super::exact::{self, PARTITIONS, RECORDS_PER_WINDOW};
use super::group::{Group, GroupPlan, number, random};
use super::{broker, checker};

/// Records unless `FASTDATA_RECORDS` sets their number.
const DEFAULT_RECORDS: i64 = 100_000;

/// Each key of the window has records in all partitions.
const STEPS: &str = "steps:
  - name: counted
    window: {tumbling: 1s, by: [kind], select: {n: count(*), sum: sum(i)}, grace: 1s}
sinks:
  - {from: counted, topic: NAME-counted}
  - {from: counted.late, topic: NAME-late}
";

fn catch_up(instances: usize) {
    let Some(cluster) = broker::shared() else { return };
    let records = number("FASTDATA_RECORDS", DEFAULT_RECORDS);
    let (_, seed) = random();
    let pipeline = format!("{}{STEPS}", exact::SOURCE);
    let mut group = Group::new(cluster, GroupPlan { pipeline, instances, ..GroupPlan::exact("catch-up", 0) });
    group.feed.write_up_to(records);
    let start = std::time::Instant::now();
    for _ in 0..instances {
        let instance = group.spawn("");
        group.instances.push(instance);
    }
    group.await_records(records);
    let took = start.elapsed();
    // All windows except those that the last records and the grace keep open.
    let closed = usize::try_from((records / RECORDS_PER_WINDOW - 3) * 10).unwrap();
    group.wait_until("the windows to close", |g| {
        let written = |suffix: &str| checker::count_committed(g.cluster, &g.topic(suffix));
        (written("counted") >= closed || written("late") > 0).then_some(())
    });
    let records = group.finish(records);
    let late = checker::count_committed(cluster, &group.topic("late"));
    let counts = exact::counts(cluster, &group.topic("counted"), records);
    assert!(late == 0 && counts.exact(), "{late} records were late\n{}", counts.evidence());
    println!(
        "a backlog of {records} records over {PARTITIONS} partitions, {instances} instances, seed {seed}: read in {took:.1?}, 0 late; {counts}"
    );
}

#[test]
fn one_instance_catches_up_and_nothing_is_late() {
    catch_up(1);
}

#[test]
fn two_instances_catch_up_and_nothing_is_late() {
    catch_up(2);
}
