//! Masks of strings that may be only so long, close before the end: by the lengths of tokens. Part of **mask**.
//!
//! There a walk would go through most of the vocabulary, since most tokens are a few characters and each subtree holds shorter and longer ones.
//! Invariant: finds just what a walk from the state would.
//! Must not know: where masks are kept.

use std::sync::Arc;

use super::Mask;
use super::difference::{Difference, near};
use super::local::Local;
use super::store::{FROZEN, MaskStore};
use super::token_set::TokenSet;
use super::walk::{Found, Walk};
use crate::bitmask;
use crate::error::EngineError;
use crate::ids::StateId;
use crate::loops;
use crate::provider::Arena;

/// With more tokens that fare otherwise than far from the limit, that is no help.
const MOST_TOUCHED: usize = 2048;

impl MaskStore {
    /// The mask of a state that counts the characters of a string, any of them, and after the last of which none may come: the tokens that are
    /// short enough, and what a walk finds of those that are more than characters.
    pub(super) fn by_lengths(&self, arena: &Arena, state: StateId, register: u64, framed: bool) -> Result<Option<Mask>, EngineError> {
        let facts = arena.facts(state);
        if !facts.counting || facts.guarded || loops::CHARACTERS & !(facts.loops & arena.loops(state).known()) != 0 || register == FROZEN {
            return Ok(None);
        }
        let lengths = self.vocabulary.lengths();
        let Some(short) = lengths.at_most(facts.limit.saturating_sub(register)) else { return Ok(None) };
        let Some(last) = arena.settled(state, facts.limit)?.filter(|&last| last != state) else { return Ok(None) };
        if !loops::refuses_characters(arena, last)? {
            return Ok(None);
        }
        let walk = Walk { keep: framed, ..Walk::over(arena, lengths.rest()) };
        if let Some(base) = self.far(arena, state, framed)?
            && let Some(found) = self.with_locals(|table| near(&walk, table, (state, register), MOST_TOUCHED))?
        {
            return Ok(Some(self.shortened(&base, short, found, framed)));
        }
        let mut found = Found::default();
        self.with_locals(|table| walk.run(table, Local::One { state, register, parents: 0 }, &mut found))?;
        let mut bits: Box<[u32]> = short.into();
        bitmask::set_all(&mut bits, &found.accepted(lengths.rest()));
        let accepted = TokenSet::from_bits(bits);
        let mut leaving = found.leaving;
        leaving.leftovers.retain(|leftover| !accepted.contains(leftover.token));
        let residual = self.residual(leaving, None);
        Ok(Some(Mask::new(accepted, residual)))
    }

    /// The mask of a state far from its limit, without the characters that are not short enough, and with what fares otherwise of the tokens that are
    /// more than characters.
    fn shortened(&self, base: &Arc<Mask>, short: &[u32], found: Difference, framed: bool) -> Mask {
        let lengths = self.vocabulary.lengths();
        let Difference { mut touched, found } = found;
        touched.sort_unstable();
        touched.dedup();
        let mut bits = vec![0; self.vocabulary.words()].into_boxed_slice();
        base.accepted.write(&mut bits);
        for ((word, counted), short) in bits.iter_mut().zip(lengths.counted()).zip(short) {
            *word = *word & !counted | short;
        }
        for &token in &touched {
            bitmask::clear(&mut bits, token);
        }
        bitmask::set_all(&mut bits, &found.accepted(lengths.rest()));
        let accepted = TokenSet::from_bits_near(base, bits);
        let mut leaving = found.leaving;
        leaving.leftovers.retain(|leftover| !accepted.contains(leftover.token));
        let below = base.residual.clone().map(|residual| (residual, Arc::from(touched)));
        let residual = if framed { self.residual(leaving, below) } else { None };
        Mask::new(accepted, residual)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::automaton::text::{Length, Outcome, TextAutomaton, TextSpec};
    use crate::limits::Limits;
    use crate::mask::named::tests::{FRAGMENTS, leaving};
    use crate::provider::{ByteSet, Cell};
    use crate::vocab::Vocabulary;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 200 } else { 2000 }))]

        #[test]
        fn lengths_say_what_a_walk_says(
            min in 0_u64..4,
            more in 0_u64..8,
            read in 0_u64..6,
            tokens in proptest::collection::vec(proptest::collection::vec(0..FRAGMENTS.len(), 1..9), 30..200),
            framed in proptest::bool::ANY,
            all_bytes in proptest::bool::ANY,
        ) {
            let spelled = |parts: &[usize]| parts.iter().flat_map(|&part| FRAGMENTS[part]).copied().collect::<Vec<u8>>();
            let mut tokens: Vec<Vec<u8>> = tokens.iter().map(|parts| spelled(parts)).collect();
            tokens.extend((1..12).map(|n| vec![b'a'; n]));
            let stop = tokens.len() as u32;
            tokens.push(b"</s>".to_vec());
            let vocabulary = Arc::new(Vocabulary::new(&tokens, tokens.len(), &[stop], &[]).unwrap());
            let arena = Arena::with_alphabet(Limits::default(), if all_bytes { ByteSet::ALL } else { ByteSet::range(b' ', b'~') });
            let text = TextAutomaton::register(&arena);
            let length = Length { min, max: Some(min + more) };
            let spec = TextSpec { components: Vec::new(), lengths: vec![length], outcome: Outcome::all(1) };
            let Some(mut state) = text.json_string_body(&arena, &spec).unwrap() else { return Ok(()) };
            let mut register = 0;
            for _ in 0..read {
                let Cell::Simple(target, increment) = arena.step(state, b'a').unwrap() else { return Ok(()) };
                register += u64::from(increment);
                let Some(next) = arena.settled(target, register).unwrap() else { return Ok(()) };
                state = next;
            }
            let store = MaskStore::new(Arc::clone(&vocabulary));
            if let Some(counted) = store.by_lengths(&arena, state, register, framed).unwrap() {
                let walked = store.walked(&arena, state, register, framed).unwrap();
                prop_assert_eq!(counted.accepted.ids(), walked.accepted.ids());
                prop_assert_eq!(leaving(&vocabulary, &counted, framed), leaving(&vocabulary, &walked, framed));
            } else {
                prop_assert!(register < min || !all_bytes || register >= min + more, "{} of {:?} is not counted", register, length);
            }
        }
    }
}
