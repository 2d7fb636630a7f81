//! Asking a return state about the tokens that left the rule it called. Part of **mask**.
//!
//! Invariant: what is resolved depends on (residual, return state, view) alone.
//! Must not know: who returned.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::Mask;
use super::local::LocalTable;
use super::residual::{Leaving, Residual};
use super::store::{Effort, MaskStore, PART_DEPTH, PartStore, nanoseconds};
use super::token_set::TokenSet;
use super::walk::{Found, Parts, Walk};
use crate::error::EngineError;
use crate::ids::StateId;
use crate::provider::{Arena, ByteSet};
use crate::stack::Configuration;

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
        let mask = Mask::new(TokenSet::from_ids(accepted, self.vocabulary.words()), residual);
        let mask = Arc::new(Mask { cost: nanoseconds(started), ..mask });
        self.count_bytes(&mask);
        self.resolved.insert(key, Arc::clone(&mask));
        Ok(mask)
    }
}
