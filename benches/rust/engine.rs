//! What compiling, masks, acceptance, forks and rollbacks cost. `make bench`; each bench asserts its answer before it is timed.
//!
//! *Cold* begins with an engine that has learned nothing, vocabulary included; *warm* with one that has read the text before.

use std::sync::{Arc, LazyLock};

use divan::{Bencher, black_box};
use maskwright::frontend::{ebnf, json_schema};
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

/// What is compiled, and a text of it.
const CASES: [&str; 2] = ["schema", "program"];

fn grammar(case: &str) -> Grammar {
    let limits = Limits::default();
    match case {
        "schema" => json_schema::grammar(SCHEMA, &json_schema::Options::default(), &limits).expect("a schema"),
        _ => ebnf::parse(PROGRAM, "root", &limits).expect("a grammar"),
    }
}

fn text(case: &str) -> &'static str {
    if case == "schema" { DOCUMENT } else { PROGRAM_TEXT }
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

/// A mask in the middle of a string, of an object's key, of a name in a program.
#[divan::bench(args = [("schema", 12), ("schema", 3), ("program", 6)])]
fn fill_warm(bencher: Bencher<'_, '_>, (case, bytes): (&str, usize)) {
    let compiled = compile(case, &VOCABULARY);
    let (mut matcher, mut row) = (matcher(&compiled), row());
    assert!(matcher.accept_bytes(&text(case).as_bytes()[..bytes]).expect("a step"));
    matcher.fill(&mut row).expect("a mask");
    assert!(row.iter().any(|&word| word != 0));
    bencher.bench_local(|| matcher.fill(black_box(&mut row)));
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
