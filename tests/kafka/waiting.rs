//! Instances that wait for a model stay members of the group: partitions move while they wait.

use super::broker;
use super::exact;
use super::group::{Group, GroupPlan};
use crate::harness::program::Fastdata;

/// Records that wait for the model.
const RECORDS: i64 = 4_000;

/// Scores with a model that is not published yet.
fn plan(stem: &'static str, max_lag: i64) -> GroupPlan {
    let columns: Vec<String> = (0..11).map(|i| format!("x{i}")).collect();
    let set: Vec<String> = columns.iter().map(|c| format!("{c}: CAST(i % 10 AS DOUBLE)")).collect();
    let pipeline = format!(
        "{}steps:\n  - set: {{{}}}\n  - score: {{model: NAME, inputs: [{}], outputs: {{grade: prediction}}}}\n  - select: [i, grade]\nsink: NAME-passed\n",
        exact::SOURCE,
        set.join(", "),
        columns.join(", ")
    );
    GroupPlan { pipeline, ..GroupPlan::exact(stem, max_lag) }
}

fn publish(group: &Group<'_>) {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/models/wine.onnx");
    let brokers = group.cluster.listener("PLAINTEXT");
    Fastdata::in_temp()
        .args(&format!("publish-model {model} --data-type {} --brokers {brokers}", group.name))
        .succeeds();
}

/// Starts an instance, and a second one while the tasks of the first wait.
fn start_two(group: &mut Group<'_>, args: &str) {
    let first = group.spawn(args);
    let name = first.name.clone();
    group.instances.push(first);
    group.wait_until("the first to wait", |g| g.log_of(&name).contains("waiting for a model").then_some(()));
    let second = group.spawn(args);
    group.instances.push(second);
    group.await_assignment();
}

#[test]
fn partitions_move_while_instances_wait_for_a_model() {
    let Some(cluster) = broker::shared() else { return };
    let mut group = Group::new(cluster, plan("waiting", RECORDS));
    start_two(&mut group, "");
    publish(&group);
    let records = group.finish(RECORDS);
    let passed = exact::numbers(cluster, &group.topic("passed"), records);
    assert!(passed.exact(), "{}", passed.evidence());
    println!("waiting: {passed}");
}

/// The instances have read all records, and their tasks have not processed them yet.
#[test]
fn partitions_move_while_bounded_instances_wait_for_a_model() {
    let Some(cluster) = broker::shared() else { return };
    let mut group = Group::new(cluster, plan("waiting-end", 0));
    group.feed.write_up_to(RECORDS);
    start_two(&mut group, "--until-end");
    publish(&group);
    for mut instance in std::mem::take(&mut group.instances) {
        let status = instance.process.wait();
        assert_eq!(status.code(), Some(0), "{}", group.log_of(&instance.name));
    }
    assert_eq!(group.consumed(), RECORDS, "consumed records");
    let passed = exact::numbers(cluster, &group.topic("passed"), group.finish(RECORDS));
    assert!(passed.exact(), "{}", passed.evidence());
    println!("waiting at the end: {passed}");
}
