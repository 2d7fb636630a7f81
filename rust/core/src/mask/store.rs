//! Where the masks of a grammar are kept, by state. Part of **mask**. What grammars of a vocabulary share is in `shared.rs`, how masks are learned in `learn.rs`.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use super::Mask;
use super::file::Entries;
use super::local::LocalTable;
use super::parts::Part;
use super::recent::{self, Held};
use super::residual::{Group, Leaving, Residual};
use super::shared::SharedMasks;
use super::statistics::{Counters, Statistics};
use crate::error::EngineError;
use crate::ids::StateId;
use crate::maps::{self, Concurrent};
use crate::provider::Arena;
use crate::vocab::Vocabulary;
use crate::vocab::trie::Trie;

/// Bytes of a place in a map, roughly.
pub(super) const ENTRY: usize = 64;
/// In the place of a register or a view: far from any limit.
pub(super) const FROZEN: u64 = u64::MAX;

/// How many stores there have been.
static STORES: AtomicU64 = AtomicU64::new(0);

/// All masks learned for one grammar.
pub struct MaskStore {
    /// No other store's in this process.
    number: u64,
    pub(super) vocabulary: Arc<Vocabulary>,
    pub(super) shared: Option<Arc<SharedMasks>>,
    pub(super) masks: Concurrent<(StateId, u64, bool), Arc<Mask>>,
    pub(super) resolved: Concurrent<(u128, StateId, u64), Arc<Mask>>,
    /// By node of the vocabulary's trie, state and view: what the state allows below the node.
    pub(super) parts: Concurrent<(u32, StateId, u64), Arc<Part>>,
    /// By shape, state and view: what the state allows below the shape; none if that does not go by classes.
    pub(super) shape_parts: Concurrent<(u32, StateId, u64), Option<Arc<Mask>>>,
    /// What models allow, by content of what is left of some tokens.
    pub(super) rests: Concurrent<(u128, StateId), Arc<Mask>>,
    /// Residuals by what they are, as long as a mask has them: equal ones are one, so that what is left is put in order once.
    residuals: Concurrent<u128, Weak<Residual>>,
    /// Memoised steps of configurations; a walk that finds it taken makes its own.
    locals: Mutex<LocalTable>,
    local_bytes: AtomicUsize,
    pub(super) counters: Counters,
    #[cfg(test)]
    without_models: bool,
}

/// How much a request may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effort {
    /// Only what is known already.
    Known,
    /// Learn what is missing.
    Learn,
}

impl MaskStore {
    /// An empty store.
    pub fn new(vocabulary: Arc<Vocabulary>) -> Self {
        let shared = SharedMasks::of(&vocabulary);
        Self {
            number: STORES.fetch_add(1, Ordering::Relaxed),
            vocabulary,
            shared,
            masks: maps::many(),
            resolved: maps::many(),
            parts: maps::few(),
            shape_parts: maps::few(),
            rests: maps::few(),
            residuals: maps::few(),
            locals: Mutex::default(),
            local_bytes: AtomicUsize::new(0),
            counters: Counters::default(),
            #[cfg(test)]
            without_models: false,
        }
    }

    /// One that walks from every state itself, to compare with.
    #[cfg(test)]
    pub fn without_models(vocabulary: Arc<Vocabulary>) -> Self {
        Self { without_models: true, shared: None, ..Self::new(vocabulary) }
    }

    /// Is it one that walks?
    #[cfg(test)]
    pub(super) fn walks_only(&self) -> bool {
        self.without_models
    }

    /// The model that the masks of a state are learned from.
    #[cfg_attr(not(test), allow(clippy::unused_self))]
    pub(super) fn model(&self, arena: &Arena, state: StateId) -> Option<StateId> {
        #[cfg(test)]
        if self.without_models {
            return None;
        }
        arena.model(state)
    }

    /// The vocabulary.
    pub fn vocabulary(&self) -> &Arc<Vocabulary> {
        &self.vocabulary
    }

    /// What was learned and asked so far.
    pub fn statistics(&self) -> Statistics {
        self.counters.read()
    }

    /// For those who count by themselves.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Bytes of what is kept.
    pub fn memory_bytes(&self) -> usize {
        let masks = self.counters.mask_bytes.load(Ordering::Relaxed) as usize;
        masks + self.local_bytes.load(Ordering::Relaxed) + size_of::<Self>()
    }

    /// Give up what was not asked for since the last time; if that is less than half, everything. Who holds a mask keeps it, and what is
    /// asked for again is learned again.
    pub fn forget(&self) {
        let before = self.counters.mask_bytes.load(Ordering::Relaxed);
        let (mut kept, mut gone) = (0, 0);
        let mut keep = |used: bool, bytes: usize| {
            if used {
                kept += (bytes + ENTRY) as u64;
            } else {
                gone += 1;
            }
            used
        };
        self.masks.retain(|_, mask| keep(mask.was_used(), mask.memory_bytes()));
        self.resolved.retain(|_, mask| keep(mask.was_used(), mask.memory_bytes()));
        self.rests.retain(|_, mask| keep(mask.was_used(), mask.memory_bytes()));
        // Parts only serve to learn masks.
        self.parts.retain(|_, part| keep(false, part.memory_bytes()));
        self.shape_parts.retain(|_, part| keep(false, part.as_ref().map_or(0, |part| part.memory_bytes())));
        if kept > before / 2 {
            gone += (self.masks.len() + self.resolved.len() + self.rests.len()) as u64;
            kept = 0;
            self.masks.clear();
            self.resolved.clear();
            self.rests.clear();
        }
        // What others learned in between is not counted: little, and once.
        self.counters.mask_bytes.store(kept, Ordering::Relaxed);
        self.counters.evictions.fetch_add(gone, Ordering::Relaxed);
        if kept == 0 {
            self.masks.shrink_to_fit();
            self.resolved.shrink_to_fit();
            self.rests.shrink_to_fit();
        }
        self.parts.shrink_to_fit();
        self.shape_parts.shrink_to_fit();
        self.residuals.retain(|_, residual| residual.strong_count() > 0);
        self.residuals.shrink_to_fit();
        if let Ok(mut locals) = self.locals.try_lock() {
            *locals = LocalTable::default();
            self.local_bytes.store(0, Ordering::Relaxed);
        }
    }

    /// The same as [`Self::mask`], and for this thread to find again.
    pub fn held_mask(
        &self,
        arena: &Arena,
        state: StateId,
        register: u64,
        framed: bool,
        effort: Effort,
    ) -> Result<Option<Held>, EngineError> {
        let view = arena.view(state, register, self.vocabulary.longest_token() as u64);
        self.held(u128::from(framed), (state, view), || self.mask(arena, state, register, framed, effort))
    }

    /// The same as [`Self::resolve`], and for this thread to find again.
    pub fn held_resolved(
        &self,
        arena: &Arena,
        residual: &Residual,
        return_to: StateId,
        register: u64,
        effort: Effort,
    ) -> Result<Option<Held>, EngineError> {
        let view = arena.view(return_to, register, self.vocabulary.longest_token() as u64);
        self.held(residual.id, (return_to, view), || self.resolve(arena, residual, return_to, register, effort))
    }

    fn held(
        &self,
        about: u128,
        (state, view): (StateId, u64),
        ask: impl FnOnce() -> Result<Option<Arc<Mask>>, EngineError>,
    ) -> Result<Option<Held>, EngineError> {
        let key = recent::Key { store: self.number, about, state, view };
        if let Some(held) = recent::get(&key) {
            held.touch();
            return Ok(Some(held));
        }
        Ok(ask()?.map(|mask| recent::put(key, mask)))
    }

    /// What an item in `state` allows, with the tokens that leave if it is `framed`; `None` if that is not known and must not be learned.
    pub fn mask(
        &self,
        arena: &Arena,
        state: StateId,
        register: u64,
        framed: bool,
        effort: Effort,
    ) -> Result<Option<Arc<Mask>>, EngineError> {
        let view = arena.view(state, register, self.vocabulary.longest_token() as u64);
        if let Some(mask) = self.masks.get(&(state, view, framed)) {
            mask.touch();
            return Ok(Some(Arc::clone(&mask)));
        }
        if effort == Effort::Known {
            return Ok(None);
        }
        let identity = arena.facts(state).identity.filter(|_| framed);
        if let (Some(identity), Some(shared)) = (identity, &self.shared) {
            let known = shared.masks.get(&(identity, view, framed));
            let mask = if let Some(mask) = known {
                self.counted(mask)
            } else {
                let mask = self.learn(arena, state, register, framed)?;
                shared.masks.insert((identity, view, framed), Arc::clone(&mask), mask.memory_bytes() + ENTRY);
                mask
            };
            self.masks.insert((state, view, framed), Arc::clone(&mask));
            return Ok(Some(mask));
        }
        let loaded = self.loaded(arena, state, |shared, identity| shared.masks.get(&(identity, view, framed)));
        let mask = match loaded {
            Some(mask) => self.counted(mask),
            None => self.learn(arena, state, register, framed)?,
        };
        self.masks.insert((state, view, framed), Arc::clone(&mask));
        Ok(Some(mask))
    }

    /// The mask of a state that does not count and has frames, if it is known.
    pub(super) fn known(&self, state: StateId) -> Option<Arc<Mask>> {
        self.masks.get(&(state, 0, true)).map(|mask| Arc::clone(&mask))
    }

    /// What a file said of a state, if one was loaded.
    pub(super) fn loaded<T>(&self, arena: &Arena, state: StateId, get: impl FnOnce(&SharedMasks, u128) -> Option<T>) -> Option<T> {
        let shared = self.shared.as_ref().filter(|shared| shared.loaded.load(Ordering::Relaxed))?;
        get(shared, arena.identity(state)?)
    }

    /// A loaded mask of a residual.
    pub(super) fn loaded_resolved(&self, arena: &Arena, residual: u128, return_to: StateId, view: u64) -> Option<Arc<Mask>> {
        self.loaded(arena, return_to, |shared, identity| shared.resolved.get(&(residual, identity, view)))
    }

    /// A mask from elsewhere is kept here.
    pub(super) fn counted(&self, mask: Arc<Mask>) -> Arc<Mask> {
        self.counters.shared.fetch_add(1, Ordering::Relaxed);
        self.count_bytes(&mask);
        mask
    }

    /// All that is known of states that have an identity.
    pub(super) fn list(&self, arena: &Arena, into: &mut Entries) {
        for entry in &self.masks {
            let (state, view, framed) = *entry.key();
            if let Some(identity) = arena.identity(state).filter(|_| view != FROZEN) {
                into.masks.push(((identity, view, framed), Arc::clone(entry.value())));
            }
        }
        for entry in &self.resolved {
            let (residual, state, view) = *entry.key();
            if let Some(identity) = arena.identity(state) {
                into.resolved.push(((residual, identity, view), Arc::clone(entry.value())));
            }
        }
        for entry in &self.parts {
            let (node, state, view) = *entry.key();
            if let Some(identity) = arena.identity(state) {
                into.parts.push(((node, identity, view), Arc::clone(entry.value())));
            }
        }
    }

    /// Run a walk with the shared table, or with a new one while another walk has it.
    pub(super) fn with_locals<T>(&self, run: impl FnOnce(&mut LocalTable) -> T) -> T {
        let mut fresh = LocalTable::default();
        let mut kept = self.locals.try_lock().ok();
        let table = kept.as_deref_mut().unwrap_or(&mut fresh);
        table.trim();
        let result = run(table);
        if let Some(table) = kept {
            self.local_bytes.store(table.memory_bytes(), Ordering::Relaxed);
        }
        result
    }

    pub(super) fn residual(&self, leaving: Leaving, base: Option<(Arc<Residual>, Arc<[u32]>)>) -> Option<Arc<Residual>> {
        let residual = Arc::new(Residual::build(leaving, base)?);
        let mut known = self.residuals.entry(residual.id).or_insert_with(|| Arc::downgrade(&residual));
        if let Some(known) = known.upgrade() {
            return Some(known);
        }
        *known = Arc::downgrade(&residual);
        Some(residual)
    }

    /// Leftovers by what is left.
    pub(super) fn trie_of<'g>(&self, group: &'g Group) -> &'g Trie {
        let (trie, bytes) = group.trie(&self.vocabulary);
        self.counters.mask_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        trie
    }

    pub(super) fn count_bytes(&self, mask: &Mask) {
        self.counters.mask_bytes.fetch_add((mask.memory_bytes() + ENTRY) as u64, Ordering::Relaxed);
    }
}

/// Since then, as a mask keeps it.
pub(super) fn nanoseconds(started: Instant) -> u32 {
    u32::try_from(started.elapsed().as_nanos()).unwrap_or(u32::MAX)
}
