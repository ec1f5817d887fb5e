//! The baseline: copies every record of a topic to another with nothing but the client library.
//!
//! It runs as a process of its own, so that its processor time can be measured.

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

/// Records between two polls of delivery reports.
const RECORDS_BETWEEN_POLLS: usize = 1000;

/// A consumer of committed records that reads a topic from its beginning.
pub(crate) fn consumer(brokers: &str, topic: &str) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "bench").set("isolation.level", "read_committed");
    config.set("enable.auto.commit", "false").set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    for partition in 0..4 {
        list.add_partition_offset(topic, partition, Offset::Beginning).expect("a new partition");
    }
    consumer.assign(&list).expect("assigned");
    consumer
}

/// An idempotent producer without transactions, with the default linger of the client.
pub(crate) fn producer(brokers: &str) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("acks", "all").set("enable.idempotence", "true");
    config.create().expect("a producer")
}

/// Sends a record; waits while the queue of the client is full.
pub(crate) fn send(producer: &BaseProducer, mut record: BaseRecord<'_, [u8], [u8]>) {
    loop {
        match producer.send(record) {
            Ok(()) => return,
            Err((KafkaError::MessageProduction(Code::QueueFull), rejected)) => {
                record = rejected;
                producer.poll(Duration::from_millis(1));
            }
            Err((e, _)) => panic!("a record was rejected: {e}"),
        }
    }
}

/// `BROKERS FROM TO end|follow`
pub(crate) fn run(args: &[String]) {
    let [brokers, from, to, until] = args else { panic!("expected four arguments, found {args:?}") };
    let follow = until == "follow";
    let (consumer, producer) = (consumer(brokers, from), producer(brokers));
    let (mut ended, mut sent) = (0, 0);
    while follow || ended < 4 {
        match consumer.poll(Duration::from_millis(if follow { 5 } else { 100 })) {
            Some(Ok(message)) => {
                let mut record = BaseRecord::to(to).partition(message.partition());
                (record.key, record.payload) = (message.key(), message.payload());
                record.timestamp = message.timestamp().to_millis();
                send(&producer, record);
                sent += 1;
                if sent % RECORDS_BETWEEN_POLLS == 0 {
                    producer.poll(Duration::ZERO);
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
            // The client reconnects by itself.
            Some(Err(KafkaError::MessageConsumption(Code::AllBrokersDown | Code::BrokerTransportFailure))) => {}
            Some(Err(e)) => panic!("reading: {e}"),
            None => producer.poll(Duration::ZERO),
        }
    }
    producer.flush(Duration::from_secs(60)).expect("all is delivered");
}
