//! `fastdata preview` on Kafka: it sees the first committed records, and leaves no trace.

use super::broker;
use crate::harness::program::Fastdata;
use fastdata::log::{Access, Log as _};
use serde_json::Value;

#[test]
fn the_preview_reads_what_is_committed_and_leaves_nothing() {
    let Some(cluster) = broker::shared() else { return };
    let (f, name, log) = (Fastdata::in_temp(), cluster.name("preview"), cluster.connect());
    let brokers = format!("--brokers {}", cluster.listener("PLAINTEXT"));
    f.file("copy.yaml", &format!("name: {name}\nsource: {{topic: {name}-in, schema: {{n: bigint}}}}\nsteps: [{{filter: n > 1}}]\nsink: {name}-mid\n"));
    f.file("in.jsonl", &(0..40).map(|n| format!("{{\"n\":{n}}}\n")).collect::<String>());
    f.args(&format!("topics create {name}-in --partitions 2 {brokers}")).succeeds();
    f.args(&format!("seed --topic {name}-in --from in.jsonl {brokers}")).succeeds();
    // Written in transactions, whose markers leave gaps between the offsets.
    f.args(&format!("run copy.yaml --until-end {brokers}")).succeeds();
    f.args(&format!("seed --topic {name}-in --from in.jsonl {brokers}")).succeeds();
    f.args(&format!("run copy.yaml --until-end {brokers}")).succeeds();
    let fold = "steps: [{name: sums, window: {tumbling: 1h, select: {total: sum(n), rows: count(*)}}}]";
    f.file(
        "p.yaml",
        &format!("name: {name}-p\nsource: {{topic: {name}-mid, schema: {{n: bigint}}}}\n{fold}\nsink: {name}-out\n"),
    );
    let own = || {
        let topics = log.topics(None).unwrap();
        topics
            .into_iter()
            .filter(|t| t.name.starts_with(&name))
            .map(|t| (t.name.to_string(), t.partitions.clone()))
            .collect::<Vec<_>>()
    };
    let before = own();
    let preview = f.args(&format!("preview p.yaml --rows 76 --output json {brokers}")).succeeds().stderr("");
    let steps: Vec<Value> = preview.stdout_text().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(steps[0]["in"], 76, "{}", preview.stdout_text());
    let open = &steps[1]["open"][0];
    assert_eq!((open["rows"].as_u64(), open["total"].as_i64()), (Some(76), Some(2 * (39 * 40 / 2 - 1))), "{open}");
    assert_eq!(own(), before);
    assert!(!f.dir().join(".fastdata").exists(), "it has made an embedded log");
    // No group has come into being.
    log.check_access(&Access::ReadOffsets(&format!("{name}-p"))).unwrap();
    let at = fastdata::record::TopicPartition::new(format!("{name}-mid"), 0);
    assert_eq!(log.committed(&format!("{name}-p"), &[at]).unwrap(), [None]);
}
