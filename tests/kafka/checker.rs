//! Reads what a topic holds for whoever reads committed records only.
//!
//! Separate from the product: it shares nothing with it but the client library, so that a mistake in how
//! fastdata reads cannot hide one in how it writes. It keeps no record: a topic may hold millions.

use super::broker::Cluster;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

const ASK: Duration = Duration::from_secs(20);

/// Longest time in which nothing new may come before the end is reached: longer than a transaction that
/// nobody ends stays open.
const SILENCE: Duration = Duration::from_secs(60);

fn client(cluster: &Cluster, isolation: &str) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.listener("PLAINTEXT")).set("group.id", "checker");
    config.set("isolation.level", isolation).set("enable.auto.commit", "false").set("auto.offset.reset", "error");
    config.set("enable.partition.eof", "true");
    config.create().unwrap()
}

/// The bounds of each partition of a topic: with `read_uncommitted` up to the last record of all.
fn bounds(client: &BaseConsumer, topic: &str) -> Vec<(i32, i64, i64)> {
    let metadata = client.fetch_metadata(Some(topic), ASK).unwrap();
    let bound = |partition: i32| {
        let (low, high) = client.fetch_watermarks(topic, partition, ASK).unwrap();
        (partition, low, high)
    };
    metadata.topics()[0].partitions().iter().map(|p| bound(p.id())).collect()
}

/// Shows every committed value of a topic to `look`, with its key; each partition in order.
pub fn each(cluster: &Cluster, topic: &str, mut look: impl FnMut(&str, &[u8])) {
    let consumer = client(cluster, "read_committed");
    let mut list = TopicPartitionList::new();
    let mut left = Vec::new();
    for (partition, low, high) in bounds(&client(cluster, "read_uncommitted"), topic) {
        if low < high {
            list.add_partition_offset(topic, partition, Offset::Offset(low)).unwrap();
            left.push((partition, high));
        }
    }
    consumer.assign(&list).unwrap();
    let mut moved = Instant::now();
    while !left.is_empty() {
        match consumer.poll(Duration::from_millis(50)) {
            Some(Ok(message)) => {
                moved = Instant::now();
                look(str::from_utf8(message.key().unwrap_or_default()).unwrap(), message.payload().unwrap_or_default());
            }
            // The end of a partition, after the markers of transactions too.
            Some(Err(_)) | None => {
                let position = consumer.position().unwrap();
                let at = |p: i32| position.find_partition(topic, p).and_then(|e| e.offset().to_raw()).unwrap_or(-1);
                let before = left.len();
                left.retain(|(p, high)| at(*p) < *high);
                if left.len() < before {
                    moved = Instant::now();
                }
                assert!(moved.elapsed() < SILENCE, "nothing came of {topic} for {SILENCE:?}; still to read: {left:?}");
            }
        }
    }
}

/// How many committed records a topic holds.
pub fn count(cluster: &Cluster, topic: &str) -> usize {
    let mut count = 0;
    each(cluster, topic, |_, _| count += 1);
    count
}

/// The partitions of topics with this prefix in which a transaction is open: a reader of committed records
/// does not get to the end.
pub fn open(cluster: &Cluster, prefix: &str) -> Vec<String> {
    let (all, stable) = (client(cluster, "read_uncommitted"), client(cluster, "read_committed"));
    let metadata = all.fetch_metadata(None, ASK).unwrap();
    let mut found = Vec::new();
    for topic in metadata.topics().iter().map(|t| t.name()).filter(|t| t.starts_with(prefix)) {
        for ((partition, _, end), (_, _, seen)) in bounds(&all, topic).into_iter().zip(bounds(&stable, topic)) {
            if seen < end {
                found.push(format!("{topic}/{partition}: {seen} of {end}"));
            }
        }
    }
    found
}
