//! `kafka: {topics: …}`: values, and what it refuses.
#![allow(clippy::unwrap_used)]

use super::super::{KeptFor, TopicCreation};
use super::{bad, good};
use std::time::Duration;

fn file(topics: &str) -> String {
    format!("name: p\nsource: {{topic: r, format: text}}\nsink: out\nkafka:\n  brokers: b\n  topics: {topics}\n")
}

fn creation(topics: &str) -> TopicCreation {
    good(&file(topics)).kafka.unwrap().topics
}

/// The messages without their excerpts.
fn messages(topics: &str) -> Vec<String> {
    let report = bad(&file(topics));
    let said = report.lines().filter(|line| line.starts_with("error: ") || line.starts_with("hint: "));
    said.map(str::to_owned).collect()
}

#[test]
fn topics_are_made_unless_the_file_says_otherwise() {
    assert_eq!(creation("{}"), TopicCreation::default());
    assert!(creation("{}").create && !creation("{create: false}").create);
    assert_eq!(creation("{retention: none}").kept, KeptFor::Ever);
    assert_eq!(creation("{retention: 36h}").kept, KeptFor::Time(Duration::from_secs(36 * 3_600)));
}

#[test]
fn a_setting_that_follows_from_the_kind_of_a_topic_is_refused() {
    let report = bad(&file("{config: {cleanup.policy: delete}}"));
    assert_eq!(
        report,
        "error: `cleanup.policy` cannot be set here: it follows from what a topic holds: state keeps the latest record \
         of each key, nothing else is compacted
  --> p.yaml:6:21
  |
6 |   topics: {config: {cleanup.policy: delete}}
  |                     ^^^^^^^^^^^^^^
hint: remove it
"
    );
    let refused = messages("{config: {retention.ms: 5, delete.retention.ms: 1, message.timestamp.type: CreateTime}}");
    assert_eq!(
        refused[..2],
        [
            "error: `retention.ms` cannot be set here: `retention` says how long outputs and dead letters are kept",
            "hint: write `retention: 7d` instead"
        ]
    );
    assert_eq!(refused.len(), 6, "{refused:?}");
    let times = ["before.max.ms", "after.max.ms", "difference.max.ms"];
    for setting in times.map(|end| format!("message.timestamp.{end}")) {
        let refused = messages(&format!("{{config: {{{setting}: 1000}}}}"));
        assert!(refused[0].contains("would not go on"), "{refused:?}");
    }
}

#[test]
fn a_misspelt_setting_names_the_nearest_and_another_one_is_for_kafka_to_judge() {
    assert_eq!(
        messages("{config: {min.insnyc.replicas: 2}}"),
        ["error: Kafka has no setting `min.insnyc.replicas` for topics", "hint: did you mean `min.insync.replicas`?"]
    );
    assert_eq!(creation("{config: {confluent.placement.constraints: x}}").config.len(), 1);
}

#[test]
fn more_replicas_in_sync_than_there_are_are_refused() {
    assert_eq!(
        messages("{replication: 2, config: {min.insync.replicas: 3}}"),
        [
            "error: `min.insync.replicas` is `3`, but there are 2 replicas: nothing could be written",
            "hint: use a smaller number; with 3 replicas 2 is usual"
        ]
    );
    assert!(messages("{config: {min.insync.replicas: two}}")[0].starts_with("error: expected a whole number"));
    assert_eq!(creation("{replication: 3, config: {min.insync.replicas: 2}}").config["min.insync.replicas"], "2");
}

#[test]
fn values_of_the_wrong_kind_are_refused() {
    for topics in ["{replication: 0}", "{replication: 40000}", "{retention: 7}", "{retention: 0s}", "{create: maybe}"] {
        assert_eq!(messages(topics).iter().filter(|m| m.starts_with("error")).count(), 1, "{topics}");
    }
}
