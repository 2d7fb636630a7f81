//! Where masks are kept: per grammar by state, and per vocabulary by content.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use super::Mask;
use super::difference::{Difference, difference, near};
use super::file::{self, Entries, MaskKey, PartKey, ResolvedKey};
use super::local::{Local, LocalTable};
use super::named;
use super::recent::{self, Held};
use super::residual::{Group, Leaving, Residual};
use super::rows::Order;
use super::shared::Shared;
use super::statistics::{Counters, Statistics};
use super::token_set::{TokenSet, ascending, remove};
use super::walk::{Found, Parts, Walk, Whole};
use crate::bitmask;
use crate::error::{CacheError, EngineError};
use crate::ids::StateId;
use crate::maps::{self, Concurrent};
use crate::provider::{Arena, Named};
use crate::stack::Item;
use crate::vocab::Vocabulary;
use crate::vocab::trie::Trie;

/// A base is given up when more tokens than this differ from it.
const DIFFERENCE_BOUND: usize = 4096;
/// This close before its limit, a state is compared with the one that takes over there.
const CLOSE: u64 = 3;
/// Further away, the tokens that reach the limit are few.
const WITHIN_REACH: u64 = 64;
/// Runs of more places than this are kept sorted.
const LONG_RUN: u32 = 64;
/// Bytes of a place in a map, roughly.
pub(super) const ENTRY: usize = 64;
/// In the place of a register or a view: far from any limit.
pub(super) const FROZEN: u64 = u64::MAX;

/// Masks of states whose behaviour is known by content, shared by all grammars of a vocabulary.
#[derive(Default)]
pub struct SharedMasks {
    masks: Shared<MaskKey, Mask>,
    /// Only what was loaded: grammars resolve faster than they ask.
    resolved: Shared<ResolvedKey, Mask>,
    parts: Shared<PartKey, Part>,
    /// By content of what is left of some tokens and of the model that is asked about it.
    pub(super) rests: Shared<(u128, u128), Mask>,
    /// The tokens of runs of places in the vocabulary's trie, ascending: those of large subtrees, which are asked for again and again.
    runs: Shared<(u32, u32), [u32]>,
    /// The bits of long runs of tokens in the order of their shapes.
    pub(super) rows: Shared<(Order, u32, u32), [u32]>,
    /// Something was loaded, so states that are costly to name may be known as well.
    loaded: AtomicBool,
}

impl SharedMasks {
    /// Of a vocabulary.
    pub fn of(vocabulary: &Vocabulary) -> Option<Arc<Self>> {
        vocabulary.learned(Self::default)
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

/// How many stores there have been.
static STORES: AtomicU64 = AtomicU64::new(0);

/// All masks learned for one grammar.
pub struct MaskStore {
    /// No other store's in this process.
    number: u64,
    pub(super) vocabulary: Arc<Vocabulary>,
    pub(super) shared: Option<Arc<SharedMasks>>,
    masks: Concurrent<(StateId, u64, bool), Arc<Mask>>,
    pub(super) resolved: Concurrent<(u128, StateId, u64), Arc<Mask>>,
    /// By node of the vocabulary's trie, state and view: what the state allows below the node.
    parts: Concurrent<(u32, StateId, u64), Arc<Part>>,
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

/// What a state allows below a node of the vocabulary's trie.
pub(super) struct Part {
    /// Accepted, as runs of places.
    pub(super) places: Box<[(u32, u32)]>,
    /// Accepted as well.
    pub(super) tokens: Box<[u32]>,
    pub(super) residual: Option<Arc<Residual>>,
}

impl Part {
    fn memory_bytes(&self) -> usize {
        self.places.len() * 8 + self.tokens.len() * 4 + self.residual.as_ref().map_or(0, |r| r.memory_bytes()) + 96
    }
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
    fn list(&self, arena: &Arena, into: &mut Entries) {
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

    fn learn(&self, arena: &Arena, state: StateId, register: u64, framed: bool) -> Result<Arc<Mask>, EngineError> {
        self.counters.masks.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        if framed && let Some(model) = self.model(arena, state) {
            return self.modelled(arena, state, model);
        }
        if register != FROZEN
            && let Some(unlimited) = arena.unlimited(state, register, self.vocabulary.longest_token() as u64)?
            && let Some(mask) = self.mask(arena, unlimited, 0, framed, Effort::Learn)?
        {
            return Ok(mask);
        }
        let known = match arena.named(state) {
            Some(named) => match self.named(arena, &named, framed)? {
                Learned::Known(mask) => return Ok(mask),
                Learned::New(mask) => Some(mask),
            },
            None => match self.by_lengths(arena, state, register, framed)? {
                None => self.by_shapes(arena, state, register, framed)?,
                known => known,
            },
        };
        let known = match known {
            // Close to its limit a state differs on much from itself far away.
            None if is_close(arena, state, register) => self.by_classes(arena, state, register, framed),
            known => known,
        };
        let known = match known {
            None => self.relative(arena, state, register, framed)?,
            known => known,
        };
        let known = match known {
            None => self.by_classes(arena, state, register, framed),
            known => known,
        };
        let mask = match known {
            Some(mask) => mask,
            None => self.walked(arena, state, register, framed)?,
        };
        self.count_bytes(&mask);
        Ok(Arc::new(Mask { cost: nanoseconds(started), ..mask }))
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

    pub(super) fn walked(&self, arena: &Arena, state: StateId, register: u64, framed: bool) -> Result<Mask, EngineError> {
        let trie = self.vocabulary.trie();
        let parts = PartStore { arena, store: self, depth: 0 };
        let walk = Walk { frozen: register == FROZEN, keep: framed, ..Walk::over_vocabulary(arena, trie, Some(&parts)) };
        let start = Local::One { state, register: if register == FROZEN { 0 } else { register }, parents: 0 };
        let mut found = Found::default();
        let visited = self.with_locals(|table| walk.run(table, start, &mut found))?;
        if visited * 10 > trie.nodes().len() {
            self.counters.full_walks.fetch_add(1, Ordering::Relaxed);
        }
        Ok(self.of(found))
    }

    /// The mask of a place in a text that is named.
    fn named(&self, arena: &Arena, named: &Named<'_>, framed: bool) -> Result<Learned, EngineError> {
        let trie = self.vocabulary.trie();
        let all = 0..trie.nodes().len();
        let Some(others) = named.others else {
            return Ok(Learned::New(self.of(named::alone(trie, all, arena.alphabet(), named, framed.then_some(Whole::All)))));
        };
        let Some(base) = self.mask(arena, others, 0, framed, Effort::Learn)? else {
            return Err(EngineError::Internal("a mask that was to be learned"));
        };
        let (touched, found) = named::apart(trie, all, arena, named, framed.then_some(Whole::All))?;
        if touched.is_empty() {
            return Ok(Learned::Known(base));
        }
        Ok(Learned::New(self.based(&base, self.tokens_at(&touched), found, framed)))
    }

    /// The mask of what was found.
    fn of(&self, found: Found) -> Mask {
        let trie = self.vocabulary.trie();
        let Found { places, mut tokens, sets, mut leaving } = found;
        let words = self.vocabulary.words();
        let most = places.iter().map(|&(start, end)| (end - start) as usize).sum::<usize>() + tokens.len();
        let accepted = if TokenSet::is_list(most, words) {
            tokens.reserve(most - tokens.len());
            for (start, end) in places {
                tokens.extend_from_slice(&trie.tokens()[start as usize..end as usize]);
            }
            TokenSet::of_all(tokens, &sets, words)
        } else {
            let mut bits = self.bits(places, &tokens);
            for set in sets {
                set.accepted.add_to(&mut bits);
            }
            TokenSet::from_bits(bits)
        };
        leaving.leftovers.retain(|leftover| !accepted.contains(leftover.token));
        let residual = self.residual(leaving, None);
        Mask::new(accepted, residual)
    }

    /// A mask of tokens by their places in the vocabulary's trie, and others. If most are in, those that are out are cleared instead.
    fn bits(&self, mut places: Vec<(u32, u32)>, others: &[u32]) -> Box<[u32]> {
        let trie = self.vocabulary.trie();
        let tokens = |start: u32, end: u32| &trie.tokens()[start as usize..end as usize];
        let mut bits: Box<[u32]>;
        if places.iter().map(|&(start, end)| (end - start) as usize).sum::<usize>() * 2 > trie.tokens().len() {
            bits = self.vocabulary.texts().into();
            places.sort_unstable();
            let mut done = 0;
            for (start, end) in places {
                bitmask::clear_all(&mut bits, tokens(done, start.max(done)));
                done = done.max(end);
            }
            bitmask::clear_all(&mut bits, tokens(done, trie.tokens().len() as u32));
        } else {
            bits = vec![0; self.vocabulary.words()].into();
            for (start, end) in places {
                bitmask::set_all(&mut bits, tokens(start, end));
            }
        }
        bitmask::set_all(&mut bits, others);
        bits
    }

    /// The mask as a difference from one that is likely known, if that helps: of a state that counts from the same state far from its limit,
    /// or, close before the limit, from the state that takes over there; of another state from the base that it names.
    fn relative(&self, arena: &Arena, state: StateId, register: u64, framed: bool) -> Result<Option<Mask>, EngineError> {
        let facts = arena.facts(state);
        if facts.guarded || register == FROZEN {
            return Ok(None);
        }
        let trie = self.vocabulary.trie();
        let parts = PartStore { arena, store: self, depth: 0 };
        let walk = Walk { keep: framed, ..Walk::over_vocabulary(arena, trie, Some(&parts)) };
        if facts.counting {
            let distance = facts.limit.saturating_sub(register);
            if distance <= CLOSE {
                let Some(next) = arena.settled(state, facts.limit)?.filter(|&next| next != state && !arena.facts(next).guarded) else {
                    return Ok(None);
                };
                let beyond = if arena.facts(next).counting { register } else { 0 };
                let Some(base) = self.mask(arena, next, beyond, true, Effort::Learn)? else { return Ok(None) };
                if !base.accepted.is_broad() {
                    return Ok(None);
                }
                let found = self.with_locals(|table| difference(&walk, table, (state, register), (next, beyond), DIFFERENCE_BOUND))?;
                return Ok(found.map(|found| self.different(&base, found, framed)));
            }
            let Some(base) = self.far(arena, state, framed)? else { return Ok(None) };
            let found = self.with_locals(|table| near(&walk, table, (state, register), DIFFERENCE_BOUND))?;
            return Ok(found.map(|found| self.different(&base, found, framed)));
        }
        let Some(base_state) = facts.base.filter(|&base| base != state && !arena.facts(base).counting) else { return Ok(None) };
        let Some(base) = self.mask(arena, base_state, 0, true, Effort::Learn)? else { return Ok(None) };
        let found = self.with_locals(|table| difference(&walk, table, (state, 0), (base_state, 0), DIFFERENCE_BOUND))?;
        Ok(found.map(|found| self.different(&base, found, framed)))
    }

    /// The mask of a state that counts, far from its limit; `None` if it is not broad.
    pub(super) fn far(&self, arena: &Arena, state: StateId, framed: bool) -> Result<Option<Arc<Mask>>, EngineError> {
        let base = match arena.facts(state).base {
            Some(base) => self.mask(arena, base, 0, true, Effort::Learn)?,
            None => Some(self.frozen(arena, state, framed)?),
        };
        Ok(base.filter(|base| base.accepted.is_broad()))
    }

    /// What a state that counts would allow if its limit were out of reach of any token.
    fn frozen(&self, arena: &Arena, state: StateId, framed: bool) -> Result<Arc<Mask>, EngineError> {
        if let Some(mask) = self.masks.get(&(state, FROZEN, framed)) {
            return Ok(Arc::clone(&mask));
        }
        let mask = self.learn(arena, state, FROZEN, framed)?;
        self.masks.insert((state, FROZEN, framed), Arc::clone(&mask));
        Ok(mask)
    }

    /// What a state allows below a node, learned as usual and by a walk: accepted tokens, and (token, value, length) of those that leave.
    #[cfg(test)]
    #[allow(clippy::type_complexity)]
    pub(super) fn parts_of(&self, arena: &Arena, i: usize, state: StateId) -> Result<[(Vec<u32>, Vec<(u32, u32, u16)>); 2], EngineError> {
        let parts = PartStore { arena, store: self, depth: 0 };
        let trie = self.vocabulary.trie();
        let list = |part: &Part| {
            let mut accepted = Found { places: part.places.to_vec(), tokens: part.tokens.to_vec(), ..Found::default() }.accepted(trie);
            accepted.sort_unstable();
            accepted.dedup();
            let mut leaving = Vec::new();
            if let Some(residual) = &part.residual {
                residual.list(trie, &mut leaving);
            }
            let mut leaving: Vec<_> = leaving.into_iter().map(|l| (l.token, l.value, l.length)).collect();
            leaving.sort_unstable();
            leaving.dedup();
            (accepted, leaving)
        };
        let own = self.with_locals(|table| parts.part(table, i, state, 0))?;
        let walked = self.with_locals(|table| parts.walked_part(table, i, state, 0))?;
        Ok([list(&own), list(&walked)])
    }

    /// The tokens of runs of places, ascending.
    pub(super) fn tokens_at(&self, runs: &[(u32, u32)]) -> Arc<[u32]> {
        let tokens = &self.vocabulary.trie().tokens();
        let list = || {
            let mut list: Vec<u32> = runs.iter().flat_map(|&(low, high)| &tokens[low as usize..high as usize]).copied().collect();
            ascending(&mut list);
            Arc::from(list)
        };
        match (runs, &self.shared) {
            (&[run], Some(shared)) if run.1 - run.0 > LONG_RUN => shared.runs.get(&run).unwrap_or_else(|| {
                let list: Arc<[u32]> = list();
                shared.runs.insert(run, Arc::clone(&list), list.len() * 4 + ENTRY);
                list
            }),
            _ => list(),
        }
    }

    fn different(&self, base: &Arc<Mask>, difference: Difference, framed: bool) -> Mask {
        let Difference { mut touched, found } = difference;
        ascending(&mut touched);
        self.based(base, touched.into(), found, framed)
    }

    /// A mask that differs from `base` on the tokens that are `touched`, and allows what was found of those.
    fn based(&self, base: &Arc<Mask>, touched: Arc<[u32]>, found: Found, framed: bool) -> Mask {
        self.counters.differences.fetch_add(1, Ordering::Relaxed);
        let mut accepted = found.accepted(self.vocabulary.trie());
        let mut leaving = found.leaving;
        ascending(&mut accepted);
        leaving.leftovers.retain(|l| accepted.binary_search(&l.token).is_err());
        let mut less = touched.to_vec();
        remove(&mut less, &accepted);
        let below = base.residual.clone().map(|residual| (residual, touched));
        let residual = if framed { self.residual(leaving, below) } else { None };
        Mask::new(TokenSet::relative(base, accepted, less), residual)
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

/// Is the limit of a state that counts within reach of usual tokens?
fn is_close(arena: &Arena, state: StateId, register: u64) -> bool {
    let facts = arena.facts(state);
    facts.counting && register != FROZEN && facts.limit.saturating_sub(register) <= WITHIN_REACH
}

/// The mask of a state.
enum Learned {
    New(Mask),
    /// That of another.
    Known(Arc<Mask>),
}

/// Since then, as a mask keeps it.
pub(super) fn nanoseconds(started: Instant) -> u32 {
    u32::try_from(started.elapsed().as_nanos()).unwrap_or(u32::MAX)
}

/// Parts nest at most so deep; beyond, a walk goes on by itself.
pub(super) const PART_DEPTH: usize = 24;

/// The parts of a store, seen from a walk.
pub(super) struct PartStore<'a> {
    pub(super) arena: &'a Arena,
    pub(super) store: &'a MaskStore,
    pub(super) depth: usize,
}

impl PartStore<'_> {
    /// What `state` allows strictly below node `i`, whatever lies under it.
    fn part(&self, table: &mut LocalTable, i: usize, state: StateId, register: u64) -> Result<Arc<Part>, EngineError> {
        let store = self.store;
        let view = self.arena.view(state, register, store.vocabulary.longest_token() as u64);
        let key = (i as u32, state, view);
        if let Some(part) = store.parts.get(&key) {
            return Ok(Arc::clone(&part));
        }
        let shared = self.arena.facts(state).identity.zip(store.shared.as_ref());
        if let Some((identity, shared)) = shared
            && let Some(part) = shared.parts.get(&(i as u32, identity, view))
        {
            store.parts.insert(key, Arc::clone(&part));
            return Ok(part);
        }
        let loaded = store.loaded(self.arena, state, |shared, identity| shared.parts.get(&(i as u32, identity, view)));
        if let Some(part) = loaded {
            store.parts.insert(key, Arc::clone(&part));
            return Ok(part);
        }
        let part = if let Some(model) = store.model(self.arena, state) {
            let part = self.part(table, i, model, 0)?;
            store.part_behind_doors(self.arena, table, state, &part, self.depth)?
        } else if let Some(named) = self.arena.named(state) {
            self.named_part(table, i, &named)?
        } else {
            self.walked_part(table, i, state, register)?
        };
        let bytes = part.memory_bytes();
        store.counters.mask_bytes.fetch_add((bytes + ENTRY) as u64, Ordering::Relaxed);
        if let Some((identity, shared)) = shared {
            shared.parts.insert((i as u32, identity, view), Arc::clone(&part), bytes + ENTRY);
        }
        store.parts.insert(key, Arc::clone(&part));
        Ok(part)
    }

    fn walked_part(&self, table: &mut LocalTable, i: usize, state: StateId, register: u64) -> Result<Arc<Part>, EngineError> {
        let store = self.store;
        let trie = store.vocabulary.trie();
        let deeper = PartStore { depth: self.depth + 1, ..*self };
        let parts: Option<&dyn Parts> = if deeper.depth < PART_DEPTH { Some(&deeper) } else { None };
        let walk = Walk { nodes: i + 1..trie.nodes()[i].end as usize, ..Walk::over_vocabulary(self.arena, trie, parts) };
        let start = Local::One { state, register, parents: 0 };
        let mut found = Found::default();
        walk.run(table, start, &mut found)?;
        Ok(self.of(found))
    }

    /// The part of a place in a text that is named: what leaves there was not accepted.
    fn named_part(&self, table: &mut LocalTable, i: usize, named: &Named<'_>) -> Result<Arc<Part>, EngineError> {
        let trie = self.store.vocabulary.trie();
        let below = i + 1..trie.nodes()[i].end as usize;
        let Some(others) = named.others else {
            return Ok(self.of(named::alone(trie, below, self.arena.alphabet(), named, Some(Whole::All))));
        };
        let base = self.part(table, i, others, 0)?;
        let (touched, mut found) = named::apart(trie, below, self.arena, named, Some(Whole::All))?;
        if touched.is_empty() {
            return Ok(base);
        }
        found.places.extend(named::without(&base.places, &touched));
        let mut tokens: Vec<u32> = touched.iter().flat_map(|&(low, high)| &trie.tokens()[low as usize..high as usize]).copied().collect();
        ascending(&mut tokens);
        found.tokens.extend(base.tokens.iter().filter(|token| tokens.binary_search(token).is_err()));
        let below = base.residual.clone().map(|residual| (residual, tokens.into()));
        let residual = self.store.residual(found.leaving, below);
        Ok(Arc::new(Part { places: found.places.into(), tokens: found.tokens.into(), residual }))
    }

    /// The part of what was found.
    fn of(&self, mut found: Found) -> Arc<Part> {
        if !found.leaving.leftovers.is_empty() {
            let mut accepted = found.accepted(self.store.vocabulary.trie());
            ascending(&mut accepted);
            found.leaving.leftovers.retain(|leftover| accepted.binary_search(&leftover.token).is_err());
        }
        let residual = self.store.residual(found.leaving, None);
        for set in &found.sets {
            set.accepted.list_into(&mut found.tokens);
        }
        Arc::new(Part { places: found.places.into(), tokens: found.tokens.into(), residual })
    }
}

impl Parts for PartStore<'_> {
    fn add(&self, table: &mut LocalTable, i: usize, item: &Item, into: &mut Found) -> Result<(), EngineError> {
        let part = self.part(table, i, item.state, item.register)?;
        into.places.extend_from_slice(&part.places);
        into.tokens.extend_from_slice(&part.tokens);
        let Found { sets, leaving, .. } = into;
        self.store.leave(self.arena, table, part.residual.as_ref(), &item.parents, self.depth, leaving, |mask| sets.push(mask))
    }
}
