//! Masks that were learned from models are those that walks from each state find.

use std::sync::Arc;

use super::fill::gather;
use super::{CompiledGrammar, Matcher, MatcherOptions};
use crate::frontend::json_schema::{self, Options};
use crate::limits::{Interrupt, Limits};
use crate::mask::MaskStore;
use crate::mask::store::Effort;
use crate::stack::Configuration;
use crate::testing::source::Source;
use crate::vocab::Vocabulary;

/// Objects that may or must be closed, or go on, with values of every kind, alone and together.
const SCHEMAS: &[&str] = &[
    r#"{"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}, "ab": {"type": "boolean"}}, "required": ["a", "b"], "additionalProperties": false}"#,
    r#"{"type": "object", "properties": {"a": {"enum": ["", "a", null, 1, "b"]}, "b": {"type": ["string", "null"], "maxLength": 2}}}"#,
    r#"{"type": "object", "properties": {"a": {"type": "object", "properties": {"b": {"type": "object", "maxProperties": 1}}, "additionalProperties": false}, "b": {"type": "array", "items": {"type": "object", "required": ["a"]}}}, "additionalProperties": {"type": ["array", "object"], "maxItems": 1, "maxProperties": 0}}"#,
    r#"{"anyOf": [{"properties": {"a": {"const": 1}, "b": {"type": "string"}}, "required": ["a", "b"]}, {"properties": {"a": {"const": "a"}}, "maxProperties": 1}]}"#,
    r#"{"type": "object", "patternProperties": {"^a": {"type": "number", "minimum": 1}}, "propertyNames": {"maxLength": 2}, "minProperties": 2}"#,
    r#"{"type": "object", "properties": {"a": true, "b": {"not": {"type": "string"}}}, "dependentRequired": {"a": ["b"]}, "unevaluatedProperties": {"type": "null"}}"#,
    r#"{"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string", "pattern": "^a*$"}}, "required": ["a"]}, "uniqueItems": true}"#,
    "true",
];

const PIECES: &[&str] = &[
    "\"", "a", "b", "\"a\"", ":", ": ", ",", ", ", "\n", " ", "{", "}", "[", "]", "null", "true", "1", "-", "\\u0061", "\"\"", "\":",
    "\",\"",
];

fn vocabulary(source: &mut Source) -> Arc<Vocabulary> {
    let mut tokens: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
    for _ in 0..1500 {
        let mut token: Vec<u8> = if source.below(2) == 0 { b"\"".to_vec() } else { Vec::new() };
        (0..=source.below(6)).for_each(|_| token.extend_from_slice(source.pick(PIECES).as_bytes()));
        tokens.push(token);
    }
    let stop = tokens.len() as u32;
    tokens.push(b"</s>".to_vec());
    Arc::new(Vocabulary::new(&tokens, tokens.len(), &[stop], &[]).expect("a vocabulary"))
}

pub(super) fn row(compiled: &CompiledGrammar, store: &MaskStore, configuration: &Configuration) -> Vec<u32> {
    let mut row = vec![0; compiled.vocabulary().words()];
    for part in gather(compiled.arena(), store, configuration, Effort::Learn).expect("a mask").expect("learned") {
        part.accepted.add_to(&mut row);
    }
    row
}

#[test]
fn models_change_no_mask() {
    let seeds: Vec<Vec<u8>> = (0..8u8)
        .map(|seed| (0..60_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed.wrapping_mul(37)).collect())
        .collect();
    for seed in &seeds {
        let mut source = Source::new(seed);
        let vocabulary = vocabulary(&mut source);
        for (number, schema) in SCHEMAS.iter().enumerate() {
            for options in [Options::default(), Options { any_whitespace: false, ..Options::default() }] {
                let grammar = json_schema::grammar(schema, &options, &Limits::default()).expect("a schema");
                let compiled = CompiledGrammar::compile(&grammar, Arc::clone(&vocabulary), &Limits::default(), &Interrupt::default())
                    .expect("compiles");
                let plain = MaskStore::without_models(Arc::clone(&vocabulary));
                for _ in 0..4 {
                    let mut matcher = Matcher::new(Arc::clone(&compiled), MatcherOptions::default()).expect("a matcher");
                    let mut text: Vec<u8> = Vec::new();
                    for _ in 0..24 {
                        let modelled = row(&compiled, compiled.store(), matcher.configuration());
                        let walked = row(&compiled, &plain, matcher.configuration());
                        let differing = (0..vocabulary.vocab_size() as u32)
                            .filter(|&id| crate::bitmask::get(&modelled, id) != crate::bitmask::get(&walked, id))
                            .map(|id| String::from_utf8_lossy(vocabulary.token_bytes(id)).into_owned());
                        assert_eq!(
                            differing.collect::<Vec<_>>(),
                            Vec::<String>::new(),
                            "schema {number} after {:?}",
                            String::from_utf8_lossy(&text)
                        );
                        let allowed: Vec<u32> = (0..256 + 1500u32).filter(|&id| crate::bitmask::get(&modelled, id)).collect();
                        if allowed.is_empty() {
                            break;
                        }
                        // Longer tokens more often: few single bytes lead far.
                        let long: Vec<u32> = allowed.iter().copied().filter(|&id| id >= 256).collect();
                        let from = if long.is_empty() || source.below(3) == 0 { &allowed } else { &long };
                        let id = *source.pick(from);
                        if !matcher.accept_token(id).expect("a step") {
                            // A repeated key, or item: the masks of states do not know.
                            continue;
                        }
                        text.extend_from_slice(vocabulary.token_bytes(id));
                    }
                }
            }
        }
    }
}

#[test]
fn values_that_others_learned_repeat_no_key() {
    let words = ["\":{\"b\":1,\"b\":", "\":{\"b\":1,\"c\":", "\":[{\"\":{},\"\"", "\":{", "{\"a"];
    let mut tokens: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).chain(words.map(|word| word.as_bytes().to_vec())).collect();
    let stop = tokens.len() as u32;
    tokens.push(b"</s>".to_vec());
    let vocabulary = Arc::new(Vocabulary::new(&tokens, tokens.len(), &[stop], &[]).expect("a vocabulary"));
    let mut row = vec![0; vocabulary.words()];
    // The second takes all that it knows of values from the first.
    for schema in [
        "true",
        r#"{"type": "object", "properties": {"ab": {"type": "integer"}}}"#,
        r#"{"type": "object", "properties": {"a": true}, "additionalProperties": false}"#,
    ] {
        let grammar = json_schema::grammar(schema, &Options::default(), &Limits::default()).expect("a schema");
        let compiled =
            CompiledGrammar::compile(&grammar, Arc::clone(&vocabulary), &Limits::default(), &Interrupt::default()).expect("compiles");
        for text in ["", "{", "{\"a", "{\"a\":", "{\"a\":{\"b\":1", "{\"a\":{\"b"] {
            let mut matcher = Matcher::new(Arc::clone(&compiled), MatcherOptions::default()).expect("a matcher");
            assert!(matcher.accept_bytes(text.as_bytes()).expect("a step"));
            matcher.fill(&mut row).expect("a mask");
            for id in 0..stop {
                let accepted = matcher.fork().accept_token(id).expect("a step");
                let token = String::from_utf8_lossy(vocabulary.token_bytes(id));
                assert_eq!(crate::bitmask::get(&row, id), accepted, "{schema}: {token:?} after {text:?}");
            }
        }
    }
}
