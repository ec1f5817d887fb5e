//! Keyed state: what operators keep between records, in key order, with the changes to commit.
//!
//! A store sends nothing: it returns its changes, and the commit writes them to the changelog in the same
//! transaction as outputs and offsets. Invariant: a store restored from its changelog equals the original.

mod memory;

pub use memory::MemoryStore;

use std::collections::BTreeMap;

/// All keys with their values.
pub type StateEntries = BTreeMap<Vec<u8>, Vec<u8>>;

/// A key that changed since the last barrier; without a value it was deleted.
pub type StateChange = (Vec<u8>, Option<Vec<u8>>);

/// The size of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateSize {
    /// Number of keys.
    pub keys: u64,
    /// Bytes of memory or disk that keys and values take, with their overhead.
    pub bytes: u64,
    /// Approximate bytes of the changes that the next barrier returns.
    pub changed_bytes: usize,
}

/// Keys with values, in the byte order of the keys.
pub trait Store: Send {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Option<&[u8]>;

    /// Sets (`Some`) or deletes (`None`) a key.
    fn put(&mut self, key: Vec<u8>, value: Option<Vec<u8>>);

    /// The keys from `from` to before `to`, with their values, in order.
    fn range<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = (&'a [u8], &'a [u8])> + 'a>;

    /// The last value of each key that changed since the last call, in key order.
    fn changes(&mut self) -> Vec<StateChange>;

    /// Applies a committed change; [`Self::changes`] does not return it.
    fn restore(&mut self, key: &[u8], value: Option<&[u8]>);

    /// Removes and returns all entries.
    fn take_entries(&mut self) -> StateEntries;

    /// The size of the store.
    fn size(&self) -> StateSize;
}
