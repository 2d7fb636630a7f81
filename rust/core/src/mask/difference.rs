//! Walking two items at once, to keep only what differs. Part of **mask**.
//!
//! Invariant: a token that is not touched fares as it does from the base.
//! Must not know: where masks are kept.

use smallvec::SmallVec;

use super::local::{Local, LocalTable};
use super::path::{Skip, ask_widely, loops, skipped};
use super::walk::{Found, Walk};
use crate::characters::{self, MALFORMED};
use crate::error::EngineError;
use crate::ids::StateId;
use crate::provider::{Arena, ByteSet, Cell, Reach};
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

/// Walk `trie` from a state that takes what another takes but for some of the texts beyond `reach`, and keep only those tokens that go beyond it from
/// both. `None` if they are more than `bound`: then the other is no help.
pub fn beyond(
    walk: &Walk<'_>,
    table: &mut LocalTable,
    start: StateId,
    (loose, reach): (StateId, Reach),
    bound: usize,
) -> Result<Option<Difference>, EngineError> {
    let (arena, trie) = (walk.arena, walk.trie);
    let mut found = Difference::default();
    let nodes = trie.nodes();
    // On the path to the current node: the other's states, how many characters are of the kinds in question, and the bytes.
    let mut path = vec![(loose, 0_u64, 0_u8); trie.depth() + 1];
    let mut i = 0;
    while let Some(node) = nodes.get(i) {
        let depth = usize::from(node.depth);
        if found.touched.len() > bound {
            return Ok(None);
        }
        let (other, before, _) = path[depth - 1];
        let few = before + u64::from(characters::kind(node.byte) & reach.of != 0);
        let below = if node.below & (reach.of | MALFORMED) == 0 { 0 } else { u64::from(node.deepest - node.depth) };
        if reach.covers(node.deepest.into(), few + below) {
            i = node.end as usize;
            continue;
        }
        match arena.step(other, node.byte)? {
            Cell::Dead => {}
            Cell::Simple(target, false) if reach.covers(node.depth.into(), few) && arena.facts(target).returns.is_none() => {
                path[depth] = (target, few, node.byte);
                i += 1;
                continue;
            }
            _ => {
                // PERF: the state's own way is gone for few tokens; making its states is what takes long.
                let mut state = start;
                for &(_, _, byte) in &path[1..depth] {
                    let Cell::Simple(target, false) = arena.step(state, byte)? else {
                        return Err(EngineError::Internal("a text that does not fare as from a looser state"));
                    };
                    state = target;
                }
                if !same_target(arena, state, other, node.byte)? {
                    found.subtree(walk, table, i, (state, 0))?;
                }
            }
        }
        i = node.end as usize;
    }
    Ok(Some(found))
}

/// Does a byte lead from both states to one, that neither counts nor calls?
fn same_target(arena: &Arena, a: StateId, b: StateId, byte: u8) -> Result<bool, EngineError> {
    Ok(matches!((arena.step(a, byte)?, arena.step(b, byte)?), (Cell::Simple(a, false), Cell::Simple(b, false)) if a == b))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use crate::automaton::text::{Outcome, TextAutomaton, TextSpec};
    use crate::frontend::json_schema;
    use crate::limits::Limits;
    use crate::mask::named::tests::leaving;
    use crate::mask::store::{Effort, MaskStore};
    use crate::provider::{Arena, Cell};
    use crate::vocab::Vocabulary;

    /// What tokens are made of: names with few dots and many, near all bounds and beyond, and what ends them or cannot stand in them.
    const PIECES: &[&str] = &[
        "a",
        "xn",
        "-",
        ".",
        "a.",
        "a.b.c.",
        "a\\u002eb\\u002e",
        "bc-d",
        "@",
        "a@b.",
        "abcdefghijklmnopqrst",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmno",
        "\\u002",
        "e",
        "\\\"",
        "\"",
        ",",
        " ",
        "+",
        "[",
        "1.2.3.4]",
        "\u{e9}",
        "\\",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 200 } else { 2000 }))]

        #[test]
        fn masks_far_from_bounds_are_those_of_a_walk(
            mail in any::<bool>(),
            read in proptest::collection::vec(0..PIECES.len(), 0..16),
            tokens in proptest::collection::vec(proptest::collection::vec(0..PIECES.len(), 1..6), 30..150),
            framed in any::<bool>(),
        ) {
            let mut tokens: Vec<String> = tokens.iter().map(|parts| parts.iter().map(|&part| PIECES[part]).collect()).collect();
            tokens.push("</s>".to_owned());
            let vocabulary = Arc::new(Vocabulary::new(&tokens, tokens.len(), &[tokens.len() as u32 - 1], &[]).unwrap());
            let arena = Arena::new(Limits::default());
            let name = if mail { "email" } else { "hostname" };
            let automaton = json_schema::formats().find(|row| row.name == name).unwrap().automaton().unwrap();
            let spec = TextSpec { components: vec![automaton], lengths: Vec::new(), outcome: Outcome::all(1) };
            let mut state = TextAutomaton::register(&arena).json_string_body(&arena, &spec).unwrap().unwrap();
            for byte in read.iter().flat_map(|&piece| PIECES[piece].bytes()) {
                if let Cell::Simple(target, false) = arena.step(state, byte).unwrap() && arena.facts(target).returns.is_none() {
                    state = target;
                }
            }
            let store = MaskStore::new(Arc::clone(&vocabulary));
            let learned = store.mask(&arena, state, 0, framed, Effort::Learn).unwrap().unwrap();
            let walked = store.walked(&arena, state, 0, framed).unwrap();
            prop_assert_eq!(learned.accepted.ids(), walked.accepted.ids());
            prop_assert_eq!(leaving(&vocabulary, &learned, framed), leaving(&vocabulary, &walked, framed));
        }
    }
}
