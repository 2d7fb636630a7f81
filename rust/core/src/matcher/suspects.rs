//! Deciding anew the tokens whose fate the items of a text may change. Part of **matcher**.
//!
//! Masks are for texts in which no item repeats another. A token fares otherwise only if it goes on with an item that is being read as an earlier
//! one does, or if it begins another item: behind a comma in the token, or where an item must come next. Those tokens are tried.
//!
//! Invariant: every other token fares as the mask says.
//! Must not know: how masks are learned, schemas.

use std::sync::Arc;

use hashbrown::HashSet;
use smallvec::SmallVec;

use super::Matcher;
use super::unique::{endless, viable};
use crate::bitmask;
use crate::error::EngineError;
use crate::provider::{Arena, Cell};
use crate::stack::{Beginning, Configuration, Frame, Parents, Value};
use crate::vocab::trie::Trie;

/// An item being read, and the earlier ones with which it agrees.
#[derive(Clone)]
struct Watch {
    frame: Arc<Frame>,
    beginning: Beginning,
    agreeing: Vec<Arc<Value>>,
}

/// A node of the trie: from its first child to the end of its subtree.
struct Node {
    first: usize,
    end: usize,
    at: Configuration,
    watches: SmallVec<[Watch; 2]>,
    /// An item that repeats another was taken on the way: nothing is known from the mask.
    changed: bool,
    /// An item that repeats another was not taken here: what the mask says of its end is void.
    dropped: bool,
}

impl Matcher {
    /// Put right the bits of the tokens that may repeat an item, or leave none that would not.
    pub(super) fn decide_repeated_items(&self, row: &mut [u32]) -> Result<(), EngineError> {
        let arena = self.compiled().arena();
        let configuration = self.configuration();
        let vocabulary = self.compiled().vocabulary();
        let items = vocabulary.items();
        let tracks = configuration.items.iter().any(|item| arena.facts(item.state).tracks_items || item.parents.tracked());
        let mut suspects: Vec<u32> = items.opening().to_vec();
        if tracks {
            suspects.extend_from_slice(items.crossing());
        }
        // So many items may end within a token, after which there may be no other.
        let may_run_out = |had: usize, values: u64| had.saturating_add(items.most()) as u64 >= values;
        let frames = reading(arena, configuration);
        let mut watches: SmallVec<[Watch; 2]> = SmallVec::new();
        let mut run_out = frames.iter().any(|frame| may_run_out(frame.seen.len(), arena.facts(frame.return_to).values));
        for frame in frames.into_iter().filter(|frame| !frame.seen.is_empty()) {
            let beginning = configuration.read_since(frame.since);
            let agreeing: Vec<Arc<Value>> = frame.seen.iter().filter(|value| beginning.agrees(value)).cloned().collect();
            if !agreeing.is_empty() {
                watches.push(Watch { frame, beginning, agreeing });
            }
        }
        let before_item = configuration.items.iter().any(|item| must_begin(arena, item.state, &item.seen).unwrap_or(true));
        run_out |= configuration.items.iter().any(|item| may_run_out(item.seen.len(), arena.facts(item.state).values));
        if run_out {
            suspects.extend_from_slice(vocabulary.quotes().commas());
        }
        if before_item || !watches.is_empty() {
            match self.rests(&watches)? {
                Some(rests) if !before_item => {
                    for rest in rests {
                        suspects.extend(items.completing(rest));
                    }
                    suspects.extend_from_slice(items.escaped());
                }
                _ => {
                    let trie = if before_item && watches.is_empty() { items.beginning() } else { vocabulary.trie() };
                    self.decide_agreeing(trie, watches, row)?;
                }
            }
        }
        suspects.sort_unstable();
        suspects.dedup();
        for token in suspects {
            let bytes = vocabulary.token_bytes(token);
            let mut dead = true;
            for item in &configuration.items {
                dead &= bytes.first().is_none_or(|&byte| matches!(arena.step(item.state, byte), Ok(Cell::Dead)));
            }
            if !dead {
                let mut at = configuration.clone();
                let holds = at.step_all(arena, bytes)? && viable(arena, &at)?;
                write(row, token, holds);
            }
        }
        Ok(())
    }

    /// What completes the string being read to that of an earlier item, if nothing but the end of the string can make a difference.
    fn rests<'w>(&self, watches: &'w [Watch]) -> Result<Option<Vec<&'w [u8]>>, EngineError> {
        let [item] = self.configuration().items.as_slice() else { return Ok(None) };
        if !item.parents.free() || !endless(self.compiled().arena(), item.state)? {
            return Ok(None);
        }
        let rests = watches.iter().flat_map(|watch| watch.agreeing.iter().map(|value| watch.beginning.rest(value)));
        Ok(rests.collect())
    }

    /// Walk the tokens as far as they agree with earlier items.
    fn decide_agreeing(&self, trie: &Trie, watches: SmallVec<[Watch; 2]>, row: &mut [u32]) -> Result<(), EngineError> {
        let arena = self.compiled().arena();
        let nodes = trie.nodes();
        let start = Node { first: 0, end: nodes.len(), at: self.configuration().clone(), watches, changed: false, dropped: false };
        let mut open = vec![start];
        while let Some(node) = open.pop() {
            let mut child = node.first;
            while child < node.end {
                let (i, step) = (child, nodes[child]);
                child = step.end as usize;
                let mut refused = true;
                for item in &node.at.items {
                    refused &= matches!(arena.step(item.state, step.byte)?, Cell::Dead);
                }
                if refused && !node.dropped {
                    continue;
                }
                let mut at = node.at.clone();
                at.step(arena, step.byte)?;
                if !at.is_alive() {
                    trie.places_below(i).for_each(|place| write(row, trie.tokens()[place], false));
                    continue;
                }
                let (watches, [taken, dropped]) = follow(arena, &node, &at, step.byte);
                let changed = node.changed || taken;
                let begins = at.items.iter().any(|item| must_begin(arena, item.state, &item.seen).unwrap_or(true));
                if !(changed || begins || watches.iter().any(|watch| !watch.agreeing.is_empty())) {
                    continue;
                }
                if !trie.places_at(i).is_empty() {
                    let holds = viable(arena, &at)?;
                    trie.places_at(i).for_each(|place| write(row, trie.tokens()[place], holds));
                }
                open.push(Node { first: i + 1, end: step.end as usize, at, watches, changed, dropped });
            }
        }
        Ok(())
    }
}

fn write(row: &mut [u32], token: u32, holds: bool) {
    if holds { bitmask::set(row, token) } else { bitmask::clear(row, token) }
}

/// Must the next item of an array that has had some come here (if only after whitespace)?
fn must_begin(arena: &Arena, state: crate::ids::StateId, seen: &crate::stack::Seen) -> Result<bool, EngineError> {
    Ok(!seen.is_empty() && matches!(arena.step(state, b',')?, Cell::Dead) && matches!(arena.step(state, b']')?, Cell::Dead))
}

/// The frames in which an item is being read.
fn reading(arena: &Arena, configuration: &Configuration) -> Vec<Arc<Frame>> {
    let mut found = Vec::new();
    let mut known: HashSet<*const Frame> = HashSet::new();
    let mut open: Vec<&Parents> = configuration.items.iter().map(|item| &item.parents).filter(|parents| parents.tracked()).collect();
    while let Some(parents) = open.pop() {
        for frame in parents.frames().iter().filter(|frame| frame.tracked) {
            if known.insert(Arc::as_ptr(frame)) {
                if arena.facts(frame.return_to).tracks_items {
                    found.push(frame.clone());
                }
                open.push(&frame.parents);
            }
        }
    }
    found
}

/// What is being read after a byte, and whether an item that repeats another was taken, or was not.
fn follow(arena: &Arena, node: &Node, at: &Configuration, byte: u8) -> (SmallVec<[Watch; 2]>, [bool; 2]) {
    let mut watches: SmallVec<[Watch; 2]> = SmallVec::new();
    for frame in reading(arena, at) {
        match node.watches.iter().find(|watch| Arc::ptr_eq(&watch.frame, &frame)) {
            Some(before) => {
                let mut beginning = before.beginning.clone();
                beginning.read(byte);
                let agreeing = before.agreeing.iter().filter(|value| beginning.agrees(value)).cloned().collect();
                watches.push(Watch { frame, beginning, agreeing });
            }
            // It was not worth watching, or it has just been pushed.
            None if frame.since + 1 == at.offset() => {
                let beginning = Beginning::of(&[byte]);
                let agreeing = frame.seen.iter().filter(|value| beginning.agrees(value)).cloned().collect();
                watches.push(Watch { frame, beginning, agreeing });
            }
            None => {}
        }
    }
    // An item ends where its value may end, which may be before its frame is left for good. Those that have just begun are among the new.
    let mut ended = [false; 2];
    for watch in node.watches.iter().filter(|watch| !watch.agreeing.is_empty()) {
        let mut beginning = watch.beginning.clone();
        beginning.read(byte);
        ended[usize::from(!arena.facts(watch.frame.return_to).repeats)] |=
            beginning.whole().is_some_and(|value| watch.frame.seen.contains(&value));
    }
    for watch in watches.iter().filter(|watch| watch.frame.since + 1 == at.offset()) {
        let whole = watch.beginning.whole();
        ended[usize::from(!arena.facts(watch.frame.return_to).repeats)] |= whole.is_some_and(|value| watch.frame.seen.contains(&value));
    }
    (watches, ended)
}
