//! Keyed state: what operators remember between records, in order of key, with the changes to commit.
//!
//! Separate from operators so that where state lives (memory now, disk later) is not their business. A
//! store never sends anything: it hands over its changes, and the commit writes them to the changelog in
//! the same transaction as outputs and offsets. Invariant: a store restored from its changelog equals it.

mod memory;

pub use memory::MemoryStore;

use std::collections::BTreeMap;

/// All keys with their values.
pub type StateEntries = BTreeMap<Vec<u8>, Vec<u8>>;

/// One change of a key since the last barrier; no value is a deletion.
pub type StateChange = (Vec<u8>, Option<Vec<u8>>);

/// How much a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateSize {
    /// Keys.
    pub keys: u64,
    /// Bytes of memory or disk, as far as they grow with the keys.
    pub bytes: u64,
}

/// State by key, in byte order.
pub trait Store: Send {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Option<&[u8]>;

    /// Sets (`Some`) or deletes (`None`) a key.
    fn put(&mut self, key: Vec<u8>, value: Option<Vec<u8>>);

    /// The keys from `from` on that are less than `to`, with their values, in order.
    fn range<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = (&'a [u8], &'a [u8])> + 'a>;

    /// The last value of each key that changed since the last call, in order of key.
    fn changes(&mut self) -> Vec<StateChange>;

    /// Takes in a committed change without making it a change of its own.
    fn restore(&mut self, key: &[u8], value: Option<&[u8]>);

    /// Gives away all that is held, and holds nothing any more.
    fn take_entries(&mut self) -> StateEntries;

    /// How much is held.
    fn size(&self) -> StateSize;
}
