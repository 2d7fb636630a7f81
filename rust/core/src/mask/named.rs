//! What a text that is named can still be, found in the vocabulary by its spelling: without asking a state for every byte. Part of **mask**.
//!
//! Only tokens that end a name with its closing quotation mark fare otherwise than in a text of any name, so the names are spelled along the
//! vocabulary's trie, raw and with every escape of JSON.
//! Invariant: finds just what a walk from the state would.
//! Must not know: where masks are kept.

use std::ops::Range;

use smallvec::SmallVec;

use super::residual::Leftover;
use super::walk::{Found, PART_NODES, Whole};
use crate::error::EngineError;
use crate::ids::StateId;
use crate::provider::{Arena, ByteSet, Cell, Named, Names};
use crate::vocab::trie::Trie;

/// What names lead to.
#[derive(Default)]
struct Spelled {
    /// Nodes at which some name may still come, where nothing else may, or may not.
    inside: Vec<u32>,
    /// Nodes at which a name was read whole that every other text is refused after.
    shut: Vec<u32>,
    /// Nodes of a closing quotation mark, and what the text is worth then: 0 refused, v + 1 the value v.
    closed: Vec<(u32, u32)>,
    /// Nodes to which names lead that are all refused, if another text may be: the state itself knows whether it goes on there.
    unsure: Vec<(u32, Trail)>,
}

/// How a node was reached: by its last byte, and what came before that.
#[derive(Clone, Copy)]
struct Trail(u32);

impl Trail {
    const START: Self = Self(u32::MAX);
}

/// A digit of a UTF-16 unit in hexadecimal has been read, or several.
#[derive(Clone, Copy)]
struct Unit {
    digits: u32,
    value: u32,
}

/// A place in the names: at a node, or so many bytes into one of its labels.
#[derive(Clone, Copy)]
struct Spot {
    node: u32,
    within: Option<(u32, u32)>,
}

/// Characters that lead on, the places after them, and whether some name that is not refused may come there.
type Edges = SmallVec<[(u32, Spot, bool); 8]>;

struct Speller<'a> {
    trie: &'a Trie,
    alphabet: &'a ByteSet,
    names: &'a dyn Names,
    /// Every other text is refused where it is now.
    alone: bool,
    /// It may be: what names lead to is told everywhere.
    apart: bool,
    found: Spelled,
    /// The children of which node are next.
    open: Vec<Open>,
    /// If another text may be refused: the last byte of each node that was reached, and what came before it.
    trails: Vec<(u8, Trail)>,
}

struct Open {
    /// The nodes below.
    nodes: Range<usize>,
    /// Which names may come there.
    spot: Spot,
    /// Nothing else may.
    alone: bool,
    trail: Trail,
}

/// Spell the names below a part of the trie: the children of a node, and all that follows.
fn spell(trie: &Trie, nodes: Range<usize>, alphabet: &ByteSet, named: &Named<'_>) -> (Spelled, Vec<(u8, Trail)>) {
    let alone = named.others.is_none();
    let mut open = Vec::with_capacity(16);
    open.push(Open { nodes, spot: Spot { node: named.node, within: None }, alone, trail: Trail::START });
    let (found, trails) = (Spelled::default(), Vec::new());
    let mut speller = Speller { trie, alphabet, names: named.names, alone, apart: named.apart, found, open, trails };
    while let Some(Open { nodes, spot, alone, trail }) = speller.open.pop() {
        speller.alone = alone;
        speller.at(&nodes, spot, trail);
    }
    (speller.found, speller.trails)
}

impl Speller<'_> {
    fn child(&self, nodes: &Range<usize>, byte: u8) -> Option<usize> {
        if self.alphabet.contains(byte) { self.trie.child(nodes, byte) } else { None }
    }

    fn below(&self, node: usize) -> Range<usize> {
        node + 1..self.trie.nodes()[node].end as usize
    }

    /// At a node to which names lead, some of them not refused if that is `hopeful`; by what trail one comes from there.
    fn enter(&mut self, node: usize, hopeful: bool, before: Trail) -> Trail {
        if hopeful && (self.alone || self.apart) {
            self.found.inside.push(node as u32);
        }
        if self.alone || !self.apart {
            return before;
        }
        let trail = Trail(self.trails.len() as u32);
        self.trails.push((self.trie.nodes()[node].byte, before));
        if !hopeful {
            self.found.unsure.push((node as u32, trail));
        }
        trail
    }

    /// Go on below a node, where a character was read whole.
    fn go_on(&mut self, node: usize, spot: Spot, trail: Trail) {
        let mut alone = self.alone;
        if !alone && spot.within.is_none() && self.names.is_alone(spot.node) {
            self.found.shut.push(node as u32);
            if !self.names.hopeful(spot.node) {
                return;
            }
            self.found.inside.push(node as u32);
            alone = true;
        }
        self.open.push(Open { nodes: self.below(node), spot, alone, trail });
    }

    /// The characters that may come, of those that matter, and the places after them.
    // PERF: along labels, so that no node is made for each of their characters.
    fn edges(&self, spot: Spot) -> Edges {
        let labels = match spot.within {
            Some((label, _)) => label..label + 1,
            None => 0..self.names.labels(spot.node),
        };
        let read = spot.within.map_or(0, |(_, read)| read as usize);
        let mut edges = Edges::new();
        for number in labels {
            let Some((label, target)) = self.names.label(spot.node, number) else { continue };
            let Some(character) = label[read..].chars().next() else { continue };
            let after = read + character.len_utf8();
            let within = (after < label.len()).then_some((number, after as u32));
            let next = Spot { node: if within.is_some() { spot.node } else { target }, within };
            let hopeful = self.names.hopeful(target);
            if !self.alone || hopeful {
                edges.push((character.into(), next, hopeful));
            }
        }
        edges
    }

    fn at(&mut self, nodes: &Range<usize>, spot: Spot, trail: Trail) {
        if nodes.is_empty() {
            return;
        }
        if spot.within.is_none()
            && let Some(leaf) = self.names.leaf(spot.node)
            && let Some(quote) = self.child(nodes, b'"')
        {
            self.found.closed.push((quote as u32, leaf));
        }
        let edges = self.edges(spot);
        for &(character, target, hopeful) in &edges {
            if character >= 0x20 && character != u32::from('"') && character != u32::from('\\') {
                self.raw(nodes, (character, target, hopeful), trail);
            }
        }
        if let Some(escape) = self.child(nodes, b'\\')
            && !edges.is_empty()
        {
            let trail = self.enter(escape, edges.iter().any(|&(.., hopeful)| hopeful), trail);
            self.escaped(escape, &edges, trail);
        }
    }

    /// A character that stands for itself.
    fn raw(&mut self, nodes: &Range<usize>, (character, target, hopeful): (u32, Spot, bool), mut trail: Trail) {
        let Some(character) = char::from_u32(character) else { return };
        let mut nodes = nodes.clone();
        let mut last = None;
        for &byte in character.encode_utf8(&mut [0; 4]).as_bytes() {
            let Some(node) = self.child(&nodes, byte) else { return };
            trail = self.enter(node, hopeful, trail);
            nodes = self.below(node);
            last = Some(node);
        }
        if let Some(node) = last {
            self.go_on(node, target, trail);
        }
    }

    /// All that may follow a backslash.
    fn escaped(&mut self, escape: usize, edges: &[(u32, Spot, bool)], trail: Trail) {
        let nodes = self.below(escape);
        for (letter, character) in SHORT {
            if let Some(&(_, target, hopeful)) = edges.iter().find(|&&(c, ..)| c == character)
                && let Some(node) = self.child(&nodes, letter)
            {
                let trail = self.enter(node, hopeful, trail);
                self.go_on(node, target, trail);
            }
        }
        if let Some(node) = self.child(&nodes, b'u') {
            let trail = self.enter(node, edges.iter().any(|&(.., hopeful)| hopeful), trail);
            let units: Vec<(u32, bool)> = edges.iter().map(|&(c, _, hopeful)| (first_unit(c), hopeful)).collect();
            self.digits(node, Unit { digits: 0, value: 0 }, &units, trail, &mut |this, node, unit, trail| {
                for &(character, target, _) in edges.iter().filter(|(c, ..)| first_unit(*c) == unit) {
                    if character < 0x1_0000 {
                        this.go_on(node, target, trail);
                    }
                }
                let halves: Vec<_> = edges.iter().filter(|(c, ..)| *c >= 0x1_0000 && first_unit(*c) == unit).copied().collect();
                this.second_half(node, &halves, trail);
            });
        }
    }

    /// The second half of one of these characters.
    fn second_half(&mut self, node: usize, characters: &[(u32, Spot, bool)], trail: Trail) {
        if characters.is_empty() {
            return;
        }
        let hopeful = characters.iter().any(|&(.., hopeful)| hopeful);
        let Some(escape) = self.child(&self.below(node), b'\\') else { return };
        let trail = self.enter(escape, hopeful, trail);
        let Some(letter) = self.child(&self.below(escape), b'u') else { return };
        let trail = self.enter(letter, hopeful, trail);
        let second = |c: u32| 0xDC00 | c & 0x3FF;
        let units: Vec<(u32, bool)> = characters.iter().map(|&(c, _, hopeful)| (second(c), hopeful)).collect();
        self.digits(letter, Unit { digits: 0, value: 0 }, &units, trail, &mut |this, node, unit, trail| {
            for &(_, target, _) in characters.iter().filter(|(c, ..)| second(*c) == unit) {
                this.go_on(node, target, trail);
            }
        });
    }

    /// The digits of these units below a node: `read` is told of each that is whole.
    fn digits(
        &mut self,
        node: usize,
        so_far: Unit,
        units: &[(u32, bool)],
        trail: Trail,
        read: &mut dyn FnMut(&mut Self, usize, u32, Trail),
    ) {
        let mut child = node + 1;
        while child < self.trie.nodes()[node].end as usize {
            let (byte, end) = (self.trie.nodes()[child].byte, self.trie.nodes()[child].end as usize);
            if self.alphabet.contains(byte)
                && let Some(digit) = char::from(byte).to_digit(16)
            {
                let unit = Unit { digits: so_far.digits + 1, value: so_far.value << 4 | digit };
                let begin = || units.iter().filter(|(whole, _)| whole >> (4 * (4 - unit.digits)) == unit.value);
                if begin().next().is_some() {
                    let hopeful = begin().any(|&(_, hopeful)| hopeful);
                    let trail = self.enter(child, hopeful, trail);
                    if unit.digits == 4 {
                        read(self, child, unit.value, trail);
                    } else {
                        self.digits(child, unit, units, trail, read);
                    }
                }
            }
            child = end;
        }
    }
}

/// Escapes of two characters.
const SHORT: [(u8, u32); 8] = [(b'"', 0x22), (b'\\', 0x5C), (b'/', 0x2F), (b'b', 8), (b'f', 12), (b'n', 10), (b'r', 13), (b't', 9)];

/// The first UTF-16 unit of a character.
fn first_unit(character: u32) -> u32 {
    if character < 0x1_0000 { character } else { 0xD800 + ((character - 0x1_0000) >> 10) }
}

/// Tokens that end the text with this value at a node.
fn close(trie: &Trie, node: u32, value: u32, keep: Option<Whole<'_>>, found: &mut Found) {
    let i = node as usize;
    found.accept(trie.places_at(i));
    let Some(whole) = keep else { return };
    if trie.nodes()[i].end as usize - i > PART_NODES
        && let Some(node) = whole.node(i)
    {
        found.leaving.subtrees.push((value, node));
        return;
    }
    let depth = trie.nodes()[i].depth;
    let below = trie.places_strictly_below(i);
    found.leaving.leftovers.extend(below.map(|place| Leftover { value, token: trie.tokens()[place], length: trie.length(place) - depth }));
}

/// What is allowed in a part of a trie where nothing but the names is; with the tokens that leave, if they are wanted: as what the trie is.
pub fn alone(trie: &Trie, nodes: Range<usize>, alphabet: &ByteSet, named: &Named<'_>, keep: Option<Whole<'_>>) -> Found {
    let (spelled, _) = spell(trie, nodes, alphabet, named);
    let mut found = Found::default();
    for node in spelled.inside {
        found.accept(trie.places_at(node as usize));
    }
    for (node, leaf) in spelled.closed {
        if let Some(value) = leaf.checked_sub(1) {
            close(trie, node, value, keep, &mut found);
        }
    }
    found
}

/// The places of the tokens that fare otherwise than in the state of other texts, ascending and disjoint, and what is found of those.
pub fn apart(
    trie: &Trie,
    nodes: Range<usize>,
    arena: &Arena,
    named: &Named<'_>,
    keep: Option<Whole<'_>>,
) -> Result<(Vec<(u32, u32)>, Found), EngineError> {
    let (spelled, trails) = spell(trie, nodes, arena.alphabet(), named);
    let mut found = Found::default();
    let mut touched = Vec::new();
    let mut touch = |node: u32| {
        let places = trie.places_below(node as usize);
        touched.push((places.start as u32, places.end as u32));
    };
    spelled.shut.into_iter().for_each(&mut touch);
    for (node, leaf) in spelled.closed {
        touch(node);
        if let Some(value) = leaf.checked_sub(1) {
            close(trie, node, value, keep, &mut found);
        }
    }
    for node in spelled.inside {
        let places = trie.places_at(node as usize);
        touched.push((places.start as u32, places.end as u32));
        found.accept(places);
    }
    for (node, trail) in spelled.unsure {
        let places = trie.places_at(node as usize);
        if !places.is_empty() {
            touched.push((places.start as u32, places.end as u32));
            if is_alive(arena, named.state, &trails, trail)? {
                found.accept(places);
            }
        }
    }
    // Subtrees are apart or within each other.
    touched.sort_unstable_by_key(|&(low, high)| (low, std::cmp::Reverse(high)));
    touched.dedup_by(|next, last| next.1 <= last.1);
    Ok((touched, found))
}

/// Does the state go on behind what was read?
fn is_alive(arena: &Arena, mut state: StateId, trails: &[(u8, Trail)], mut trail: Trail) -> Result<bool, EngineError> {
    let mut read: SmallVec<[u8; 32]> = SmallVec::new();
    while let Some(&(byte, before)) = trails.get(trail.0 as usize) {
        read.push(byte);
        trail = before;
    }
    for &byte in read.iter().rev() {
        let Cell::Simple(next, _) = arena.step(state, byte)? else { return Ok(false) };
        state = next;
    }
    Ok(true)
}

/// The runs of places that are not in `touched`, which is ascending and disjoint.
pub fn without(places: &[(u32, u32)], touched: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut kept = Vec::with_capacity(places.len());
    for &(start, end) in places {
        let mut from = start;
        for &(low, high) in &touched[touched.partition_point(|&(_, high)| high <= start)..] {
            if low >= end {
                break;
            }
            if low > from {
                kept.push((from, low));
            }
            from = from.max(high);
        }
        if from < end {
            kept.push((from, end));
        }
    }
    kept
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::automaton::text::{ALONE, Outcome, TextAutomaton, TextSpec};
    use crate::formula::Formulas;
    use crate::frontend::regex::PatternAutomaton;
    use crate::limits::Limits;
    use crate::mask::MaskStore;
    use crate::mask::store::Effort;
    use crate::vocab::Vocabulary;

    const PATTERNS: &[&str] = &["^a*$", "b", "^[^a]+$", "^(a|b\\u00e9)+$", "^.{2,3}$", "\\u{1f600}$"];

    /// Ways to write characters, some of them cut off or wrong.
    pub const FRAGMENTS: &[&[u8]] = &[
        b"a",
        b"b",
        "\u{e9}".as_bytes(),
        "\u{e8}".as_bytes(),
        "\u{1f600}".as_bytes(),
        b"\xc3",
        b"\xa9",
        b"\xf0\x9f",
        b"\x98\x80",
        b"\"",
        b"\\",
        b"\\\"",
        b"\\\\",
        b"\\/",
        b"/",
        b"\\n",
        b"\n",
        b"\\u",
        b"0",
        b"00",
        b"61",
        b"6",
        b"\\u00e9",
        b"\\uD83D",
        b"\\ude0",
        b"\\u000A",
        b":",
        b",",
        b"u",
        b"D83d",
    ];

    /// All that leaves by a mask, if that is asked.
    pub fn leaving(vocabulary: &Vocabulary, mask: &crate::mask::Mask, framed: bool) -> Vec<Leftover> {
        let mut all = Vec::new();
        if let Some(residual) = mask.residual.as_ref().filter(|_| framed) {
            residual.list(vocabulary.trie(), &mut all);
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 200 } else { 2000 }))]

        #[test]
        fn names_are_found_as_by_a_walk(
            names in proptest::collection::btree_map("[ab\u{e9}\u{e8}\u{1f600}\"\\\\/\n]{0,4}", prop_oneof![0_u32..4, Just(ALONE)], 1..6),
            others in 0_u32..3,
            pattern in proptest::option::of(0..PATTERNS.len()),
            read in proptest::collection::vec(0..FRAGMENTS.len(), 0..3),
            tokens in proptest::collection::vec(proptest::collection::vec(0..FRAGMENTS.len(), 1..7), 30..200),
            framed in proptest::bool::ANY,
            all_bytes in proptest::bool::ANY,
        ) {
            let spelled = |parts: &[usize]| parts.iter().flat_map(|&part| FRAGMENTS[part]).copied().collect::<Vec<u8>>();
            let mut tokens: Vec<Vec<u8>> = tokens.iter().map(|parts| spelled(parts)).collect();
            // Names as they are, and how they end, are rare among random tokens.
            for name in names.keys() {
                for (at, _) in name.char_indices() {
                    tokens.push([&name.as_bytes()[at..], b"\":"].concat());
                    tokens.push([&name.as_bytes()[at..], b"\""].concat());
                }
            }
            let stop = tokens.len() as u32;
            tokens.push(b"</s>".to_vec());
            let vocabulary = Arc::new(Vocabulary::new(&tokens, tokens.len(), &[stop], &[]).unwrap());
            let alphabet = if all_bytes { ByteSet::ALL } else { ByteSet::range(b' ', b'~') };
            let arena = Arena::with_alphabet(Limits::default(), alphabet);
            let text = TextAutomaton::register(&arena);
            let outcome = others.checked_sub(1).map_or(Outcome::refused(), Outcome::always);
            let spec = match pattern {
                None => TextSpec { components: Vec::new(), lengths: Vec::new(), outcome },
                // What is not matched is worth something as well, or refused.
                Some(pattern) => {
                    let components = vec![Arc::new(PatternAutomaton::search(PATTERNS[pattern], &Limits::default()).unwrap()) as _];
                    let mut store = Formulas::new(1000);
                    let (matched, rest) = (store.leaf(3).unwrap(), store.leaf(others).unwrap());
                    let condition = store.variable(0).unwrap();
                    let formula = store.if_then_else(condition, matched, rest).unwrap();
                    TextSpec { components, lengths: Vec::new(), outcome: Outcome::from_formula(&store, formula, |v| v).unwrap() }
                }
            };
            let names: BTreeMap<String, u32> = names;
            let map = text.name_map(names.iter().map(|(name, &leaf)| (name.as_str(), leaf)));
            let Some(mut state) = text.named_string_body(&arena, &spec, map).unwrap() else { return Ok(()) };
            for byte in spelled(&read) {
                if let crate::provider::Cell::Simple(next, _) = arena.step(state, byte).unwrap() {
                    state = next;
                }
            }
            let store = MaskStore::new(Arc::clone(&vocabulary));
            let mask = store.mask(&arena, state, 0, framed, Effort::Learn).unwrap().unwrap();
            let walked = store.walked(&arena, state, 0, framed).unwrap();
            prop_assert_eq!(mask.accepted.ids(), walked.accepted.ids());
            prop_assert_eq!(leaving(&vocabulary, &mask, framed), leaving(&vocabulary, &walked, framed));
            for i in 0..vocabulary.trie().nodes().len() {
                let [own, walked] = store.parts_of(&arena, i, state).unwrap();
                prop_assert_eq!(own, walked, "below node {}", i);
            }
            // All tokens but their first byte, as what is left of them.
            let left = tokens.iter().take(stop as usize).enumerate().filter(|(_, token)| token.len() > 1);
            let left = left.map(|(id, token)| Leftover { value: 0, token: id as u32, length: token.len() as u16 - 1 });
            let [own, walked] = store.rests_of(&arena, left.collect(), state).unwrap();
            prop_assert_eq!(own, walked);
        }
    }

    #[test]
    fn runs_without_others() {
        let places = [(0, 10), (12, 20), (30, 31)];
        assert_eq!(without(&places, &[]), places);
        assert_eq!(without(&places, &[(0, 2), (5, 13), (19, 40)]), [(2, 5), (13, 19)]);
        assert_eq!(without(&places, &[(10, 12), (20, 30)]), places);
        assert_eq!(without(&places, &[(3, 4), (4, 6), (30, 31)]), [(0, 3), (6, 10), (12, 20)]);
    }
}
