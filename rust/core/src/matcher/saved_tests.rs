//! Masks that were saved: the same ones come back, in another engine; and no bytes whatever break it.

use std::sync::Arc;

use proptest::prelude::*;

use super::{CompiledGrammar, Matcher, MatcherOptions, Shelf};
use crate::error::CacheError;
use crate::frontend::{ebnf, json_schema};
use crate::limits::{Interrupt, Limits};
use crate::testing::oracle;
use crate::vocab::Vocabulary;

/// A vocabulary that has learned nothing.
fn vocabulary(last: &str) -> Arc<Vocabulary> {
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    tokens.extend([" + ", "ab", "))", ") + (", "\"", "\": ", "12", last].map(|token| token.as_bytes().to_vec()));
    // Enough words for masks that are bits, differences, and parts.
    tokens.extend((0..3000_u32).map(|n| format!("w{n:x} {}", n % 7).into_bytes()));
    tokens.push(Vec::new());
    let stop = tokens.len() as u32 - 1;
    Arc::new(Vocabulary::new(&tokens, tokens.len(), &[stop], &[]).unwrap())
}

const SUM: &str = r#"root ::= sum  sum ::= part (" + " part)*  part ::= [a-z0-9 ]{1,9} | "(" sum ")""#;
/// Sources, schemas among them, and a text of each.
const CASES: [(&str, &str); 4] = [
    (SUM, "ab + (c + (d + e)) + f"),
    (r#"root ::= "<" name ">" [^<]* "</" name ">"  name ::= [a-z] [a-z0-9]*"#, "<ab>some 12 text</ab>"),
    (
        r#"{"type": "object", "properties": {"name": {"type": "string", "maxLength": 30}, "n": {"type": "number", "minimum": 3}}}"#,
        r#"{"name": "ab c", "n": 12.5}"#,
    ),
    (r#"{"items": {"type": "string", "format": "date"}}"#, r#"["2024-02-29"]"#),
];

fn compile(source: &str, vocabulary: &Arc<Vocabulary>) -> Arc<CompiledGrammar> {
    let limits = Limits::default();
    let grammar = if source.starts_with('{') {
        json_schema::grammar(source, &json_schema::Options::default(), &limits).unwrap()
    } else {
        ebnf::parse(source, "root", &limits).unwrap()
    };
    CompiledGrammar::compile(&grammar, vocabulary.clone(), &limits, &Interrupt::default()).unwrap()
}

/// What an engine has learned of all cases, as bytes, and the masks along their texts.
fn saved() -> (Vec<u8>, Vec<Vec<Vec<u32>>>) {
    let vocabulary = vocabulary("x");
    let shelf = Shelf::new(&vocabulary, None, true);
    let rows = CASES.map(|(source, text)| {
        let compiled = compile(source, &vocabulary);
        shelf.keep(&compiled, 0);
        oracle::masks_along(&compiled, text)
    });
    let (bytes, count) = shelf.save(&vocabulary);
    assert!(count > 30, "{count}");
    (bytes, rows.to_vec())
}

#[test]
fn a_grammar_starts_warm_from_what_was_saved() {
    let (bytes, rows) = saved();
    let vocabulary = vocabulary("x");
    let shelf = Shelf::new(&vocabulary, None, true);
    assert!(shelf.load(&vocabulary, &bytes).unwrap() > 30);
    for ((source, text), rows) in CASES.iter().zip(&rows) {
        let compiled = compile(source, &vocabulary);
        shelf.keep(&compiled, 0);
        assert_eq!(&oracle::masks_along(&compiled, text), rows, "{source}");
        let statistics = compiled.statistics();
        if source.starts_with('{') {
            // Strings and numbers; the states of schemas have no identity.
            assert!(statistics.shared > 0, "{source}: {statistics:?}");
        } else {
            assert_eq!((statistics.masks, statistics.resolved), (0, 0), "{source}: {statistics:?}");
        }
    }
    // What was loaded can be saved again.
    let (again, count) = shelf.save(&vocabulary);
    assert_eq!(Shelf::new(&vocabulary, None, true).load(&vocabulary, &again), Ok(count));
}

#[test]
fn another_grammar_takes_nothing_that_is_not_its_own() {
    let (bytes, _) = saved();
    let texts = [
        (SUM.replace("1,9", "1,8"), "ab + (c + (d + e)) + f"),
        (SUM.replace("a-z0-9 ", "a-z0-8 "), "ab + (c + (d + e)) + f"),
        (SUM.replace("part ::=", "part ::= \"!\" |"), "ab + (c + !) + f"),
    ];
    for (source, text) in texts {
        let expected = oracle::masks_along(&compile(&source, &vocabulary("x")), text);
        let vocabulary = vocabulary("x");
        Shelf::new(&vocabulary, None, true).load(&vocabulary, &bytes).unwrap();
        assert_eq!(oracle::masks_along(&compile(&source, &vocabulary), text), expected, "{source}");
    }
}

#[test]
fn other_files_are_refused_by_name() {
    let (bytes, _) = saved();
    let same = vocabulary("x");
    let load = |bytes: &[u8]| Shelf::new(&same, None, true).load(&same, bytes);
    let other = vocabulary("y");
    assert_eq!(Shelf::new(&other, None, true).load(&other, &bytes), Err(CacheError::OtherVocabulary));
    assert_eq!(load(b""), Err(CacheError::NotACache));
    assert_eq!(load(b"{}"), Err(CacheError::NotACache));
    let mut newer = bytes.clone();
    newer[12] ^= 1;
    assert!(matches!(load(&newer), Err(CacheError::OtherVersion { .. })));
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(matches!(load(&longer), Err(CacheError::Damaged { .. })));
    for length in (0..bytes.len()).step_by(97) {
        assert!(load(&bytes[..length]).is_err(), "cut at {length}");
    }
}

/// The same bytes with checksums that fit: as someone who forges a file would have them.
fn forged(mut bytes: Vec<u8>) -> Vec<u8> {
    crate::mask::mend(&mut bytes);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Whatever is flipped is noticed.
    #[test]
    fn damage_is_noticed(changes in proptest::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4)) {
        let (bytes, _) = saved();
        let mut damaged = bytes.clone();
        for (at, flip) in changes {
            damaged[at.index(bytes.len())] ^= flip;
        }
        let vocabulary = vocabulary("x");
        let loaded = Shelf::new(&vocabulary, None, true).load(&vocabulary, &damaged);
        prop_assert!(loaded.is_err() || damaged == bytes);
    }

    /// With fitting checksums masks may be wrong, and nothing else: no panic, no token outside the vocabulary.
    #[test]
    fn a_forged_file_breaks_nothing(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let (mut bytes, _) = saved();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let vocabulary = vocabulary("x");
        let shelf = Shelf::new(&vocabulary, None, true);
        if shelf.load(&vocabulary, &forged(bytes)).is_ok() {
            for (source, text) in CASES {
                let compiled = compile(source, &vocabulary);
                let mut matcher = Matcher::new(compiled, MatcherOptions::default()).unwrap();
                let mut row = vec![0; vocabulary.words()];
                for byte in text.bytes() {
                    let _ = matcher.fill(&mut row);
                    let stop = *vocabulary.stop_token_ids().first().unwrap_or(&0);
                    for id in (0..row.len() as u32 * 32).filter(|id| row[*id as usize / 32] >> (id % 32) & 1 == 1) {
                        prop_assert!(vocabulary.is_text(id) || id == stop, "token {}", id);
                    }
                    prop_assert_eq!(matcher.accept_bytes(&[byte]), Ok(true));
                }
            }
        }
    }
}
