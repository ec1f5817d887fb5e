//! Instances that wait for a model are members like any others: partitions move while they wait.
//!
//! Separate because an instance that waits has nothing to commit, and must be heard all the same.

use super::broker;
use super::exact;
use super::group::{Group, Plan};
use crate::harness::program::Fastdata;

/// Records that wait.
const RECORDS: i64 = 4_000;

/// Scores with a model that nobody has published yet, over these records.
fn plan(stem: &'static str, ahead: i64) -> Plan {
    let columns: Vec<String> = (0..11).map(|i| format!("x{i}")).collect();
    let set: Vec<String> = columns.iter().map(|c| format!("{c}: CAST(i % 10 AS DOUBLE)")).collect();
    let text = format!(
        "{}steps:\n  - set: {{{}}}\n  - score: {{model: NAME, inputs: [{}], outputs: {{grade: prediction}}}}\n  - select: [i, grade]\nsink: NAME-passed\n",
        exact::SOURCE,
        set.join(", "),
        columns.join(", ")
    );
    Plan { text, ..Plan::exact(stem, ahead) }
}

fn publish(group: &Group<'_>) {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/models/wine.onnx");
    let brokers = group.cluster.listener("PLAINTEXT");
    Fastdata::in_temp()
        .args(&format!("publish-model {model} --data-type {} --brokers {brokers}", group.name))
        .succeeds();
}

/// One that waits, then another: partitions move though the tasks of the first wait.
fn two(group: &mut Group<'_>, more: &str) {
    let first = group.start(more);
    let name = first.name.clone();
    group.instances.push(first);
    group.until("the first to wait", |g| g.said(&name).contains("waiting for a model").then_some(()));
    let second = group.start(more);
    group.instances.push(second);
    group.complete();
}

#[test]
fn partitions_move_while_instances_wait_for_a_model() {
    let Some(cluster) = broker::shared() else { return };
    let mut group = Group::new(cluster, plan("waiting", RECORDS));
    two(&mut group, "");
    publish(&group);
    let records = group.finish(RECORDS);
    let passed = exact::numbers(cluster, &group.topic("passed"), records);
    assert!(passed.exact(), "{}", passed.evidence());
    println!("waiting: {passed}");
}

/// All is read, and the tasks have not done with it.
#[test]
fn partitions_move_while_instances_wait_for_a_model_at_the_end_of_what_is_there() {
    let Some(cluster) = broker::shared() else { return };
    let mut group = Group::new(cluster, plan("waiting-end", 0));
    group.feed.allow(RECORDS);
    group.until("the records to be written", |g| (g.feed.written() >= RECORDS).then_some(()));
    two(&mut group, "--until-end");
    publish(&group);
    for mut instance in std::mem::take(&mut group.instances) {
        let status = instance.process.wait();
        assert_eq!(status.code(), Some(0), "{}", group.said(&instance.name));
    }
    assert_eq!(group.taken(), RECORDS, "records that were taken in");
    let passed = exact::numbers(cluster, &group.topic("passed"), group.finish(RECORDS));
    assert!(passed.exact(), "{}", passed.evidence());
    println!("waiting at the end: {passed}");
}
