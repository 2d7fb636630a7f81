//! The compile cache: which compiled grammar answers a request, identical compiles at the same time done once.
//!
//! What is kept, and what goes to keep within a limit, is the shelf's to say; a request whose grammar is gone is compiled again.
//!
//! Invariant: a failed compile is reported to everyone who waits for it and is not kept; the lock is held for a few instructions only.
//! Must not know: how to compile, or Python.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use foldhash::quality::RandomState;
use maskwright::matcher::{CompiledGrammar, Shelf};

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
    Ready(Weak<CompiledGrammar>),
}

#[derive(Default)]
struct Slots<K> {
    by_key: HashMap<K, Slot, RandomState>,
    /// Keys after which those of grammars that are gone are looked for.
    look_at: usize,
    hits: u64,
    misses: u64,
}

/// See the module.
pub struct Cache<K> {
    slots: Mutex<Slots<K>>,
    shelf: Arc<Shelf>,
}

/// Bytes that a key holds.
pub trait Size {
    /// On the heap, roughly.
    fn heap_bytes(&self) -> usize;
}

impl<K: std::hash::Hash + Eq + Clone + Size> Cache<K> {
    /// Empty; grammars are kept on a shelf.
    pub fn new(shelf: Arc<Shelf>) -> Self {
        let slots = Slots { by_key: HashMap::default(), look_at: 64, hits: 0, misses: 0 };
        Self { slots: Mutex::new(slots), shelf }
    }

    /// Look up, or take on the compile.
    pub fn begin(&self, key: &K) -> Found {
        let mut slots = lock(&self.slots);
        let found = match slots.by_key.get(key) {
            Some(Slot::Ready(compiled)) => compiled.upgrade().map(Found::Ready),
            Some(Slot::Pending(flight)) if !flight.is_stranded() => Some(Found::Pending(flight.clone())),
            _ => None,
        };
        if let Some(found) = found {
            slots.hits += 1;
            drop(slots);
            if let Found::Ready(compiled) = &found {
                self.shelf.keep(compiled, 0);
            }
            return found;
        }
        slots.misses += 1;
        let flight = Flight::new();
        slots.by_key.insert(key.clone(), Slot::Pending(flight.clone()));
        Found::Yours(flight)
    }

    /// The flight for `key` ended. A slot that is no longer this flight's (the cache was cleared) is left alone.
    pub fn finish(&self, key: &K, flight: &Compiling, compiled: Option<&Arc<CompiledGrammar>>) {
        {
            let mut slots = lock(&self.slots);
            if !matches!(slots.by_key.get(key), Some(Slot::Pending(f)) if Arc::ptr_eq(f, flight)) {
                return;
            }
            match compiled {
                Some(compiled) => {
                    slots.by_key.insert(key.clone(), Slot::Ready(Arc::downgrade(compiled)));
                    if slots.by_key.len() > slots.look_at {
                        slots.by_key.retain(|_, slot| !matches!(slot, Slot::Ready(compiled) if compiled.strong_count() == 0));
                        slots.look_at = 64 + slots.by_key.len() * 2;
                    }
                }
                None => drop(slots.by_key.remove(key)),
            }
        }
        // Not under the lock: making room frees other grammars.
        if let Some(compiled) = compiled {
            self.shelf.keep(compiled, key.heap_bytes());
        }
    }

    /// Forget everything; compiles under way go on for those who wait.
    pub fn clear(&self) {
        let old = std::mem::take(&mut lock(&self.slots).by_key);
        drop(old);
        self.shelf.clear();
    }

    /// Requests answered, and requests that had to be compiled.
    pub fn counts(&self) -> (u64, u64) {
        let slots = lock(&self.slots);
        (slots.hits, slots.misses)
    }
}
