//! Topics on Kafka: how they are made and listed, and what a run says when they change under it.
//!
//! Separate because here a person, or another program, does to the topics what fastdata never does itself.

use super::broker;
use crate::harness::program::Fastdata;
use crate::program::online;
use fastdata::log::kafka::KafkaLog;
use fastdata::log::{Log as _, TopicConfig};
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// How often the list of topics is taken.
const LOOKS: usize = 30;

/// How many topics come and go at once.
const OTHERS: u32 = 3;

fn plain(partitions: u32) -> TopicConfig {
    TopicConfig { partitions, ..TopicConfig::default() }
}

#[test]
fn the_list_of_topics_is_whole_while_others_come_and_go() {
    let Some(cluster) = broker::shared() else { return };
    let log = cluster.connect();
    let lasting: Vec<String> = (0..3).map(|_| cluster.name("lasting")).collect();
    lasting.iter().for_each(|name| log.create_topic(name, &plain(2)).unwrap());
    let done = AtomicBool::new(false);
    let come_and_go = |log: &KafkaLog, name: &str| {
        while !done.load(Ordering::Relaxed) {
            log.create_topic(name, &plain(3)).unwrap();
            log.delete_topic(name).unwrap();
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..OTHERS {
            let (log, name) = (cluster.connect(), cluster.name("fleeting"));
            scope.spawn(move || come_and_go(&log, &name));
        }
        let looks: Vec<_> = (0..LOOKS).map(|_| log.topics(None)).collect();
        done.store(true, Ordering::Relaxed);
        for listed in looks {
            let listed = listed.unwrap();
            for name in &lasting {
                let found = listed.iter().find(|t| *t.name == **name);
                let partitions = found.map(|t| (t.config.partitions, t.partitions.len()));
                assert_eq!(partitions, Some((2, 2)), "`{name}` in {listed:?}");
            }
        }
    });
}

#[test]
fn a_compacted_topic_is_made_so_that_compaction_reaches_it() {
    let Some(cluster) = broker::shared() else { return };
    let log = cluster.connect();
    let (compacted, other) = (cluster.name("compacted"), cluster.name("other"));
    log.create_topic(&compacted, &TopicConfig { compacted: true, ..plain(1) }).unwrap();
    log.create_topic(&other, &plain(1)).unwrap();
    let settings = |topic: &str| {
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", cluster.listener("PLAINTEXT")).create().unwrap();
        let of = [ResourceSpecifier::Topic(topic)];
        let asked = admin.describe_configs(&of, &AdminOptions::new());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(asked).unwrap().remove(0).unwrap();
        answer.entries.into_iter().map(|e| (e.name, e.value.unwrap_or_default())).collect::<BTreeMap<_, _>>()
    };
    let found = settings(&compacted);
    let of = |names: [&str; 3]| names.map(|n| found[n].clone());
    assert_eq!(of(["cleanup.policy", "segment.bytes", "segment.ms"]), ["compact", "52428800", "3600000"]);
    assert_eq!(settings(&other)["segment.bytes"], "1073741824", "Kafka's own size");
}

#[test]
fn a_pipeline_is_checked_against_the_cluster() {
    let Some(cluster) = broker::shared() else { return };
    let (brokers, name) = (cluster.listener("PLAINTEXT"), cluster.name("shop"));
    let f = Fastdata::in_temp();
    let flags = format!("--brokers {brokers}");
    online::looks_and_changes_nothing(&f, &name, &flags, &brokers);
}
