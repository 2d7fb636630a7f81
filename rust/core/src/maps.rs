//! Concurrent maps that each compiled grammar has. Below every step of the pipeline.
//!
//! Invariant: what an empty map costs does not depend on the machine. By default it grows with the number of processors, and a grammar has a score
//! of maps: on a large machine making and touching them took longer than compiling.
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
