//! What a text leaves behind, in bytes, and that the way back leads through the same places.

use std::sync::Arc;
use std::time::Instant;

use super::{CompiledGrammar, Matcher, MatcherOptions};
use crate::frontend::{ebnf, json_schema, regex};
use crate::grammar::Grammar;
use crate::limits::{Interrupt, Limits};
use crate::testing::oracle;
use crate::vocab::Vocabulary;

fn compile(grammar: &Grammar) -> Arc<CompiledGrammar> {
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    tokens.extend(["ab", "\", \"", "12", "],", ", ", "</s>"].map(|token| token.as_bytes().to_vec()));
    let stop = tokens.len() as u32 - 1;
    let vocabulary = Arc::new(Vocabulary::new(&tokens, tokens.len(), &[stop], &[]).unwrap());
    CompiledGrammar::compile(grammar, vocabulary, &Limits::default(), &Interrupt::default()).unwrap()
}

fn schema(text: &str) -> Grammar {
    json_schema::grammar(text, &json_schema::Options::default(), &Limits::default()).unwrap()
}

fn matcher(grammar: &Grammar, max_rollback_tokens: Option<usize>) -> Matcher {
    Matcher::new(compile(grammar), MatcherOptions { max_rollback_tokens, ..MatcherOptions::default() }).unwrap()
}

/// Grammars of texts that go on, a beginning, and what comes again and again.
fn endless() -> Vec<(&'static str, Grammar, &'static str, &'static str)> {
    let limits = Limits::default();
    vec![
        ("text", regex::grammar("[a-z ]*", &limits).unwrap(), "", "words and words "),
        ("counted", regex::grammar("[a-z ]{3,2000000}", &limits).unwrap(), "", "words and words "),
        ("string", schema(r#"{"type": "string"}"#), "\"", "caf\u{e9} and \\n more "),
        ("numbers", schema(r#"{"type": "array", "items": {"type": "integer"}}"#), "[1", ", 17, 4"),
        ("names", schema(r#"{"type": "array", "items": {"enum": ["red", "green", "blue"]}}"#), "[\"red\"", ", \"green\", \"blue\""),
        (
            "objects",
            schema(r#"{"type": "array", "items": {"properties": {"a": {"type": "null"}}, "required": ["a"]}}"#),
            "[{\"a\": null}",
            ", {\"a\": null}",
        ),
        (
            "ambiguous",
            ebnf::parse(r#"root ::= (name | number)*  name ::= [a-z0-9]+ " "  number ::= [0-9]+ " ""#, "root", &limits).unwrap(),
            "",
            "12 a4 ",
        ),
    ]
}

#[test]
fn a_step_that_opens_nothing_costs_16_bytes_at_most() {
    for (name, grammar, begin, again) in endless() {
        let mut matcher = matcher(&grammar, None);
        assert_eq!(matcher.accept_bytes(begin.as_bytes()), Ok(true), "{name}");
        let mut steps = 0;
        while steps < 100_000 {
            for byte in again.bytes() {
                assert_eq!(matcher.accept_bytes(&[byte]), Ok(true), "{name}");
                steps += 1;
            }
        }
        let bytes = matcher.history_bytes();
        // The keys of an object are remembered as they are read.
        let most = if name == "objects" { 48 } else { 16 };
        assert!(bytes <= most * steps, "{name}: {bytes} bytes for {steps} steps");
    }
}

#[test]
fn with_a_bound_on_rollback_nothing_grows() {
    for (name, grammar, begin, again) in endless() {
        for bound in [0, 1, 10, 300] {
            let mut matcher = matcher(&grammar, Some(bound));
            assert_eq!(matcher.accept_bytes(begin.as_bytes()), Ok(true), "{name}");
            let mut most = 0;
            for round in 0..2_000 {
                for byte in again.bytes() {
                    assert_eq!(matcher.accept_bytes(&[byte]), Ok(true), "{name}");
                }
                if round < 200 {
                    most = most.max(matcher.history_bytes());
                } else {
                    assert!(matcher.history_bytes() <= most, "{name}, {bound} steps: {} bytes after {most}", matcher.history_bytes());
                }
            }
            assert_eq!(matcher.steps(), bound);
        }
    }
}

/// Back and forth in all distances, with forks that go their own way: every place is as it was when it was first seen.
#[test]
fn the_way_back_leads_through_the_same_places() {
    for (name, grammar, begin, again) in endless() {
        let size = compile(&grammar).vocabulary().vocab_size();
        let text: Vec<u8> = [begin, &again.repeat(40)].concat().into_bytes();
        let mut matcher = matcher(&grammar, None);
        let mut places = vec![(oracle::filled(&mut matcher, size).unwrap(), matcher.is_completed())];
        for &byte in &text {
            assert_eq!(matcher.accept_bytes(&[byte]), Ok(true));
            places.push((oracle::filled(&mut matcher, size).unwrap(), matcher.is_completed()));
        }
        let check = |matcher: &mut Matcher, at: usize| {
            assert_eq!((oracle::filled(matcher, size).unwrap(), matcher.is_completed()), places[at], "{name} at {at}");
        };
        let mut at = text.len();
        let mut forks = Vec::new();
        for turn in 0..400_usize {
            let back = (turn * 7919) % (at + 1);
            matcher.rollback(back).unwrap();
            at -= back;
            check(&mut matcher, at);
            if turn % 5 == 0 {
                forks.push((matcher.fork(), at));
            }
            let forth = (turn * 104_729) % (text.len() - at + 1);
            for &byte in &text[at..at + forth] {
                assert_eq!(matcher.accept_bytes(&[byte]), Ok(true));
            }
            at += forth;
            check(&mut matcher, at);
        }
        for (fork, at) in &mut forks {
            check(fork, *at);
            fork.rollback(*at / 2).unwrap();
            check(fork, *at - *at / 2);
        }
    }
}

/// A generous bound, so that a busy machine does not matter: what must not come back is a cost that grows with the text.
#[test]
fn forks_and_steps_back_do_not_grow_with_the_text() {
    for (name, grammar, begin, again) in endless() {
        let mut matcher = matcher(&grammar, None);
        assert_eq!(matcher.accept_bytes(begin.as_bytes()), Ok(true));
        for byte in again.bytes().cycle().take(100_000) {
            assert_eq!(matcher.accept_bytes(&[byte]), Ok(true), "{name}");
        }
        let mut best = u128::MAX;
        for _ in 0..20 {
            let start = Instant::now();
            for _ in 0..10 {
                let mut fork = matcher.fork();
                fork.rollback(1.min(matcher.steps())).unwrap();
            }
            best = best.min(start.elapsed().as_nanos() / 10);
        }
        assert!(best < 20_000, "{name}: {best} ns");
    }
}
