//! What compiling, masks, acceptance, forks and rollbacks cost. `make bench`; each bench asserts its answer before it is timed.
//!
//! *Cold* begins with an engine that has learned nothing, vocabulary included; *warm* with one that has read the text before.

use std::sync::{Arc, LazyLock};

use divan::{Bencher, black_box};
use maskwright::bitmask;
use maskwright::frontend::{ebnf, json_schema, regex};
use maskwright::grammar::Grammar;
use maskwright::limits::{Interrupt, Limits};
use maskwright::matcher::{CompiledGrammar, Matcher, MatcherOptions};
use maskwright::vocab::Vocabulary;
use maskwright_benches::{build, encode, tokens};

static TOKENS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| tokens(usize::MAX));
static VOCABULARY: LazyLock<Arc<Vocabulary>> = LazyLock::new(|| build(&TOKENS));

const SCHEMA: &str = r#"{"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0},
    "tags": {"type": "array", "items": {"type": "string", "maxLength": 30}}}, "required": ["name", "age"]}"#;
const DOCUMENT: &str = r#"{"name": "Grace Hopper", "age": 85, "tags": ["compilers", "the navy"], "rank": "Rear admiral"}"#;
const PROGRAM: &str = include_str!("../data/grammars/program.ebnf");
const PROGRAM_TEXT: &str = include_str!("../data/grammars/program.txt");

const DATES: &str = r"(Sun|Mon|Tues|Wednes|Thurs|Fri|Satur)day, [0-9]{1,2}(st|nd|rd|th) of [A-Z][a-z]{2,8} [0-9]{4}: [^<>]{3,200}";
const DATE: &str = "Monday, 9th of December 1946: the harbour was quiet when we came in, and the lamps had only just been lit.";

/// What is compiled, and a text of it.
const CASES: [&str; 3] = ["schema", "program", "regex"];

fn grammar(case: &str) -> Grammar {
    let limits = Limits::default();
    match case {
        "schema" => json_schema::grammar(SCHEMA, &json_schema::Options::default(), &limits).expect("a schema"),
        "program" => ebnf::parse(PROGRAM, "root", &limits).expect("a grammar"),
        _ => regex::grammar(DATES, &limits).expect("a pattern"),
    }
}

fn text(case: &str) -> &'static str {
    match case {
        "schema" => DOCUMENT,
        "program" => PROGRAM_TEXT,
        _ => DATE,
    }
}

fn compile(case: &str, vocabulary: &Arc<Vocabulary>) -> Arc<CompiledGrammar> {
    CompiledGrammar::compile(&grammar(case), vocabulary.clone(), &Limits::default(), &Interrupt::default()).expect("it compiles")
}

fn matcher(compiled: &Arc<CompiledGrammar>) -> Matcher {
    Matcher::new(compiled.clone(), MatcherOptions::default()).expect("the vocabulary has a stop token")
}

/// Fill and accept the whole text.
fn decode(compiled: &Arc<CompiledGrammar>, ids: &[u32], row: &mut [u32]) -> Matcher {
    let mut matcher = matcher(compiled);
    for &id in ids {
        matcher.fill(row).expect("a mask");
        assert!(row[(id >> 5) as usize] >> (id & 31) & 1 == 1, "token {id} is refused");
        assert!(matcher.accept_token(id).expect("a step"));
    }
    assert!(matcher.is_completed());
    matcher
}

fn row() -> Vec<u32> {
    vec![0; VOCABULARY.words()]
}

/// Building the vocabulary, by its size.
#[divan::bench(args = [32_000, 64_000, 128_000], sample_count = 10)]
fn vocabulary(bencher: Bencher<'_, '_>, count: usize) {
    let part = tokens(count);
    assert_eq!(build(&part).vocab_size(), part.len());
    bencher.bench(|| build(black_box(&part)));
}

/// Reading and binding alone.
#[divan::bench(args = CASES)]
fn compile_only(bencher: Bencher<'_, '_>, case: &str) {
    bencher.bench(|| compile(black_box(case), &VOCABULARY));
}

/// A whole text, nothing learned before; the time of one text.
#[divan::bench(args = CASES, sample_count = 10)]
fn decode_cold(bencher: Bencher<'_, '_>, case: &str) {
    let ids = encode(&VOCABULARY, text(case));
    bencher
        .with_inputs(|| (compile(case, &build(&TOKENS)), row()))
        .bench_local_values(|(compiled, mut row)| decode(&compiled, &ids, &mut row));
}

/// The same, everything learned before, by the size of the vocabulary.
#[divan::bench(args = [32_000, 64_000, 128_000])]
fn decode_warm(bencher: Bencher<'_, '_>, count: usize) {
    let vocabulary = build(&tokens(count));
    let ids = encode(&vocabulary, DOCUMENT);
    let (compiled, mut row) = (compile("schema", &vocabulary), vec![0; vocabulary.words()]);
    decode(&compiled, &ids, &mut row);
    bencher.counter(divan::counter::ItemsCount::new(ids.len())).bench_local(|| decode(&compiled, &ids, &mut row));
}

/// Places: in a string, in an object's key, in a name of a program, after it, in free text that has a bound.
const PLACES: [(&str, usize); 5] = [("schema", 12), ("schema", 3), ("program", 6), ("program", 8), ("regex", 60)];

/// A matcher at a place, of a grammar that has learned nothing.
fn at((case, bytes): (&str, usize), vocabulary: &Arc<Vocabulary>) -> Matcher {
    let mut matcher = matcher(&compile(case, vocabulary));
    assert!(matcher.accept_bytes(&text(case).as_bytes()[..bytes]).expect("a step"));
    matcher
}

/// Bit by bit, is the mask what acceptance says? Of every hundredth token.
fn check(matcher: &Matcher, row: &[u32]) {
    assert!(row.iter().any(|&word| word != 0), "nothing is allowed");
    for id in (0..VOCABULARY.vocab_size() as u32).step_by(100) {
        let accepted = matcher.fork().accept_token(id).expect("a step");
        assert_eq!(bitmask::get(row, id), accepted, "token {id}");
    }
}

/// The first mask at a place; the vocabulary has learned nothing either.
#[divan::bench(args = PLACES, sample_count = 8, sample_size = 1)]
fn fill_cold(bencher: Bencher<'_, '_>, place: (&str, usize)) {
    bencher.with_inputs(|| (at(place, &build(&TOKENS)), row())).bench_local_values(|(mut matcher, mut row)| {
        matcher.fill(&mut row).expect("a mask");
        (matcher, row)
    });
}

/// The same mask again.
#[divan::bench(args = PLACES)]
fn fill_warm(bencher: Bencher<'_, '_>, place: (&str, usize)) {
    let (mut matcher, mut row) = (at(place, &VOCABULARY), row());
    matcher.fill(&mut row).expect("a mask");
    check(&matcher, &row);
    bencher.bench_local(|| matcher.fill(black_box(&mut row)));
}

/// Accepting a whole text whose states are known, without masks; the time of one token.
#[divan::bench(args = CASES)]
fn accept(bencher: Bencher<'_, '_>, case: &str) {
    let (compiled, ids) = (compile(case, &VOCABULARY), encode(&VOCABULARY, text(case)));
    let all = || {
        let mut matcher = matcher(&compiled);
        for &id in &ids {
            assert!(matcher.accept_token(id).expect("a step"));
        }
        matcher
    };
    assert!(all().is_completed());
    bencher.counter(divan::counter::ItemsCount::new(ids.len())).bench_local(all);
}

/// Going back over a whole text, token by token, by one call or by one for each.
#[divan::bench(args = ["token by token", "at once"])]
fn rollback(bencher: Bencher<'_, '_>, how: &str) {
    let tokens = if how == "at once" { usize::MAX } else { 1 };
    let (compiled, ids) = (compile("program", &VOCABULARY), encode(&VOCABULARY, PROGRAM_TEXT));
    let full = decode(&compiled, &ids, &mut row());
    bencher.counter(divan::counter::ItemsCount::new(ids.len())).with_inputs(|| full.fork()).bench_local_values(|mut matcher| {
        while matcher.steps() > 0 {
            assert!(matcher.rollback(tokens.min(matcher.steps())).is_ok());
        }
        assert!(!matcher.is_completed());
        matcher
    });
}

/// Every node of the vocabulary's trie in its order, and nothing asked of it: no walk over all of it can be faster.
#[divan::bench]
fn trie_scan(bencher: Bencher<'_, '_>) {
    let trie = VOCABULARY.trie();
    let scan = || {
        trie.nodes()
            .iter()
            .fold((0_usize, 0_usize), |(depth, bytes), node| (depth.max(usize::from(node.depth)), bytes + usize::from(node.byte)))
    };
    assert_eq!(scan().0, TOKENS[..TOKENS.len() - 1].iter().map(Vec::len).max().expect("tokens"));
    bencher.counter(divan::counter::ItemsCount::new(trie.nodes().len())).bench_local(|| black_box(scan()));
}

/// The same through an automaton of two states, node by node as its stack unwinds: what a walk that may skip nothing has to do.
#[divan::bench]
fn trie_walk(bencher: Bencher<'_, '_>) {
    let trie = VOCABULARY.trie();
    // Have the bytes so far an odd sum?
    let walk = || {
        let (mut states, mut odd) = ([false; 1 << 10], 0_usize);
        for (i, node) in trie.nodes().iter().enumerate() {
            let depth = usize::from(node.depth);
            states[depth] = states[depth - 1] ^ (node.byte & 1 == 1);
            if states[depth] {
                odd += trie.places_at(i).len();
            }
        }
        odd
    };
    let odd = |token: &&Vec<u8>| token.iter().fold(0, |sum, byte| sum ^ (byte & 1)) == 1;
    assert_eq!(walk(), TOKENS[..TOKENS.len() - 1].iter().filter(odd).count());
    bencher.counter(divan::counter::ItemsCount::new(trie.nodes().len())).bench_local(|| black_box(walk()));
}

/// One byte back and forth, by the length of the text before it.
#[divan::bench(args = [10, 1_000, 100_000])]
fn accept_and_rollback(bencher: Bencher<'_, '_>, length: usize) {
    let mut matcher = long(length);
    bencher.bench_local(|| {
        assert!(matcher.accept_bytes(b"x").is_ok_and(|accepted| accepted));
        assert!(matcher.rollback(1).is_ok());
    });
}

/// A fork, by the length of the text before it.
#[divan::bench(args = [10, 1_000, 100_000])]
fn fork(bencher: Bencher<'_, '_>, length: usize) {
    let matcher = long(length);
    bencher.bench_local(|| black_box(&matcher).fork());
}

/// Inside a string, so many steps after the beginning.
fn long(length: usize) -> Matcher {
    let mut matcher = matcher(&compile("schema", &VOCABULARY));
    assert!(matcher.accept_bytes(br#"{"name": ""#).expect("a step"));
    for _ in 0..length {
        assert!(matcher.accept_bytes(b"y").expect("a step"));
    }
    assert_eq!(matcher.steps(), length + 1);
    matcher
}

fn main() {
    divan::main();
}
