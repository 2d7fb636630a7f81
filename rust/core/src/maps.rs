//! Concurrent maps that each compiled grammar has. Below every step of the pipeline.
//!
//! Invariant: what an empty map costs does not depend on the machine. By default it has at least four shards for each processor, and a grammar has a
//! score of maps.
//! Must not know: what is in them.

use std::hash::Hash;

use dashmap::DashMap;
use foldhash::fast::RandomState;

/// A map of one grammar, hashed fast, with other seeds in each.
pub type Concurrent<K, V> = DashMap<K, V, RandomState>;

/// An empty map that is written to while states are made, by few threads at a time.
pub fn few<K: Eq + Hash, V>() -> Concurrent<K, V> {
    Concurrent::with_hasher_and_shard_amount(RandomState::default(), 2)
}

/// An empty map that all threads of a batch read.
pub fn many<K: Eq + Hash, V>() -> Concurrent<K, V> {
    Concurrent::with_hasher_and_shard_amount(RandomState::default(), 16)
}

/// Things that are numbered as they come, found by a fast hash: for what no input chooses.
pub type Numbered<T> = indexmap::IndexSet<T, RandomState>;

/// The same with something about each.
pub type NumberedMap<K, V> = indexmap::IndexMap<K, V, RandomState>;
