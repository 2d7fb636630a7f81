//! Arbitrary text into every front-end: a result or a typed error, and of what compiles the first masks are right.
//!
//! Invariant: a property is a pure function of the bytes that steer it; passing a limit is an answer.
//! Must not know: what the text means.

use std::sync::{Arc, OnceLock};

use crate::error::{CompileError, EngineError};
use crate::frontend;
use crate::grammar::Grammar;
use crate::limits::{Interrupt, Limits};
use crate::matcher::CompiledGrammar;
use crate::provider::ByteSet;
use crate::testing::oracle;
use crate::testing::vocabulary::TinyVocabulary;
use crate::vocab::Vocabulary;

/// Any text as EBNF.
pub fn ebnf(bytes: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(bytes);
    let grammar = frontend::ebnf::parse(&text, "root", &limits());
    if let Ok(grammar) = &grammar {
        parses_back(grammar)?;
    }
    run(grammar, bytes)
}

fn parses_back(grammar: &Grammar) -> Result<(), String> {
    let root = &grammar.rules()[grammar.root().index()].name;
    let printed = grammar.to_string();
    let again = frontend::ebnf::parse(&printed, root, &Limits::default()).map_err(|e| format!("does not parse: {printed}\n{e}"))?;
    if again.identity() != grammar.identity() {
        return Err(format!("printed and parsed, it is another grammar:\n{printed}\n{again}"));
    }
    Ok(())
}

/// Any text as a regular expression.
pub fn regex(bytes: &[u8]) -> Result<(), String> {
    run(frontend::regex::grammar(&String::from_utf8_lossy(bytes), &limits()), bytes)
}

/// Any text as a JSON Schema; what comes after a NUL are documents that it may refer to as `urn:0`, `urn:1`, ….
pub fn json_schema(bytes: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split('\0');
    let schema = parts.next().unwrap_or_default();
    let mut documents = frontend::json_schema::Documents::default();
    for (i, document) in parts.enumerate() {
        documents.insert(&format!("urn:{i}"), document);
    }
    let options = frontend::json_schema::Options::default();
    let grammar = frontend::json_schema::grammar_with(schema, &options, &documents, &limits());
    if let Ok(grammar) = &grammar {
        parses_back(grammar)?;
    }
    run(grammar, bytes)
}

/// Small enough that no input takes long.
pub(super) fn limits() -> Limits {
    Limits {
        max_text_bytes: 1 << 16,
        max_expression_nodes: 50_000,
        max_states: 50_000,
        max_subset_positions: 2_000,
        max_formula_nodes: 50_000,
        max_search_steps: 20_000,
        max_items: 500,
        max_step_frames: 5_000,
        max_mask_frames: 100_000,
        ..Limits::default()
    }
}

pub(super) fn vocabulary() -> &'static (TinyVocabulary, Arc<Vocabulary>) {
    static BOTH: OnceLock<(TinyVocabulary, Arc<Vocabulary>)> = OnceLock::new();
    BOTH.get_or_init(|| {
        let longer: [&[u8]; 14] =
            [b"\":{\"", b"}}", b"ab", b"aaa", b"\",\"", b"\": \"", b"\xC3\xA9", b"\xA9a", b"[[", b"]]", b"a\"", b"\\u00", b"  ", b"a"];
        let tiny = TinyVocabulary::new(&ByteSet::ALL, longer.map(<[u8]>::to_vec));
        let built = Arc::new(tiny.build().expect("a legal vocabulary"));
        (tiny, built)
    })
}

pub(super) fn run(grammar: Result<Grammar, CompileError>, bytes: &[u8]) -> Result<(), String> {
    let (tiny, vocabulary) = vocabulary();
    let Ok(compiled) = grammar.and_then(|g| CompiledGrammar::compile(&g, vocabulary.clone(), &limits(), &Interrupt::default())) else {
        return Ok(());
    };
    let mut matcher = oracle::matcher(&compiled);
    for step in 0..4 {
        let mut row = vec![0; vocabulary.words()];
        match matcher.fill(&mut row) {
            Ok(_) => {}
            Err(EngineError::Limit { .. }) => return Ok(()),
            Err(other) => return Err(other.to_string()),
        }
        // A limit may stop one token of the brute force and not the walk that shares prefixes.
        match oracle::brute_force(&matcher, tiny.vocab_size) {
            Ok(expected) => oracle::same(tiny, &row, &expected, "mask against accept")?,
            Err(EngineError::Limit { .. }) => return Ok(()),
            Err(other) => return Err(other.to_string()),
        }
        let allowed = oracle::allowed(&row);
        if allowed.is_empty() {
            return Err(format!("dead end after {step} tokens"));
        }
        let choice = bytes.get(step).copied().unwrap_or(0);
        if matcher.accept_token(allowed[usize::from(choice) % allowed.len()]) != Ok(true) {
            return Err("a token is allowed and refused".into());
        }
    }
    Ok(())
}
