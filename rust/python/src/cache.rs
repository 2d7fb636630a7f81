//! The compile cache: least recently used goes first, at most so many bytes, identical compiles at the same time done once.
//!
//! Invariant: a failed compile is reported to everyone who waits for it and is not kept; the lock is held for a few instructions only.
//! Must not know: how to compile, or Python.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use maskwright::matcher::CompiledGrammar;

use crate::background::{Flight, lock};

/// A compile under way.
pub type Compiling = Arc<Flight<Arc<CompiledGrammar>>>;

/// What the cache has for a key.
pub enum Found {
    /// Compiled before.
    Ready(Arc<CompiledGrammar>),
    /// Someone else compiles it: wait.
    Pending(Compiling),
    /// Nothing: the asker compiles it, and launches this flight.
    Yours(Compiling),
}

enum Slot {
    Pending(Compiling),
    Ready { compiled: Arc<CompiledGrammar>, bytes: usize, used: u64 },
}

struct Slots<K> {
    by_key: HashMap<K, Slot>,
    clock: u64,
}

/// See the module.
pub struct Cache<K> {
    slots: Mutex<Slots<K>>,
    limit: Option<usize>,
}

impl<K: std::hash::Hash + Eq + Clone> Cache<K> {
    /// Empty; `None`: no limit.
    pub fn new(limit: Option<usize>) -> Self {
        Self { slots: Mutex::new(Slots { by_key: HashMap::new(), clock: 0 }), limit }
    }

    /// Look up, or take on the compile.
    pub fn begin(&self, key: &K) -> Found {
        let mut slots = lock(&self.slots);
        slots.clock += 1;
        let now = slots.clock;
        match slots.by_key.get_mut(key) {
            Some(Slot::Ready { compiled, used, .. }) => {
                *used = now;
                Found::Ready(compiled.clone())
            }
            Some(Slot::Pending(flight)) if !flight.is_stranded() => Found::Pending(flight.clone()),
            _ => {
                let flight = Flight::new();
                slots.by_key.insert(key.clone(), Slot::Pending(flight.clone()));
                Found::Yours(flight)
            }
        }
    }

    /// The flight for `key` ended. A slot that is no longer this flight's (the cache was cleared) is left alone.
    pub fn finish(&self, key: &K, flight: &Compiling, compiled: Option<&Arc<CompiledGrammar>>) {
        let bytes = compiled.map_or(0, |c| c.memory_bytes());
        let mut dropped = Vec::new();
        let mut slots = lock(&self.slots);
        if !matches!(slots.by_key.get(key), Some(Slot::Pending(f)) if Arc::ptr_eq(f, flight)) {
            return;
        }
        slots.clock += 1;
        let used = slots.clock;
        match compiled {
            Some(compiled) => {
                slots.by_key.insert(key.clone(), Slot::Ready { compiled: compiled.clone(), bytes, used });
                dropped = self.evict(&mut slots);
            }
            None => drop(slots.by_key.remove(key)),
        }
        drop(slots);
        // Freeing a grammar takes time: not under the lock.
        drop(dropped);
    }

    /// Grammars grow as they learn masks, so all are measured again before any goes.
    fn evict(&self, slots: &mut Slots<K>) -> Vec<Slot> {
        let Some(limit) = self.limit else { return Vec::new() };
        let mut total = 0;
        let mut order = Vec::new();
        for (key, slot) in &mut slots.by_key {
            if let Slot::Ready { compiled, bytes, used } = slot {
                *bytes = compiled.memory_bytes();
                total += *bytes;
                order.push((*used, *bytes, key.clone()));
            }
        }
        order.sort_unstable_by_key(|(used, ..)| *used);
        let mut dropped = Vec::new();
        for (_, bytes, key) in order {
            if total <= limit {
                break;
            }
            total -= bytes;
            dropped.extend(slots.by_key.remove(&key));
        }
        dropped
    }

    /// Forget everything; compiles under way go on for those who wait.
    pub fn clear(&self) {
        let old = std::mem::take(&mut lock(&self.slots).by_key);
        drop(old);
    }

    /// Bytes held now, roughly.
    pub fn size_bytes(&self) -> usize {
        let held: Vec<Arc<CompiledGrammar>> = lock(&self.slots)
            .by_key
            .values()
            .filter_map(|slot| match slot {
                Slot::Ready { compiled, .. } => Some(compiled.clone()),
                Slot::Pending(_) => None,
            })
            .collect();
        held.iter().map(|c| c.memory_bytes()).sum()
    }
}
