//! Walking two items at once, to keep only what differs. Part of **mask**.
//!
//! Invariant: a token that is not touched fares as it does from the base.
//! Must not know: where masks are kept.

use smallvec::SmallVec;

use super::local::{Local, LocalTable};
use super::path::{Skip, ask_widely, loops, skipped};
use super::walk::{Found, Walk};
use crate::characters::MALFORMED;
use crate::error::EngineError;
use crate::ids::StateId;
use crate::provider::{Arena, ByteSet, Cell};
use crate::vocab::trie::Trie;

type Pair = ((StateId, u64), (StateId, u64));

/// What a differential walk found.
#[derive(Default)]
pub struct Difference {
    /// The tokens whose fate was decided anew; all others fare as from the base.
    pub touched: Vec<u32>,
    /// Of those, the ones that are accepted or leave.
    pub found: Found,
}

/// Walk `trie` from two items at once and keep only what differs: a subtree is skipped as soon as both are in the same state with the same
/// register. `None` if more than `bound` tokens differ: then the base is no help.
pub fn difference(
    walk: &Walk<'_>,
    table: &mut LocalTable,
    start: (StateId, u64),
    base: (StateId, u64),
    bound: usize,
) -> Result<Option<Difference>, EngineError> {
    let (arena, trie) = (walk.arena, walk.trie);
    let mut found = Difference::default();
    let nodes = trie.nodes();
    // Both items on the path to the current node, while both move inside their rule.
    let mut pairs = vec![(start, base); trie.depth() + 1];
    let mut skips: SmallVec<[Skip<'_>; 4]> = SmallVec::new();
    skips.extend(differing(arena, trie, 0, 0, pairs[0])?);
    let mut i = 0;
    while let Some(node) = nodes.get(i) {
        if let Some(next) = skipped(&mut skips, node) {
            i = next;
            continue;
        }
        let depth = usize::from(node.depth);
        if found.touched.len() > bound {
            return Ok(None);
        }
        let (own, other) = pairs[depth - 1];
        if own.1 == other.1 && arena.same_step(own.0, other.0, node.byte) {
            i = node.end as usize;
            continue;
        }
        match (moved(arena, own, node.byte)?, moved(arena, other, node.byte)?) {
            (Moved::Dead, Moved::Dead) => {}
            (Moved::To(a), Moved::To(b)) if a == b => {}
            (Moved::To(a), Moved::To(b)) if both_accept_all(walk, a, b, i)? => {}
            (Moved::To(a), Moved::To(b)) if arena.facts(a.0).returns.is_none() && arena.facts(b.0).returns.is_none() => {
                // Alive on both sides: the tokens that end here fare alike.
                pairs[depth] = (a, b);
                i += 1;
                if node.has_many_children() {
                    skips.extend(differing(arena, trie, i, depth, pairs[depth])?);
                }
                continue;
            }
            _ => found.subtree(walk, table, i, own)?,
        }
        i = node.end as usize;
    }
    Ok(Some(found))
}

/// Walk `trie` from an item whose register nears its limit, and keep only what differs from the same item far from it: subtrees in which the
/// limit is out of reach are skipped. `None` if more than `bound` tokens differ.
pub fn near(walk: &Walk<'_>, table: &mut LocalTable, start: (StateId, u64), bound: usize) -> Result<Option<Difference>, EngineError> {
    let (arena, trie) = (walk.arena, walk.trie);
    let mut found = Difference::default();
    let nodes = trie.nodes();
    let mut items = vec![start; trie.depth() + 1];
    let mut i = 0;
    while let Some(node) = nodes.get(i) {
        let depth = usize::from(node.depth);
        if found.touched.len() > bound {
            return Ok(None);
        }
        let (state, register) = items[depth - 1];
        // A character takes a byte at least, so the limit is out of reach below a node that is not deep enough.
        let within = u64::from(node.deepest - node.depth + 1);
        if within < arena.facts(state).limit.saturating_sub(register) {
            i = node.end as usize;
            continue;
        }
        match arena.step(state, node.byte)? {
            Cell::Dead => {}
            Cell::Simple(target, increment) => {
                let facts = arena.facts(target);
                let register = register + u64::from(increment);
                if !facts.counting {
                    // Nothing counts any more.
                } else if register >= facts.limit || facts.returns.is_some() {
                    found.subtree(walk, table, i, (state, register - u64::from(increment)))?;
                } else {
                    items[depth] = (target, register);
                    i += 1;
                    continue;
                }
            }
            Cell::Many(_) => found.subtree(walk, table, i, (state, register))?,
        }
        i = node.end as usize;
    }
    Ok(Some(found))
}

/// Of many children, of which `first` is the first, those before which two items differ.
fn differing<'t>(arena: &Arena, trie: &'t Trie, first: usize, depth: usize, pair: Pair) -> Result<Option<Skip<'t>>, EngineError> {
    let Some(children) = trie.children_from(first) else { return Ok(None) };
    let ((own, register), (other, beyond)) = pair;
    if register != beyond {
        return Ok(None);
    }
    ask_widely(arena, own)?;
    ask_widely(arena, other)?;
    let mut hopeful = ByteSet::ALL;
    for byte in 0..=255 {
        if arena.same_step(own, other, byte) {
            hopeful.remove(&ByteSet::one(byte));
        }
    }
    Ok(Some(Skip { depth: depth as u16 + 1, children, hopeful }))
}

/// Are the tokens below node `i` accepted from both items, since both lead back to themselves?
fn both_accept_all(walk: &Walk<'_>, a: (StateId, u64), b: (StateId, u64), i: usize) -> Result<bool, EngineError> {
    let node = &walk.trie.nodes()[i];
    let (kinds, reach) = (node.below, node.deepest - node.depth);
    let all = |(state, register)| loops(walk.arena, state, register, false, kinds, reach);
    Ok(kinds & MALFORMED == 0 && all(a)? && all(b)?)
}

enum Moved {
    Dead,
    To((StateId, u64)),
    Other,
}

/// Where an item moves inside its rule.
fn moved(arena: &Arena, (state, register): (StateId, u64), byte: u8) -> Result<Moved, EngineError> {
    Ok(match arena.step(state, byte)? {
        Cell::Dead => Moved::Dead,
        Cell::Simple(target, increment) => {
            let register = register + u64::from(increment);
            match arena.settled(target, register)? {
                None => Moved::Dead,
                Some(state) => Moved::To((state, if arena.facts(state).counting { register } else { 0 })),
            }
        }
        Cell::Many(_) => Moved::Other,
    })
}

impl Difference {
    /// Decide node `i` and all below anew, from the item that stands before it.
    fn subtree(&mut self, walk: &Walk<'_>, table: &mut LocalTable, i: usize, item: (StateId, u64)) -> Result<(), EngineError> {
        let trie = walk.trie;
        self.touched.extend(trie.places_below(i).map(|place| trie.tokens()[place]));
        let inner = Walk { nodes: i..trie.nodes()[i].end as usize, frozen: false, ..*walk };
        let start = Local::One { state: item.0, register: item.1, parents: 0 };
        inner.run(table, start, &mut self.found)?;
        Ok(())
    }
}
