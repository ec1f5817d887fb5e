//! The store in memory: a tree by key. It never evicts.

use super::{StateChange, StateEntries, StateSize, Store};
use std::collections::BTreeSet;
use std::ops::Bound;

/// What an entry takes besides its bytes: two allocations and its slot in the tree.
const ENTRY_OVERHEAD_BYTES: usize = 96;

/// A store in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    entries: StateEntries,
    changed: BTreeSet<Vec<u8>>,
    /// Bytes of keys and values.
    bytes: usize,
    /// Bytes of changed keys, and of their values when they changed first.
    changed_bytes: usize,
}

impl MemoryStore {
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let (key_bytes, new) = (key.len(), value.as_ref().map(Vec::len));
        let old = match value {
            Some(value) => self.entries.insert(key, value),
            None => self.entries.remove(&key),
        };
        self.bytes += new.map_or(0, |n| key_bytes + n);
        self.bytes -= old.map_or(0, |o| key_bytes + o.len());
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.entries.get(key).map(Vec::as_slice)
    }

    fn put(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        if !self.changed.contains(&key) {
            self.changed_bytes += key.len() + value.as_ref().map_or(0, Vec::len);
            self.changed.insert(key.clone());
        }
        self.set(key, value);
    }

    fn range<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = (&'a [u8], &'a [u8])> + 'a> {
        if from >= to {
            return Box::new(std::iter::empty());
        }
        let bounds = (Bound::Included(from), Bound::Excluded(to));
        Box::new(self.entries.range::<[u8], _>(bounds).map(|(k, v)| (k.as_slice(), v.as_slice())))
    }

    fn changes(&mut self) -> Vec<StateChange> {
        let changed = std::mem::take(&mut self.changed);
        self.changed_bytes = 0;
        changed
            .into_iter()
            .map(|k| {
                let v = self.entries.get(&k).cloned();
                (k, v)
            })
            .collect()
    }

    fn restore(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.set(key.to_vec(), value.map(<[u8]>::to_vec));
    }

    fn take_entries(&mut self) -> StateEntries {
        (self.bytes, self.changed_bytes) = (0, 0);
        self.changed.clear();
        std::mem::take(&mut self.entries)
    }

    fn size(&self) -> StateSize {
        StateSize {
            keys: self.entries.len() as u64,
            bytes: (self.bytes + self.entries.len() * ENTRY_OVERHEAD_BYTES) as u64,
            changed_bytes: self.changed_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_the_last_value_of_each_key_and_restore_the_store() {
        let mut a = MemoryStore::default();
        a.put(b"x".into(), Some(b"1".into()));
        a.put(b"x".into(), Some(b"2".into()));
        a.put(b"y".into(), Some(b"3".into()));
        a.put(b"y".into(), None);
        assert_eq!(a.size().changed_bytes, 4, "two keys and their first values");
        let changes = a.changes();
        assert_eq!(changes, [(b"x".to_vec(), Some(b"2".to_vec())), (b"y".to_vec(), None)]);
        assert!(a.changes().is_empty());
        let mut b = MemoryStore::default();
        for (k, v) in &changes {
            b.restore(k, v.as_deref());
        }
        assert_eq!((&b.entries, b.changed.len()), (&a.entries, 0));
        assert_eq!(a.size(), StateSize { keys: 1, bytes: 2 + ENTRY_OVERHEAD_BYTES as u64, changed_bytes: 0 });
        assert_eq!(b.size(), a.size());
    }
}
