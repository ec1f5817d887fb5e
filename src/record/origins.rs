//! The partitions that the rows of a batch come from: usually one for all rows, after a merge one for each.
//!
//! The usual case costs one pointer per batch, for any number of rows.

use super::TopicPartition;
use arrow_buffer::ScalarBuffer;
use std::sync::Arc;

/// The partitions that the rows of a batch come from.
#[derive(Clone, Debug)]
pub struct Origins {
    all: Arc<[Arc<TopicPartition>]>,
    /// The index of each row's partition in `all`; absent where there is only one.
    rows: Option<ScalarBuffer<u32>>,
}

impl Origins {
    /// All rows come from one partition.
    #[must_use]
    pub fn one(at: Arc<TopicPartition>) -> Self {
        Self { all: [at].into(), rows: None }
    }

    /// Each row comes from the partition with its index in `all`.
    #[must_use]
    pub fn several(all: Vec<Arc<TopicPartition>>, rows: Vec<u32>) -> Self {
        let rows = (all.len() > 1).then(|| rows.into());
        Self { all: all.into(), rows }
    }

    /// The partition of a row.
    #[must_use]
    pub fn row(&self, row: usize) -> &Arc<TopicPartition> {
        &self.all[self.index(row)]
    }

    /// The partition of all rows, where they share one.
    #[must_use]
    pub fn single(&self) -> Option<&Arc<TopicPartition>> {
        self.rows.is_none().then(|| &self.all[0])
    }

    fn index(&self, row: usize) -> usize {
        self.rows.as_ref().map_or(0, |r| r[row] as usize)
    }

    pub(super) fn take(&self, rows: &[u32]) -> Self {
        let pick = |own: &ScalarBuffer<u32>| rows.iter().map(|r| own[*r as usize]).collect();
        Self { all: self.all.clone(), rows: self.rows.as_ref().map(pick) }
    }

    pub(super) fn slice(&self, start: usize, rows: usize) -> Self {
        Self { all: self.all.clone(), rows: self.rows.as_ref().map(|r| r.slice(start, rows)) }
    }

    pub(super) fn interleave(of: &[&Self], rows: &[(usize, usize)]) -> Self {
        Self::gather(of, rows.iter().copied())
    }

    fn gather(of: &[&Self], rows: impl Iterator<Item = (usize, usize)>) -> Self {
        let first = of[0];
        if of.iter().all(|o| o.rows.is_none() && o.all[0] == first.all[0]) {
            return Self { all: first.all.clone(), rows: None };
        }
        let mut all: Vec<Arc<TopicPartition>> = Vec::new();
        let mut index_of = |at: &Arc<TopicPartition>| {
            let found = all.iter().position(|seen| seen == at).unwrap_or_else(|| {
                all.push(at.clone());
                all.len() - 1
            });
            u32::try_from(found).unwrap_or(u32::MAX)
        };
        let indexes: Vec<Vec<u32>> = of.iter().map(|o| o.all.iter().map(&mut index_of).collect()).collect();
        let rows = rows.map(|(part, row)| indexes[part][of[part].index(row)]).collect();
        Self::several(all, rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_partition_when_reordered() {
        let at = |p| Arc::new(TopicPartition::new("t", p));
        let (a, b) = (Origins::one(at(0)), Origins::several(vec![at(1), at(0)], vec![0, 1, 0]));
        let partitions = |o: &Origins, n: usize| (0..n).map(|r| o.row(r).partition.0).collect::<Vec<_>>();
        assert_eq!(partitions(&b.take(&[2, 1, 1]), 3), [1, 0, 0]);
        assert_eq!(partitions(&b.slice(1, 2), 2), [0, 1]);
        assert_eq!(partitions(&Origins::interleave(&[&a, &b], &[(1, 0), (0, 7), (1, 1)]), 3), [1, 0, 0]);
        assert!(Origins::interleave(&[&a, &a], &[(0, 0), (1, 0)]).single().is_some());
    }
}
