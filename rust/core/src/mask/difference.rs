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
use crate::provider::{Arena, ByteSet, Cell, CodepointAutomaton, Extent, Loosened};
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

/// Walk `trie` from a state that takes what another takes but for some of the texts beyond a reach, and keep only those tokens that go beyond it from
/// both. `None` if they are more than `bound`: then the other is no help.
///
/// PERF: both are gone along character by character, some hundred instructions each; to make a state for bytes takes tens of thousands.
pub fn beyond(
    walk: &Walk<'_>,
    table: &mut LocalTable,
    start: StateId,
    loosened: &Loosened<'_>,
    bound: usize,
) -> Result<Option<Difference>, EngineError> {
    let Loosened { automaton, ref reach, .. } = *loosened;
    let trie = walk.trie;
    let mut found = Difference::default();
    let nodes = trie.nodes();
    let mut path = vec![Stop { text: Extent::NONE, loose: Reading::begin(loosened.loose_part), own: None, byte: 0 }; trie.depth() + 1];
    let mut i = 0;
    while let Some(node) = nodes.get(i) {
        let depth = usize::from(node.depth);
        if found.touched.len() > bound {
            return Ok(None);
        }
        let before = path[depth - 1];
        let text = reach.after(before.text, node.byte);
        if reach.covers_with(text, node.below, u64::from(node.deepest - node.depth)) {
            i = node.end as usize;
            continue;
        }
        let mut stop = Stop { text, loose: before.loose.after(automaton, node.byte)?, own: None, byte: node.byte };
        if !reach.covers(text) {
            let bytes = path[1..depth].iter().map(|stop| stop.byte);
            let own = match before.own {
                Some(own) => own,
                None => bytes.clone().try_fold(Reading::begin(loosened.own_part), |own, byte| own.after(automaton, byte))?,
            };
            stop.own = Some(own.after(automaton, node.byte)?);
        }
        match (stop.loose, stop.own) {
            // What is refused without sizes is refused with them, and what can end with them ends in the same way without.
            (Reading::Dead, _) | (Reading::Ended, Some(Reading::Ended) | None) => {}
            (Reading::Spelled, _) => found.subtree_of_own(walk, table, (start, loosened.loose), &path[1..depth], i)?,
            (_, Some(Reading::At { state, code, left })) => {
                let at = trie.places_at(i);
                found.touched.extend(at.clone().map(|place| trie.tokens()[place]));
                if !at.is_empty() && (left == 0 || may_go_on(automaton, state, code, left)?) {
                    found.found.places.push((at.start as u32, at.end as u32));
                }
                path[depth] = stop;
                i += 1;
                continue;
            }
            (_, None) => {
                path[depth] = stop;
                i += 1;
                continue;
            }
            (_, Some(_)) => found.touched.extend(trie.places_below(i).map(|place| trie.tokens()[place])),
        }
        i = node.end as usize;
    }
    Ok(Some(found))
}

/// On the path to a node.
#[derive(Clone, Copy)]
struct Stop {
    text: Extent,
    /// Where the state without sizes has come to,
    loose: Reading,
    /// and the other, once the text is not covered.
    own: Option<Reading>,
    byte: u8,
}

/// How an automaton reads the text of a JSON string, byte by byte.
#[derive(Clone, Copy)]
enum Reading {
    /// In a state; `left` more bytes make a character of what its bytes so far, `code`, have in common.
    At {
        state: u32,
        code: u32,
        left: u8,
    },
    Dead,
    /// Behind the closing quote, or behind what follows.
    Ended,
    /// In a character that is spelled by an escape, or behind it.
    Spelled,
}

impl Reading {
    const fn begin(state: u32) -> Self {
        Self::At { state, code: 0, left: 0 }
    }

    fn after(self, automaton: &dyn CodepointAutomaton, byte: u8) -> Result<Self, EngineError> {
        let Self::At { state, code, left } = self else { return Ok(self) };
        let (code, left) = match (byte, left) {
            (0x80..=0xBF, 1..) => (code << 6 | u32::from(byte & 0x3F), left - 1),
            (_, 1..) | (..0x20 | 0x80..0xC2 | 0xF5.., _) => return Ok(Self::Dead),
            (b'"', _) => return Ok(if automaton.accepts(state)? { Self::Ended } else { Self::Dead }),
            (b'\\', _) => return Ok(Self::Spelled),
            (..0x80, _) => (byte.into(), 0),
            (..0xE0, _) => (u32::from(byte & 0x1F), 1),
            (..0xF0, _) => (u32::from(byte & 0x0F), 2),
            _ => (u32::from(byte & 0x07), 3),
        };
        if left > 0 {
            return Ok(Self::At { state, code, left });
        }
        Ok(automaton.after(state, code)?.map_or(Self::Dead, Self::begin))
    }
}

/// Does some character lead anywhere that begins with these bits, and has so many more bytes?
fn may_go_on(automaton: &dyn CodepointAutomaton, state: u32, code: u32, left: u8) -> Result<bool, EngineError> {
    let (low, high) = (code << (6 * left), ((code + 1) << (6 * left)) - 1);
    // What has fewer bytes is not spelled with more.
    let low = low.max(match (left, code) {
        (2, 0) => 0x800,
        (3, 0) => 0x1_0000,
        _ => 0x80,
    });
    let edges = automaton.edges(state)?;
    Ok(edges.get(edges.partition_point(|edge| edge.high < low)).is_some_and(|edge| edge.low <= high))
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
    /// Decide node `i` and all below anew, from where the bytes before it lead, unless they lead to the same from both states.
    fn subtree_of_own(
        &mut self,
        walk: &Walk<'_>,
        table: &mut LocalTable,
        (own, loose): (StateId, StateId),
        path: &[Stop],
        i: usize,
    ) -> Result<(), EngineError> {
        let arena = walk.arena;
        let along = |start: StateId| {
            path.iter().try_fold(start, |state, stop| match arena.step(state, stop.byte)? {
                Cell::Simple(target, false) => Ok(target),
                _ => Err(EngineError::Internal("a text that does not fare as from a looser state")),
            })
        };
        let (own, loose) = (along(own)?, along(loose)?);
        if !same_target(arena, own, loose, walk.trie.nodes()[i].byte)? {
            self.subtree(walk, table, i, (own, 0))?;
        }
        Ok(())
    }

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
        "\u{44f}\u{44f}",
        "\u{4e2d}\u{6587}",
        "\u{4e2d}\u{6587}\u{5b57}\u{7b26}\u{5b57}\u{7b26}",
        "\u{3002}",
        "\u{5d0}",
        "\u{20000}",
        "\\u4e2d",
        "\\",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 200 } else { 2000 }))]

        #[test]
        fn masks_far_from_bounds_are_those_of_a_walk(
            name in proptest::sample::select(vec!["email", "hostname", "idn-email", "idn-hostname"]),
            read in proptest::collection::vec(0..PIECES.len(), 0..16),
            tokens in proptest::collection::vec(proptest::collection::vec(0..PIECES.len(), 1..6), 30..150),
            framed in any::<bool>(),
        ) {
            let mut tokens: Vec<Vec<u8>> = tokens.iter().map(|parts| parts.iter().flat_map(|&part| PIECES[part].bytes()).collect()).collect();
            // Some end within a character.
            tokens.extend(tokens.clone().into_iter().filter(|token| token.len() > 1).map(|token| token[..token.len() - 1].to_vec()));
            tokens.extend([b"\xE0".to_vec(), b"a\xE0".to_vec(), b"</s>".to_vec()]);
            let vocabulary = Arc::new(Vocabulary::new(&tokens, tokens.len(), &[tokens.len() as u32 - 1], &[]).unwrap());
            let arena = Arena::new(Limits::default());
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
