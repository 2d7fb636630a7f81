//! Concurrent maps that each compiled grammar has. Below every step of the pipeline.
//!
//! Invariant: what an empty map costs does not depend on the machine. By default it has at least four shards for each processor, and a grammar has a
//! score of maps.
//! Must not know: what is in them.

use std::hash::{BuildHasher, Hash};

use dashmap::DashMap;

/// An empty map that is written to while states are made, by few threads at a time.
pub fn few<K: Eq + Hash, V, S: BuildHasher + Clone + Default>() -> DashMap<K, V, S> {
    DashMap::with_hasher_and_shard_amount(S::default(), 4)
}

/// An empty map that all threads of a batch read.
pub fn many<K: Eq + Hash, V, S: BuildHasher + Clone + Default>() -> DashMap<K, V, S> {
    DashMap::with_hasher_and_shard_amount(S::default(), 16)
}

/// Things that are numbered as they come, found by a fast hash: for what no input chooses.
pub type Numbered<T> = indexmap::IndexSet<T, foldhash::fast::RandomState>;

/// The same with something about each.
pub type NumberedMap<K, V> = indexmap::IndexMap<K, V, foldhash::fast::RandomState>;
