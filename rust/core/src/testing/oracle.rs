//! Masks by brute force, and what every mask must keep.
//!
//! Invariant: the brute-force mask asks a fork about each token and nothing else.
//! Must not know: caches, views, residuals.

use std::sync::Arc;

use crate::error::{CompileError, EngineError};
use crate::grammar::Grammar;
use crate::limits::{Interrupt, Limits};
use crate::matcher::{CompiledGrammar, Matcher, MatcherOptions};
use crate::testing::recogniser::Recogniser;
use crate::testing::vocabulary::TinyVocabulary;
use crate::vocab::Vocabulary;

/// Compiles within these limits.
pub fn compile_within(grammar: &Grammar, vocabulary: &TinyVocabulary, limits: &Limits) -> Result<Arc<CompiledGrammar>, CompileError> {
    let vocabulary = Arc::new(vocabulary.build().expect("generated vocabularies are legal"));
    CompiledGrammar::compile(grammar, vocabulary, limits, &Interrupt::default())
}

/// Compiles with default limits, sharing nothing with any other grammar: masks may be shared through the vocabulary.
pub fn compile(grammar: &Grammar, vocabulary: &TinyVocabulary) -> Result<Arc<CompiledGrammar>, CompileError> {
    compile_with(grammar, &Arc::new(vocabulary.build().expect("generated vocabularies are legal")))
}

/// Compiles with default limits, sharing what the vocabulary has learned.
pub fn compile_with(grammar: &Grammar, vocabulary: &Arc<Vocabulary>) -> Result<Arc<CompiledGrammar>, CompileError> {
    CompiledGrammar::compile(grammar, vocabulary.clone(), &Limits::default(), &Interrupt::default())
}

/// A matcher at the start of a text.
pub fn matcher(compiled: &Arc<CompiledGrammar>) -> Matcher {
    Matcher::new(compiled.clone(), MatcherOptions::default()).expect("default options are legal")
}

/// The masks along a text, byte by byte, which must be accepted.
pub fn masks_along(compiled: &Arc<CompiledGrammar>, text: &str) -> Vec<Vec<u32>> {
    let size = compiled.vocabulary().vocab_size();
    let mut matcher = matcher(compiled);
    let mut step = |byte: u8| {
        let row = filled(&mut matcher, size).expect("a mask");
        assert_eq!(matcher.accept_bytes(&[byte]), Ok(true), "{text}");
        row
    };
    text.bytes().map(&mut step).collect()
}

/// The mask as the engine fills it, over a row that holds rubbish before; `Err` also if the returned value or the tail bits are wrong.
pub fn filled(matcher: &mut Matcher, vocab_size: usize) -> Result<Vec<u32>, String> {
    let mut row = vec![0xDEAD_BEEF; vocab_size.div_ceil(32)];
    let limits = matcher.fill(&mut row).map_err(|e| format!("fill failed: {e}"))?;
    let count: usize = row.iter().map(|w| w.count_ones() as usize).sum();
    if (vocab_size..row.len() * 32).any(|id| bit(&row, id as u32)) {
        return Err("bits past the vocabulary are set".into());
    }
    if limits != (count != vocab_size) {
        return Err(format!("fill returned {limits} for {count} of {vocab_size} bits"));
    }
    Ok(row)
}

/// The mask by definition: bit i is set exactly when a fork accepts token i.
pub fn brute_force(matcher: &Matcher, vocab_size: usize) -> Result<Vec<u32>, EngineError> {
    let mut row = vec![0; vocab_size.div_ceil(32)];
    for id in 0..vocab_size as u32 {
        if matcher.fork().accept_token(id)? {
            row[id as usize / 32] |= 1 << (id % 32);
        }
    }
    Ok(row)
}

/// The mask after the text `prefix` as the recogniser sees it; nothing of the engine is asked.
pub fn recognised(recogniser: &Recogniser, vocabulary: &TinyVocabulary, prefix: &[u8]) -> Vec<u32> {
    let mut row = vec![0; vocabulary.vocab_size.div_ceil(32)];
    let ends = recogniser.accepts(prefix);
    let mut text = prefix.to_vec();
    for id in 0..vocabulary.vocab_size as u32 {
        text.truncate(prefix.len());
        let allowed = match vocabulary.text_of(id) {
            Some(bytes) => {
                text.extend_from_slice(bytes);
                recogniser.viable(&text)
            }
            None => ends && vocabulary.stop.contains(&id),
        };
        if allowed {
            row[id as usize / 32] |= 1 << (id % 32);
        }
    }
    row
}

/// Is token `id` allowed by the mask?
pub fn bit(row: &[u32], id: u32) -> bool {
    row.get(id as usize / 32).is_some_and(|word| word >> (id % 32) & 1 == 1)
}

/// The ids that a mask allows.
pub fn allowed(row: &[u32]) -> Vec<u32> {
    (0..row.len() as u32 * 32).filter(|&id| bit(row, id)).collect()
}

/// `Ok` if the masks are equal, else the tokens on which they differ.
pub fn same(vocabulary: &TinyVocabulary, got: &[u32], expected: &[u32], what: &str) -> Result<(), String> {
    if got == expected {
        return Ok(());
    }
    let show = |ids: Vec<u32>| {
        let shown: Vec<String> = ids
            .iter()
            .take(12)
            .map(|&id| {
                let bytes = vocabulary.tokens.get(id as usize).map_or(&b""[..], Vec::as_slice);
                format!("{id} \"{}\"", bytes.escape_ascii())
            })
            .collect();
        shown.join(", ")
    };
    let only = |a: &[u32], b: &[u32]| allowed(a).into_iter().filter(|&id| !bit(b, id)).collect::<Vec<_>>();
    Err(format!("{what}: wrongly allowed [{}], wrongly refused [{}]", show(only(got, expected)), show(only(expected, got))))
}

/// The engine's mask against the brute-force one, and against `allowed_bytes`: a single byte is allowed exactly when its token is.
pub fn check_mask(matcher: &mut Matcher, vocabulary: &TinyVocabulary) -> Result<Vec<u32>, String> {
    let row = filled(matcher, vocabulary.vocab_size)?;
    let expected = brute_force(matcher, vocabulary.vocab_size).map_err(|e| format!("accept failed: {e}"))?;
    same(vocabulary, &row, &expected, "mask against accept")?;
    let bytes = matcher.allowed_bytes().map_err(|e| format!("allowed_bytes failed: {e}"))?;
    if !matcher.is_terminated() {
        for id in 0..vocabulary.tokens.len() as u32 {
            if let Some(&[byte]) = vocabulary.text_of(id) {
                if bytes.contains(byte) != bit(&row, id) {
                    return Err(format!("allowed_bytes says {} of byte 0x{byte:02X}, the mask {}", bytes.contains(byte), bit(&row, id)));
                }
            }
        }
        if vocabulary.stop.iter().any(|&id| bit(&row, id) != matcher.is_completed()) {
            return Err(format!("is_completed is {}, the stop tokens are not so in the mask", matcher.is_completed()));
        }
    }
    Ok(row)
}
