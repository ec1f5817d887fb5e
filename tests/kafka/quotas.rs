//! A producer that the brokers slow down: commits become so small that each is made in time.

use super::broker;
use super::group::number;
use super::{segments, wire};
use crate::harness::program::Fastdata;
use crate::harness::topics::topic_config;
use fastdata::log::{Append, Log as _};
use fastdata::record::{RecordsBuilder, TopicPartition};
use std::time::Duration;

/// Bytes per second that the brokers take from the producer, after a burst of about ten seconds' worth. The name is
/// that of the variable that sets it.
const QUOTA: (&str, f64) = ("FASTDATA_KAFKA_QUOTA", 300_000.0);

/// Records of the backlog, of about 300 bytes each.
const RECORDS: (&str, usize) = ("FASTDATA_KAFKA_BACKLOG", 20_000);

/// Least number of commits of the backlog, each counted in each partition that it writes to.
const MIN_COMMITS: usize = 5;

#[test]
fn a_producer_with_a_quota_commits_less_at_a_time_and_ends() {
    let Some(cluster) = broker::shared() else { return };
    let (quota, records) = (number(QUOTA.0, QUOTA.1), number(RECORDS.0, RECORDS.1));
    let (input, output, log) = (cluster.name("backlog"), cluster.name("copied"), cluster.connect());
    log.create_topic(&input, &topic_config(2)).unwrap();
    let mut appender = log.appender().unwrap();
    for first in (0..records).step_by(5_000) {
        let mut batch = RecordsBuilder::default();
        for i in first..(first + 5_000).min(records) {
            batch.push(None, Some(format!(r#"{{"i":{i},"text":"{:x>270}"}}"#, i).as_bytes()), 0);
        }
        let to = TopicPartition::new(input.as_str(), u32::try_from(first / 5_000 % 2).unwrap());
        appender.append(&[Append { to, records: batch.finish() }]).unwrap();
    }
    let f = Fastdata::in_temp();
    let name = cluster.name("slow");
    f.file(
        "p.yaml",
        &format!("name: {name}\nsource: {{topic: {input}, schema: {{i: bigint, text: string}}}}\nsink: {output}\n"),
    );
    wire::limit_producer(cluster, &name, quota);
    let brokers = cluster.listener("PLAINTEXT");
    // Three times as long as the quota alone takes.
    let limit = Duration::from_secs_f64(60.0 + 3.0 * 300.0 * records as f64 / quota);
    let run = f.args(&format!("run p.yaml --until-end --brokers {brokers} --kafka client.id={name}"));
    let run = run.within(limit).succeeds();
    println!("quotas: {}", run.stderr_text());
    let ends = log.topics(Some(&output)).unwrap().pop().unwrap().partitions;
    let folder = |partition: usize| cluster.data_dir(0).join(format!("{output}-{partition}"));
    let commits: Vec<Vec<usize>> = (0..ends.len()).map(|p| segments::commits(&folder(p))).collect();
    println!("quotas: records of each commit by partition: {commits:?}");
    assert_eq!(commits.iter().flatten().sum::<usize>(), records, "{commits:?}");
    assert!(commits.iter().map(Vec::len).sum::<usize>() >= MIN_COMMITS, "{commits:?}\n{}", run.stderr_text());
    let reader = f.args(&format!("tail --topic {output} --until-end --output raw --brokers {brokers}")).succeeds();
    assert_eq!(reader.stdout_text().lines().count(), records, "{ends:?}\n{}", run.stderr_text());
}
