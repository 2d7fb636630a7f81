//! Where masks are kept: per grammar by state, and per vocabulary by content.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use dashmap::DashMap;
use hashbrown::HashSet;
use smallvec::SmallVec;

use super::difference::{Difference, difference, near};
use super::local::{Local, LocalTable};
use super::residual::{Leaving, Residual};
use super::shared::Shared;
use super::token_set::TokenSet;
use super::walk::{Found, Parts, Walk};
use super::{Mask, token_set};
use crate::bitmask;
use crate::error::EngineError;
use crate::ids::StateId;
use crate::provider::{Arena, ByteSet};
use crate::stack::{Configuration, Frame, Item, Parents};
use crate::vocab::Vocabulary;

/// A base is given up when more tokens than this differ from it.
const DIFFERENCE_BOUND: usize = 4096;
/// This close before its limit, a state is compared with the one that takes over there.
const CLOSE: u64 = 3;
/// In the place of a register or a view: far from any limit.
const FROZEN: u64 = u64::MAX;

/// Masks of states whose behaviour is known by content, shared by all grammars of a vocabulary.
#[derive(Default)]
pub struct SharedMasks {
    masks: Shared<(u128, u64), Mask>,
    parts: Shared<(u32, u128, u64), Part>,
}

/// What the store has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Masks computed.
    pub masks: u64,
    /// Of those, by a walk over the whole trie that looked at more than a tenth of it.
    pub full_walks: u64,
    /// Of those, as a difference from a base.
    pub differences: u64,
    /// Taken from another grammar of the same vocabulary.
    pub shared: u64,
    /// Residuals resolved against a return state.
    pub resolved: u64,
    /// Bytes of all masks and residuals kept.
    pub bytes: u64,
}

#[derive(Default)]
struct Counters {
    masks: AtomicU64,
    full_walks: AtomicU64,
    differences: AtomicU64,
    shared: AtomicU64,
    resolved: AtomicU64,
    bytes: AtomicU64,
}

/// All masks learned for one grammar.
pub struct MaskStore {
    vocabulary: Arc<Vocabulary>,
    shared: Option<Arc<SharedMasks>>,
    masks: DashMap<(StateId, u64, bool), Arc<Mask>, foldhash::fast::RandomState>,
    resolved: DashMap<(u128, StateId, u64), Arc<Mask>, foldhash::fast::RandomState>,
    /// By node of the vocabulary's trie, state and view: what the state allows below the node.
    parts: DashMap<(u32, StateId, u64), Arc<Part>, foldhash::fast::RandomState>,
    /// Memoised steps of configurations; a walk that finds it taken makes its own.
    locals: Mutex<LocalTable>,
    counters: Counters,
}

/// What a state allows below a node of the vocabulary's trie.
struct Part {
    /// Accepted, as runs of places.
    places: Box<[(u32, u32)]>,
    /// Accepted as well.
    tokens: Box<[u32]>,
    residual: Option<Arc<Residual>>,
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
        let shared = vocabulary.learned(SharedMasks::default);
        Self {
            vocabulary,
            shared,
            masks: DashMap::default(),
            resolved: DashMap::default(),
            parts: DashMap::default(),
            locals: Mutex::default(),
            counters: Counters::default(),
        }
    }

    /// The vocabulary.
    pub fn vocabulary(&self) -> &Arc<Vocabulary> {
        &self.vocabulary
    }

    /// What the store has done so far.
    pub fn statistics(&self) -> Statistics {
        let c = &self.counters;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            masks: get(&c.masks),
            full_walks: get(&c.full_walks),
            differences: get(&c.differences),
            shared: get(&c.shared),
            resolved: get(&c.resolved),
            bytes: get(&c.bytes),
        }
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
            return Ok(Some(Arc::clone(&mask)));
        }
        if effort == Effort::Known {
            return Ok(None);
        }
        let identity = arena.facts(state).identity.filter(|_| framed);
        if let (Some(identity), Some(shared)) = (identity, &self.shared) {
            let known = shared.masks.get(&(identity, view), Mask::memory_bytes);
            let mask = if let Some(mask) = known {
                self.counters.shared.fetch_add(1, Ordering::Relaxed);
                mask
            } else {
                let mask = Arc::new(self.learn(arena, state, register, framed)?);
                shared.masks.insert((identity, view), Arc::clone(&mask), mask.memory_bytes());
                mask
            };
            self.masks.insert((state, view, framed), Arc::clone(&mask));
            return Ok(Some(mask));
        }
        let mask = Arc::new(self.learn(arena, state, register, framed)?);
        self.masks.insert((state, view, framed), Arc::clone(&mask));
        Ok(Some(mask))
    }

    fn learn(&self, arena: &Arena, state: StateId, register: u64, framed: bool) -> Result<Mask, EngineError> {
        self.counters.masks.fetch_add(1, Ordering::Relaxed);
        let mask = match self.relative(arena, state, register, framed)? {
            Some(mask) => mask,
            None => self.walked(arena, state, register, framed)?,
        };
        self.count_bytes(&mask);
        Ok(mask)
    }

    /// Run a walk with the shared table, or with a new one while another walk has it.
    fn with_locals<T>(&self, run: impl FnOnce(&mut LocalTable) -> T) -> T {
        let mut fresh = LocalTable::default();
        let mut shared = self.locals.try_lock().ok();
        let table = shared.as_deref_mut().unwrap_or(&mut fresh);
        table.trim();
        run(table)
    }

    fn walked(&self, arena: &Arena, state: StateId, register: u64, framed: bool) -> Result<Mask, EngineError> {
        let trie = self.vocabulary.trie();
        let parts = PartStore { arena, store: self, depth: 0 };
        let walk = Walk { frozen: register == FROZEN, keep: framed, ..Walk::over_vocabulary(arena, trie, Some(&parts)) };
        let start = Local::One { state, register: if register == FROZEN { 0 } else { register }, parents: 0 };
        let mut found = Found::default();
        let visited = self.with_locals(|table| walk.run(table, start, &mut found))?;
        if visited * 10 > trie.nodes().len() {
            self.counters.full_walks.fetch_add(1, Ordering::Relaxed);
        }
        let Found { places, tokens, mut leaving } = found;
        let most = places.iter().map(|&(start, end)| (end - start) as usize).sum::<usize>() + tokens.len();
        let accepted = if most < self.vocabulary.words() {
            TokenSet::from_ids(Found { places, tokens, leaving: Leaving::default() }.accepted(trie), self.vocabulary.words())
        } else {
            TokenSet::from_bits(self.bits(places, &tokens))
        };
        leaving.leftovers.retain(|leftover| !accepted.contains(leftover.token));
        let residual = self.residual(leaving, None);
        Ok(Mask { accepted, residual })
    }

    /// A mask of tokens by their places in the vocabulary's trie, and others. If most are in, those that are out are cleared instead.
    fn bits(&self, mut places: Vec<(u32, u32)>, others: &[u32]) -> Box<[u32]> {
        let trie = self.vocabulary.trie();
        let tokens = |start: u32, end: u32| trie.tokens()[start as usize..end as usize].iter();
        let mut bits: Box<[u32]>;
        if places.iter().map(|&(start, end)| (end - start) as usize).sum::<usize>() * 2 > trie.tokens().len() {
            bits = self.vocabulary.texts().into();
            places.sort_unstable();
            let mut done = 0;
            for (start, end) in places {
                tokens(done, start.max(done)).for_each(|&token| bitmask::clear(&mut bits, token));
                done = done.max(end);
            }
            tokens(done, trie.tokens().len() as u32).for_each(|&token| bitmask::clear(&mut bits, token));
        } else {
            bits = vec![0; self.vocabulary.words()].into();
            for (start, end) in places {
                tokens(start, end).for_each(|&token| bitmask::set(&mut bits, token));
            }
        }
        for &token in others {
            bitmask::set(&mut bits, token);
        }
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
                return Ok(found.map(|found| self.based(&base, found, framed)));
            }
            let base = match facts.base {
                Some(base) => self.mask(arena, base, 0, true, Effort::Learn)?,
                None => Some(self.frozen(arena, state, framed)?),
            };
            let Some(base) = base else { return Ok(None) };
            if !base.accepted.is_broad() {
                return Ok(None);
            }
            let found = self.with_locals(|table| near(&walk, table, (state, register), DIFFERENCE_BOUND))?;
            return Ok(found.map(|found| self.based(&base, found, framed)));
        }
        let Some(base_state) = facts.base.filter(|&base| base != state && !arena.facts(base).counting) else { return Ok(None) };
        let Some(base) = self.mask(arena, base_state, 0, true, Effort::Learn)? else { return Ok(None) };
        let found = self.with_locals(|table| difference(&walk, table, (state, 0), (base_state, 0), DIFFERENCE_BOUND))?;
        Ok(found.map(|found| self.based(&base, found, framed)))
    }

    /// What a state that counts would allow if its limit were out of reach of any token.
    fn frozen(&self, arena: &Arena, state: StateId, framed: bool) -> Result<Arc<Mask>, EngineError> {
        if let Some(mask) = self.masks.get(&(state, FROZEN, framed)) {
            return Ok(Arc::clone(&mask));
        }
        let mask = Arc::new(self.learn(arena, state, FROZEN, framed)?);
        self.masks.insert((state, FROZEN, framed), Arc::clone(&mask));
        Ok(mask)
    }

    /// A mask that differs from `base` as found.
    fn based(&self, base: &Arc<Mask>, found: Difference, framed: bool) -> Mask {
        self.counters.differences.fetch_add(1, Ordering::Relaxed);
        let Difference { mut touched, found } = found;
        let mut accepted = found.accepted(self.vocabulary.trie());
        let mut leaving = found.leaving;
        touched.sort_unstable();
        touched.dedup();
        accepted.sort_unstable();
        accepted.dedup();
        leaving.leftovers.retain(|l| accepted.binary_search(&l.token).is_err());
        let less: Vec<u32> = touched.iter().copied().filter(|t| accepted.binary_search(t).is_err()).collect();
        let below = base.residual.clone().map(|residual| (residual, Arc::<[u32]>::from(touched)));
        let residual = if framed { self.residual(leaving, below) } else { None };
        Mask { accepted: TokenSet::relative(base, accepted, less), residual }
    }

    /// What a return state allows of the tokens that left the rule it called; `None` if that is not known and must not be learned.
    pub fn resolve(
        &self,
        arena: &Arena,
        residual: &Residual,
        return_to: StateId,
        register: u64,
        effort: Effort,
    ) -> Result<Option<Arc<Mask>>, EngineError> {
        let view = arena.view(return_to, register, self.vocabulary.longest_token() as u64);
        if let Some(mask) = self.resolved.get(&(residual.id, return_to, view)) {
            return Ok(Some(Arc::clone(&mask)));
        }
        if effort == Effort::Known {
            return Ok(None);
        }
        self.with_locals(|table| self.resolve_with(arena, table, residual, (return_to, register), 0)).map(Some)
    }

    fn resolve_with(
        &self,
        arena: &Arena,
        table: &mut LocalTable,
        residual: &Residual,
        (return_to, register): (StateId, u64),
        depth: usize,
    ) -> Result<Arc<Mask>, EngineError> {
        let view = arena.view(return_to, register, self.vocabulary.longest_token() as u64);
        let key = (residual.id, return_to, view);
        if let Some(mask) = self.resolved.get(&key) {
            return Ok(Arc::clone(&mask));
        }
        self.counters.resolved.fetch_add(1, Ordering::Relaxed);
        let mut accepted: Vec<u32> = Vec::new();
        let mut leaving = Leaving::default();
        for (value, trie) in &residual.groups {
            if let Some(state) = arena.on_return(return_to, *value)? {
                let (start, follow) = Configuration::closed(arena, state, register)?;
                let mut found = Found { leaving, ..Found::default() };
                Walk::over(arena, trie).run_from(table, start, follow, &mut found)?;
                accepted.append(&mut found.accepted(trie));
                leaving = found.leaving;
            }
        }
        let trie = self.vocabulary.trie();
        let parts = PartStore { arena, store: self, depth: depth + 1 };
        let parts: Option<&dyn Parts> = if parts.depth < PART_DEPTH { Some(&parts) } else { None };
        for &(value, node) in &residual.subtrees {
            if let Some(state) = arena.on_return(return_to, value)? {
                let (mut start, _) = Configuration::closed(arena, state, register)?;
                // What returns at once leaves all that lies there to the next.
                leaving.subtrees.extend(start.returned.drain(..).map(|value| (value, node)));
                let nodes = node as usize + 1..trie.nodes()[node as usize].end as usize;
                let mut found = Found { leaving, ..Found::default() };
                Walk { nodes, ..Walk::over_vocabulary(arena, trie, parts) }.run_from(table, start, ByteSet::ALL, &mut found)?;
                accepted.append(&mut found.accepted(trie));
                leaving = found.leaving;
            }
        }
        accepted.sort_unstable();
        accepted.dedup();
        leaving.leftovers.retain(|l| accepted.binary_search(&l.token).is_err());
        let mut below = None;
        if let Some((base, without)) = &residual.base {
            let mask = self.resolve_with(arena, table, base, (return_to, register), depth)?;
            accepted.extend(mask.accepted.ids().into_iter().filter(|t| without.binary_search(t).is_err()));
            below = mask.residual.clone().map(|next| (next, Arc::clone(without)));
        }
        let residual = self.residual(leaving, below);
        let mask = Arc::new(Mask { accepted: TokenSet::from_ids(accepted, self.vocabulary.words()), residual });
        self.count_bytes(&mask);
        self.resolved.insert(key, Arc::clone(&mask));
        Ok(mask)
    }

    fn residual(&self, leaving: Leaving, base: Option<(Arc<Residual>, Arc<[u32]>)>) -> Option<Arc<Residual>> {
        Residual::build(&self.vocabulary, leaving, base).map(Arc::new)
    }

    fn count_bytes(&self, mask: &Mask) {
        self.counters.bytes.fetch_add(mask.memory_bytes() as u64, Ordering::Relaxed);
    }
}

/// Parts nest at most so deep; beyond, a walk goes on by itself.
const PART_DEPTH: usize = 24;

/// The parts of a store, seen from a walk.
struct PartStore<'a> {
    arena: &'a Arena,
    store: &'a MaskStore,
    depth: usize,
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
            && let Some(part) = shared.parts.get(&(i as u32, identity, view), Part::memory_bytes)
        {
            store.parts.insert(key, Arc::clone(&part));
            return Ok(part);
        }
        let trie = store.vocabulary.trie();
        let deeper = PartStore { depth: self.depth + 1, ..*self };
        let parts: Option<&dyn Parts> = if deeper.depth < PART_DEPTH { Some(&deeper) } else { None };
        let walk = Walk { nodes: i + 1..trie.nodes()[i].end as usize, ..Walk::over_vocabulary(self.arena, trie, parts) };
        let start = Local::One { state, register, parents: 0 };
        let mut found = Found::default();
        walk.run(table, start, &mut found)?;
        if !found.leaving.leftovers.is_empty() {
            let mut accepted = found.accepted(trie);
            accepted.sort_unstable();
            found.leaving.leftovers.retain(|leftover| accepted.binary_search(&leftover.token).is_err());
        }
        let residual = store.residual(found.leaving, None);
        let part = Arc::new(Part { places: found.places.into(), tokens: found.tokens.into(), residual });
        let bytes = part.memory_bytes();
        store.counters.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if let Some((identity, shared)) = shared {
            shared.parts.insert((i as u32, identity, view), Arc::clone(&part), bytes);
        }
        store.parts.insert(key, Arc::clone(&part));
        Ok(part)
    }
}

impl Parts for PartStore<'_> {
    fn add(&self, table: &mut LocalTable, i: usize, item: &Item, into: &mut Found) -> Result<(), EngineError> {
        let part = self.part(table, i, item.state, item.register)?;
        into.places.extend_from_slice(&part.places);
        into.tokens.extend_from_slice(&part.tokens);
        let mut open: SmallVec<[(Arc<Residual>, Parents); 4]> = SmallVec::new();
        if let Some(residual) = &part.residual {
            open.push((Arc::clone(residual), item.parents.clone()));
        }
        let mut done: HashSet<(u128, *const Frame)> = HashSet::new();
        while let Some((residual, parents)) = open.pop() {
            if parents.has_bottom() {
                residual.leaving(self.store.vocabulary.trie(), &mut into.leaving);
            }
            for frame in parents.frames() {
                if done.insert((residual.id, Arc::as_ptr(frame))) {
                    let mask = self.store.resolve_with(self.arena, table, &residual, (frame.return_to, frame.register), self.depth)?;
                    into.tokens.extend(mask.accepted.ids());
                    if let Some(next) = &mask.residual {
                        open.push((Arc::clone(next), frame.parents.clone()));
                    }
                }
            }
        }
        Ok(())
    }
}

impl TokenSet {
    /// The ids, ascending for lists and bits.
    pub fn ids(&self) -> Vec<u32> {
        match self {
            Self::List(ids) => ids.to_vec(),
            Self::Bits(bits) => token_set::ones(bits).collect(),
            Self::Relative { base, more, less } => {
                let mut ids: Vec<u32> = base.accepted.ids().into_iter().filter(|t| less.binary_search(t).is_err()).collect();
                ids.extend_from_slice(more);
                ids.sort_unstable();
                ids
            }
        }
    }
}
