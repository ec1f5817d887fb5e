//! A merge of topics with unequal partition counts on Kafka.

use super::broker;
use crate::harness::program::Fastdata;
use crate::unequal_partitions;

#[test]
fn a_merge_of_topics_with_unequal_partitions_continues_after_restarts() {
    let Some(cluster) = broker::shared() else { return };
    let (log, name, f) = (cluster.connect(), cluster.name("unequal"), Fastdata::in_temp());
    let flags = format!("--brokers {}", cluster.listener("PLAINTEXT"));
    unequal_partitions::assert_merge_continues_after_restarts(&f, &log, &name, &flags);
}
