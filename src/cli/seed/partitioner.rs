//! Assigns records to partitions.
//!
//! A record with a key goes to the partition that Kafka's own clients choose. Batches of records without keys go
//! to the partitions round robin.

use crate::log::{Append, TopicInfo, partition_of};
use crate::record::{Partition, Records, TopicPartition};
use arrow_array::{Array as _, UInt32Array};

#[derive(Debug)]
pub(in crate::cli) struct Partitioner {
    topic: std::sync::Arc<str>,
    count: u32,
    next: u32,
}

impl Partitioner {
    pub(in crate::cli) fn new(topic: &TopicInfo) -> Self {
        let count = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX).max(1);
        Self { topic: topic.name.clone(), count, next: 0 }
    }

    /// Splits a batch into an append for each partition.
    pub(in crate::cli) fn split(&mut self, records: &Records) -> Vec<Append> {
        let next = self.next;
        let without_key = records.keys.null_count();
        if without_key > 0 {
            self.next = (next + 1) % self.count;
        }
        if self.count == 1 || without_key == records.len() {
            return vec![self.append(next, records.clone())];
        }
        let mut rows = vec![Vec::new(); self.count as usize];
        for (row, key) in (0u32..).zip(records.keys.iter()) {
            let Partition(partition) = key.map_or(Partition(next), |key| partition_of(key, self.count));
            rows[partition as usize].push(row);
        }
        let filled = (0u32..).zip(rows).filter(|(_, rows)| !rows.is_empty());
        filled.map(|(partition, rows)| self.append(partition, records.take(&UInt32Array::from(rows)))).collect()
    }

    fn append(&self, partition: u32, records: Records) -> Append {
        Append { to: TopicPartition { topic: self.topic.clone(), partition: Partition(partition) }, records }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{PartitionInfo, TopicConfig};
    use crate::record::RecordsBuilder;

    fn partitioner(count: usize) -> Partitioner {
        let config = TopicConfig::default();
        let info = TopicInfo {
            name: "t".into(),
            id: String::new(),
            config,
            partitions: vec![PartitionInfo::default(); count],
            replication: None,
            settings: Vec::new(),
        };
        Partitioner::new(&info)
    }

    fn records(keys: &[Option<&str>]) -> Records {
        let mut records = RecordsBuilder::default();
        for (i, key) in keys.iter().enumerate() {
            records.push(key.map(str::as_bytes), Some(i.to_string().as_bytes()), 0);
        }
        records.finish()
    }

    fn by_partition(appends: &[Append]) -> Vec<(u32, Vec<String>)> {
        let text = |v: Option<&[u8]>| String::from_utf8_lossy(v.unwrap_or_default()).into_owned();
        appends.iter().map(|a| (a.to.partition.0, a.records.values.iter().map(text).collect())).collect()
    }

    #[test]
    fn batches_without_keys_go_round_robin() {
        let mut two = partitioner(2);
        let batches: Vec<_> = (0..3).map(|_| by_partition(&two.split(&records(&[None, None])))).collect();
        let batch = |p| vec![(p, vec!["0".to_owned(), "1".to_owned()])];
        assert_eq!(batches, [batch(0), batch(1), batch(0)]);
    }

    /// The expected partitions are those of Kafka's own clients: murmur2 & 0x7fffffff, modulo the partitions.
    #[test]
    fn records_with_keys_go_to_kafkas_partition_in_order() {
        let key = |k: &str| -> u32 {
            match k {
                "21" => (-973_932_308_i32).cast_unsigned() & 0x7fff_ffff,
                _ => (-790_332_482_i32).cast_unsigned() & 0x7fff_ffff,
            }
        };
        let (a, b) = (key("21") % 5, key("foobar") % 5);
        assert_ne!(a, b);
        let mut expected = vec![(a, vec!["0".to_owned(), "2".to_owned()]), (b, vec!["1".to_owned()])];
        expected.sort();
        let split = partitioner(5).split(&records(&[Some("21"), Some("foobar"), Some("21")]));
        assert_eq!(by_partition(&split), expected);
    }
}
