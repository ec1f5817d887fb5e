//! Instances that wait for a model are members like any others: partitions move while they wait.
//!
//! Separate because an instance that waits has nothing to commit, and must be heard all the same.

use super::broker;
use super::exact;
use super::group::{Group, Plan};
use crate::harness::program::Fastdata;

/// Records that wait.
const RECORDS: i64 = 4_000;

#[test]
fn partitions_move_while_instances_wait_for_a_model() {
    let Some(cluster) = broker::shared() else { return };
    let columns: Vec<String> = (0..11).map(|i| format!("x{i}")).collect();
    let set: Vec<String> = columns.iter().map(|c| format!("{c}: CAST(i % 10 AS DOUBLE)")).collect();
    let text = format!(
        "{}steps:\n  - set: {{{}}}\n  - score: {{model: NAME, inputs: [{}], outputs: {{grade: prediction}}}}\n  - select: [i, grade]\nsink: NAME-passed\n",
        exact::SOURCE,
        set.join(", "),
        columns.join(", ")
    );
    let mut group = Group::new(cluster, Plan { text, ..Plan::exact("waiting", RECORDS) });
    let first = group.start("");
    let name = first.name.clone();
    group.instances.push(first);
    group.until("the first to wait", |g| g.said(&name).contains("waiting for a model").then_some(()));
    let second = group.start("");
    group.instances.push(second);
    // The first has answered, though its tasks wait.
    group.complete();

    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/models/wine.onnx");
    let publish =
        format!("publish-model {model} --data-type {} --brokers {}", group.name, cluster.listener("PLAINTEXT"));
    Fastdata::in_temp().args(&publish).succeeds();
    let records = group.finish(RECORDS);
    let passed = exact::numbers(cluster, &group.topic("passed"), records);
    assert!(passed.exact(), "{}", passed.evidence());
    println!("waiting: {passed}");
}
