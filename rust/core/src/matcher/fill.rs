//! Putting a mask together: what each item allows, and what the frames below allow of the tokens that leave.

use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;

use super::{CompiledGrammar, Matcher};
use crate::bitmask;
use crate::error::EngineError;
use crate::mask::residual::{Asked, Residual};
use crate::mask::store::Effort;
use crate::mask::{Mask, MaskStore};
use crate::provider::Arena;
use crate::stack::{Configuration, Parents};

impl Matcher {
    /// Write the tokens allowed next into `row`, all of it: `words()` of the vocabulary. False if every token is allowed.
    /// After a stop token only stop tokens are allowed.
    pub fn fill(&mut self, row: &mut [u32]) -> Result<bool, EngineError> {
        Ok(self.fill_with(row, Effort::Learn)?.unwrap_or(true))
    }

    /// Like [`Self::fill`], but only if nothing has to be learned: then it takes microseconds at most. `None` if something has, with the row
    /// unspecified.
    pub fn try_fill_warm(&mut self, row: &mut [u32]) -> Option<bool> {
        self.fill_with(row, Effort::Known).ok().flatten()
    }

    fn fill_with(&mut self, row: &mut [u32], effort: Effort) -> Result<Option<bool>, EngineError> {
        let compiled = Arc::clone(self.compiled());
        let (arena, store) = (compiled.arena(), compiled.store());
        let vocabulary = store.vocabulary();
        if self.history.stopped() {
            row.fill(0);
        } else {
            let Some(parts) = self.parts(&compiled, effort)? else { return Ok(None) };
            let first = parts.iter().position(|mask| mask.accepted.is_broad());
            match first {
                Some(first) => parts[first].accepted.write(row),
                None => row.fill(0),
            }
            for (i, mask) in parts.iter().enumerate() {
                if Some(i) != first {
                    mask.accepted.add_to(row);
                }
            }
            if arena.tracks_items() {
                self.decide_repeated_items(row)?;
            }
            if arena.tracks_keys() {
                self.clear_repeated_keys(row)?;
            }
        }
        if self.history.stopped() || self.is_completed() {
            for &id in self.stop_token_ids() {
                bitmask::set(row, id);
            }
        } else if self.options.override_stop_tokens.is_some() {
            // A text token may have been made a stop token: it ends the output, and is not text.
            for &id in self.stop_token_ids() {
                bitmask::clear(row, id);
            }
        }
        Ok(Some(!bitmask::all_set(row, vocabulary.vocab_size())))
    }
}

pub(super) type Union = SmallVec<[Arc<Mask>; 4]>;

impl Matcher {
    /// What is joined here, learned if it has to and may be; counted either way.
    fn parts(&mut self, compiled: &CompiledGrammar, effort: Effort) -> Result<Option<Union>, EngineError> {
        let (arena, store) = (compiled.arena(), compiled.store());
        if let Some(parts) = gather(arena, store, self.configuration(), Effort::Known)? {
            let saved_ns = parts.iter().map(|mask| u64::from(mask.cost)).sum();
            self.tally.hit(saved_ns, store.counters());
            return Ok(Some(parts));
        }
        if effort == Effort::Known {
            return Ok(None);
        }
        let started = Instant::now();
        let parts = gather(arena, store, self.configuration(), Effort::Learn);
        self.tally.miss(started.elapsed().as_nanos() as u64, store.counters());
        // After the masks are in hand: they may go from the store at once.
        compiled.grew();
        parts
    }
}

/// The masks whose union is what `configuration` allows.
pub(super) fn gather(
    arena: &Arena,
    store: &MaskStore,
    configuration: &Configuration,
    effort: Effort,
) -> Result<Option<Union>, EngineError> {
    let mut parts = Union::new();
    let mut open: SmallVec<[(Arc<Residual>, Parents); 4]> = SmallVec::new();
    // What must repeat an item is decided token by token.
    for item in configuration.items.iter().filter(|item| item.parents.free()) {
        let Some(mask) = store.mask(arena, item.state, item.register, !item.parents.frames().is_empty(), effort)? else { return Ok(None) };
        if let Some(residual) = &mask.residual {
            open.push((Arc::clone(residual), item.parents.clone()));
        }
        parts.push(mask);
    }
    let mut asked = Asked::default();
    while let Some((residual, parents)) = open.pop() {
        for frame in parents.frames().iter().filter(|frame| frame.free) {
            if !asked.first(&residual, frame) {
                continue;
            }
            let Some(mask) = store.resolve(arena, &residual, frame.return_to, frame.register, effort)? else { return Ok(None) };
            if let Some(next) = &mask.residual {
                open.push((Arc::clone(next), frame.parents.clone()));
            }
            parts.push(mask);
        }
    }
    Ok(Some(parts))
}
