//! What was learned of states that are known by content, for all grammars of a vocabulary. Part of **mask**.
//!
//! Invariant: never more bytes than the limit, give or take what was just learned. What was not asked for while half of them were learned is
//! forgotten (two generations, as in a second-chance cache).
//! Must not know: states of one grammar.

use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashMap;

/// Bytes kept for one vocabulary.
const LIMIT: usize = 64 << 20;

type Map<K, V> = HashMap<K, Arc<V>, foldhash::fast::RandomState>;

/// Values by content.
pub struct Shared<K, V> {
    limit: usize,
    inner: RwLock<Generations<K, V>>,
}

struct Generations<K, V> {
    young: Map<K, V>,
    old: Map<K, V>,
    /// Of the young.
    bytes: usize,
}

impl<K: Hash + Eq, V> Default for Shared<K, V> {
    fn default() -> Self {
        Self::with_limit(LIMIT)
    }
}

impl<K: Hash + Eq, V> Shared<K, V> {
    fn with_limit(limit: usize) -> Self {
        Self { limit, inner: RwLock::new(Generations { young: Map::default(), old: Map::default(), bytes: 0 }) }
    }

    /// What is known; `bytes` says what it takes to keep it.
    pub fn get(&self, key: &K, bytes: impl FnOnce(&V) -> usize) -> Option<Arc<V>>
    where
        K: Clone,
    {
        let old = {
            let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(value) = inner.young.get(key) {
                return Some(Arc::clone(value));
            }
            Arc::clone(inner.old.get(key)?)
        };
        let size = bytes(&old);
        self.insert(key.clone(), Arc::clone(&old), size);
        Some(old)
    }

    /// Keep a value of so many bytes.
    pub fn insert(&self, key: K, value: Arc<V>, bytes: usize) {
        let mut forgotten = Map::default();
        {
            let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
            let inner = &mut *inner;
            if inner.bytes.saturating_add(bytes) > self.limit / 2 {
                std::mem::swap(&mut forgotten, &mut inner.old);
                inner.old = std::mem::take(&mut inner.young);
                inner.bytes = 0;
            }
            if inner.young.insert(key, value).is_none() {
                inner.bytes = inner.bytes.saturating_add(bytes);
            }
        }
        // Dropped with nothing locked.
        drop(forgotten);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_bounded() {
        let shared: Shared<u32, u32> = Shared::with_limit(100);
        let size = |_: &u32| 10;
        for key in 0..1000 {
            shared.insert(key, Arc::new(key), 10);
            assert_eq!(shared.get(&0, size).as_deref(), Some(&0), "asked for all the time, after {key}");
            assert_eq!(shared.get(&key, size).as_deref(), Some(&key));
            let inner = shared.inner.read().unwrap();
            assert!(inner.young.len() + inner.old.len() <= 11);
        }
        assert_eq!(shared.get(&500, size), None);
    }
}
