//! Masks of strings whose characters fare alike by class, as patterns' do: a walk over the shapes of tokens. Part of **mask**.
//!
//! Invariant: finds just what a walk from the state would.
//! Must not know: where masks are kept.

mod beyond;

use std::ops::RangeInclusive;

use hashbrown::HashMap;
use smallvec::SmallVec;

use self::beyond::Characters;
use super::Mask;
use super::classes::{is_plain, offset};
use super::local::Local;
use super::path::{ask_widely, loops};
use super::rows::Order;
use super::store::{FROZEN, MaskStore};
use super::token_set::TokenSet;
use super::walk::{Found, Walk, Whole};
use crate::bitmask;
use crate::characters::{Kinds, OTHER, SEPARATORS, SPACES};
use crate::error::EngineError;
use crate::ids::StateId;
use crate::loops::{self, Beyond, CHARACTERS};
use crate::provider::{Arena, ByteSet, Cell, Glance};
use crate::vocab::trie::Node;
use crate::vocab::{BEYOND, Class, ShapeIndex, Vocabulary};

/// Few tokens are as many characters.
const NEAR: u64 = 32;
/// A walk that has looked at so many shapes looks further ahead, at so many states at most.
const LONG: usize = if cfg!(test) { 16 } else { 1024 };
const AHEAD: usize = 256;

/// From so many states most of a class may lead to one, and the others elsewhere.
const PARTED: usize = 64;
/// To more places than this no class is followed.
const MOST_WAYS: usize = 16;
/// So many tokens may be read one by one, of so many that are looked at.
const SINGLES: usize = 1 << 14;
const LOOKED_AT: usize = 1 << 15;
/// So many tokens are more than few.
const MANY: u32 = if cfg!(test) { 4 } else { 1 << 9 };

/// Where a class of characters leads from a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum After {
    Dead,
    /// To one state, and whether the register grows.
    To(StateId, bool),
    /// Not all to the same.
    Apart,
}

/// Where a byte leads.
enum Way {
    Dead,
    To((StateId, u64)),
    /// To several states, or out of the rule.
    Apart,
}

/// The same where those that begin with some bytes may fare otherwise.
#[derive(Clone, Copy)]
struct Most {
    after: After,
    apart: ByteSet,
}

/// What is known of a state: after lower-case and upper-case letters, digits, and characters beyond ASCII of each kind.
struct Ways([Option<Most>; 6]);

impl MaskStore {
    /// The mask of a state between two characters of a string, if nearly everywhere on the way the characters of a class lead to one state.
    pub(super) fn by_shapes(&self, arena: &Arena, state: StateId, register: u64, framed: bool) -> Result<Option<Mask>, EngineError> {
        let facts = arena.facts(state);
        // Far from its limit a state that counts differs from the same without a limit on little.
        let far = facts.counting && facts.base.is_some() && facts.limit.saturating_sub(register) > NEAR && register != FROZEN;
        if !facts.string || far {
            return Ok(None);
        }
        let shapes = self.vocabulary.shapes();
        let frozen = register == FROZEN;
        let register = if frozen { 0 } else { register };
        let start = (state, register);
        let mut walk = ShapeWalk::new(arena, &self.vocabulary, frozen, true);
        let mut all = walk.run(start)?;
        if walk.characters.disagreed {
            walk = ShapeWalk::new(arena, &self.vocabulary, frozen, false);
            all = walk.run(start)?;
        }
        let Some(Shaped { places, touched, accepted: mut singles, partial }) = all else { return Ok(None) };
        let is_touched = |token: u32| !touched.is_empty() && bitmask::get(&touched, token);
        let mut found = Found::default();
        let start = Local::One { state, register, parents: 0 };
        let walk = Walk { frozen, keep: framed, whole: Whole::Shapeless(shapes), ..Walk::over(arena, shapes.rest()) };
        self.with_locals(|table| walk.run(table, start, &mut found))?;
        let rest = found.accepted(shapes.rest());
        if !partial {
            let mut found = Found::default();
            let (_, trie) = shapes.partial();
            let walk = Walk { frozen, keep: false, ..Walk::over(arena, trie) };
            self.with_locals(|table| walk.run(table, start, &mut found))?;
            found.accepted_into(trie, &mut singles);
        }
        let many = places.iter().map(|&(start, end)| (end - start) as usize).sum::<usize>();
        let accepted = if many + rest.len() < self.vocabulary.words() {
            let classed = places.into_iter().flat_map(|run| shapes.strings().tokens_at(run)).copied().filter(|&token| !is_touched(token));
            TokenSet::from_ids(classed.chain(singles).chain(rest).collect(), self.vocabulary.words())
        } else {
            let mut bits = self.of_runs(Order::Strings, &places);
            if !touched.is_empty() {
                bitmask::and_not(&mut bits, &touched);
            }
            bitmask::set_all(&mut bits, &singles);
            bitmask::set_all(&mut bits, &rest);
            match facts.base.and_then(|base| self.known(base)) {
                Some(base) => TokenSet::from_bits_near(&base, bits),
                None => TokenSet::from_bits(bits),
            }
        };
        let mut leaving = found.leaving;
        leaving.leftovers.retain(|leftover| !accepted.contains(leftover.token));
        let residual = self.residual(leaving, None);
        Ok(Some(Mask::new(accepted, residual)))
    }
}

/// What a walk over shapes finds.
#[derive(Default)]
struct Shaped {
    /// Accepted, as runs of places.
    places: Vec<(u32, u32)>,
    /// Of those, these count for nothing.
    touched: Box<[u32]>,
    /// Accepted as well.
    accepted: Vec<u32>,
    /// Are those that end within a character among them?
    partial: bool,
}

struct ShapeWalk<'a> {
    arena: &'a Arena,
    vocabulary: &'a Vocabulary,
    shapes: &'a ShapeIndex,
    /// What is known of characters beyond ASCII.
    characters: Characters,
    start: (StateId, u64),
    /// Registers stay as they are.
    frozen: bool,
    ways: HashMap<StateId, Ways, foldhash::fast::RandomState>,
    /// How many states may still be looked at to see over what others stay alive.
    ahead: usize,
    /// What is left of [`PARTED`], [`SINGLES`] and [`LOOKED_AT`].
    parted: usize,
    singles: usize,
    looked_at: usize,
    touched: Box<[u32]>,
    accepted: Vec<u32>,
}

impl<'a> ShapeWalk<'a> {
    fn new(arena: &'a Arena, vocabulary: &'a Vocabulary, frozen: bool, told_apart: bool) -> Self {
        Self {
            arena,
            vocabulary,
            shapes: vocabulary.shapes(),
            characters: Characters::new(told_apart),
            start: (StateId(0), 0),
            frozen,
            ways: HashMap::default(),
            ahead: AHEAD,
            parted: PARTED,
            singles: SINGLES,
            looked_at: LOOKED_AT,
            touched: Box::default(),
            accepted: Vec::new(),
        }
    }

    /// `None`: somewhere a class does not do.
    fn run(&mut self, start: (StateId, u64)) -> Result<Option<Shaped>, EngineError> {
        self.start = start;
        let (arena, shapes) = (self.arena, self.shapes);
        let mut places: Vec<(u32, u32)> = Vec::new();
        let mut accept = |(start, end): (u32, u32)| match places.last_mut() {
            _ if start == end => {}
            Some(last) if last.1 == start => last.1 = end,
            _ => places.push((start, end)),
        };
        if CHARACTERS & !arena.loops(start.0).known_alive() == 0 {
            let all = shapes.strings().tokens().len() as u32;
            return Ok(Some(Shaped { places: vec![(0, all)], ..Shaped::default() }));
        }
        // By depth.
        let mut path = vec![start; 1];
        let mut letters: Vec<u8> = Vec::new();
        let (mut visited, mut i) = (0, 0);
        while let Some(shape) = shapes.strings().shapes().get(i) {
            visited += 1;
            let depth = usize::from(shape.depth);
            let (state, register) = path[depth - 1];
            letters.truncate(depth - 1);
            letters.push(shape.letter());
            let Most { after, apart } = self.after(state, shape.class(), depth == 1)?;
            if self.characters.disagreed {
                return Ok(None);
            }
            if apart != ByteSet::default() {
                let kinds = shape.kinds() | shapes.strings().below(shape);
                let (first, last) = shapes.strings().places_below(i);
                // Of a few, to read them takes less than to look at further states.
                let alive = kinds & !arena.loops(state).known_alive() == 0
                    || last - first > MANY && arena.facts(state).is_simple() && loops::stays_alive(arena, state, kinds, &mut self.ahead)?;
                if alive {
                    self.take(false, kinds);
                    accept((first, last));
                    i = shape.end as usize;
                    continue;
                }
                // Where most of many are refused, a walk over the vocabulary has little to look at; behind plain characters the others are soon found.
                let soon_found = || depth > 1 && letters[..depth - 1].iter().all(|&letter| is_plain(letter));
                let refused = after == After::Dead && shape.class() != Class::Beyond && last - first > MANY && !soon_found();
                if refused || !self.part(i, &letters, (state, register), &apart)? {
                    return Ok(None);
                }
            }
            let (target, increment) = match after {
                After::Dead => {
                    i = shape.end as usize;
                    continue;
                }
                After::Apart => {
                    // To different states, from none of which what lies below leads to an end?
                    let kinds = shape.kinds() | shapes.strings().below(shape);
                    if !arena.facts(state).is_simple() || !loops::stays_alive(arena, state, kinds, &mut self.ahead)? {
                        return Ok(None);
                    }
                    self.take(false, kinds);
                    accept(shapes.strings().places_below(i));
                    i = shape.end as usize;
                    continue;
                }
                After::To(target, increment) => (target, increment),
            };
            let register = register + u64::from(increment && !self.frozen);
            let Some(state) = arena.settled(target, register)? else {
                i = shape.end as usize;
                continue;
            };
            let facts = arena.facts(state);
            if facts.returns.is_some() {
                return Ok(None);
            }
            let register = if facts.counting { register } else { 0 };
            // A character is one of a shape and up to four bytes of which the first is counted.
            let reach = shape.deepest - shape.depth;
            let below = shapes.strings().below(shape);
            let all = below & !arena.loops(state).known_alive() == 0
                || loops(arena, state, register, self.frozen, below, reach)?
                || facts.is_simple() && visited > LONG && loops::stays_alive(arena, state, below, &mut self.ahead)?;
            if all {
                self.take(false, below);
                accept(shapes.strings().places_below(i));
                i = shape.end as usize;
                continue;
            }
            accept(shapes.strings().places_at(i));
            path.truncate(depth);
            path.push((state, register));
            i += 1;
        }
        if self.characters.disagreed {
            return Ok(None);
        }
        let partial = self.characters.are_apart();
        if partial && (!self.partial()? || !self.refused_somewhere()?) {
            return Ok(None);
        }
        Ok(Some(Shaped { places, touched: std::mem::take(&mut self.touched), accepted: std::mem::take(&mut self.accepted), partial }))
    }

    /// Read by themselves, from where `from` stands before its last character, the tokens of shape `i` and below in which that begins with one of
    /// these bytes; false if they are too many.
    fn part(&mut self, i: usize, letters: &[u8], from: (StateId, u64), apart: &ByteSet) -> Result<bool, EngineError> {
        let Some((_, before)) = letters.split_last() else { return Ok(true) };
        let (vocabulary, shapes) = (self.vocabulary, self.shapes);
        if before.iter().all(|&letter| is_plain(letter)) {
            // All of them stand together in the vocabulary.
            let trie = vocabulary.trie();
            let below = if before.is_empty() {
                0..trie.nodes().len()
            } else {
                let Some(node) = trie.find(before) else { return Ok(true) };
                node + 1..trie.nodes()[node].end as usize
            };
            for node in apart.iter().filter_map(|byte| trie.child(&below, byte)) {
                if !self.branch(node, from)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        let (start, end) = shapes.strings().places_below(i);
        let Some(left) = self.looked_at.checked_sub((end - start) as usize) else { return Ok(false) };
        self.looked_at = left;
        let ascii = before.iter().all(|&letter| letter < 0x80);
        for &token in &shapes.strings().tokens()[start as usize..end as usize] {
            let bytes = vocabulary.token_bytes(token);
            let at = if ascii { before.len() } else { offset(bytes, before.len()) };
            // Some characters beyond ASCII may have been refused before.
            let (from, begin) = if before.iter().any(|&letter| letter >= BEYOND) { (self.start, 0) } else { (from, at) };
            if apart.contains(bytes[at]) && !self.single(token, begin, from)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn touched_mut(&mut self) -> &mut [u32] {
        if self.touched.is_empty() {
            self.touched = vec![0; self.vocabulary.words()].into();
        }
        &mut self.touched
    }

    /// Read the tokens at and below a node of the vocabulary's trie, from where `from` stands before its byte; false if they are too many.
    fn branch(&mut self, node: usize, from: (StateId, u64)) -> Result<bool, EngineError> {
        let (trie, strings) = (self.vocabulary.trie(), self.shapes.strings().all());
        let tokens = &trie.tokens()[trie.places_below(node)];
        let Some(left) = self.singles.checked_sub(tokens.len()) else { return Ok(false) };
        self.singles = left;
        bitmask::set_all(self.touched_mut(), tokens);
        let Node { depth: before, deepest, end, .. } = trie.nodes()[node];
        // By depth.
        let mut path: SmallVec<[(StateId, u64); 32]> = SmallVec::from_elem(from, usize::from(deepest - before) + 2);
        let mut at = node;
        while at < end as usize {
            let node = &trie.nodes()[at];
            let depth = usize::from(node.depth - before);
            // No token below stands for itself.
            let apart = node.byte < 0x20 || b"\"\\".contains(&node.byte);
            let way = if apart { Way::Dead } else { self.onward(path[depth], node.byte)? };
            match way {
                Way::Dead => at = node.end as usize,
                Way::To(next) => {
                    path[depth + 1] = next;
                    for &token in &trie.tokens()[trie.places_at(at)] {
                        if bitmask::get(strings, token) {
                            self.accepted.push(token);
                        }
                    }
                    at += 1;
                }
                Way::Apart => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Read a token from one of its bytes on, unless that was done; false if there were too many.
    fn single(&mut self, token: u32, at: usize, mut from: (StateId, u64)) -> Result<bool, EngineError> {
        if bitmask::get(self.touched_mut(), token) {
            return Ok(true);
        }
        let Some(left) = self.singles.checked_sub(1) else { return Ok(false) };
        self.singles = left;
        bitmask::set(&mut self.touched, token);
        for &byte in &self.vocabulary.token_bytes(token)[at..] {
            match self.onward(from, byte)? {
                Way::Dead => return Ok(true),
                Way::To(next) => from = next,
                Way::Apart => return Ok(false),
            }
        }
        self.accepted.push(token);
        Ok(true)
    }

    /// Where a byte leads.
    #[inline]
    fn onward(&self, (state, register): (StateId, u64), byte: u8) -> Result<Way, EngineError> {
        // PERF: nearly all steps are of these kinds.
        match self.arena.row(state).map(|row| row.glance(state, byte)) {
            Some(Glance::Dead) => return Ok(Way::Dead),
            Some(Glance::Plain(target)) => return Ok(Way::To((target, 0))),
            _ => {}
        }
        let (target, increment) = match after(self.arena, state, byte)? {
            After::Dead => return Ok(Way::Dead),
            After::To(target, increment) => (target, increment),
            After::Apart => return Ok(Way::Apart),
        };
        let register = register + u64::from(increment && !self.frozen);
        let Some(next) = self.arena.settled(target, register)? else { return Ok(Way::Dead) };
        let facts = self.arena.facts(next);
        Ok(match facts.returns {
            Some(_) => Way::Apart,
            None => Way::To((next, if facts.counting { register } else { 0 })),
        })
    }

    fn after(&mut self, state: StateId, class: Class, first: bool) -> Result<Most, EngineError> {
        let kind = match class {
            Class::Beyond => OTHER,
            Class::Separator => SEPARATORS,
            Class::Space => SPACES,
            _ => return self.after_class(state, class),
        };
        self.after_beyond(state, class, kind, first)
    }

    fn after_class(&mut self, state: StateId, class: Class) -> Result<Most, EngineError> {
        let number = match class {
            Class::Byte(byte) => return after(self.arena, state, byte).map(Most::all),
            Class::Lower => 0,
            Class::Upper => 1,
            Class::Digit => 2,
            Class::Beyond => 3,
            Class::Separator => 4,
            Class::Space => 5,
        };
        if let Some(known) = self.ways.get(&state).and_then(|ways| ways.0[number]) {
            return Ok(known);
        }
        let arena = self.arena;
        ask_widely(arena, state)?;
        let way = match (class.of_ascii(), class) {
            (Some(bytes), _) => self.most(state, bytes)?,
            (None, Class::Separator) => Most::all(beyond(arena, state, SEPARATORS)?),
            (None, Class::Space) => Most::all(beyond(arena, state, SPACES)?),
            (None, _) => match beyond(arena, state, OTHER)? {
                // Few characters are taken.
                After::Apart => self.most(state, 0xC2..=0xF4)?.or_apart(),
                after => Most::all(after),
            },
        };
        self.ways.entry(state).or_insert(Ways([None; 6])).0[number] = Some(way);
        Ok(way)
    }
}

impl ShapeWalk<'_> {
    /// Where all of these bytes lead, or most of them.
    fn most(&mut self, state: StateId, bytes: RangeInclusive<u8>) -> Result<Most, EngineError> {
        let first = *bytes.start();
        if self.arena.row(state).is_some_and(|row| row.is_same(&bytes)) {
            return Ok(Most::all(after(self.arena, state, first)?));
        }
        let mut found: SmallVec<[(After, ByteSet, usize); 4]> = SmallVec::new();
        for byte in bytes {
            let way = after(self.arena, state, byte)?;
            let more = found.is_empty() || found.len() < MOST_WAYS && self.parted > 0;
            match found.iter_mut().find(|known| known.0 == way) {
                Some((_, set, count)) => {
                    set.insert(byte);
                    *count += 1;
                }
                None if more => found.push((way, ByteSet::one(byte), 1)),
                None => return Ok(Most::all(After::Apart)),
            }
        }
        if let [(way, ..)] = found.as_slice() {
            return Ok(Most::all(*way));
        }
        self.parted -= 1;
        let Some(&(after, ..)) = found.iter().max_by_key(|known| known.2) else { return Ok(Most::all(After::Apart)) };
        let mut apart = ByteSet::default();
        found.iter().filter(|known| known.0 != after).for_each(|(_, set, _)| apart.extend(set));
        Ok(if after == After::Apart { Most::all(after) } else { Most { after, apart } })
    }
}

impl Most {
    fn all(after: After) -> Self {
        Self { after, apart: ByteSet::default() }
    }

    /// Of first bytes of characters it says something only if most are refused.
    fn or_apart(self) -> Self {
        if self.after == After::Dead { self } else { Self::all(After::Apart) }
    }
}

fn after(arena: &Arena, state: StateId, byte: u8) -> Result<After, EngineError> {
    Ok(match arena.step(state, byte)? {
        Cell::Dead => After::Dead,
        Cell::Simple(target, increment) => After::To(target, increment),
        Cell::Many(_) => After::Apart,
    })
}

/// Where whole characters of one of the kinds beyond ASCII lead.
fn beyond(arena: &Arena, state: StateId, kind: Kinds) -> Result<After, EngineError> {
    Ok(match loops::beyond_ascii(arena, state, kind)? {
        Beyond::Dead => After::Dead,
        // What is in flight stands for the count with that character, and is settled like the state that it leads to.
        Beyond::To(to) => After::To(to, arena.facts(to).counting),
        Beyond::Apart => After::Apart,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::automaton::text::{Length, Outcome, TextAutomaton, TextSpec};
    use crate::formula::{Formula, Formulas};
    use crate::frontend::regex::PatternAutomaton;
    use crate::limits::Limits;
    use crate::mask::named::tests::leaving;
    use crate::mask::store::Effort;
    use crate::vocab::Vocabulary;

    /// Some tell letters apart, some do not.
    const PATTERNS: &[&str] = &[
        "^[a-z]+$",
        "^[A-Za-z]{1,3}(-[A-Za-z0-9]{1,3})*$",
        "^[^/]+(/[^/]*)?$",
        "b",
        "^ab.+$",
        "^.*$",
        "\\d\\d",
        "^[0-4]x",
        "^(?!.*a-).+$",
        "^[\u{e9}-\u{ef}a-z]*$",
        "^[^\u{e9}]*$",
        "^(a|\u{e9}b)*$",
        "^\u{2028}?[a-z.]*\u{2029}?$",
        "^(.{2})*$",
        "^\\S+(\\s\\S+){0,2}$",
        "^[\\w\\s]*$",
        "^[a-zA-Z0-9 \u{a3}]*$",
        "^(?!x)[a-z]+(\\.(?!x)[a-z]+)*$",
        "ab7",
        "^[\\p{L} ]+$",
        "^\\p{Lu}\\p{L}*$",
        "^[^\\p{P}]*$",
        "^[a-z\u{c0}-\u{ff}]+( [a-z\u{c0}-\u{ff}]+)*$",
        "^\\p{L}.*$",
        "^.*\\p{L}$",
        "^[\\p{L} ]+(-.*ab)?$",
        "^[\\p{L}\u{a0}\u{2028} ]+(-\\S*)?$",
        "^(\\s\u{e9}|[\\p{L}\u{2029}])*[^\u{3000}]?$",
        "^[\\p{L} ]+(-[^\\p{L}a]*)?$",
        "^\\p{L}+(-.x)*$",
        "^(\\p{Lu}a|\\p{Ll}x)+$",
        "^(\\p{Lu}|\\p{Ll}\\p{Lu})+$",
        "^[\u{e9}\u{436}\u{2013}]?[a-z]*[^\u{e9}]*$",
    ];

    const PIECES: &[&[u8]] = &[
        b"a",
        b"b",
        b"x",
        b"z",
        b"A",
        b"X",
        b"0",
        b"7",
        b"-",
        b"/",
        b".",
        b" ",
        b"\"",
        b"\"\n",
        b"\\",
        b"\\n",
        b"\\u00",
        b"\n",
        b"\xc3",
        b"\xa9",
        b"\xe2\x80",
        b"\xf0\x9f",
        "\u{e9}".as_bytes(),
        "\u{c9}".as_bytes(),
        "\u{436}".as_bytes(),
        "\u{2013}".as_bytes(),
        "\u{4e2d}".as_bytes(),
        "\u{2028}".as_bytes(),
        "\u{2029}".as_bytes(),
        "\u{202a}".as_bytes(),
        "\u{a0}".as_bytes(),
        "\u{a3}".as_bytes(),
        "\u{3000}".as_bytes(),
        "\u{1f600}".as_bytes(),
    ];

    /// All of some conditions, or one or more, or not all, or some but not all.
    fn asked_of(n: u32, asked: i32) -> Outcome {
        let mut store = Formulas::new(1000);
        let (mut all, mut any) = (Formula::TRUE, Formula::FALSE);
        for variable in 0..n {
            let one = store.variable(variable).unwrap();
            all = store.and(all, one).unwrap();
            any = store.or(any, one).unwrap();
        }
        let formula = match asked {
            0 => all,
            1 => any,
            2 => store.not(all).unwrap(),
            _ => {
                let not_all = store.not(all).unwrap();
                store.and(any, not_all).unwrap()
            }
        };
        Outcome::from_formula(&store, formula, |v| v).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 300 } else { 4000 }))]

        #[test]
        fn shapes_say_what_a_walk_says(
            pattern in 0..PATTERNS.len(),
            other in proptest::option::of(0..PATTERNS.len()),
            length in proptest::option::of((0_u64..3, prop_oneof![0_u64..6, 20_u64..60])),
            read in proptest::collection::vec(0..PIECES.len(), 0..5),
            tokens in proptest::collection::vec(proptest::collection::vec(0..PIECES.len(), 1..7), 30..200),
            (framed, frozen, all_bytes) in proptest::prelude::any::<(bool, bool, bool)>(),
            asked in 0..4,
        ) {
            let mut tokens: Vec<Vec<u8>> = tokens.iter().map(|parts| parts.iter().flat_map(|&part| PIECES[part]).copied().collect()).collect();
            let stop = tokens.len() as u32;
            tokens.push(b"</s>".to_vec());
            let vocabulary = Arc::new(Vocabulary::new(&tokens, tokens.len(), &[stop], &[]).unwrap());
            let alphabet = if all_bytes { crate::provider::ByteSet::ALL } else { crate::provider::ByteSet::range(b' ', b'~') };
            let arena = Arena::with_alphabet(Limits::default(), alphabet);
            let text = TextAutomaton::register(&arena);
            let components: Vec<_> = [Some(pattern), other]
                .into_iter()
                .flatten()
                .map(|pattern| Arc::new(PatternAutomaton::search(PATTERNS[pattern], &Limits::default()).unwrap()) as _)
                .collect();
            let lengths: Vec<Length> = length.iter().map(|&(min, more)| Length { min, max: Some(min + more) }).collect();
            let outcome = asked_of(components.len() as u32 + lengths.len() as u32, asked);
            let Some(mut state) = text.json_string_body(&arena, &TextSpec { components, lengths, outcome }).unwrap() else { return Ok(()) };
            let mut register = 0;
            for &byte in read.iter().flat_map(|&piece| PIECES[piece]) {
                let Cell::Simple(target, increment) = arena.step(state, byte).unwrap() else { break };
                register += u64::from(increment);
                let Some(next) = arena.settled(target, register).unwrap() else { break };
                state = next;
            }
            let frozen = frozen && arena.facts(state).counting && !arena.facts(state).guarded;
            let register = if frozen { FROZEN } else if arena.facts(state).counting { register } else { 0 };
            let store = MaskStore::new(Arc::clone(&vocabulary));
            if !frozen {
                let learned = store.mask(&arena, state, register, framed, Effort::Learn).unwrap().unwrap();
                let walked = store.walked(&arena, state, register, framed).unwrap();
                prop_assert_eq!(learned.accepted.ids(), walked.accepted.ids());
                prop_assert_eq!(leaving(&vocabulary, &learned, framed), leaving(&vocabulary, &walked, framed));
            }
            if let Some(shaped) = store.by_shapes(&arena, state, register, framed).unwrap() {
                let walked = store.walked(&arena, state, register, framed).unwrap();
                prop_assert_eq!(shaped.accepted.ids(), walked.accepted.ids());
                prop_assert_eq!(leaving(&vocabulary, &shaped, framed), leaving(&vocabulary, &walked, framed));
            }
        }
    }

    #[test]
    fn classes_that_stay_together_are_not_walked() {
        let tokens: Vec<Vec<u8>> = (b' '..b'~').flat_map(|a| (b' '..b'~').map(move |b| vec![a, b])).chain([b"</s>".to_vec()]).collect();
        let vocabulary = Arc::new(Vocabulary::new(&tokens, tokens.len(), &[tokens.len() as u32 - 1], &[]).unwrap());
        for (pattern, expected) in [("^[a-z]+-[0-9]*$", true), ("^[^/]*$", true), ("^x.*$", false), ("foo", true), ("^[a-f]+$", false)] {
            let arena = Arena::new(Limits::default());
            let text = TextAutomaton::register(&arena);
            let components = vec![Arc::new(PatternAutomaton::search(pattern, &Limits::default()).unwrap()) as _];
            let spec = TextSpec { components, lengths: Vec::new(), outcome: Outcome::all(1) };
            let state = text.json_string_body(&arena, &spec).unwrap().unwrap();
            let store = MaskStore::new(Arc::clone(&vocabulary));
            assert_eq!(store.by_shapes(&arena, state, 0, true).unwrap().is_some(), expected, "{pattern}");
        }
    }

    #[test]
    fn what_letters_are_refused_before_may_be_taken_behind() {
        let words =
            ["\u{436}-x\u{2013}", "\u{436}-x\u{436}", "\u{436}-xb", "\u{436}-xc", "\u{436}-xd", "\u{436}-xe", "\u{436}\u{2013}", "</s>"];
        let vocabulary = Arc::new(Vocabulary::new(&words, words.len(), &[7], &[]).unwrap());
        let arena = Arena::new(Limits::default());
        let text = TextAutomaton::register(&arena);
        let components = vec![Arc::new(PatternAutomaton::search("^[\\p{L} ]+(-.*ab)?$", &Limits::default()).unwrap()) as _];
        let spec = TextSpec { components, lengths: Vec::new(), outcome: Outcome::all(1) };
        let state = text.json_string_body(&arena, &spec).unwrap().unwrap();
        let store = MaskStore::new(Arc::clone(&vocabulary));
        let shaped = store.by_shapes(&arena, state, 0, true).unwrap().unwrap();
        assert_eq!(shaped.accepted.ids(), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn what_only_long_texts_may_have_is_allowed_from_the_first_character() {
        let vocabulary = Arc::new(Vocabulary::new(&["a", "b", "ab", "</s>"], 4, &[3], &[]).unwrap());
        for (pattern, asked) in [("b", 2), ("^a*$", 1)] {
            let arena = Arena::new(Limits::default());
            let text = TextAutomaton::register(&arena);
            let components = vec![Arc::new(PatternAutomaton::search(pattern, &Limits::default()).unwrap()) as _];
            // No b, or 20 characters and more.
            let length = if asked == 2 { Length { min: 0, max: Some(19) } } else { Length { min: 20, max: None } };
            let spec = TextSpec { components, lengths: vec![length], outcome: asked_of(2, asked) };
            let state = text.json_string_body(&arena, &spec).unwrap().unwrap();
            let store = MaskStore::new(Arc::clone(&vocabulary));
            let mask = store.mask(&arena, state, 0, true, Effort::Learn).unwrap().unwrap();
            assert_eq!(mask.accepted.ids(), [0, 1, 2], "{pattern}");
        }
    }

    #[test]
    fn kinds_that_lead_back_and_kinds_that_stay_alive_are_not_mixed() {
        let vocabulary = Arc::new(Vocabulary::new(&["xab", "xa", "xb", "xba", "xbab", "</s>"], 6, &[5], &[]).unwrap());
        let arena = Arena::new(Limits::default());
        let text = TextAutomaton::register(&arena);
        let components = vec![Arc::new(PatternAutomaton::search("ab", &Limits::default()).unwrap()) as _];
        let spec = TextSpec { components, lengths: Vec::new(), outcome: asked_of(1, 2) };
        let state = text.json_string_body(&arena, &spec).unwrap().unwrap();
        // All but an a leads back, and over all but the kind of b it stays alive.
        assert!(loops::cover(&arena, state, crate::characters::kind(b'b')).unwrap());
        assert!(loops::stays_alive(&arena, state, crate::characters::kind(b'a'), &mut 100).unwrap());
        let store = MaskStore::new(Arc::clone(&vocabulary));
        assert_eq!(store.walked(&arena, state, 0, true).unwrap().accepted.ids(), [1, 2, 3]);
        assert_eq!(store.mask(&arena, state, 0, true, Effort::Learn).unwrap().unwrap().accepted.ids(), [1, 2, 3]);
    }
}
