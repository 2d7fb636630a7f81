//! Masks of states from those of their models: what many states do alike is learned once, in all grammars of a vocabulary. Part of **mask**.
//!
//! An object's next comma, a key's colon: most of what may follow there is the same in every object, up to the opening quote of the next key.
//! A model knows the first and returns at the second, through a *door*. Few tokens reach beyond one; they are walked for each state.
//!
//! Invariant: the mask of a state is the same as if it had been walked.
//! Must not know: what models stand for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use smallvec::SmallVec;

use super::Mask;
use super::local::LocalTable;
use super::named;
use super::parts::{PART_DEPTH, Part, PartStore};
#[cfg(test)]
use super::residual::Leftover;
use super::residual::{Asked, Group, Leaving, Residual};
use super::resolve::Rest;
use super::store::{ENTRY, Effort, MaskStore, nanoseconds};
use super::token_set::{TokenSet, ascending, remove};
use super::walk::{Found, Parts, Walk, Whole};
use crate::error::EngineError;
use crate::ids::StateId;
use crate::provider::{Arena, ByteSet, DOORS, Named};
use crate::stack::{Configuration, Parents};

impl MaskStore {
    /// The mask of a state with a model.
    pub(super) fn modelled(&self, arena: &Arena, state: StateId, model: StateId) -> Result<Arc<Mask>, EngineError> {
        let Some(mask) = self.mask(arena, model, 0, true, Effort::Learn)? else {
            return Err(EngineError::Internal("a mask that was to be learned"));
        };
        let own = self.with_locals(|table| self.behind_doors(arena, table, state, &mask, 0))?;
        self.count_kept(&own, &mask);
        Ok(own)
    }

    /// What a model allows of what is left of some tokens.
    pub(super) fn of_rest(
        &self,
        arena: &Arena,
        table: &mut LocalTable,
        rest: Rest<'_>,
        model: StateId,
        depth: usize,
    ) -> Result<Arc<Mask>, EngineError> {
        let id = match rest {
            Rest::Listed(group) => group.id,
            Rest::Below(node) => u128::from(node),
        };
        if let Some(mask) = self.rests.get(&(id, model)) {
            mask.touch();
            return Ok(Arc::clone(&mask));
        }
        let shared = arena.facts(model).identity.zip(self.shared.as_ref());
        if let Some((identity, shared)) = shared
            && let Some(mask) = shared.rests.get(&(id, identity))
        {
            self.rests.insert((id, model), self.counted(Arc::clone(&mask)));
            return Ok(mask);
        }
        let started = Instant::now();
        let mut found = Found::default();
        let trie = self.walk_rest(arena, table, rest, (model, 0), depth, &mut found)?;
        let mut accepted = found.accepted(trie);
        ascending(&mut accepted);
        found.leaving.leftovers.retain(|l| accepted.binary_search(&l.token).is_err());
        let residual = self.residual(found.leaving, None);
        let mask = Mask::new(TokenSet::from_ids(accepted, self.vocabulary.words()), residual);
        let mask = Arc::new(Mask { cost: nanoseconds(started), ..mask });
        self.count_bytes(&mask);
        if let Some((identity, shared)) = shared {
            shared.rests.insert((id, identity), Arc::clone(&mask), mask.memory_bytes() + ENTRY);
        }
        self.rests.insert((id, model), Arc::clone(&mask));
        Ok(mask)
    }

    /// What `state` allows where its model allows `of_model`.
    pub(super) fn behind_doors(
        &self,
        arena: &Arena,
        table: &mut LocalTable,
        state: StateId,
        of_model: &Arc<Mask>,
        depth: usize,
    ) -> Result<Arc<Mask>, EngineError> {
        let Some(residual) = of_model.residual.as_ref().filter(|residual| residual.has_doors()) else { return Ok(Arc::clone(of_model)) };
        let mut leaving = Leaving::default();
        let more = self.beyond(arena, table, state, residual, depth, &mut leaving)?;
        leaving.leftovers.retain(|l| more.binary_search(&l.token).is_err() && !of_model.accepted.contains(l.token));
        let residual = self.with_leaving(residual, leaving);
        Ok(Arc::new(Mask::new(TokenSet::relative(of_model, more, Vec::new()), residual)))
    }

    /// The part of a state where its model has this one.
    pub(super) fn part_behind_doors(
        &self,
        arena: &Arena,
        table: &mut LocalTable,
        state: StateId,
        of_model: &Arc<Part>,
        depth: usize,
    ) -> Result<Arc<Part>, EngineError> {
        let Some(residual) = of_model.residual.as_ref().filter(|residual| residual.has_doors()) else { return Ok(Arc::clone(of_model)) };
        let mut leaving = Leaving::default();
        let more = self.beyond(arena, table, state, residual, depth, &mut leaving)?;
        leaving.leftovers.retain(|l| more.binary_search(&l.token).is_err());
        let residual = self.with_leaving(residual, leaving);
        let tokens = of_model.tokens.iter().chain(&more).copied().collect();
        Ok(Arc::new(Part { places: of_model.places.clone(), tokens, residual }))
    }

    /// The tokens that a state accepts beyond its doors, ascending, and those that leave from there.
    fn beyond(
        &self,
        arena: &Arena,
        table: &mut LocalTable,
        state: StateId,
        residual: &Residual,
        depth: usize,
        leaving: &mut Leaving,
    ) -> Result<Vec<u32>, EngineError> {
        if residual.base.is_some() {
            return Err(EngineError::Internal("a model whose mask is a difference"));
        }
        let mut accepted: Vec<u32> = Vec::new();
        let start = |value: u32| -> Result<Option<Configuration>, EngineError> {
            let Some(door) = value.checked_sub(DOORS) else { return Ok(None) };
            let way = arena.door(state, door)?;
            way.map(|way| Configuration::entered(arena, &way)).transpose()
        };
        for group in &residual.groups {
            let Some(start) = start(group.value)? else { continue };
            if let ([item], []) = (start.items.as_slice(), start.returned.as_slice())
                && let Some(mask) = self.of_item(arena, table, group, item.state, depth)?
            {
                mask.accepted.list_into(&mut accepted);
                self.leave(arena, table, mask.residual.as_ref(), &item.parents, depth, leaving, |mask| {
                    mask.accepted.list_into(&mut accepted);
                })?;
                continue;
            }
            let mut found = Found { leaving: std::mem::take(leaving), ..Found::default() };
            let trie = self.trie_of(group);
            Walk::over(arena, trie).run_from(table, start, ByteSet::ALL, &mut found)?;
            found.accepted_into(trie, &mut accepted);
            *leaving = found.leaving;
        }
        for &(value, node) in &residual.subtrees {
            let Some(start) = start(value)? else { continue };
            let mut found = Found { leaving: std::mem::take(leaving), ..Found::default() };
            if start.returned.is_empty() && depth + 1 < PART_DEPTH {
                let parts = PartStore { arena, store: self, depth: depth + 1 };
                for item in &start.items {
                    parts.add(table, node as usize, item, &mut found)?;
                }
            } else {
                self.walk_below(arena, table, node, start, depth, &mut found)?;
            }
            found.accepted_into(self.vocabulary.trie(), &mut accepted);
            *leaving = found.leaving;
        }
        ascending(&mut accepted);
        Ok(accepted)
    }

    /// What a state that has a model, or is named, allows of some leftovers.
    fn of_item(
        &self,
        arena: &Arena,
        table: &mut LocalTable,
        group: &Group,
        state: StateId,
        depth: usize,
    ) -> Result<Option<Arc<Mask>>, EngineError> {
        if let Some(mask) = self.rests.get(&(group.id, state)) {
            mask.touch();
            return Ok(Some(Arc::clone(&mask)));
        }
        let facts = arena.facts(state);
        let shared = facts.identity.filter(|_| !facts.counting).zip(self.shared.as_ref());
        if let Some((identity, shared)) = shared
            && let Some(mask) = shared.rests.get(&(group.id, identity))
        {
            self.rests.insert((group.id, state), self.counted(Arc::clone(&mask)));
            return Ok(Some(mask));
        }
        let (mask, base) = if let Some(model) = self.model(arena, state) {
            let of_model = self.of_rest(arena, table, Rest::Listed(group), model, depth)?;
            (self.behind_doors(arena, table, state, &of_model, depth)?, Some(of_model))
        } else if let Some(named) = arena.named(state) {
            self.of_names(arena, table, group, &named, depth)?
        } else {
            return Ok(None);
        };
        match &base {
            Some(base) => self.count_kept(&mask, base),
            None => self.count_bytes(&mask),
        }
        if let Some((identity, shared)) = shared {
            shared.rests.insert((group.id, identity), Arc::clone(&mask), mask.memory_bytes() + ENTRY);
        }
        self.rests.insert((group.id, state), Arc::clone(&mask));
        Ok(Some(mask))
    }

    /// What a state that is named allows of some leftovers, spelled and by a walk: accepted tokens, and those that leave.
    #[cfg(test)]
    #[allow(clippy::type_complexity)]
    pub(super) fn rests_of(
        &self,
        arena: &Arena,
        leftovers: Vec<Leftover>,
        state: StateId,
    ) -> Result<[(Vec<u32>, Vec<Leftover>); 2], EngineError> {
        let residual = self.residual(Leaving { leftovers, ..Leaving::default() }, None);
        let group = residual.as_deref().and_then(|residual| residual.groups.first()).expect("some");
        let trie = self.trie_of(group);
        let list = |accepted: Vec<u32>, residual: Option<&Residual>| {
            let mut leaving = Vec::new();
            if let Some(residual) = residual {
                residual.list(self.vocabulary.trie(), &mut leaving);
            }
            leaving.sort_unstable();
            leaving.dedup();
            (accepted, leaving)
        };
        let mut found = Found::default();
        let own = self.with_locals(|table| {
            let start = Configuration::at(state, 0);
            Walk::over(arena, trie).run_from(table, start, ByteSet::ALL, &mut found)?;
            self.of_item(arena, table, group, state, 0)
        })?;
        let mut accepted = found.accepted(trie);
        accepted.sort_unstable();
        accepted.dedup();
        found.leaving.leftovers.retain(|l| accepted.binary_search(&l.token).is_err());
        let walked = list(accepted, self.residual(found.leaving, None).as_deref());
        let own = own.map_or(walked.clone(), |mask| list(mask.accepted.ids(), mask.residual.as_deref()));
        Ok([own, walked])
    }

    /// What names allow of some leftovers, spelled along these; with what any other text allows, if that is where it comes from.
    fn of_names(
        &self,
        arena: &Arena,
        table: &mut LocalTable,
        group: &Group,
        named: &Named<'_>,
        depth: usize,
    ) -> Result<(Arc<Mask>, Option<Arc<Mask>>), EngineError> {
        let trie = self.trie_of(group);
        let (all, keep) = (0..trie.nodes().len(), Some(Whole::Nowhere));
        let (mut found, base) = match named.others {
            None => (named::alone(trie, all, arena.alphabet(), named, keep), None),
            Some(others) => {
                let base = self.of_rest(arena, table, Rest::Listed(group), others, depth)?;
                let (touched, mut found) = named::apart(trie, all, arena, named, keep)?;
                if touched.is_empty() {
                    return Ok((Arc::clone(&base), Some(base)));
                }
                let mut touched: Vec<u32> =
                    touched.iter().flat_map(|&(low, high)| &trie.tokens()[low as usize..high as usize]).copied().collect();
                ascending(&mut touched);
                let mut untouched = base.accepted.ids();
                remove(&mut untouched, &touched);
                found.tokens.append(&mut untouched);
                (found, Some((base, touched)))
            }
        };
        let mut accepted = found.accepted(trie);
        ascending(&mut accepted);
        found.leaving.leftovers.retain(|l| accepted.binary_search(&l.token).is_err());
        let below = base.as_ref().and_then(|(base, touched)| Some((base.residual.clone()?, Arc::from(touched.as_slice()))));
        let residual = self.residual(found.leaving, below);
        let mask = Mask::new(TokenSet::from_ids(accepted, self.vocabulary.words()), residual);
        Ok((Arc::new(mask), base.map(|(base, _)| base)))
    }

    /// Ask the frames in `parents`, and those below as far as need be, about the tokens that left the rule above them: what each accepts.
    #[allow(clippy::too_many_arguments)] // what a walk has in hand
    pub(super) fn leave(
        &self,
        arena: &Arena,
        table: &mut LocalTable,
        residual: Option<&Arc<Residual>>,
        parents: &Parents,
        depth: usize,
        leaving: &mut Leaving,
        mut accept: impl FnMut(Arc<Mask>),
    ) -> Result<(), EngineError> {
        let mut open: SmallVec<[(Arc<Residual>, Parents); 4]> =
            residual.map(|residual| (Arc::clone(residual), parents.clone())).into_iter().collect();
        let mut asked = Asked::default();
        while let Some((residual, parents)) = open.pop() {
            if parents.has_bottom() {
                residual.leaving(self.vocabulary.trie(), leaving);
            }
            for frame in parents.frames() {
                if asked.first(&residual, frame) {
                    let mask = self.resolve_with(arena, table, &residual, (frame.return_to, frame.register), depth)?;
                    if let Some(next) = &mask.residual {
                        open.push((Arc::clone(next), frame.parents.clone()));
                    }
                    accept(mask);
                }
            }
        }
        Ok(())
    }

    /// What leaves of a model but not through doors, and what leaves beyond these.
    fn with_leaving(&self, residual: &Residual, leaving: Leaving) -> Option<Arc<Residual>> {
        let shut = residual.shut(&self.vocabulary);
        if leaving.is_empty() {
            return shut;
        }
        self.residual(leaving, shut.map(|shut| (shut, Arc::default())))
    }

    /// A state's mask is kept: its own, or that of its model under one more name.
    pub(super) fn count_kept(&self, mask: &Arc<Mask>, of_model: &Arc<Mask>) {
        if Arc::ptr_eq(mask, of_model) {
            self.counters.mask_bytes.fetch_add(ENTRY as u64, Ordering::Relaxed);
        } else {
            self.count_bytes(mask);
        }
    }
}
