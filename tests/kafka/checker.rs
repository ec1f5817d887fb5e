//! Reads the committed records of a topic.
//!
//! It shares nothing with fastdata but the client library, so that a defect in how fastdata reads cannot hide one in
//! how it writes. It keeps no records: a topic may hold millions.

use super::broker::Cluster;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::fmt;
use std::time::{Duration, Instant};

/// Longest wait for one answer of a broker.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Longest time without progress before the end is reached. It is longer than an abandoned transaction stays open.
const MAX_TIME_WITHOUT_PROGRESS: Duration = Duration::from_secs(60);

/// Results of which each kind has its own expectations.
#[cfg_attr(not(feature = "failpoints"), allow(dead_code, reason = "some are found only where mistakes are made"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Results {
    /// Records that pass unchanged.
    Records,
    /// The fold of a sensor after each of its records.
    Folds,
    /// The count and sum of a kind in a window.
    Windows,
    DeadLetters,
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Records => "records",
            Self::Folds => "results of the fold",
            Self::Windows => "results of windows",
            Self::DeadLetters => "dead letters",
        })
    }
}

/// A broken promise.
#[cfg_attr(not(feature = "failpoints"), allow(dead_code, reason = "some are found only where mistakes are made"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defect {
    /// An expected result is missing.
    Lost(Results),
    /// A result is there more than once.
    Duplicated(Results),
    /// A result precedes an earlier one of its key.
    OutOfOrder(Results),
    /// A result has a wrong value or an unknown number.
    Wrong(Results),
    /// A record that passes unchanged has another key.
    WrongKey,
    /// A record that passes unchanged has other headers.
    WrongHeader,
    /// A record that passes unchanged has another timestamp than its event time.
    WrongTimestamp,
    /// The records of a key are in several partitions.
    WrongPartition,
    /// The committed counters do not add up to the records of the input.
    WrongLedger,
}

fn client(cluster: &Cluster, isolation: &str) -> BaseConsumer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", cluster.listener("PLAINTEXT")).set("group.id", "checker");
    config.set("isolation.level", isolation).set("enable.auto.commit", "false").set("auto.offset.reset", "error");
    config.set("enable.partition.eof", "true");
    config.create().unwrap()
}

/// The first and the end offset of each partition of a topic. With `read_uncommitted` the end includes open
/// transactions.
fn partition_bounds(client: &BaseConsumer, topic: &str) -> Vec<(i32, i64, i64)> {
    let metadata = client.fetch_metadata(Some(topic), REQUEST_TIMEOUT).unwrap();
    let bound = |partition: i32| {
        let (low, high) = client.fetch_watermarks(topic, partition, REQUEST_TIMEOUT).unwrap();
        (partition, low, high)
    };
    metadata.topics()[0].partitions().iter().map(|p| bound(p.id())).collect()
}

/// Passes the key and value of every committed record of a topic to `visit`; each partition in order.
pub fn for_each_committed(cluster: &Cluster, topic: &str, mut visit: impl FnMut(&str, &[u8])) {
    for_each_message(cluster, topic, |message| {
        visit(str::from_utf8(message.key().unwrap_or_default()).unwrap(), message.payload().unwrap_or_default());
    });
}

/// Passes every committed record of a topic to `visit`; each partition in order.
pub fn for_each_message(cluster: &Cluster, topic: &str, mut visit: impl FnMut(&BorrowedMessage<'_>)) {
    let consumer = client(cluster, "read_committed");
    let mut list = TopicPartitionList::new();
    let mut remaining = Vec::new();
    for (partition, low, high) in partition_bounds(&client(cluster, "read_uncommitted"), topic) {
        if low < high {
            list.add_partition_offset(topic, partition, Offset::Offset(low)).unwrap();
            remaining.push((partition, high));
        }
    }
    consumer.assign(&list).unwrap();
    let mut progressed = Instant::now();
    while !remaining.is_empty() {
        match consumer.poll(Duration::from_millis(50)) {
            Some(Ok(message)) => {
                progressed = Instant::now();
                visit(&message);
            }
            // The end of a partition: transaction markers advance the position without a record.
            Some(Err(_)) | None => {
                let position = consumer.position().unwrap();
                let at = |p: i32| position.find_partition(topic, p).and_then(|e| e.offset().to_raw()).unwrap_or(-1);
                let before = remaining.len();
                remaining.retain(|(p, high)| at(*p) < *high);
                if remaining.len() < before {
                    progressed = Instant::now();
                }
                assert!(
                    progressed.elapsed() < MAX_TIME_WITHOUT_PROGRESS,
                    "no progress in {topic} for {MAX_TIME_WITHOUT_PROGRESS:?}; to be read: {remaining:?}"
                );
            }
        }
    }
}

/// The number of committed records of a topic.
pub fn count_committed(cluster: &Cluster, topic: &str) -> usize {
    let mut count = 0;
    for_each_committed(cluster, topic, |_, _| count += 1);
    count
}

/// Watches partitions for open transactions.
pub struct TransactionWatch {
    all: BaseConsumer,
    committed: BaseConsumer,
}

impl TransactionWatch {
    pub fn new(cluster: &Cluster) -> Self {
        Self { all: client(cluster, "read_uncommitted"), committed: client(cluster, "read_committed") }
    }

    /// Whether a partition holds records of an open transaction.
    pub fn is_open(&self, topic: &str, partition: i32) -> bool {
        let end = |client: &BaseConsumer| client.fetch_watermarks(topic, partition, REQUEST_TIMEOUT).unwrap().1;
        // In this order, so that a transaction that ends in between does not count as open.
        let end_of_all = end(&self.all);
        end(&self.committed) < end_of_all
    }

    /// The partitions of topics with this prefix that have an open transaction: a reader of committed records does not
    /// reach their end.
    pub fn open_partitions(&self, prefix: &str) -> Vec<String> {
        let metadata = self.all.fetch_metadata(None, REQUEST_TIMEOUT).unwrap();
        let mut found = Vec::new();
        for topic in metadata.topics().iter().map(|t| t.name()).filter(|t| t.starts_with(prefix)) {
            // In this order, as in `is_open`.
            let (all, committed) = (partition_bounds(&self.all, topic), partition_bounds(&self.committed, topic));
            let open = all.into_iter().zip(committed).filter(|((_, _, end), (_, _, seen))| seen < end);
            found.extend(
                open.map(|((partition, _, end), (_, _, seen))| format!("{topic}/{partition}: {seen} of {end}")),
            );
        }
        found
    }
}
