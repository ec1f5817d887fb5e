//! Topics on Kafka: how they are made and listed, and what a run says when they change under it.
//!
//! Separate because here a person, or another program, does to the topics what fastdata never does itself.

use super::broker;
use fastdata::log::kafka::KafkaLog;
use fastdata::log::{Log as _, TopicConfig};
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
