//! Keys come once: taking back the tokens that would repeat one, or leave no other. Part of **matcher**.
//!
//! The cached masks do not know the keys of this text. What they allow beyond what the text does is found by what the used keys are: the tokens
//! that go on like one of them, and those that hold the beginning of another key or all of it. Each of these is tried.
//!
//! Invariant: every token that the masks allow and the text does not is among those tried.
//! Must not know: how keys are declared.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Matcher;
use crate::bitmask;
use crate::error::EngineError;
use crate::ids::StateId;
use crate::maps::Met;
use crate::provider::{Arena, ByteSet};
use crate::stack::{Configuration, Frame, Item, Memory, Parents, Partial, Used, can_be_new};
use crate::vocab::Vocabulary;

impl Matcher {
    /// Clear the tokens after which a key would be there twice, or could not be another.
    pub(super) fn clear_repeated_keys(&self, row: &mut [u32]) -> Result<(), EngineError> {
        let arena = self.compiled().arena();
        let vocabulary = self.compiled().vocabulary();
        let quotes = vocabulary.quotes();
        let few = arena.fewest_keys();
        // The end of a key and the beginning of another, or all of it: the first is not among those used yet.
        self.clear_repeating(row, if few.is_some() { quotes.pairs() } else { &[] })?;
        self.clear_repeating(row, quotes.many())?;
        for item in &self.configuration().items {
            if let Some(partial) = item.memory.questionable() {
                let mut suspects = Vec::new();
                going_on(arena, vocabulary, item, &partial, &mut suspects)?;
                self.clear_repeating(row, &suspects)?;
            }
            let mut levels: SmallVec<[&Memory; 8]> = SmallVec::new();
            if !item.memory.is_none() {
                levels.push(&item.memory);
            }
            if !item.parents.frames().is_empty() {
                collect_memories(&item.parents, &mut levels, vocabulary.longest_token());
            }
            let most = levels.iter().filter_map(|memory| memory.used()).map(Used::len).max().unwrap_or(0);
            if few.is_some_and(|few| most as u64 + 1 >= few) {
                // With the key that the token may end there may be no other.
                self.clear_repeating(row, quotes.commas())?;
                if arena.has_spaced() {
                    self.clear_repeating(row, quotes.spaced())?;
                }
            }
            for memory in levels {
                self.clear_repeating(row, memory.noted(false, |used| holding(vocabulary, used)))?;
                if few.is_some() {
                    let begun =
                        |used: &Used| quotes.after().iter().filter(|(key, _)| used.any_begins(key)).map(|&(_, token)| token).collect();
                    self.clear_repeating(row, memory.noted(true, begun))?;
                }
            }
        }
        Ok(())
    }

    /// Clear those of the tokens that the text does not go on with.
    fn clear_repeating(&self, row: &mut [u32], suspects: &[u32]) -> Result<(), EngineError> {
        let (arena, vocabulary) = (self.compiled().arena(), self.compiled().vocabulary());
        for &token in suspects {
            if bitmask::get(row, token) && !reads(arena, self.configuration(), vocabulary.token_bytes(token))? {
                bitmask::clear(row, token);
            }
        }
        Ok(())
    }
}

/// The tokens that hold a used key.
fn holding(vocabulary: &Vocabulary, used: &Used) -> Vec<u32> {
    let quotes = vocabulary.quotes();
    let mut tokens: Vec<u32> = if used.len() < quotes.between().len() / 8 {
        used.iter().flat_map(|key| quotes.holding(key)).collect()
    } else {
        quotes.between().iter().filter(|(key, _)| used.contains(key)).map(|&(_, token)| token).collect()
    };
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

/// The tokens that go on with the key being read like a used one, up to its end, or to where there is no end but those of used keys.
fn going_on(arena: &Arena, vocabulary: &Vocabulary, item: &Item, partial: &Partial, suspects: &mut Vec<u32>) -> Result<(), EngineError> {
    let frames = item.parents.frames();
    let known: SmallVec<[(&Used, StateId); 1]> =
        frames.iter().filter_map(|frame| frame.memory.used().map(|used| (used, frame.return_to))).collect();
    let trie = vocabulary.trie();
    let nodes = trie.nodes();
    // Nodes whose children come next: from the first of them to the end of the subtree.
    let mut open = vec![(0, nodes.len(), Configuration::at(item.state, item.register), partial.clone())];
    while let Some((first, end, at, partial)) = open.pop() {
        let mut alike = ByteSet::default();
        known.iter().for_each(|(used, _)| alike.extend(&partial.bytes_like(used)));
        let children = trie.children_from(first).filter(|children| children.end == end);
        let mut child = first;
        while child < end {
            let (i, node) = (child, nodes[child]);
            if !alike.contains(node.byte) {
                child = children.map_or(node.end as usize, |children| children.next(node.byte, &alike).unwrap_or(end));
                continue;
            }
            child = node.end as usize;
            let mut next = at.clone();
            next.step(arena, node.byte)?;
            let mut repeats = !next.returned.is_empty() && known.iter().any(|(used, _)| used.contains(&partial.text));
            if let Some(item) = next.items.first() {
                let longer = partial.after(node.byte);
                let mut agrees = false;
                for (used, return_to) in &known {
                    if longer.agrees(used) {
                        agrees = true;
                        repeats = repeats || !can_be_new(arena, (item.state, item.register), &longer, used, *return_to)?;
                    }
                }
                if agrees && !repeats {
                    open.push((i + 1, node.end as usize, next, longer));
                }
            }
            if repeats {
                suspects.extend(trie.places_below(i).map(|place| trie.tokens()[place]));
            }
        }
    }
    Ok(())
}

/// What the frames remember that a token can return to.
fn collect_memories<'a>(parents: &'a Parents, levels: &mut SmallVec<[&'a Memory; 8]>, depth: usize) {
    // PERF: in every mask.
    let mut open: SmallVec<[(&Arc<Frame>, usize); 4]> = parents.frames().iter().map(|frame| (frame, depth)).collect();
    let mut seen: Met<*const Frame, 32> = Met::default();
    while let Some((frame, depth)) = open.pop() {
        if !seen.first(Arc::as_ptr(frame)) {
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
