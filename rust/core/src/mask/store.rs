//! Where masks are kept: per grammar by state, and per vocabulary by content.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;

use super::residual::{Leftover, Residual};
use super::token_set::TokenSet;
use super::walk::{difference, walk};
use super::{Mask, token_set};
use crate::bitmask;
use crate::error::EngineError;
use crate::ids::StateId;
use crate::provider::Arena;
use crate::stack::Configuration;
use crate::vocab::Vocabulary;

/// A base is given up when more tokens than this differ from it.
const DIFFERENCE_BOUND: usize = 4096;

/// Masks of states whose behaviour is known by content, shared by all grammars of a vocabulary.
#[derive(Default)]
pub struct SharedMasks {
    masks: DashMap<(u128, u64), Arc<Mask>, foldhash::fast::RandomState>,
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
    masks: DashMap<(StateId, u64), Arc<Mask>, foldhash::fast::RandomState>,
    resolved: DashMap<(u128, StateId, u64), Arc<Mask>, foldhash::fast::RandomState>,
    counters: Counters,
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
        Self { vocabulary, shared, masks: DashMap::default(), resolved: DashMap::default(), counters: Counters::default() }
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

    /// What an item in `state` allows; `None` if that is not known and must not be learned.
    pub fn mask(&self, arena: &Arena, state: StateId, register: u64, effort: Effort) -> Result<Option<Arc<Mask>>, EngineError> {
        let view = arena.view(state, register, self.vocabulary.longest_token() as u64);
        if let Some(mask) = self.masks.get(&(state, view)) {
            return Ok(Some(Arc::clone(&mask)));
        }
        if effort == Effort::Known {
            return Ok(None);
        }
        let identity = arena.facts(state).identity;
        if let (Some(identity), Some(shared)) = (identity, &self.shared) {
            let known = shared.masks.get(&(identity, view)).map(|mask| Arc::clone(&mask));
            let mask = if let Some(mask) = known {
                self.counters.shared.fetch_add(1, Ordering::Relaxed);
                mask
            } else {
                let mask = Arc::new(self.learn(arena, state, register)?);
                shared.masks.insert((identity, view), Arc::clone(&mask));
                mask
            };
            self.masks.insert((state, view), Arc::clone(&mask));
            return Ok(Some(mask));
        }
        let mask = Arc::new(self.learn(arena, state, register)?);
        self.masks.insert((state, view), Arc::clone(&mask));
        Ok(Some(mask))
    }

    fn learn(&self, arena: &Arena, state: StateId, register: u64) -> Result<Mask, EngineError> {
        self.counters.masks.fetch_add(1, Ordering::Relaxed);
        let mask = match self.relative(arena, state)? {
            Some(mask) => mask,
            None => self.walked(arena, state, register)?,
        };
        let bytes = mask.accepted.memory_bytes() + mask.residual.as_ref().map_or(0, |r| r.memory_bytes()) + 96;
        self.counters.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(mask)
    }

    fn walked(&self, arena: &Arena, state: StateId, register: u64) -> Result<Mask, EngineError> {
        let mut accepted = vec![0u32; self.vocabulary.words()].into_boxed_slice();
        let mut leftovers = Vec::new();
        let accept = |tokens: &[u32]| tokens.iter().for_each(|&token| bitmask::set(&mut accepted, token));
        let visited = walk(arena, self.vocabulary.trie(), Configuration::at(state, register), accept, &mut leftovers)?;
        if visited * 10 > self.vocabulary.trie().nodes().len() {
            self.counters.full_walks.fetch_add(1, Ordering::Relaxed);
        }
        leftovers.retain(|leftover| !bitmask::get(&accepted, leftover.token));
        let residual = Residual::build(&self.vocabulary, leftovers, None).map(Arc::new);
        Ok(Mask { accepted: TokenSet::from_bits(accepted), residual })
    }

    /// The mask as a difference from the state's base, if it has one that helps.
    fn relative(&self, arena: &Arena, state: StateId) -> Result<Option<Mask>, EngineError> {
        let facts = arena.facts(state);
        let Some(base_state) = facts.base.filter(|&base| base != state && !facts.counting && !arena.facts(base).counting) else {
            return Ok(None);
        };
        let Some(base) = self.mask(arena, base_state, 0, Effort::Learn)? else { return Ok(None) };
        if matches!(base.accepted, TokenSet::Relative { .. }) {
            return Ok(None);
        }
        let Some(found) = difference(arena, self.vocabulary.trie(), state, base_state, DIFFERENCE_BOUND)? else { return Ok(None) };
        self.counters.differences.fetch_add(1, Ordering::Relaxed);
        let mut accepted = found.accepted;
        accepted.sort_unstable();
        accepted.dedup();
        let less: Vec<u32> =
            found.touched.iter().copied().filter(|t| base.accepted.contains(*t) && accepted.binary_search(t).is_err()).collect();
        let more: Vec<u32> = accepted.iter().copied().filter(|&t| !base.accepted.contains(t)).collect();
        let mut leftovers = found.leftovers;
        leftovers.retain(|l| accepted.binary_search(&l.token).is_err());
        let below = base.residual.clone().map(|residual| (residual, Arc::<[u32]>::from(found.touched)));
        let residual = Residual::build(&self.vocabulary, leftovers, below).map(Arc::new);
        Ok(Some(Mask { accepted: TokenSet::Relative { base, more: more.into(), less: less.into() }, residual }))
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
        let key = (residual.id, return_to, view);
        if let Some(mask) = self.resolved.get(&key) {
            return Ok(Some(Arc::clone(&mask)));
        }
        if effort == Effort::Known {
            return Ok(None);
        }
        self.counters.resolved.fetch_add(1, Ordering::Relaxed);
        let mut accepted: Vec<u32> = Vec::new();
        let mut leftovers: Vec<Leftover> = Vec::new();
        for (value, trie) in &residual.groups {
            if let Some(state) = arena.on_return(return_to, *value)? {
                let start = Configuration::closed(arena, state, register)?;
                walk(arena, trie, start, |tokens| accepted.extend_from_slice(tokens), &mut leftovers)?;
            }
        }
        accepted.sort_unstable();
        accepted.dedup();
        leftovers.retain(|l| accepted.binary_search(&l.token).is_err());
        let mut below = None;
        if let Some((base, without)) = &residual.base
            && let Some(mask) = self.resolve(arena, base, return_to, register, effort)?
        {
            accepted.extend(mask.accepted.ids().into_iter().filter(|t| without.binary_search(t).is_err()));
            below = mask.residual.clone().map(|next| (next, Arc::clone(without)));
        }
        let residual = Residual::build(&self.vocabulary, leftovers, below).map(Arc::new);
        let mask = Arc::new(Mask { accepted: TokenSet::from_ids(accepted, self.vocabulary.words()), residual });
        let bytes = mask.accepted.memory_bytes() + mask.residual.as_ref().map_or(0, |r| r.memory_bytes()) + 96;
        self.counters.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.resolved.insert(key, Arc::clone(&mask));
        Ok(Some(mask))
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
