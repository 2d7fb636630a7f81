//! What a profiler looks at: every text of `benches/data`, first by grammars that have learned nothing, then again. `make profile`.
//!
//! The first pass is the function `cold_pass`, the others are `warm_pass`, so that a profiler may collect there alone. The argument says what is
//! read: `schemas` or `grammars`.

use std::collections::HashMap;
use std::sync::Arc;

use maskwright::frontend::{ebnf, json_schema};
use maskwright::grammar::Grammar;
use maskwright::limits::{Interrupt, Limits};
use maskwright::matcher::{CompiledGrammar, Matcher, MatcherOptions};
use maskwright_benches::{build, encode, tokens};
use serde_json::value::RawValue;

const SCHEMAS: &str = include_str!("../data/schemas.jsonl");
const GRAMMARS: [(&str, &str); 5] = [
    (include_str!("../data/grammars/arithmetic.ebnf"), include_str!("../data/grammars/arithmetic.txt")),
    (include_str!("../data/grammars/json.ebnf"), include_str!("../data/grammars/json.txt")),
    (include_str!("../data/grammars/markup.ebnf"), include_str!("../data/grammars/markup.txt")),
    (include_str!("../data/grammars/program.ebnf"), include_str!("../data/grammars/program.txt")),
    (include_str!("../data/grammars/query.ebnf"), include_str!("../data/grammars/query.txt")),
];

/// Grammars and their texts.
fn cases(which: &str) -> Vec<(Grammar, Vec<String>)> {
    let limits = Limits::default();
    if which == "grammars" {
        let case = |&(grammar, text): &(&str, &str)| (ebnf::parse(grammar, "root", &limits).expect("a grammar"), vec![text.to_owned()]);
        return GRAMMARS.iter().map(case).collect();
    }
    let schema = |line: &str| {
        // Raw: the order of keys counts.
        let item: HashMap<String, Box<RawValue>> = serde_json::from_str(line).expect("a line of JSON");
        let texts: Vec<Box<RawValue>> = serde_json::from_str(item["instances"].get()).expect("instances");
        let grammar = json_schema::grammar(item["schema"].get(), &json_schema::Options::default(), &limits).expect("a schema");
        (grammar, texts.iter().map(|text| text.get().to_owned()).collect())
    };
    SCHEMAS.lines().map(schema).collect()
}

/// Mask and acceptance, token by token.
fn walk(compiled: &Arc<CompiledGrammar>, texts: &[Vec<u32>], row: &mut [u32]) -> usize {
    let mut masks = 0;
    for ids in texts {
        let mut matcher = Matcher::new(compiled.clone(), MatcherOptions::default()).expect("the vocabulary has a stop token");
        for &id in ids {
            matcher.fill(row).expect("a mask");
            assert!(matcher.accept_token(id).expect("a step"), "token {id} is refused");
            masks += 1;
        }
        assert!(matcher.is_completed(), "the text may not end");
    }
    masks
}

#[inline(never)]
fn cold_pass(compiled: &Arc<CompiledGrammar>, texts: &[Vec<u32>], row: &mut [u32]) -> usize {
    walk(compiled, texts, row)
}

/// Ten times, so that what a walk costs is not lost among what a process does once.
#[inline(never)]
fn warm_pass(compiled: &Arc<CompiledGrammar>, texts: &[Vec<u32>], row: &mut [u32]) -> usize {
    (0..10).map(|_| walk(compiled, texts, row)).sum()
}

fn main() {
    let which = std::env::args().nth(1).unwrap_or_else(|| "schemas".to_owned());
    let vocabulary = build(&tokens(usize::MAX));
    let mut row = vec![0; vocabulary.words()];
    let mut masks = 0;
    for (grammar, texts) in cases(&which) {
        let compiled =
            CompiledGrammar::compile(&grammar, vocabulary.clone(), &Limits::default(), &Interrupt::default()).expect("it compiles");
        let texts: Vec<Vec<u32>> = texts.iter().map(|text| encode(&vocabulary, text)).collect();
        masks += cold_pass(&compiled, &texts, &mut row);
        assert_eq!(warm_pass(&compiled, &texts, &mut row), 10 * texts.iter().map(Vec::len).sum::<usize>());
    }
    println!("{which}: {masks} masks, ten times as many warm ones");
}
