//! `client.rack`: a rack-aware range assignment can give partitions with the same number to different members.

use super::broker;
use crate::harness::program::Fastdata;
use crate::harness::topics::topic_config;
use fastdata::log::kafka::{KafkaLog, Settings};
use fastdata::log::{GroupSpec, Log as _, LogError};

const MERGE: &str = "\
name: racks
sources:
  left: {topic: left, key: id, schema: {id: bigint, a: bigint}}
  right: {topic: right, key: id, schema: {id: bigint, a: bigint}}
steps:
  - {name: both, merge: [left, right]}
sink: {topic: out}
";

/// The program refuses before it connects: no broker listens at the address.
#[test]
fn a_rack_is_refused_where_several_topics_are_read_together() {
    let f = Fastdata::in_temp();
    f.file("p.yaml", MERGE);
    f.file("rack", "client.rack=a\n");
    for (command, flag) in [
        ("run", "--kafka client.rack=a"),
        ("run", "--kafka-config rack"),
        ("validate", "--kafka client.rack=a"),
        ("validate --online", "--kafka client.rack=a"),
    ] {
        let ended = f.args(&format!("{command} p.yaml --brokers 127.0.0.1:9 {flag}")).fails_with(2);
        ended.stderr(
            "error: the Kafka property `client.rack` cannot be set for pipeline `racks`: it reads several topics (`left`, `right`), and with racks the group can assign partitions with the same number to different instances\n\
             hint: remove `client.rack`; only a pipeline that reads a single topic can use it\n",
        );
    }
    f.file("one.yaml", "name: one\nsource: {topic: left, schema: {id: bigint}}\nsink: {topic: out}\n");
    let ended = f.args("run one.yaml --brokers 127.0.0.1:9 --kafka client.rack=a").fails_with(1);
    assert!(ended.stderr_text().contains("127.0.0.1:9"), "{}", ended.stderr_text());
    f.args("validate one.yaml --brokers 127.0.0.1:9 --kafka client.rack=a").succeeds();
}

#[test]
fn a_group_with_several_topics_refuses_a_rack() {
    let Some(cluster) = broker::shared() else { return };
    let properties = vec![("client.rack".to_owned(), "a".to_owned())];
    let log = KafkaLog::connect(&Settings { properties, ..cluster.settings() }).unwrap();
    let topics: Vec<_> = (0..2).map(|_| cluster.name("rack")).collect();
    for topic in &topics {
        log.create_topic(topic, &topic_config(1)).unwrap();
    }
    let group = |topics: &[String]| GroupSpec {
        group: cluster.name("racks"),
        topics: topics.iter().map(|t| t.as_str().into()).collect(),
        ..GroupSpec::default()
    };
    match log.join(&group(&topics)) {
        Err(LogError::Unusable(text)) => assert!(text.contains("`client.rack`"), "{text}"),
        Err(e) => panic!("{e}"),
        Ok(_) => panic!("the group has accepted a rack"),
    }
    assert!(log.join(&group(&topics[..1])).is_ok());
}
