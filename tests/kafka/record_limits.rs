//! Records that are too large for a topic of Kafka: the limit is `max.message.bytes` of the topic, and batches of small
//! records stay within it.

use super::broker::{self, Cluster};
use crate::harness::engine;
use crate::harness::program::Fastdata;
use crate::harness::record::{Record, Topics, pack};
use crate::harness::scenario::Scenario;
use crate::harness::topics::{append, read_partition, topic_config};
use fastdata::log::Log as _;
use fastdata::log::kafka::KafkaLog;
use fastdata::record::TopicPartition;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use serde_json::json;
use sha2::{Digest, Sha256};

/// The setting `max.message.bytes` of the topics that are written to.
const MAX_MESSAGE_BYTES: usize = 3_000;

/// The largest record under that setting: the overhead of a record and of its batch is 97 bytes.
const MAX_RECORD_BYTES: usize = MAX_MESSAGE_BYTES - 97;

fn create_limited_topic(cluster: &Cluster, topic: &str, cleanup: &str) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.listener("PLAINTEXT"));
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let max = MAX_MESSAGE_BYTES.to_string();
    let topic = NewTopic::new(topic, 1, TopicReplication::Fixed(1)).set("max.message.bytes", &max);
    let topic = topic.set("cleanup.policy", cleanup).set("retention.ms", "-1");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let created = runtime.block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap();
    created[0].as_ref().unwrap();
}

/// A pipeline whose input is written, and whose other topics are still missing.
fn seeded(cluster: &Cluster, steps: &str, records: &[Record]) -> (Fastdata, Scenario, String) {
    let (f, name) = (Fastdata::in_temp(), cluster.name("limits"));
    let text = format!(
        "name: {name}\nsource: {{topic: {name}-in, key: id, schema: {{id: bigint, size: bigint}}}}\n{steps}sink: {{topic: {name}-out}}\n"
    );
    f.file("p.yaml", &text);
    let log = cluster.connect();
    log.create_topic(&format!("{name}-in"), &topic_config(1)).unwrap();
    append(&log, &format!("{name}-in"), 0, pack(records));
    (f, Scenario::new(&text, Topics::new(), 1), name)
}

/// All records of a topic with one partition.
fn read(log: &KafkaLog, topic: &str) -> Vec<Record> {
    read_partition(log, &TopicPartition::new(topic, 0))
}

#[test]
fn results_and_dead_letters_that_are_too_large_become_dead_letters_that_fit() {
    let Some(cluster) = broker::shared() else { return };
    let size = |id: i64| if id == 7 { 5_000 } else { 100 };
    let mut records: Vec<Record> = (0..500)
        .map(|id: i64| Record::json(Some(&id.to_string()), &json!({"id": id, "size": size(id)}), 1_000))
        .collect();
    let undecodable = vec![b'x'; MAX_RECORD_BYTES];
    records.push(Record { value: Some(undecodable.clone()), ..Record::json(Some("k"), &json!({}), 1_000) });
    let steps = "steps: [{select: {id: id, body: \"repeat('x', size)\"}}]\n";
    let (f, scenario, name) = seeded(cluster, steps, &records);
    create_limited_topic(cluster, &format!("{name}-out"), "delete");
    create_limited_topic(cluster, &format!("{name}.dead"), "delete");
    f.args(&format!("run p.yaml --until-end --quiet --brokers {}", cluster.listener("PLAINTEXT"))).succeeds();

    let log = cluster.connect();
    assert_eq!(read(&log, &format!("{name}-out")).len(), 499);
    let dead_letters = read(&log, &format!("{name}.dead"));
    let [result, letter] = dead_letters.as_slice() else { panic!("{dead_letters:?}") };
    assert_eq!((&result.key, &result.value), (&records[7].key, &records[7].value));
    let bytes = json!({"id": 7, "body": ""}).to_string().len() + 5_000 + 1;
    let error = format!(
        "a record of {bytes} bytes for `{name}-out` is larger than the limit of {MAX_RECORD_BYTES}: raise `max.message.bytes` of topic `{name}-out`, which is {MAX_MESSAGE_BYTES} (the brokers call their default for it `message.max.bytes`)"
    );
    assert_eq!(result.header("fastdata-error"), Some(error.as_str()));
    assert_eq!(letter.value, None);
    assert_eq!(letter.header("fastdata-size"), Some(undecodable.len().to_string().as_str()));
    assert_eq!(letter.header("fastdata-sha256"), Some(format!("{:x}", Sha256::digest(&undecodable)).as_str()));
    assert_eq!(letter.header("fastdata-source"), Some(format!("{name}-in/0/500").as_str()));
    // This also checks that nothing is missing from the ledger.
    let ledger = engine::committed_ledger(&scenario, &log);
    assert_eq!((ledger["read"], ledger["written"], ledger["dead"]), (501, 499, 2));
}

#[test]
fn a_row_of_state_that_is_too_large_ends_the_run_and_names_the_setting() {
    let Some(cluster) = broker::shared() else { return };
    let records: Vec<Record> =
        (0..5).map(|i| Record::json(Some("1"), &json!({"id": 1, "size": 1_000}), 1_000 + i)).collect();
    let steps = "steps:
  - name: joined
    scan: {by: [id], init: {body: \"''\"}, next: {body: \"body || repeat('x', size)\"}}
  - select: {id: id}
";
    let (f, _, name) = seeded(cluster, steps, &records);
    create_limited_topic(cluster, &format!("{name}.joined.state"), "compact");
    let ended =
        f.args(&format!("run p.yaml --until-end --quiet --brokers {}", cluster.listener("PLAINTEXT"))).fails_with(1);
    let expected = format!(
        "for `{name}.joined.state` is larger than the limit of {MAX_RECORD_BYTES}: raise `max.message.bytes` of topic"
    );
    let stderr = ended.stderr_text();
    assert!(stderr.contains("the state of `joined` cannot be committed: a record of "), "{stderr}");
    assert!(stderr.contains(&expected), "{stderr}");
}
