//! Items that are strings of which there is no end: only the tokens that complete one to an earlier string can be refused for it, and they are looked
//! up string by string. Part of **matcher**.
//!
//! Invariant: where this says yes, every token that it does not decide fares as the mask says.
//! Must not know: how masks are learned, schemas.

use std::ops::Range;

use super::Matcher;
use super::suspects::{Node, Tokens, behind_whitespace, must_begin};
use super::unique::{WHITESPACE, endless};
use super::watch::{Watch, Watches};
use crate::error::EngineError;
use crate::ids::StateId;
use crate::provider::{Arena, ByteSet, Cell};
use crate::stack::Parents;
use crate::vocab::trie::Trie;

/// What values begin with that are no strings.
const OTHERS: &[u8] = b"-0123456789[{tfn";

impl Matcher {
    /// In a string that may go on for ever, wherever it agrees with an earlier item, only its end can make a difference: decide the tokens that
    /// complete it to that of an earlier item. False if it is no such string.
    pub(super) fn decide_rests(&self, watches: &Watches, row: &mut [u32], trials: &mut Vec<u32>) -> Result<bool, EngineError> {
        let (arena, vocabulary) = (self.compiled().arena(), self.compiled().vocabulary());
        let [item] = self.configuration().items.as_slice() else { return Ok(false) };
        if !item.parents.free() || !endless(arena, item.state)? {
            return Ok(false);
        }
        let Some(rests) = rests_of(arena, item.state, watches, vocabulary.longest_token())? else { return Ok(false) };
        let node = self.start(watches.clone())?;
        for rest in rests {
            trials.extend(vocabulary.items().escaped(rest));
            self.decide_completing(vocabulary.trie(), 0..vocabulary.trie().nodes().len(), &node, rest, Tokens::Whole, row)?;
        }
        Ok(true)
    }

    /// The same where the next item must come, if it can be nothing but such a string.
    pub(super) fn decide_next_strings(&self, row: &mut [u32], trials: &mut Vec<u32>) -> Result<bool, EngineError> {
        let (arena, vocabulary) = (self.compiled().arena(), self.compiled().vocabulary());
        let [item] = self.configuration().items.as_slice() else { return Ok(false) };
        if item.parents.tracked() || !item.parents.free() || !must_begin(arena, item)? {
            return Ok(false);
        }
        for &byte in OTHERS {
            if !matches!(arena.step(item.state, byte)?, Cell::Dead) {
                return Ok(false);
            }
        }
        let start = self.start(Watches::new())?;
        let Some((quoted, string)) = in_string(arena, &start)? else { return Ok(false) };
        let mut behind = None;
        if let Some(gap) = behind_whitespace(arena, &start)? {
            match in_string(arena, &gap)? {
                Some((node, same)) if same == string => behind = Some(node),
                _ => return Ok(false),
            }
        } else {
            for byte in WHITESPACE {
                if !matches!(arena.step(item.state, byte)?, Cell::Dead) {
                    return Ok(false);
                }
            }
        }
        let Some(rests) = rests_of(arena, string, &quoted.watches, vocabulary.longest_token())? else { return Ok(false) };
        for rest in &rests {
            trials.extend(vocabulary.items().quoted(rest));
        }
        let ways = [(vocabulary.trie(), Some(&quoted), Tokens::Whole), (vocabulary.items().indented(), behind.as_ref(), Tokens::Indented)];
        for (trie, node, of) in ways {
            if let Some(node) = node
                && let Some(quote) = trie.child(&(0..trie.nodes().len()), b'"')
            {
                let below = quote + 1..trie.nodes()[quote].end as usize;
                for rest in &rests {
                    self.decide_completing(trie, below.clone(), node, rest, of, row)?;
                }
            }
        }
        Ok(true)
    }

    /// Decide the tokens that go on from `node`, which is right before `below`, with a string's rest and its end.
    fn decide_completing(
        &self,
        trie: &Trie,
        mut below: Range<usize>,
        node: &Node,
        rest: &[u8],
        of: Tokens,
        row: &mut [u32],
    ) -> Result<(), EngineError> {
        let mut end = 0..0;
        for &byte in rest.iter().chain(b"\"") {
            let Some(place) = trie.child(&below, byte) else { return Ok(()) };
            below = place + 1..trie.nodes()[place].end as usize;
            end = place..below.end;
        }
        let mut node = node.clone();
        for &byte in rest {
            node.at.step(self.compiled().arena(), byte)?;
            node.watches.iter_mut().for_each(|watch| watch.read(byte));
        }
        if node.at.is_alive() { self.walk(trie, end, node, of, row) } else { Ok(()) }
    }
}

/// What comes behind a quotation mark, if that begins an item, and its state, if that may be any of endlessly many strings.
fn in_string(arena: &Arena, before: &Node) -> Result<Option<(Node, StateId)>, EngineError> {
    let mut node = before.clone();
    node.at.step(arena, b'"')?;
    let [item] = node.at.items.as_slice() else { return Ok(None) };
    let Parents::One(frame) = &item.parents else { return Ok(None) };
    let begun = arena.facts(frame.return_to).tracks_items && frame.since + 1 == node.at.offset();
    if !begun || !frame.free || !endless(arena, item.state)? {
        return Ok(None);
    }
    let state = item.state;
    node.watches = Watches::from_iter([Watch::new(frame, &node.at)]);
    node.before_item = false;
    Ok(Some((node, state)))
}

/// What completes the strings being read to those of earlier items, as far as a token may; `None` if there may be an end of what comes on the way.
fn rests_of<'a>(arena: &Arena, state: StateId, watches: &'a Watches, longest: usize) -> Result<Option<Vec<&'a [u8]>>, EngineError> {
    let mut rests: Vec<&[u8]> = Vec::new();
    let mut loops = ByteSet::default();
    for watch in watches {
        if !watch.agreeing.is_empty() {
            let Some(all) = watch.agreeing.rests(&watch.beginning) else { return Ok(None) };
            for rest in all {
                if !stays_endless(arena, state, &rest[..rest.len().min(longest)], &mut loops)? {
                    return Ok(None);
                }
                if rest.len() < longest {
                    rests.push(rest);
                }
            }
        }
    }
    if watches.len() > 1 {
        rests.sort_unstable();
        rests.dedup();
    }
    Ok(Some(rests))
}

/// Are there endlessly many ways to go on behind each of these bytes, as far as they may come? No if in doubt. `loops`: bytes that change nothing.
fn stays_endless(arena: &Arena, start: StateId, bytes: &[u8], loops: &mut ByteSet) -> Result<bool, EngineError> {
    let mut state = start;
    for &byte in bytes {
        if state == start && loops.contains(byte) {
            continue;
        }
        match arena.step(state, byte)? {
            Cell::Dead => break,
            Cell::Simple(next, false) if next == state => {
                if state == start {
                    loops.insert(byte);
                }
            }
            Cell::Simple(next, false) if endless(arena, next)? => state = next,
            _ => return Ok(false),
        }
    }
    Ok(true)
}
