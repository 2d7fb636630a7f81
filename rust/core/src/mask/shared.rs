//! What was learned of states that are known by content, for all grammars of a vocabulary. Part of **mask**.
//!
//! Invariant: never more bytes than the limit, give or take what was just learned. What was not asked for while half of them were learned is
//! forgotten (two generations, as in a second-chance cache).
//! Must not know: states of one grammar.

use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use hashbrown::HashMap;

use super::Mask;
use super::file::{self, Entries, MaskKey, PartKey, ResolvedKey};
use super::parts::Part;
use super::rows::Order;
use super::store::{ENTRY, MaskStore};
use crate::error::CacheError;
use crate::provider::Arena;
use crate::vocab::Vocabulary;

/// Bytes kept for one vocabulary, of each kind of thing, unless a limit says less.
const LIMIT: usize = 24 << 20;

type Map<K, V> = HashMap<K, (Arc<V>, usize), foldhash::fast::RandomState>;

/// Values by content.
pub struct Shared<K, V: ?Sized>(RwLock<Generations<K, V>>);

struct Generations<K, V: ?Sized> {
    young: Map<K, V>,
    old: Map<K, V>,
    young_bytes: usize,
    old_bytes: usize,
    limit: usize,
    evictions: u64,
}

impl<K, V: ?Sized> Generations<K, V> {
    /// The old are forgotten, the young are the old.
    fn age(&mut self) -> Map<K, V> {
        let forgotten = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
        self.old_bytes = std::mem::take(&mut self.young_bytes);
        self.evictions += forgotten.len() as u64;
        forgotten
    }
}

impl<K: Hash + Eq, V: ?Sized> Default for Shared<K, V> {
    fn default() -> Self {
        Self::with_limit(LIMIT)
    }
}

impl<K: Hash + Eq, V: ?Sized> Shared<K, V> {
    fn with_limit(limit: usize) -> Self {
        let (young, old) = (Map::default(), Map::default());
        Self(RwLock::new(Generations { young, old, young_bytes: 0, old_bytes: 0, limit, evictions: 0 }))
    }

    fn read(&self) -> RwLockReadGuard<'_, Generations<K, V>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Generations<K, V>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes kept.
    pub fn bytes(&self) -> usize {
        let inner = self.read();
        inner.young_bytes + inner.old_bytes
    }

    /// Values kept, and values forgotten so far.
    pub fn counts(&self) -> (usize, u64) {
        let inner = self.read();
        (inner.young.len() + inner.old.len(), inner.evictions)
    }

    /// Keep at most so many bytes from now on. A limit is never raised: the smallest that was asked for counts.
    pub fn limit_to(&self, bytes: usize) {
        let mut forgotten = Vec::new();
        let mut inner = self.write();
        inner.limit = inner.limit.min(bytes);
        while inner.young_bytes + inner.old_bytes > inner.limit {
            forgotten.push(inner.age());
        }
        drop(inner);
        // Dropped with nothing locked.
        drop(forgotten);
    }

    /// What is known, with what it takes to keep it.
    pub fn get(&self, key: &K) -> Option<Arc<V>>
    where
        K: Clone,
    {
        let (old, bytes) = {
            let inner = self.read();
            if let Some((value, _)) = inner.young.get(key) {
                return Some(Arc::clone(value));
            }
            inner.old.get(key)?.clone()
        };
        self.insert(key.clone(), Arc::clone(&old), bytes);
        Some(old)
    }

    /// Keep a value of so many bytes.
    pub fn insert(&self, key: K, value: Arc<V>, bytes: usize) {
        let mut forgotten = Map::default();
        {
            let mut inner = self.write();
            let inner = &mut *inner;
            if bytes > inner.limit / 2 {
                return;
            }
            if inner.young_bytes + bytes > inner.limit / 2 {
                forgotten = inner.age();
            }
            if let Some((_, bytes)) = inner.old.remove(&key) {
                inner.old_bytes -= bytes;
            }
            if let Some((_, before)) = inner.young.insert(key, (value, bytes)) {
                inner.young_bytes -= before;
            }
            inner.young_bytes += bytes;
        }
        drop(forgotten);
    }
}

impl<K: Hash + Eq + Clone, V: ?Sized> Shared<K, V> {
    /// All that is kept.
    pub fn all(&self) -> Vec<(K, Arc<V>)> {
        let inner = self.read();
        inner.young.iter().chain(&inner.old).map(|(key, (value, _))| (key.clone(), Arc::clone(value))).collect()
    }
}

/// Masks of states whose behaviour is known by content, shared by all grammars of a vocabulary.
#[derive(Default)]
pub struct SharedMasks {
    pub(super) masks: Shared<MaskKey, Mask>,
    /// Only what was loaded: grammars resolve faster than they ask.
    pub(super) resolved: Shared<ResolvedKey, Mask>,
    pub(super) parts: Shared<PartKey, Part>,
    /// By content of what is left of some tokens and of the model that is asked about it.
    pub(super) rests: Shared<(u128, u128), Mask>,
    /// The tokens of runs of places in the vocabulary's trie, ascending: those of large subtrees, which are asked for again and again.
    pub(super) runs: Shared<(u32, u32), [u32]>,
    /// The bits of long runs of tokens in the order of their shapes.
    pub(super) rows: Shared<(Order, u32, u32), [u32]>,
    /// Something was loaded, so states that are costly to name may be known as well.
    pub(super) loaded: AtomicBool,
    primed: AtomicBool,
}

impl SharedMasks {
    /// Of a vocabulary.
    pub fn of(vocabulary: &Vocabulary) -> Option<Arc<Self>> {
        vocabulary.learned(Self::default)
    }

    /// Has nobody begun to learn what all grammars can use? From now on somebody has.
    pub fn is_unprimed(&self) -> bool {
        !self.primed.swap(true, Ordering::Relaxed)
    }

    /// Bytes kept.
    pub fn memory_bytes(&self) -> usize {
        self.masks.bytes() + self.resolved.bytes() + self.parts.bytes() + self.rests.bytes() + self.runs.bytes() + self.rows.bytes()
    }

    /// Keep at most so many bytes from now on; never more than an earlier limit.
    pub fn limit_to(&self, bytes: usize) {
        self.masks.limit_to(bytes / 4);
        self.resolved.limit_to(bytes / 4);
        self.parts.limit_to(bytes / 4);
        self.rests.limit_to(bytes / 8);
        self.runs.limit_to(bytes / 16);
        self.rows.limit_to(bytes / 16);
    }

    /// Masks and parts kept, and forgotten so far.
    pub fn counts(&self) -> (usize, u64) {
        let all = [self.masks.counts(), self.resolved.counts(), self.parts.counts(), self.rests.counts()];
        all.iter().fold((0, 0), |(kept, gone), (k, g)| (kept + k, gone + g))
    }

    /// All that is known by content, here and in the stores of some grammars, as bytes; how many masks, residuals and parts that is.
    pub fn save<'a>(&self, vocabulary: &Vocabulary, grammars: impl Iterator<Item = (&'a Arena, &'a MaskStore)>) -> (Vec<u8>, usize) {
        let mut entries = Entries { masks: self.masks.all(), resolved: self.resolved.all(), parts: self.parts.all() };
        grammars.for_each(|(arena, store)| store.list(arena, &mut entries));
        entries.unique();
        (file::write(vocabulary, &entries), entries.masks.len() + entries.resolved.len() + entries.parts.len())
    }

    /// Take what was saved; how many masks, residuals and parts that was. All or, with an error, nothing; of what is more than the limit, some.
    pub fn load(&self, vocabulary: &Vocabulary, bytes: &[u8]) -> Result<usize, CacheError> {
        let entries = file::read(vocabulary, bytes)?;
        let count = entries.masks.len() + entries.resolved.len() + entries.parts.len();
        for (key, mask) in entries.masks {
            let bytes = mask.memory_bytes() + ENTRY;
            self.masks.insert(key, mask, bytes);
        }
        for (key, mask) in entries.resolved {
            let bytes = mask.memory_bytes() + ENTRY;
            self.resolved.insert(key, mask, bytes);
        }
        for (key, part) in entries.parts {
            let bytes = part.memory_bytes() + ENTRY;
            self.parts.insert(key, part, bytes);
        }
        self.loaded.store(true, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_bounded() {
        let shared: Shared<u32, u32> = Shared::with_limit(100);
        for key in 0..1000 {
            shared.insert(key, Arc::new(key), 10);
            assert_eq!(shared.get(&0).as_deref(), Some(&0), "asked for all the time, after {key}");
            assert_eq!(shared.get(&key).as_deref(), Some(&key));
            let (count, forgotten) = shared.counts();
            assert!(count <= 10 && shared.bytes() == count * 10);
            assert_eq!(count as u64 + forgotten, u64::from(key) + 1, "each is kept or counted as forgotten");
        }
        assert_eq!(shared.get(&500), None);
    }

    #[test]
    fn a_limit_holds_at_once_and_is_never_raised() {
        let shared: Shared<u32, u32> = Shared::with_limit(1000);
        (0..100).for_each(|key| shared.insert(key, Arc::new(key), 10));
        assert_eq!(shared.bytes(), 1000);
        shared.limit_to(40);
        assert!(shared.bytes() <= 40);
        shared.limit_to(1000);
        (0..100).for_each(|key| shared.insert(key, Arc::new(key), 10));
        assert!(shared.bytes() <= 40);
        shared.insert(0, Arc::new(0), 30);
        assert_eq!(shared.get(&0).as_deref(), None, "larger than half the limit is not kept");
    }
}
