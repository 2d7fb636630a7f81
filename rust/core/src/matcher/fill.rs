//! Putting a mask together: what each item allows, and what the frames below allow of the tokens that leave.

use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;

use super::Matcher;
use crate::bitmask;
use crate::error::EngineError;
use crate::ids::StateId;
use crate::maps::Met;
use crate::mask::MaskStore;
use crate::mask::recent::Held;
use crate::mask::residual::Residual;
use crate::mask::store::Effort;
use crate::provider::Arena;
use crate::stack::{Configuration, Frame, Parents};

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
        if self.history.stopped() {
            row.fill(0);
        } else {
            let Some(parts) = self.parts(effort)? else { return Ok(None) };
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
            let arena = self.compiled().arena();
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
        Ok(Some(!bitmask::all_set(row, self.compiled().vocabulary().vocab_size())))
    }
}

pub(super) type Union = SmallVec<[Held; 4]>;

/// What a mask is resolved from: the tokens that left, and where they return to.
type Question = (*const Residual, StateId, u64);

/// So many answers are known by their question. Of an ambiguous text hundreds of frames return to a few states.
const ANSWERS: usize = 8;

impl Matcher {
    /// What is joined here, learned if it has to and may be; counted either way.
    fn parts(&mut self, effort: Effort) -> Result<Option<Union>, EngineError> {
        let (arena, store) = (self.compiled.arena(), self.compiled.store());
        if let Some(parts) = gather(arena, store, self.history.configuration(), Effort::Known)? {
            let saved_ns = parts.iter().map(|mask| u64::from(mask.cost)).sum();
            self.tally.hit(saved_ns, store.counters());
            return Ok(Some(parts));
        }
        if effort == Effort::Known {
            return Ok(None);
        }
        let started = Instant::now();
        let parts = gather(arena, store, self.history.configuration(), Effort::Learn);
        self.tally.miss(started.elapsed().as_nanos() as u64, store.counters());
        // After the masks are in hand: they may go from the store at once.
        self.compiled.grew();
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
    // Masks, by place, whose residuals are to be asked of these frames.
    let mut open: SmallVec<[(usize, &Parents); 4]> = SmallVec::new();
    // What must repeat an item is decided token by token.
    for item in configuration.items.iter().filter(|item| item.parents.free()) {
        let framed = !item.parents.frames().is_empty();
        let Some(mask) = store.held_mask(arena, item.state, item.register, framed, effort)? else { return Ok(None) };
        if mask.residual.is_some() {
            open.push((parts.len(), &item.parents));
        }
        parts.push(mask);
    }
    // Residuals stay where they are as long as the parts are held.
    let mut asked: Met<(*const Residual, *const Frame), 8> = Met::default();
    let mut answers: SmallVec<[(Question, usize); ANSWERS]> = SmallVec::new();
    while let Some((place, parents)) = open.pop() {
        for frame in parents.frames().iter().filter(|frame| frame.free) {
            let Some(residual) = &parts[place].residual else { continue };
            let about = Arc::as_ptr(residual);
            if !asked.first((about, Arc::as_ptr(frame))) {
                continue;
            }
            let question = (about, frame.return_to, frame.register);
            let known = answers.iter().find(|(answered, _)| *answered == question);
            let answer = if let Some(&(_, answer)) = known {
                answer
            } else {
                let Some(mask) = store.held_resolved(arena, residual, frame.return_to, frame.register, effort)? else { return Ok(None) };
                parts.push(mask);
                if answers.len() < ANSWERS {
                    answers.push((question, parts.len() - 1));
                }
                parts.len() - 1
            };
            if parts[answer].residual.is_some() {
                open.push((answer, &frame.parents));
            }
        }
    }
    Ok(Some(parts))
}
