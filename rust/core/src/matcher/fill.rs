//! Putting a mask together: what each item allows, and what the frames below allow of the tokens that leave.

use std::sync::Arc;

use hashbrown::HashSet;
use smallvec::SmallVec;

use super::Matcher;
use crate::bitmask;
use crate::error::EngineError;
use crate::mask::residual::Residual;
use crate::mask::store::Effort;
use crate::mask::{Mask, MaskStore};
use crate::provider::Arena;
use crate::stack::{Configuration, Frame, Memory, Parents, decode_key};

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
            let configuration = self.configuration();
            let Some(parts) = gather(arena, store, configuration, effort)? else { return Ok(None) };
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

    /// Clear the tokens that would complete a key which its object has used. The cached masks do not know the keys of this text.
    fn clear_repeated_keys(&self, row: &mut [u32]) -> Result<(), EngineError> {
        let arena = self.compiled().arena();
        let quotes = self.compiled().vocabulary().quotes();
        let mut suspects: Vec<u32> = quotes.many().to_vec();
        for item in &self.configuration().items {
            let reading = item.memory.reading();
            let mut levels: SmallVec<[&Memory; 8]> = SmallVec::new();
            collect_memories(&item.parents, &mut levels, self.compiled().vocabulary().longest_token());
            if let Some(raw) = &reading {
                let (partial, incomplete) = decode_key(raw);
                for frame in item.parents.frames() {
                    for key in frame.memory.used() {
                        if incomplete > 0 {
                            suspects.extend(quotes.all());
                            break;
                        }
                        if let Some(rest) = key.strip_prefix(&*partial) {
                            suspects.extend(quotes.completing(rest));
                            suspects.extend_from_slice(quotes.escaped());
                        }
                    }
                }
            }
            let own = if reading.is_none() { Some(&item.memory) } else { None };
            for key in own.into_iter().chain(levels).flat_map(Memory::used) {
                suspects.extend(quotes.holding(key));
                suspects.extend_from_slice(quotes.escaped_between());
            }
        }
        suspects.sort_unstable();
        suspects.dedup();
        for token in suspects {
            if bitmask::get(row, token) && !reads(arena, self.configuration(), self.compiled().vocabulary().token_bytes(token))? {
                bitmask::clear(row, token);
            }
        }
        Ok(())
    }
}

fn collect_memories<'a>(parents: &'a Parents, levels: &mut SmallVec<[&'a Memory; 8]>, depth: usize) {
    let mut open: Vec<(&Arc<Frame>, usize)> = parents.frames().iter().map(|frame| (frame, depth)).collect();
    let mut seen: HashSet<*const Frame> = HashSet::new();
    while let Some((frame, depth)) = open.pop() {
        if !seen.insert(Arc::as_ptr(frame)) {
            continue;
        }
        if !frame.memory.is_none() {
            levels.push(&frame.memory);
        }
        if depth > 0 {
            open.extend(frame.parents.frames().iter().map(|below| (below, depth - 1)));
        }
    }
}

fn reads(arena: &Arena, configuration: &Configuration, bytes: &[u8]) -> Result<bool, EngineError> {
    let mut configuration = configuration.clone();
    for &byte in bytes {
        configuration.step(arena, byte)?;
        if !configuration.is_alive() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The masks whose union is what `configuration` allows.
fn gather(
    arena: &Arena,
    store: &MaskStore,
    configuration: &Configuration,
    effort: Effort,
) -> Result<Option<SmallVec<[Arc<Mask>; 4]>>, EngineError> {
    let mut parts: SmallVec<[Arc<Mask>; 4]> = SmallVec::new();
    let mut open: SmallVec<[(Arc<Residual>, Parents); 4]> = SmallVec::new();
    for item in &configuration.items {
        let Some(mask) = store.mask(arena, item.state, item.register, !item.parents.frames().is_empty(), effort)? else { return Ok(None) };
        if let Some(residual) = &mask.residual {
            open.push((Arc::clone(residual), item.parents.clone()));
        }
        parts.push(mask);
    }
    // The same frame may be reached over several ways with the same residual: once is enough.
    let mut done: HashSet<(u128, *const Frame)> = HashSet::new();
    while let Some((residual, parents)) = open.pop() {
        for frame in parents.frames() {
            if !done.insert((residual.id, Arc::as_ptr(frame))) {
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
