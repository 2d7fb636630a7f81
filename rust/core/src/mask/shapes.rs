//! Masks of strings whose characters fare alike by class, as patterns' do: a walk over the shapes of tokens. Part of **mask**.
//!
//! Invariant: finds just what a walk from the state would.
//! Must not know: where masks are kept.

use hashbrown::HashMap;

use super::Mask;
use super::local::Local;
use super::path::{ask_widely, loops};
use super::store::{FROZEN, MaskStore};
use super::token_set::TokenSet;
use super::walk::{Found, Walk, Whole};
use crate::bitmask;
use crate::characters::{Kinds, OTHER, SEPARATORS, SPACES};
use crate::error::EngineError;
use crate::ids::StateId;
use crate::loops::{self, Beyond};
use crate::provider::{Arena, Cell};
use crate::vocab::{Class, ShapeIndex};

/// Few tokens are as many characters.
const NEAR: u64 = 32;
/// A walk that has looked at so many shapes looks further ahead, at so many states at most.
const LONG: usize = 256;
const AHEAD: usize = 256;

/// Where a class of characters leads from a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum After {
    Dead,
    /// To one state, and whether the register grows.
    To(StateId, bool),
    /// Not all to the same.
    Apart,
}

/// What is known of a state: after lower-case and upper-case letters, digits, and characters beyond ASCII of each kind.
struct Ways([Option<After>; 6]);

impl MaskStore {
    /// The mask of a state between two characters of a string, if from nowhere on the way the characters of a class lead to different states.
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
        let walk = ShapeWalk { arena, shapes, frozen, ways: HashMap::default(), ahead: AHEAD };
        let Some(places) = walk.run(state, register)? else { return Ok(None) };
        let mut found = Found::default();
        let walk = Walk { frozen, keep: framed, whole: Whole::Shapeless(shapes), ..Walk::over(arena, shapes.rest()) };
        self.with_locals(|table| walk.run(table, Local::One { state, register, parents: 0 }, &mut found))?;
        let rest = found.accepted(shapes.rest());
        let many = places.iter().map(|&(start, end)| (end - start) as usize).sum::<usize>();
        let tokens = |(start, end): (u32, u32)| shapes.tokens()[start as usize..end as usize].iter().copied();
        let accepted = if many + rest.len() < self.vocabulary.words() {
            TokenSet::from_ids(places.into_iter().flat_map(tokens).chain(rest).collect(), self.vocabulary.words())
        } else {
            let mut bits: Box<[u32]>;
            if many * 2 > shapes.tokens().len() {
                bits = shapes.all().into();
                let mut done = 0;
                for (start, end) in places {
                    tokens((done, start)).for_each(|token| bitmask::clear(&mut bits, token));
                    done = end;
                }
                tokens((done, shapes.tokens().len() as u32)).for_each(|token| bitmask::clear(&mut bits, token));
            } else {
                bits = vec![0; self.vocabulary.words()].into();
                places.into_iter().flat_map(tokens).for_each(|token| bitmask::set(&mut bits, token));
            }
            for token in rest {
                bitmask::set(&mut bits, token);
            }
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

struct ShapeWalk<'a> {
    arena: &'a Arena,
    shapes: &'a ShapeIndex,
    /// Registers stay as they are.
    frozen: bool,
    ways: HashMap<StateId, Ways, foldhash::fast::RandomState>,
    /// How many states may still be looked at to see over what others stay alive.
    ahead: usize,
}

impl ShapeWalk<'_> {
    /// The accepted places, ascending; `None`: somewhere a class does not do.
    fn run(mut self, state: StateId, register: u64) -> Result<Option<Vec<(u32, u32)>>, EngineError> {
        let (arena, shapes) = (self.arena, self.shapes);
        let mut places: Vec<(u32, u32)> = Vec::new();
        let mut accept = |(start, end): (u32, u32)| match places.last_mut() {
            _ if start == end => {}
            Some(last) if last.1 == start => last.1 = end,
            _ => places.push((start, end)),
        };
        // By depth.
        let mut path = vec![(state, register); 1];
        let (mut visited, mut i) = (0, 0);
        while let Some(shape) = shapes.shapes().get(i) {
            visited += 1;
            let depth = usize::from(shape.depth);
            let (state, register) = path[depth - 1];
            let (target, increment) = match self.after(state, shape.class())? {
                After::Dead => {
                    i = shape.end as usize;
                    continue;
                }
                After::Apart => {
                    // To different states, from none of which what lies below leads to an end?
                    let kinds = shape.kinds() | shape.below;
                    if !arena.facts(state).is_simple() || !loops::stays_alive(arena, state, kinds, &mut self.ahead)? {
                        return Ok(None);
                    }
                    accept(shapes.places_below(i));
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
            let all = loops(arena, state, register, self.frozen, shape.below, reach)?
                || facts.is_simple()
                    && (shape.below & !arena.loops(state).known_alive() == 0
                        || visited > LONG && loops::stays_alive(arena, state, shape.below, &mut self.ahead)?);
            if all {
                accept(shapes.places_below(i));
                i = shape.end as usize;
                continue;
            }
            accept(shapes.places_at(i));
            path.truncate(depth);
            path.push((state, register));
            i += 1;
        }
        Ok(Some(places))
    }

    fn after(&mut self, state: StateId, class: Class) -> Result<After, EngineError> {
        let number = match class {
            Class::Byte(byte) => return after(self.arena, state, byte),
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
        let way = match class {
            Class::Lower => together(arena, state, b'a'..=b'z')?,
            Class::Upper => together(arena, state, b'A'..=b'Z')?,
            Class::Digit => together(arena, state, b'0'..=b'9')?,
            Class::Byte(_) | Class::Beyond => beyond(arena, state, OTHER)?,
            Class::Separator => beyond(arena, state, SEPARATORS)?,
            Class::Space => beyond(arena, state, SPACES)?,
        };
        self.ways.entry(state).or_insert(Ways([None; 6])).0[number] = Some(way);
        Ok(way)
    }
}

fn after(arena: &Arena, state: StateId, byte: u8) -> Result<After, EngineError> {
    Ok(match arena.step(state, byte)? {
        Cell::Dead => After::Dead,
        Cell::Simple(target, increment) => After::To(target, increment),
        Cell::Many(_) => After::Apart,
    })
}

/// Where all of these bytes lead.
fn together(arena: &Arena, state: StateId, mut bytes: std::ops::RangeInclusive<u8>) -> Result<After, EngineError> {
    let first = after(arena, state, *bytes.start())?;
    bytes.try_fold(first, |way, byte| Ok(if after(arena, state, byte)? == first { way } else { After::Apart }))
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
    use crate::frontend::regex::PatternAutomaton;
    use crate::limits::Limits;
    use crate::mask::named::tests::leaving;
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
    ];

    const PIECES: &[&[u8]] = &[
        b"a",
        b"b",
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
        "\u{e9}".as_bytes(),
        "\u{2028}".as_bytes(),
        "\u{2029}".as_bytes(),
        "\u{202a}".as_bytes(),
        "\u{1f600}".as_bytes(),
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 300 } else { 4000 }))]

        #[test]
        fn shapes_say_what_a_walk_says(
            pattern in 0..PATTERNS.len(),
            other in proptest::option::of(0..PATTERNS.len()),
            length in proptest::option::of((0_u64..3, 0_u64..6)),
            read in proptest::collection::vec(0..PIECES.len(), 0..5),
            tokens in proptest::collection::vec(proptest::collection::vec(0..PIECES.len(), 1..7), 30..200),
            (framed, frozen, all_bytes) in proptest::prelude::any::<(bool, bool, bool)>(),
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
            let outcome = Outcome::all(components.len() as u32 + lengths.len() as u32);
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
}
