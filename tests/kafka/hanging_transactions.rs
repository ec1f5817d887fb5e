//! A transaction of another program that stays open holds back readers of committed records: a command that reads to an
//! end, or looks up a time, waits for it, but not for ever, and says what to do.

use super::broker;
use super::interop::producer;
use crate::harness::program::Fastdata;
use crate::harness::topics::topic_config;
use fastdata::log::{Log as _, LogError, Start};
use fastdata::record::{Offset, TopicPartition};
use rdkafka::producer::{BaseRecord, Producer as _};
use std::time::{Duration, Instant};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Time within which each command must give up.
const GIVE_UP_TIMEOUT: Duration = Duration::from_secs(45);

/// Times of the committed records and of the open transaction.
const COMMITTED_AT: i64 = 1_700_000_000_000;
const OPEN_AT: i64 = COMMITTED_AT + 60_000;

#[test]
fn commands_do_not_wait_for_ever_behind_a_transaction_that_stays_open() {
    let Some(cluster) = broker::shared() else { return };
    let (log, topic) = (cluster.connect(), cluster.name("hanging"));
    log.create_topic(&topic, &topic_config(1)).unwrap();
    let producer = producer(cluster, &[("transactional.id", &topic), ("transaction.timeout.ms", "600000")]);
    producer.init_transactions(REQUEST_TIMEOUT).unwrap();
    let write = |value: &str, time: i64| {
        let record = BaseRecord::to(&topic).key("k").payload(value).partition(0).timestamp(time);
        producer.send(record).map_err(|(e, _)| e).unwrap();
        producer.flush(REQUEST_TIMEOUT).unwrap();
    };
    producer.begin_transaction().unwrap();
    write("committed", COMMITTED_AT);
    producer.commit_transaction(REQUEST_TIMEOUT).unwrap();
    producer.begin_transaction().unwrap();
    write("open", OPEN_AT);

    let at = TopicPartition::new(topic.as_str(), 0);
    let since = |time: i64| log.resolve(&at, Start::Time(time));
    assert_eq!(since(COMMITTED_AT).unwrap(), Offset(0), "a record before the transaction is found at once");
    let start = Instant::now();
    let brokers = cluster.listener("PLAINTEXT");
    let abort = format!(
        "kafka-transactions.sh --bootstrap-server {brokers} abort --topic {topic} --partition 0 --start-offset 2"
    );
    let f = Fastdata::in_temp();
    let tail = |args: &str| f.args(&format!("tail --topic {topic} --brokers {brokers} {args}")).fails_with(1);
    std::thread::scope(|scope| {
        let looked_up = scope.spawn(|| since(OPEN_AT));
        let from_time = scope.spawn(|| tail("--from 2023-11-14T22:14:00Z --until-end"));
        let to_end = scope.spawn(|| tail("--output raw --until-end")).join().unwrap().stdout("committed\n");
        assert!(to_end.stderr_text().contains(&abort), "{}", to_end.stderr_text());
        let from_time = from_time.join().unwrap().stdout("");
        assert!(from_time.stderr_text().contains(&abort), "{}", from_time.stderr_text());
        let error = looked_up.join().unwrap().unwrap_err();
        assert!(matches!(&error, LogError::Busy(text) if text.contains(&abort)), "{error}");
    });
    assert!(start.elapsed() < GIVE_UP_TIMEOUT, "{:?}", start.elapsed());
    producer.commit_transaction(REQUEST_TIMEOUT).unwrap();
    assert_eq!(since(OPEN_AT).unwrap(), Offset(2));
}
