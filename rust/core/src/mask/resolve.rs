//! Asking a return state about the tokens that left the rule it called. Part of **mask**.
//!
//! Invariant: what is resolved depends on (residual, return state, view) alone.
//! Must not know: who returned.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use smallvec::SmallVec;

use super::Mask;
use super::local::LocalTable;
use super::parts::{PART_DEPTH, PartStore};
use super::residual::{Group, Leaving, Residual};
use super::store::{Effort, MaskStore, nanoseconds};
use super::token_set::{TokenSet, remove};
use super::walk::{Found, Parts, Walk};
use crate::error::EngineError;
use crate::ids::StateId;
use crate::provider::{Arena, ByteSet};
use crate::stack::Configuration;
use crate::vocab::trie::Trie;

impl MaskStore {
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
            mask.touch();
            return Ok(Some(Arc::clone(&mask)));
        }
        if effort == Effort::Known {
            return Ok(None);
        }
        self.with_locals(|table| self.resolve_with(arena, table, residual, (return_to, register), 0)).map(Some)
    }

    pub(super) fn resolve_with(
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
        if let Some(mask) = self.loaded_resolved(arena, residual.id, return_to, view) {
            self.resolved.insert(key, self.counted(Arc::clone(&mask)));
            return Ok(mask);
        }
        self.counters.resolved.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        let mut accepted: Vec<u32> = Vec::new();
        let mut sets: Vec<Arc<Mask>> = Vec::new();
        let mut leaving = Leaving::default();
        let mut learned: SmallVec<[(Arc<Mask>, Arc<Mask>); 2]> = SmallVec::new();
        let listed = residual.groups.iter().map(|group| (group.value, Rest::Listed(group)));
        for (value, rest) in listed.chain(residual.subtrees.iter().map(|&(value, node)| (value, Rest::Below(node)))) {
            let Some(state) = arena.on_return(return_to, value)? else { continue };
            if let Some(model) = self.model(arena, state) {
                let of_model = self.of_rest(arena, table, rest, model, depth)?;
                learned.push((self.behind_doors(arena, table, state, &of_model, depth)?, of_model));
            } else {
                let mut found = Found { leaving, ..Found::default() };
                let trie = self.walk_rest(arena, table, rest, (state, register), depth, &mut found)?;
                sets.append(&mut found.sets);
                found.accepted_into(trie, &mut accepted);
                leaving = found.leaving;
            }
        }
        if let ([(mask, of_model)], None) = (learned.as_slice(), &residual.base)
            && accepted.is_empty()
            && sets.is_empty()
            && leaving.is_empty()
        {
            // A mask that others may have as well.
            self.resolved.insert(key, Arc::clone(mask));
            self.count_kept(mask, of_model);
            return Ok(Arc::clone(mask));
        }
        for (mask, _) in learned {
            if let Some(residual) = &mask.residual {
                residual.leaving(self.vocabulary.trie(), &mut leaving);
            }
            sets.push(mask);
        }
        let words = self.vocabulary.words();
        let mut accepted = TokenSet::of_all(accepted, &sets, words);
        leaving.leftovers.retain(|leftover| !accepted.contains(leftover.token));
        let mut below = None;
        if let Some((base, without)) = &residual.base {
            let mask = self.resolve_with(arena, table, base, (return_to, register), depth)?;
            let mut all = mask.accepted.ids();
            remove(&mut all, without);
            all.append(&mut accepted.ids());
            accepted = TokenSet::from_ids(all, words);
            below = mask.residual.clone().map(|next| (next, Arc::clone(without)));
        }
        let residual = self.residual(leaving, below);
        let mask = Mask::new(accepted, residual);
        let mask = Arc::new(Mask { cost: nanoseconds(started), ..mask });
        self.count_bytes(&mask);
        self.resolved.insert(key, Arc::clone(&mask));
        Ok(mask)
    }

    /// What a state allows of what is left of tokens that share a beginning or a value.
    pub(super) fn walk_rest<'s>(
        &'s self,
        arena: &Arena,
        table: &mut LocalTable,
        rest: Rest<'s>,
        (state, register): (StateId, u64),
        depth: usize,
        found: &mut Found,
    ) -> Result<&'s Trie, EngineError> {
        let (mut start, follow) = Configuration::closed(arena, state, register)?;
        match rest {
            Rest::Listed(group) => {
                let trie = self.trie_of(group);
                Walk::over(arena, trie).run_from(table, start, follow, found)?;
                Ok(trie)
            }
            Rest::Below(node) => {
                // What returns at once leaves all that lies there to the next.
                found.leaving.subtrees.extend(start.returned.drain(..).map(|value| (value, node)));
                self.walk_below(arena, table, node, start, depth, found)?;
                Ok(self.vocabulary.trie())
            }
        }
    }

    /// What a configuration allows strictly below a node of the vocabulary's trie.
    pub(super) fn walk_below(
        &self,
        arena: &Arena,
        table: &mut LocalTable,
        node: u32,
        start: Configuration,
        depth: usize,
        found: &mut Found,
    ) -> Result<(), EngineError> {
        let trie = self.vocabulary.trie();
        if start.items.iter().all(|item| arena.facts(item.state).bare)
            && start.returned.is_empty()
            && let Some(start) = table.intern(start.clone())
            && let Some(found_here) = self.classed(arena, table, start, Some(node), (true, false), depth)?
        {
            found_here.add_to(self, found);
            return Ok(());
        }
        let parts = PartStore { arena, store: self, depth: depth + 1 };
        let parts: Option<&dyn Parts> = if parts.depth < PART_DEPTH { Some(&parts) } else { None };
        let nodes = node as usize + 1..trie.nodes()[node as usize].end as usize;
        Walk { nodes, ..Walk::over_vocabulary(arena, trie, parts) }.run_from(table, start, ByteSet::ALL, found).map(drop)
    }
}

/// What is left of tokens that left a rule.
#[derive(Clone, Copy)]
pub(super) enum Rest<'r> {
    /// These leftovers.
    Listed(&'r Group),
    /// All that lies strictly below a node of the vocabulary's trie.
    Below(u32),
}
