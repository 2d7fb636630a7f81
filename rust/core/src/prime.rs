//! What all grammars of JSON can use, learned before the first of them is compiled: masks of the strings, numbers, keys and values that nearly every
//! schema is made of. Above the **frontend** and the **matcher**.
//!
//! Invariant: what is learned is what matchers would have learned; what cannot be is left to them.
//! Must not know: what is compiled later.

use std::sync::Arc;

use crate::frontend::json_schema::{self, Options};
use crate::limits::{Interrupt, Limits};
use crate::mask::SharedMasks;
use crate::matcher::{CompiledGrammar, Matcher, MatcherOptions};
use crate::vocab::Vocabulary;

/// With less room than this in the shared store most of it would be given up again.
const ROOM: usize = 8 << 20;

/// Members of each kind, some of them required, open and closed.
const SCHEMA: &str = r#"{"type": "object", "required": ["s"], "properties": {
    "s": {"type": "string"}, "i": {"type": "integer"}, "n": {"type": "number"}, "b": {"type": "boolean"},
    "l": {"type": "array", "items": {"type": "string"}},
    "c": {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"], "additionalProperties": false},
    "o": {}
}}"#;

const TEXT: &str =
    r#"{"s": "some text", "i": 12, "n": 2.5, "b": true, "l": ["a", "b"], "c": {"x": "y"}, "o": {"q": [-1, null, {}]}, "z": 0}"#;

/// Learn it, unless somebody has for this vocabulary; `room`: bytes that the shared store may take, if there is a limit.
pub fn prime(vocabulary: &Arc<Vocabulary>, room: Option<usize>) {
    let Some(shared) = SharedMasks::of(vocabulary) else { return };
    if room.is_none_or(|room| room >= ROOM) && shared.is_unprimed() {
        // A vocabulary that cannot spell the text learns as much of it as it can.
        let _ = learn(vocabulary);
    }
}

/// Masks before each byte of the text.
fn learn(vocabulary: &Arc<Vocabulary>) -> Option<()> {
    let limits = Limits::default();
    let grammar = json_schema::grammar(SCHEMA, &Options::default(), &limits).ok()?;
    let compiled = CompiledGrammar::compile_shared(&Arc::new(grammar), Arc::clone(vocabulary), &limits, &Interrupt::default()).ok()?;
    let mut matcher = Matcher::new(compiled, MatcherOptions::default()).ok()?;
    let mut row = vec![0; vocabulary.words()];
    for byte in TEXT.bytes() {
        matcher.fill(&mut row).ok()?;
        matcher.accept_bytes(&[byte]).ok().filter(|&taken| taken)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::oracle;
    use crate::vocab::Vocabulary;

    fn vocabulary() -> Arc<Vocabulary> {
        let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        tokens.extend(
            ["\": ", "\", \"", "\"}", ": \"", ": [", "{\"", "12", "true", "null", "ab", "\": \"a"].map(|token| token.as_bytes().to_vec()),
        );
        // Enough words for masks that are bits and differences.
        tokens.extend((0..3000_u32).map(|n| format!("w{n:x} {}", n % 7).into_bytes()));
        tokens.push(Vec::new());
        let stop = tokens.len() as u32 - 1;
        Arc::new(Vocabulary::new(&tokens, tokens.len(), &[stop], &[]).unwrap())
    }

    /// Schemas, and a text of each.
    const CASES: [(&str, &str); 4] = [
        (r#"{"type": "object", "properties": {"name": {"type": "string"}, "n": {"type": "number"}}}"#, r#"{"name": "ab c", "n": 12.5}"#),
        (r#"{"type": "array", "items": {"type": "string", "maxLength": 9}}"#, r#"["a", "ab\n"]"#),
        (r#"{"required": ["a"], "properties": {"a": {"type": "integer"}}, "additionalProperties": false}"#, r#"{"a": -3}"#),
        ("{}", r#"{"x": [null, {"y": ""}]}"#),
    ];

    #[test]
    fn primed_masks_are_those_that_matchers_learn_and_fewer_are_learned_later() {
        for (schema, text) in CASES {
            let [with, without] = [true, false].map(|is_primed| {
                let vocabulary = vocabulary();
                if is_primed {
                    prime(&vocabulary, None);
                }
                let limits = Limits::default();
                let grammar = Arc::new(json_schema::grammar(schema, &Options::default(), &limits).unwrap());
                let compiled = CompiledGrammar::compile_shared(&grammar, vocabulary, &limits, &Interrupt::default()).unwrap();
                (oracle::masks_along(&compiled, text), compiled.statistics().masks)
            });
            assert_eq!(with.0, without.0, "{schema}");
            assert!(with.1 < without.1, "{schema}: {} and {} masks were learned", with.1, without.1);
        }
    }

    #[test]
    fn a_vocabulary_is_primed_once() {
        let vocabulary = vocabulary();
        prime(&vocabulary, None);
        let shared = SharedMasks::of(&vocabulary).unwrap();
        assert!(shared.counts().0 > 20, "{:?}", shared.counts());
        shared.limit_to(0);
        prime(&vocabulary, None);
        assert_eq!(shared.counts().0, 0);
    }

    #[test]
    fn a_small_store_and_a_vocabulary_without_json_stay_as_they_are() {
        let small = vocabulary();
        prime(&small, Some(ROOM - 1));
        assert_eq!(SharedMasks::of(&small).unwrap().counts().0, 0);
        let letters: Vec<Vec<u8>> = (b'a'..=b'z').map(|byte| vec![byte]).chain([Vec::new()]).collect();
        let letters = Arc::new(Vocabulary::new(&letters, letters.len(), &[26], &[]).unwrap());
        prime(&letters, None);
    }
}
