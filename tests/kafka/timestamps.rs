//! Topics of a pipeline keep the timestamps of their records, whatever the cluster's default is.

use super::broker::{self, Plan};
use crate::harness::topics::topic_config;
use fastdata::log::{Append, FetchLimit, Log as _, TopicConfig};
use fastdata::record::{Offset, RecordsBuilder, TopicPartition};
use std::time::Duration;

const APPEND_TIME: Plan =
    Plan { properties: &[("log.message.timestamp.type", "LogAppendTime")], ..broker::SINGLE_NODE };

#[test]
fn topics_keep_the_timestamps_of_their_records() {
    let Some(cluster) = broker::start(APPEND_TIME) else { return };
    let log = cluster.connect();
    for compacted in [false, true] {
        let topic = cluster.name("times");
        log.create_topic(&topic, &TopicConfig { compacted, ..topic_config(1) }).unwrap();
        let (at, time) = (TopicPartition::new(topic, 0), 1_700_000_000_000);
        let mut records = RecordsBuilder::default();
        records.push(Some(b"k"), Some(b"v"), time);
        log.appender().unwrap().append(&[Append { to: at.clone(), records: records.finish() }]).unwrap();
        let mut reader = log.reader(&[(at, Offset(0))]).unwrap();
        let fetched = reader.poll(FetchLimit::default(), Duration::from_secs(30)).unwrap().expect("a record");
        assert_eq!(fetched.records.timestamps.to_vec(), [time], "compacted: {compacted}");
    }
}
