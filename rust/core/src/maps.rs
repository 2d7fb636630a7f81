//! Maps and sets: concurrent ones that each compiled grammar has, and small ones for a moment. Below every step of the pipeline.
//!
//! Invariant: what an empty concurrent map costs does not depend on the machine. By default it has at least four shards for each processor, and a grammar has a
//! score of maps.
//! Must not know: what is in them.

use std::hash::Hash;

use dashmap::DashMap;
use foldhash::fast::RandomState;
use hashbrown::HashSet;
use smallvec::SmallVec;

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

/// What was met so far, of which there is mostly little: up to `N` it is looked through, and takes no memory of its own.
pub struct Met<T, const N: usize> {
    few: SmallVec<[T; N]>,
    many: HashSet<T, RandomState>,
}

impl<T, const N: usize> Default for Met<T, N> {
    fn default() -> Self {
        Self { few: SmallVec::new(), many: HashSet::default() }
    }
}

impl<T: Eq + Hash, const N: usize> Met<T, N> {
    /// Is this met for the first time?
    #[inline]
    pub fn first(&mut self, thing: T) -> bool {
        if !self.many.is_empty() {
            return self.many.insert(thing);
        }
        if self.few.contains(&thing) {
            return false;
        }
        if self.few.len() == N {
            self.many.extend(self.few.drain(..));
            return self.many.insert(thing);
        }
        self.few.push(thing);
        true
    }

    /// How many things.
    pub fn len(&self) -> usize {
        self.few.len() + self.many.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_first_once() {
        let mut met: Met<u32, 3> = Met::default();
        for round in 0..2 {
            assert!((0..10).all(|thing| met.first(thing) == (round == 0)));
            assert_eq!(met.len(), 10);
        }
    }
}
