//! Reads what a topic holds for whoever reads committed records only.
//!
//! Separate from the product: it shares nothing with it but the client library, so that a mistake in how
//! fastdata reads cannot hide one in how it writes.

use crate::harness::wait;
use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, message::BorrowedMessage};
use serde_json::Value;
use std::time::Duration;

const ASK: Duration = Duration::from_secs(20);

/// A record as it was committed.
#[derive(Clone, Debug)]
pub struct Committed {
    pub key: String,
    pub value: Value,
}

/// All records of a topic, partition by partition, in order.
pub fn read(brokers: &str, topic: &str) -> Vec<Committed> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "checker").set("isolation.level", "read_committed");
    config.set("enable.auto.commit", "false").set("auto.offset.reset", "error").set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), ASK).unwrap();
    let mut found = Vec::new();
    for partition in metadata.topics()[0].partitions().iter().map(|p| p.id()) {
        let (low, high) = consumer.fetch_watermarks(topic, partition, ASK).unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(low)).unwrap();
        consumer.assign(&list).unwrap();
        wait::until(&format!("offset {high} of {topic}/{partition}"), || {
            match consumer.poll(Duration::from_millis(50)) {
                Some(Ok(message)) => found.push(committed(&message)),
                // The end of the partition, after the markers of transactions too.
                Some(Err(_)) | None => {}
            }
            let at = consumer.position().unwrap().find_partition(topic, partition).map(|e| e.offset());
            (low == high || at == Some(Offset::Offset(high))).then_some(())
        });
    }
    found
}

fn committed(message: &BorrowedMessage<'_>) -> Committed {
    Committed {
        key: message.key().map(|k| String::from_utf8(k.to_vec()).unwrap()).unwrap_or_default(),
        value: serde_json::from_slice(message.payload().unwrap()).unwrap(),
    }
}
