//! Learning the mask of a state: from another's where it differs on little, by lengths, shapes or classes where that can be, or by a walk. Part of **mask**.
//!
//! Invariant: whatever the way, the mask is that of a walk over the vocabulary.
//! Must not know: where masks are kept.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Mask;
use super::difference::{Difference, beyond, difference, near};
use super::local::Local;
use super::named;
use super::parts::PartStore;
use super::store::{ENTRY, Effort, FROZEN, MaskStore, nanoseconds};
use super::token_set::{TokenSet, ascending, remove};
use super::walk::{Found, Walk, Whole};
use crate::bitmask;
use crate::error::EngineError;
use crate::ids::StateId;
use crate::provider::{Arena, Named};

/// A base is given up when more tokens than this differ from it.
const DIFFERENCE_BOUND: usize = 4096;
/// The same of a state that does without sizes: the tokens are decided character by character.
const LOOSE_BOUND: usize = 32_768;
/// This close before its limit, a state is compared with the one that takes over there.
const CLOSE: u64 = 3;
/// Further away, the tokens that reach the limit are few.
const WITHIN_REACH: u64 = 64;
/// Runs of more places than this are kept sorted.
const LONG_RUN: u32 = 64;

impl MaskStore {
    pub(super) fn learn(&self, arena: &Arena, state: StateId, register: u64, framed: bool) -> Result<Arc<Mask>, EngineError> {
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
            None => match self.loosened(arena, state, register, framed)? {
                Some(Learned::Known(mask)) => return Ok(mask),
                Some(Learned::New(mask)) => Some(mask),
                None => match self.by_lengths(arena, state, register, framed)? {
                    None => self.by_shapes(arena, state, register, framed)?,
                    known => known,
                },
            },
        };
        let known = match known {
            // Close to its limit a state differs on much from itself far away.
            None if is_close(arena, state, register) => self.by_classes(arena, state, register, framed)?,
            known => known,
        };
        let known = match known {
            None => self.relative(arena, state, register, framed)?,
            known => known,
        };
        let known = match known {
            None => self.by_classes(arena, state, register, framed)?,
            known => known,
        };
        let mask = match known {
            Some(mask) => mask,
            None => self.walked(arena, state, register, framed)?,
        };
        self.count_bytes(&mask);
        Ok(Arc::new(Mask { cost: nanoseconds(started), ..mask }))
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

    /// The mask of a state far from bounds: but for long tokens it is that of the state that does without them.
    fn loosened(&self, arena: &Arena, state: StateId, register: u64, framed: bool) -> Result<Option<Learned>, EngineError> {
        if register == FROZEN {
            return Ok(None);
        }
        let Some(loosened) = arena.loosened(state)? else { return Ok(None) };
        let Some(base) = self.mask(arena, loosened.loose, 0, framed, Effort::Learn)? else { return Ok(None) };
        let walk = Walk { keep: framed, ..Walk::over_vocabulary(arena, self.vocabulary.trie(), None) };
        let found = self.with_locals(|table| beyond(&walk, table, state, &loosened, LOOSE_BOUND))?;
        Ok(found
            .map(|found| if found.touched.is_empty() { Learned::Known(base) } else { Learned::New(self.different(&base, found, framed)) }))
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
