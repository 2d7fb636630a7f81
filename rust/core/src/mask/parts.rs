//! What states allow in subtrees of the vocabulary, kept for walks that enter there again. Part of **mask**.
//!
//! Invariant: a part depends on (node, state, view) alone.
//! Must not know: which walk asks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::local::{Local, LocalTable};
use super::named;
use super::residual::Residual;
use super::store::{ENTRY, MaskStore};
use super::token_set::ascending;
use super::walk::{Found, Parts, Walk, Whole};
use crate::error::EngineError;
use crate::ids::StateId;
use crate::provider::{Arena, Named};
use crate::stack::Item;

/// What a state allows below a node of the vocabulary's trie.
pub(super) struct Part {
    /// Accepted, as runs of places.
    pub(super) places: Box<[(u32, u32)]>,
    /// Accepted as well.
    pub(super) tokens: Box<[u32]>,
    pub(super) residual: Option<Arc<Residual>>,
}

impl Part {
    pub(super) fn memory_bytes(&self) -> usize {
        self.places.len() * 8 + self.tokens.len() * 4 + self.residual.as_ref().map_or(0, |r| r.memory_bytes()) + 96
    }
}

/// Parts nest at most so deep; beyond, a walk goes on by itself.
pub(super) const PART_DEPTH: usize = 24;

/// Listing so many takes as long as reaching a frame.
const LISTED_AS_A_FRAME: usize = 64;

/// Lists longer than this are kept without what is there twice: many items of a configuration may allow the same.
const LONG: usize = 1024;

/// The parts of a store, seen from a walk.
pub(super) struct PartStore<'a> {
    pub(super) arena: &'a Arena,
    pub(super) store: &'a MaskStore,
    pub(super) depth: usize,
}

impl PartStore<'_> {
    /// What `state` allows strictly below node `i`, whatever lies under it.
    pub(super) fn part(&self, table: &mut LocalTable, i: usize, state: StateId, register: u64) -> Result<Arc<Part>, EngineError> {
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
        let unlimited = self.arena.unlimited(state, register, store.vocabulary.longest_token() as u64)?;
        let part = if let Some(unlimited) = unlimited.filter(|&unlimited| unlimited != state) {
            // Far from its limit a string is one without.
            let part = self.part(table, i, unlimited, 0)?;
            store.parts.insert(key, Arc::clone(&part));
            return Ok(part);
        } else if let Some(model) = store.model(self.arena, state) {
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

    pub(super) fn walked_part(&self, table: &mut LocalTable, i: usize, state: StateId, register: u64) -> Result<Arc<Part>, EngineError> {
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
        if found.places.len() > LONG {
            found.places = joined(found.places);
        }
        if found.tokens.len() > LONG {
            ascending(&mut found.tokens);
        }
        Arc::new(Part { places: found.places.into(), tokens: found.tokens.into(), residual })
    }
}

/// The same places, each once.
fn joined(mut runs: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    runs.sort_unstable();
    let mut out: Vec<(u32, u32)> = Vec::new();
    for (start, end) in runs {
        match out.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => out.push((start, end)),
        }
    }
    out
}

impl Parts for PartStore<'_> {
    fn add(&self, table: &mut LocalTable, i: usize, item: &Item, into: &mut Found) -> Result<(), EngineError> {
        let part = self.part(table, i, item.state, item.register)?;
        table.spend(self.arena, (part.places.len() + part.tokens.len()) / LISTED_AS_A_FRAME)?;
        into.places.extend_from_slice(&part.places);
        into.tokens.extend_from_slice(&part.tokens);
        let Found { sets, leaving, .. } = into;
        self.store.leave(self.arena, table, part.residual.as_ref(), &item.parents, self.depth, leaving, |mask| sets.push(mask))
    }
}

#[cfg(test)]
impl MaskStore {
    /// What a state allows below a node, learned as usual and by a walk: accepted tokens, and (token, value, length) of those that leave.
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
}
