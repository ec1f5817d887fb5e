//! State in memory, in a tree by key.
//!
//! Separate because it is one of several places where state can live. It never evicts.

use super::{StateChange, StateEntries, StateSize, Store};
use std::collections::BTreeSet;
use std::ops::Bound;

/// What a row takes beside its bytes: two allocations and its place in the tree.
const ROW: usize = 96;

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    rows: StateEntries,
    changed: BTreeSet<Vec<u8>>,
    /// Of keys and values.
    bytes: usize,
}

impl MemoryStore {
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let (key_bytes, new) = (key.len(), value.as_ref().map(Vec::len));
        let old = match value {
            Some(value) => self.rows.insert(key, value),
            None => self.rows.remove(&key),
        };
        self.bytes += new.map_or(0, |n| key_bytes + n);
        self.bytes -= old.map_or(0, |o| key_bytes + o.len());
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.rows.get(key).map(Vec::as_slice)
    }

    fn put(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        if !self.changed.contains(&key) {
            self.changed.insert(key.clone());
        }
        self.set(key, value);
    }

    fn range<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = (&'a [u8], &'a [u8])> + 'a> {
        if from >= to {
            return Box::new(std::iter::empty());
        }
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        Box::new(self.rows.range::<[u8], _>(bounds).map(|(k, v)| (k.as_slice(), v.as_slice())))
    }

    fn changes(&mut self) -> Vec<StateChange> {
        let changed = std::mem::take(&mut self.changed);
        changed
            .into_iter()
            .map(|k| {
                let v = self.rows.get(&k).cloned();
                (k, v)
            })
            .collect()
    }

    fn restore(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.set(key.to_vec(), value.map(<[u8]>::to_vec));
    }

    fn take_entries(&mut self) -> StateEntries {
        self.bytes = 0;
        self.changed.clear();
        std::mem::take(&mut self.rows)
    }

    fn size(&self) -> StateSize {
        StateSize { keys: self.rows.len() as u64, bytes: (self.bytes + self.rows.len() * ROW) as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_hold_the_last_value_of_each_key_and_restore_to_the_same() {
        let mut a = MemoryStore::default();
        a.put(b"x".into(), Some(b"1".into()));
        a.put(b"x".into(), Some(b"2".into()));
        a.put(b"y".into(), Some(b"3".into()));
        a.put(b"y".into(), None);
        let changes = a.changes();
        assert_eq!(changes, [(b"x".to_vec(), Some(b"2".to_vec())), (b"y".to_vec(), None)]);
        assert!(a.changes().is_empty());
        let mut b = MemoryStore::default();
        for (k, v) in &changes {
            b.restore(k, v.as_deref());
        }
        assert_eq!((&b.rows, b.changed.len()), (&a.rows, 0));
        assert_eq!(a.size(), StateSize { keys: 1, bytes: 2 + ROW as u64 });
        assert_eq!(b.size(), a.size());
    }
}
